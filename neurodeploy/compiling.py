"""Graph to artifact: check, lower, place, emit, and write the folder whole or not at all."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from neurodeploy.artifact import (
    GRAPH,
    MANIFEST,
    Artifact,
    listed_files,
    open_artifact,
    write_manifest,
)
from neurodeploy.errors import CapabilityError, Finding, TargetError, UsageError, raise_findings
from neurodeploy.ir.file import save_graph
from neurodeploy.ir.graph import Graph
from neurodeploy.targets.base import Capabilities, Lowered, OptionValue, Placement, Target
from neurodeploy.targets.check import capability_findings
from neurodeploy.targets.options import overridden_limits, parse_options
from neurodeploy.targets.registry import resolve_target

__all__ = ["compile_graph", "fit", "put", "require_replaceable"]

IO = "io.json"
REPORT = "report.json"


def fit(
    graph: Graph, target: str, options: Mapping[str, OptionValue] | None = None
) -> tuple[Target, Capabilities, dict[str, OptionValue], Lowered, Placement]:
    """Check, lower and place a graph, writing nothing.

    Raises:
        UsageError: there is no such target, or an option is unknown.
        CapabilityError: everything that does not fit.
    """
    found, profile = resolve_target(target)
    capabilities, values = parse_options(profile, found.settle(options or {}))
    raise_findings(CapabilityError, capability_findings(graph, capabilities))
    lowered = found.lower(graph, capabilities, values)
    placement = found.place(lowered, capabilities, values)
    return found, capabilities, values, lowered, placement


def compile_graph(
    graph: Graph,
    target: str,
    out: str | os.PathLike[str],
    options: Mapping[str, OptionValue] | None = None,
) -> Artifact:
    """Compile ``graph`` for ``target`` into the folder ``out``.

    The folder appears complete or not at all; an artifact that stands there is replaced, and any
    other content is left alone. The same graph, options and version give the same bytes.

    Args:
        graph: The graph; it is never quantised here.
        target: Name of a target profile.
        out: The folder to write.
        options: Options of the target, or its limits.

    Raises:
        UsageError: no such target or option, the folder holds something else, or it cannot be
            written.
        CapabilityError: everything that does not fit.
        TargetError: the target writes files that it must not write.
    """
    found, capabilities, values, lowered, placement = fit(graph, target, options)
    folder = Path(os.path.realpath(out))  # a link stays, what it points to is replaced
    try:
        require_replaceable(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = folder.with_name(f".{folder.name[:200]}-{secrets.token_hex(4)}")
        part.mkdir()
        try:
            found.emit(lowered, placement, capabilities, values, part)
            _require_own(part, target)
            _write(part, graph, capabilities, values, lowered, placement)
            artifact = open_artifact(part)  # what cannot be opened replaces nothing
            put(part, folder)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(f"{str(out)!r} cannot be written: {reason}") from error
    return replace(artifact, path=Path(out))


def _write(
    part: Path,
    graph: Graph,
    capabilities: Capabilities,
    values: Mapping[str, OptionValue],
    lowered: Lowered,
    placement: Placement,
) -> None:
    """Write what every artifact holds beside the target's own files."""
    save_graph(lowered.graph, part / GRAPH)
    resources = [r.to_json() for r in placement.resources]
    addresses = {name: list(rows) for name, rows in sorted(placement.addresses.items())}
    _write_json(part / IO, addresses)
    sources = {n.name: list(n.source) for n in lowered.graph.nodes}
    changes = [c.to_json() for c in lowered.graph.changes]
    report = {"resources": resources, "sources": sources, "changes": changes}
    _write_json(part / REPORT, report)
    options = dict(values) | overridden_limits(capabilities)
    time = lowered.latency_steps, lowered.pace
    write_manifest(part, capabilities, options, *time, resources, graph.digest)


def require_replaceable(folder: Path) -> None:
    """Refuse to replace anything that no compile wrote.

    Raises:
        UsageError: the folder holds something else, or is the current one.
    """
    if not folder.exists():
        return
    listed = listed_files(folder)
    if listed is None and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(
            f"{str(folder)!r} exists and is no artifact", hint="choose another folder with -o"
        )
    inside = [f for f in folder.rglob("*") if f.is_symlink() or not f.is_dir()]
    names = {f.relative_to(folder).as_posix() for f in inside}
    strange = sorted(names - (listed or frozenset()))
    if strange:
        raise UsageError(
            f"{str(folder)!r} holds what no compile wrote: {', '.join(strange[:5])}",
            hint="move it away, or choose another folder with -o",
        )
    if Path(os.path.realpath(os.curdir)).is_relative_to(folder):
        raise UsageError(
            f"{str(folder)!r} is the current folder", hint="name a folder inside it with -o"
        )


def _require_own(part: Path, target: str) -> None:
    """Check that the target wrote plain files, and none of ours."""
    found = [
        Finding(f"target {target!r} writes a file of a name that is taken", node=name)
        for name in (MANIFEST, GRAPH, IO, REPORT)
        if (part / name).exists()
    ]
    found += [
        Finding(f"target {target!r} writes a link", node=file.name)
        for file in part.rglob("*")
        if file.is_symlink()
    ]
    raise_findings(TargetError, found)


def put(part: Path, folder: Path) -> None:
    """Put ``part`` in the place of ``folder``, which comes back where that fails."""
    if not folder.exists():
        part.rename(folder)
        return
    old = part.with_name(f"{part.name}-old")
    folder.rename(old)
    try:
        part.rename(folder)
    except BaseException:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _write_json(path: Path, data: object) -> None:
    text = json.dumps(data, indent=1, sort_keys=True) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")
