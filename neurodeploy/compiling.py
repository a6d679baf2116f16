"""Graph to artifact: check, lower, place, emit, and write the folder whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from neurodeploy.artifact import GRAPH, MANIFEST, Artifact, open_artifact, write_manifest
from neurodeploy.errors import CapabilityError, UsageError, raise_findings
from neurodeploy.ir.file import save_graph
from neurodeploy.ir.graph import Graph
from neurodeploy.targets.base import Capabilities, Lowered, OptionValue, Placement, Target
from neurodeploy.targets.check import capability_findings
from neurodeploy.targets.options import parse_options
from neurodeploy.targets.registry import resolve_target

__all__ = ["compile_graph", "fit"]


def fit(
    graph: Graph, target: str, options: Mapping[str, OptionValue] | None = None
) -> tuple[Target, Capabilities, dict[str, OptionValue], Lowered, Placement]:
    """Check, lower and place a graph, writing nothing.

    Raises:
        UsageError: there is no such target, or an option is unknown.
        CapabilityError: everything that does not fit.
    """
    found, profile = resolve_target(target)
    capabilities, values = parse_options(profile, options or {})
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
        UsageError: no such target or option, or the folder holds something else.
        CapabilityError: everything that does not fit.
    """
    found, capabilities, values, lowered, placement = fit(graph, target, options)
    folder = Path(out)
    _writable(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        found.emit(lowered, placement, capabilities, values, part)
        save_graph(lowered.graph, part / GRAPH)
        resources = [r.to_json() for r in placement.resources]
        addresses = {name: list(rows) for name, rows in sorted(placement.addresses.items())}
        _write_json(part / "io.json", addresses)
        sources = {n.name: list(n.source) for n in lowered.graph.nodes}
        changes = [c.to_json() for c in lowered.graph.changes]
        report = {"resources": resources, "sources": sources, "changes": changes}
        _write_json(part / "report.json", report)
        write_manifest(part, capabilities, values, lowered.latency_steps, resources, graph.digest)
        part.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        part.replace(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return open_artifact(folder)


def _writable(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() and not (folder / MANIFEST).is_file():
        raise UsageError(
            f"{str(folder)!r} exists and is no artifact", hint="choose another folder with -o"
        )


def _write_json(path: Path, data: object) -> None:
    text = json.dumps(data, indent=1, sort_keys=True) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")
