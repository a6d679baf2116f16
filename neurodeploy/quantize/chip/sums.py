"""Finds the weighted sums that arrive at each neuron of a float graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import Finding
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Edge, Map
from neurodeploy.ir.ops import Conv, Dense, Synapses
from neurodeploy.passes.recognise import computes

__all__ = ["Arriving", "Sum", "arriving", "group_axis", "reach_of", "rows_of"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Sum:
    """A weighted sum, and the edge over which it leaves.

    Attributes:
        node: The Map.
        op: Its operation.
        reads: The edge that brings what it weighs.
        leaves: The edge to an addition, or to the neuron.
    """

    node: Map
    op: Dense | Conv | Synapses
    reads: Edge
    leaves: Edge


@dataclass(frozen=True)
class Arriving:
    """What arrives at a neuron: the sums, and the additions in between, from sums to neuron."""

    sums: tuple[Sum, ...]
    additions: tuple[Cell, ...]


def arriving(graph: Graph, neuron: Cell, found: list[Finding]) -> Arriving:
    """Walk back from a neuron over additions to weighted sums.

    Args:
        graph: The graph.
        neuron: The neuron.
        found: Takes what is neither.
    """
    sums: list[Sum] = []
    additions: list[Cell] = []

    def refuse(name: str, text: str, hint: str = "") -> None:
        found.append(Finding(text, node=name, source=graph.node(name).source, hint=hint))

    left = list(graph.edges_into[neuron.name])
    while left:
        edge = left.pop(0)
        node = graph.node(edge.source)
        others = [e.target for e in graph.edges_from[node.name] if e != edge]
        made = graph.signals[(edge.source, edge.output)].shape
        if made != neuron.shape:
            text = f"{node.name!r} of shape {list(made)} is spread over {list(neuron.shape)}"
            refuse(neuron.name, text, "one sum for each neuron")
            continue
        if edge.delay:
            refuse(edge.target, f"takes the sum {node.name!r} {edge.delay} steps later")
        elif isinstance(node, Map) and isinstance(node.op, Dense | Conv | Synapses):
            if others:
                text = f"several neurons read it ({neuron.name}, {', '.join(others)})"
                refuse(node.name, text, "weights of their own for each: their scales differ")
                continue
            (reads,) = graph.edges_into[node.name]
            sums.append(Sum(node, node.op, reads, edge))
        elif isinstance(node, Cell) and computes(node, "add"):
            if others:
                refuse(node.name, f"several neurons read this sum ({neuron.name}, {others})")
                continue
            additions.insert(0, node)
            left += graph.edges_into[node.name]
        else:
            what = node.definition if isinstance(node, Cell) else node.family
            refuse(neuron.name, f"{what} {node.name!r} arrives, which is no weighted sum")
    return Arriving(tuple(sums), tuple(additions))


def group_axis(sums: tuple[Sum, ...], rank: int) -> int | None:
    """Give the axis of a neuron along which all its sums have weights of their own; else None."""
    found: set[int | None] = set()
    for each in sums:
        if isinstance(each.op, Conv):
            found.add(0)
        elif isinstance(each.op, Dense):
            found.add(each.op.axis % rank)
        else:
            found.add(0 if rank == 1 else None)
    return found.pop() if len(found) == 1 else None


def rows_of(op: Dense | Conv | Synapses, weight: Array, target: Array, groups: int) -> Array:
    """Give weights as rows of one group each; single synapses as rows with zeros between.

    Args:
        op: The operation.
        weight: Its weights.
        target: Of single synapses, the target of each.
        groups: Number of groups; 1 for all together.
    """
    if groups == 1:
        return weight.reshape(1, -1)
    if not isinstance(op, Synapses):
        return weight.reshape(groups, -1)
    order = np.argsort(target, kind="stable")
    counts = np.bincount(target, minlength=groups)
    rows = np.zeros((groups, int(counts.max(initial=0))))
    begin = np.concatenate([[0], np.cumsum(counts)[:-1]])
    rows[target[order], np.arange(len(order)) - begin[target[order]]] = weight[order]
    return rows


def reach_of(op: Dense | Conv | Synapses, weight: Array, target: Array, groups: int) -> Array:
    """Give the largest sum of magnitudes of the weights of one neuron, of each group.

    Args:
        op: The operation.
        weight: Its weights.
        target: Of single synapses, the target of each.
        groups: Number of groups; 1 for all together.
    """
    size = np.abs(weight)
    if isinstance(op, Synapses):
        each = np.bincount(target, size, minlength=max(groups, 1))
    else:
        each = size.reshape(len(weight), -1).sum(axis=1)
    return np.full(1, each.max(initial=0.0)) if groups == 1 else each
