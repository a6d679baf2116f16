"""Reads a NIR file or graph: check, flatten, choose a convention, write."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from neurodeploy.converters.nir.build import Builder
from neurodeploy.converters.nir.conventions import find_convention
from neurodeploy.converters.nir.detect import DT_HINT, Reading, choose
from neurodeploy.converters.nir.flat import (
    Flat,
    components,
    flatten,
    later,
    loop_sources,
    misrouted,
    without_delays,
)
from neurodeploy.converters.nir.hdf5 import read_nir
from neurodeploy.converters.nir.objects import read_object
from neurodeploy.converters.nir.primitives import NEURONS, Array, NirNode, field_findings
from neurodeploy.converters.nir.record import recorded_graph
from neurodeploy.converters.nir.shapes import infer_shapes
from neurodeploy.errors import ConversionError, Finding
from neurodeploy.ir.duration import duration_text, parse_duration
from neurodeploy.ir.graph import Change, Graph
from neurodeploy.ir.types import F32
from neurodeploy.semantics.types import Float

__all__ = ["load_nir"]

log = logging.getLogger("neurodeploy")
STEP = "nir"
NEAR = 1e-6
MOST = 1 << 24  # steps


def load_nir(
    model: object,
    *,
    convention: str | None = None,
    dt: str | float | Fraction | None = None,
    example: object = None,
    float_type: Float = F32,
) -> Graph:
    """Read a NIR file, or a ``nir.NIRGraph``, into a graph.

    A file that neurodeploy wrote gives its graph back bit for bit, unless its nodes were edited
    since or a convention is named.

    Args:
        model: Path of the file, or the graph; it is not changed.
        convention: How the neurons are meant (`neurodeploy.converters.nir.conventions`); by
            default found from the parameters.
        dt: Duration of a step; by default the convention's.
        example: Samples; a NIR graph states its shapes, so nothing is taken from them.
        float_type: Type of weights and values.

    Raises:
        FileFormatError: the file is damaged or of another kind.
        ConversionError: everything that is no NIR, or cannot be computed, or is ambiguous.
    """
    given = parse_duration(dt)
    if convention is not None:
        find_convention(convention)
    if isinstance(model, str | os.PathLike):
        file = read_nir(Path(model))
        tree, version = file.graph, file.version
    else:
        tree, version = read_object(model), ""
    if tree.type != "NIRGraph":
        raise ConversionError(Finding(f"is a single {tree.type}, not a graph", hint="wrap it"))
    note = None
    if convention is None:
        own, note = recorded_graph(tree)
        if own is not None:
            return own if given is None else replace(own, dt=given)
    return _graph(tree, version, convention, given, float_type, note)


def _graph(
    tree: NirNode,
    version: str,
    convention: str | None,
    given: Fraction | None,
    float_type: Float,
    note: Change | None,
) -> Graph:
    found: list[Finding] = []
    for name, node in tree.walk():
        found += field_findings(name, node)
    _raise(found)
    flat = flatten(tree, found)
    if not any(n.type == "Input" for n in flat.nodes.values()):
        found.append(Finding("the graph has no Input", hint="add nir.Input"))
    if not any(n.type == "Output" for n in flat.nodes.values()):
        found.append(Finding("the graph has no Output", hint="add nir.Output"))
    read = {w.source for w in flat.wires}
    found += [
        Finding("nothing reads it: it would be dropped", node=name, hint="add an Output")
        for name, node in flat.nodes.items()
        if node.type != "Output" and name not in read
    ]
    _raise(found)
    neurons = {n: node for n, node in flat.nodes.items() if node.type in NEURONS}
    looped = {n for group in components(flat.nodes, flat.wires) for n in group}
    reading = choose(neurons, convention, given, looped)
    step = given if reading is None else reading.dt
    in_steps = reading is not None and reading.how.tau == "steps"
    delays = _delays(flat, step, in_steps, found)
    _raise(found)
    uniform = {n: int(d.flat[0]) for n, d in delays.items() if d.size and (d == d.flat[0]).all()}
    flat = without_delays(flat, uniform, found)
    if reading is not None:
        found += misrouted(tree, reading.how)
        late = {n for n, spec in reading.specs.items() if spec.late}
        flat = later(flat, late)
    loops = loop_sources(flat, found)
    flat = replace(flat, wires=tuple(replace(w, delay=1) if w in loops else w for w in flat.wires))
    shapes = infer_shapes(flat, found)
    _raise(found)
    specs = {} if reading is None else dict(reading.specs)
    builder = Builder(flat, shapes, specs, delays, step, float_type)
    builder.run()
    changes = [] if note is None else [note]
    changes += _changes(builder, reading, uniform, {(w.source, w.target) for w in loops})
    return _finished(builder, changes, version, reading)


def _raise(found: list[Finding]) -> None:
    if found:
        raise ConversionError(found)


def _delays(
    flat: Flat, dt: Fraction | None, in_steps: bool, found: list[Finding]
) -> dict[str, Array]:
    """Give the Delay nodes in whole steps."""
    delays: dict[str, Array] = {}
    for name, node in flat.nodes.items():
        if node.type != "Delay":
            continue
        if dt is None and not in_steps:
            found.append(
                Finding("a delay in seconds needs the length of a step", node=name, hint=DT_HINT)
            )
            continue
        unit = 1.0 if in_steps or dt is None else float(dt)
        steps = np.asarray(node.array("delay"), np.float64) / unit
        near = np.rint(steps)
        if (
            (near < 0).any()
            or (near > MOST).any()
            or (np.abs(steps - near) > NEAR * np.maximum(1, near)).any()
        ):
            text = f"a delay of {float(steps.min()):g} to {float(steps.max()):g} steps of dt"
            found.append(Finding(text, node=name, hint="delays are whole steps; choose --dt"))
            continue
        delays[name] = near.astype(np.int64)
    return delays


def _changes(
    builder: Builder,
    reading: Reading | None,
    uniform: Mapping[str, int],
    loops: set[tuple[str, str]],
) -> list[Change]:
    changes: list[Change] = []
    for source, target in sorted(loops):
        changes.append(
            Change(
                builder.names[source],
                (source,),
                STEP,
                f"the edge to {target} is delayed",
                "1 step",
                "NIR leaves the delay of a loop open; it is put behind the neuron",
            )
        )
    for name, steps in uniform.items():
        changes.append(
            Change(name, (name,), STEP, "Delay became a delay of edges", f"{steps} steps", "")
        )
    for name, away in sorted(builder.rounded.items()):
        kind = builder.emit.float_type.dtype.name
        changes.append(
            Change(
                builder.names[name],
                (name,),
                STEP,
                f"weights rounded to {kind}",
                f"at most {away:.3g}",
                "the file holds wider numbers",
            )
        )
    if reading is not None:
        how = reading.how
        for name, spec in reading.specs.items():
            kept = dict(spec.provenance)
            for key in (k for k in kept if f"{k} scheme" in kept):
                amount = f"{key} {kept[key]}, dt {kept[f'{key} dt']}, {kept[f'{key} scheme']}"
                why = f"convention {how.name}: {how.summary}"
                what = f"{key} became a factor per step"
                changes.append(Change(builder.names[name], (name,), STEP, what, amount, why))
            if spec.late:
                changes.append(
                    Change(
                        builder.names[name],
                        (name,),
                        STEP,
                        "its spikes leave later",
                        "1 step",
                        f"convention {how.name}",
                    )
                )
    return changes


def _finished(
    builder: Builder, changes: list[Change], version: str, reading: Reading | None
) -> Graph:
    how = "" if reading is None else reading.how.name
    dt = "" if reading is None or reading.dt is None else duration_text(reading.dt)
    found = {"framework": "nir", "framework_version": version, "convention": how, "dt": dt}
    made: Any = builder.emit.builder
    made.metadata.update({k: v for k, v in found.items() if v})
    graph: Graph = made.build(changes=changes)
    return graph
