"""From a graph with 6-bit weights to the cells of the chip; says what it had to change."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from neurodeploy.errors import CapabilityError, Finding, raise_findings
from neurodeploy.ir import Cell, Change, Graph, Node, Output, QType, Signal, Tensor, tensor
from neurodeploy.ir.make_cell import MadeCell
from neurodeploy.semantics.types import Float
from neurodeploy.targets.rewrite import lowered_cell
from neurodeploy_dummy_chip.cells import HIGHEST, LOWEST

Said = list[tuple[str, str]]
LATENCY = 1  # a spike leaves the chip in the step after the one in which it was fired
SATURATES = ("saturates at 16 bits", f"exact from {LOWEST} to {HIGHEST}")
WHY = "the chip computes in integers of 16 bits"


def lower(graph: Graph) -> Graph:
    """Replace every cell by the chip's own, and read every output one step later."""
    raise_findings(CapabilityError, _findings(graph))
    tensors, signals = dict(graph.tensors), dict(graph.signals)
    nodes: list[Node] = []
    changes: list[Change] = []
    for node in graph.nodes:
        if not isinstance(node, Cell):
            nodes.append(node)
            continue
        arrived = [signals[e.source, e.output] for e in graph.edges_into[node.name]]
        made, said = _cell(node, graph, arrived)
        for name in [p.tensor for p in node.params] + [s.initial for s in node.states]:
            tensors.pop(name)
        tensors |= made.tensors
        signals[node.name, "out"] = made.outputs[0]
        nodes.append(made.node)
        changes += [Change(node.name, node.source, "sixbit", what, by, WHY) for what, by in said]
    ends = {n.name for n in graph.nodes if isinstance(n, Output)}
    edges = tuple(replace(e, delay=e.delay + LATENCY * (e.target in ends)) for e in graph.edges)
    lowered = replace(graph, nodes=tuple(nodes), edges=edges, tensors=tensors)
    return lowered.with_changes(*changes)


def _findings(graph: Graph) -> Iterator[Finding]:
    for end in graph.inputs:
        if isinstance(end.type, Float):
            yield Finding("a float input", end.name, end.source, hint="spikes, or integers")
    for edge in graph.edges:
        if edge.initial != 0:
            yield Finding("a delay line of the chip starts at 0", edge.key, hint="initial=0")
    for node in graph.cells:
        for ref in node.params:
            data = graph.tensors[ref.tensor].data
            if ref.timed:
                yield Finding(f"{ref.name!r} changes with time", node.name, node.source)
            if ref.name == "threshold" and np.abs(data).max() >= HIGHEST:
                yield Finding(f"threshold {data.max()} exceeds 16 bits", node.name, node.source)


def _cell(node: Cell, graph: Graph, arrived: list[Signal]) -> tuple[MadeCell, Said]:
    if node.definition == "add":
        return lowered_cell(node, "add", arrived), []
    if node.definition == "to_float":
        kind = arrived[0].type
        fits = isinstance(kind, QType) and LOWEST <= kind.lo <= kind.hi <= HIGHEST
        return lowered_cell(node, "sixbit_current", arrived), [] if fits else [SATURATES]
    given = {p.name: graph.tensors[p.tensor].data for p in node.params}
    options, shift = dict(node.options), 0
    said: Said = [SATURATES]
    strict = options["strict"] == "True"
    # v is whole, so that v > 2.5 is v > 2, and v >= 2.5 is v >= 3
    threshold = np.floor(given["threshold"]) if strict else np.ceil(given["threshold"])
    if options["decay"] == "rate":
        shift = int(np.clip(np.rint(-np.log2(given["rate"].mean())), 1, 8))
        worst = np.abs(given["rate"] - 2.0**-shift).max()
        said += [(f"decay by a shift of {shift}, in whole steps", f"rate by {worst:.6g}")]
    initial = graph.tensors[node.states[0].initial].data
    for what, values in (("reset value", given["reset_value"]), ("initial membrane", initial)):
        worst = np.abs(values - _whole(values).data).max()
        said += [(f"{what} in whole steps", f"by {worst:.6g}")] if worst else []
    params = {"threshold": _whole(threshold), "reset": _whole(given["reset_value"])}
    states = {"v": _whole(initial)}
    how = {"shift": shift, "strict": strict}
    return lowered_cell(node, "sixbit_neuron", arrived, params, states, how), said


def _whole(values: Any) -> Tensor:
    return tensor(np.clip(np.rint(values), LOWEST, HIGHEST), QType(LOWEST, HIGHEST))
