"""Names the results of a module and picks those that are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.utils import _pytree as pytree

from neurodeploy.errors import Finding, UsageError

__all__ = ["choose", "path_name", "result_names"]


def path_name(path: Sequence[Any]) -> str:
    """Give a name for the place of a result in nested tuples and mappings."""
    parts = [str(getattr(k, "key", getattr(k, "idx", getattr(k, "name", k)))) for k in path]
    return ".".join(f"out{p}" if p.isdigit() else p for p in parts) or "out"


def result_names(spec: pytree.TreeSpec) -> tuple[str, ...]:
    """Give the names of the results of a module whose structure is ``spec``."""
    numbered = pytree.tree_unflatten(list(range(spec.num_leaves)), spec)
    found = pytree.tree_flatten_with_path(numbered)[0]
    return tuple(path_name(path) for path, _ in found)


def choose(names: Sequence[str], output: int | str | None) -> Sequence[int]:
    """Give the positions of the outputs to keep; all where ``output`` is None.

    Raises:
        UsageError: there is no such output.
    """
    if output is None:
        return range(len(names))
    if isinstance(output, str) and output in names:
        return [list(names).index(output)]
    if isinstance(output, str) and output.lstrip("-").isdigit():
        output = int(output)
    if isinstance(output, int) and -len(names) <= output < len(names):
        return [output % len(names)]
    raise UsageError(
        Finding(
            f"there is no output {output!r}",
            node="output",
            hint=f"outputs by position: {', '.join(f'{i} {n}' for i, n in enumerate(names))}",
        )
    )
