"""Stores dense projections with few weights as single synapses, where that takes less memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Map
from neurodeploy.ir.ops import Dense, Synapses
from neurodeploy.ir.synapse_rows import row_starts
from neurodeploy.ir.types import QType
from neurodeploy.passes.rewire import Draft

__all__ = ["sparse_storage"]

STEP = "sparse_storage"


def sparse_storage(graph: Graph, pays: Callable[[int, int, int], bool]) -> Graph:
    """Turn a Dense of one axis into Synapses where it pays.

    The sums are the same: both add in ascending order of the sources, and a weight of 0 adds
    nothing.

    Args:
        graph: The graph.
        pays: Says whether a projection of so many weights, so many of them not 0, from so many
            sources, is better kept as single synapses.
    """
    draft = Draft(graph, STEP)
    for node in graph.nodes:
        if not isinstance(node, Map) or not isinstance(node.op, Dense):
            continue
        weight = graph.tensors[node.op.weight]
        x = graph.signal(graph.edges_into[node.name][0])
        target, source = np.nonzero(weight.data)
        if len(x.shape) != 1 or not pays(weight.data.size, source.size, x.size):
            continue
        order = np.lexsort((target, source))
        source, target = source[order], target[order]
        starts = row_starts(source, x.size)
        names = {
            key: draft.store(f"{node.name}.{key}", values, kind, owner=node.name)
            for key, values, kind in (
                ("synapses", weight.data[target, source], _unscaled(weight.type)),
                ("starts", starts, QType(0, max(1, source.size))),
                ("target", target, QType(0, max(1, weight.data.shape[0] - 1))),
            )
        }
        op = Synapses(
            shape=(weight.data.shape[0],),
            weight=names["synapses"],
            starts=names["starts"],
            target=names["target"],
            bias=node.op.bias,
            accumulator=node.op.accumulator,
        )
        draft.nodes[node.name] = replace(node, op=op)
        draft.note(
            node.name,
            f"{source.size} of {weight.data.size} weights as single synapses",
            "exact: the same sums",
            "the others are 0",
        )
    return draft.finish()


def _unscaled(kind: object) -> QType:
    """Give the type of weights that lost the axis which their steps ran along."""
    if not isinstance(kind, QType):
        return kind  # type: ignore[return-value]
    return replace(kind, scale=(1.0,), axis=None) if kind.axis is not None else kind
