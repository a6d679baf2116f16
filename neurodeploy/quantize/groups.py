"""Group-wise steps: a projection of many inputs becomes one of few inputs for each group.

A step then fits the weights of its group alone, and one large weight costs only its neighbours
precision. What the groups add up is exact, and the neuron behind rounds it once. Each group is a
projection in the graph, so that every target runs it.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Edge, Map
from neurodeploy.ir.ops import Conv, Dense, Gather
from neurodeploy.ir.rules_map import fan_axes
from neurodeploy.ir.types import QType
from neurodeploy.passes.rewire import Draft, Key
from neurodeploy.quantize.projections import WeightedMap, weighted_maps
from neurodeploy.semantics.types import Float

__all__ = ["grouped"]

STEP = "group"


def grouped(graph: Graph, size: int) -> Graph:
    """Split projections so that each has at most ``size`` inputs for one output.

    Dense layers are split along their inputs, convolutions along their input channels, whole
    kernels at a time. Convolutions in groups, transposed ones and single synapses stay.

    Args:
        graph: A float graph.
        size: Inputs of a weighted sum that share a step; 0 leaves all as they are.
    """
    draft = Draft(graph, STEP)
    for node in weighted_maps(graph):
        op = node.op
        if not size or not isinstance(op, Dense | Conv):
            continue
        weight = graph.tensors[op.weight]
        if not isinstance(weight.type, Float) or (isinstance(op, Conv) and op.groups > 1):
            continue
        inputs = int(weight.data.shape[1])
        kernel = math.prod(weight.data.shape[2:])
        each = max(1, size // kernel)
        if each < inputs:
            _split(draft, node, each)
    return draft.finish()


def _split(draft: Draft, node: WeightedMap, each: int) -> None:
    """Write one projection as several, of ``each`` inputs, and a chain of additions."""
    op = node.op
    arrived = draft.into(node.name)[0]
    rank = len(draft.signal((arrived.source, arrived.output)).shape)
    axis = fan_axes(op, rank) if isinstance(op, Dense) else 0
    out = draft.signal((node.name, "out"))
    readers = draft.readers((node.name, "out"))
    weight = draft.tensors[op.weight]
    total: Key | None = None
    for number, start in enumerate(range(0, weight.data.shape[1], each)):
        stop = min(start + each, weight.data.shape[1])
        key = _part(draft, node, arrived, axis, number, slice(start, stop))
        if total is None:
            total = key
            continue
        total = draft.cell(
            draft.fresh(f"{node.name}.sum{number}"),
            "add",
            [total, key],
            shape=out.shape,
            params={},
            source=node.source,
            float_type=out.type if isinstance(out.type, Float) else Float(32),
        )
    if total is None:
        return
    for edge in readers:
        draft.read(edge, total)
    draft.note(
        total[0],
        f"the sum of groups of {each} inputs of {node.name}",
        "bounded: the order of the sum",
        "each group has steps of its own",
    )
    draft.remove(node.name)


def _part(
    draft: Draft, node: WeightedMap, arrived: Edge, axis: int, number: int, part: slice
) -> Key:
    """Add the projection of some of the inputs; the first one has the bias."""
    op = node.op
    taken, name = (draft.fresh(f"{node.name}.{kind}{number}") for kind in ("inputs", "group"))
    places = np.arange(part.start, part.stop)
    indices = draft.store(f"{taken}.indices", places, QType(0, int(places[-1])), owner=taken)
    draft.nodes[taken] = Map(name=taken, op=Gather(axis, indices), source=node.source)
    draft.edges[(taken, "in")] = replace(arrived, target=taken, port="in")
    weight = draft.tensors[op.weight]
    stored = draft.store(f"{name}.weight", weight.data[:, part], weight.type, owner=name)
    draft.nodes[name] = replace(
        node,
        name=name,
        op=replace(op, weight=stored, bias=None if number else op.bias),
    )
    draft.edges[(name, "in")] = Edge(taken, "out", name, "in")
    return name, "out"
