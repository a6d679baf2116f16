"""Canonical order of nodes: who must have computed before whom within one step."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from neurodeploy.errors import Finding
from neurodeploy.ir.nodes import Edge, Map, Node
from neurodeploy.ir.ops import Synapses
from neurodeploy.ir.types import Tensor

__all__ = ["cycle_finding", "instant_edges", "ordered", "smallest_delay"]


def smallest_delay(node: Node, tensors: Mapping[str, Tensor]) -> int:
    """Give the smallest synaptic delay of a node: 0 unless all its synapses are delayed."""
    if isinstance(node, Map) and isinstance(node.op, Synapses) and node.op.delay:
        delays = tensors[node.op.delay].data
        return int(delays.min()) if delays.size else 0
    return 0


def instant_edges(
    nodes: Sequence[Node], edges: Sequence[Edge], tensors: Mapping[str, Tensor]
) -> list[Edge]:
    """Give the edges whose value is needed in the step in which it is sent."""
    late = {n.name for n in nodes if smallest_delay(n, tensors) > 0}
    return [e for e in edges if e.delay == 0 and e.target not in late]


def ordered(
    nodes: Sequence[Node], edges: Sequence[Edge], tensors: Mapping[str, Tensor]
) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
    """Put nodes after those that they read in the same step, else in the order given.

    Edges come in the order of their targets, then of the targets' ports. Nodes on a cycle
    without delay, which `cycle_finding` reports, are left at the end.
    """
    done = _sorted(nodes, instant_edges(nodes, edges, tensors))
    settled = {n.name for n in done}
    left = [n for n in nodes if n.name not in settled]
    place = {n.name: i for i, n in enumerate([*done, *left])}
    ports = {n.name: {p: i for i, p in enumerate(n.ports)} for n in nodes}
    in_order = sorted(edges, key=lambda e: (place[e.target], ports[e.target][e.port]))
    return (*done, *left), tuple(in_order)


def cycle_finding(
    nodes: Sequence[Node], edges: Sequence[Edge], tensors: Mapping[str, Tensor]
) -> list[Finding]:
    """Report the nodes that lie on or behind a cycle whose delays sum to 0."""
    done = _sorted(nodes, instant_edges(nodes, edges, tensors))
    names = {n.name for n in done}
    left = [n.name for n in nodes if n.name not in names]
    if not left:
        return []
    shown = ", ".join(left[:8]) + (", ..." if len(left) > 8 else "")
    return [
        Finding(
            f"a cycle without delay runs through {shown}",
            node=left[0],
            hint="put a delay of at least 1 on the edge that leaves the spiking cell",
        )
    ]


def _sorted(nodes: Sequence[Node], instant: Sequence[Edge]) -> list[Node]:
    position = {n.name: i for i, n in enumerate(nodes)}
    waiting = {n.name: 0 for n in nodes}
    readers: dict[str, list[str]] = {n.name: [] for n in nodes}
    for edge in instant:
        waiting[edge.target] += 1
        readers[edge.source].append(edge.target)
    ready = [position[name] for name, count in waiting.items() if count == 0]
    heapq.heapify(ready)
    out: list[Node] = []
    while ready:
        node = nodes[heapq.heappop(ready)]
        out.append(node)
        for reader in readers[node.name]:
            waiting[reader] -= 1
            if waiting[reader] == 0:
                heapq.heappush(ready, position[reader])
    return out
