"""Runners by name: the engine, the reference, and what a target offers beside them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from neurodeploy.errors import MissingDependencyError, UsageError
from neurodeploy.ir.graph import Graph
from neurodeploy.reference import simulate
from neurodeploy.targets.base import OptionValue, Run, Target

__all__ = ["make_runner", "runner_names", "tell_no_compiler"]

log = logging.getLogger("neurodeploy")


def runner_names(target: Target | None) -> tuple[str, ...]:
    """Give the runners that a target has; without a target, those that every graph has."""
    return ("engine", "reference", *(target.runners() if target else ()))


def make_runner(
    graph: Graph,
    name: str | None,
    *,
    target: Target | None = None,
    path: Path | None = None,
    options: Mapping[str, OptionValue] | None = None,
    threads: int = 1,
) -> tuple[str, Run]:
    """Give the runner ``name`` for ``graph``, and the name of the one that was taken.

    Without a name, the engine runs; where no compiler is found, the reference runs instead, with
    a notice in the log. A runner that is named is never replaced.

    Raises:
        UsageError: there is no such runner, or it takes no options; or ``threads`` is below 1.
        MissingDependencyError: the engine was named and no compiler is there.
    """
    if name not in (None, *runner_names(target)):
        raise UsageError(
            f"there is no runner {name!r}", hint=f"runners: {', '.join(runner_names(target))}"
        )
    if threads < 1:
        raise UsageError(f"threads is {threads}", hint="at least 1")
    if options and (target is None or name not in target.runners()):
        raise UsageError(
            f"the runner {name or 'engine'!r} takes no options: {', '.join(options)}",
            hint="options are for the runners of a target",
        )
    if name == "reference":
        return "reference", partial(simulate, graph)
    if target is not None and name in target.runners():
        return str(name), target.runners()[str(name)](graph, path, options or {})
    try:
        return "engine", _engine(graph, threads)
    except MissingDependencyError as error:
        if name == "engine":
            raise
        tell_no_compiler(error.findings[0].hint)
        return "reference", partial(simulate, graph)


@cache
def tell_no_compiler(hint: str) -> None:
    """Say why it is slow, once per process and not once per run."""
    log.warning(
        "no C compiler was found, so the reference simulator runs: the same results, slowly. %s",
        hint,
    )


def _engine(graph: Graph, threads: int) -> Run:
    from neurodeploy.engine import build

    run: Any = build(graph).run
    bound: Run = partial(run, threads=threads)
    return bound
