"""Finds when each part of a network works on a chip where every hop takes a step."""

from __future__ import annotations

from collections.abc import Callable

from neurodeploy.errors import CapabilityError, Finding
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Node

__all__ = ["LARGEST_PACE", "hop_starts", "least_pace"]

LARGEST_PACE = 32


def hop_starts(graph: Graph, hops: Callable[[Node], int], pace: int) -> dict[str, int] | None:
    """Give the first step of each node, the earliest; None where loops leave no time.

    In a graph a signal passes through all nodes in one step; on a chip, each hop takes one. So a
    node starts at ``max(start(source) - pace * delay) + hops`` over what it reads, an input at 0.
    All outputs are read together, when the last one can. With ``pace`` chip steps to a step of the
    network, a loop of h hops and delays of d steps has time where ``h <= pace * d``.

    Args:
        graph: The graph.
        hops: Gives the steps from what arrives at a node to what it sends.
        pace: Chip steps to a step of the network.
    """
    # what arrives late does not let a node start before it can have worked
    starts = {n.name: hops(n) for n in graph.nodes}
    for _ in range(len(starts) + 2):
        moved = False
        for node in graph.nodes:
            edges = graph.edges_into[node.name]
            if not edges:
                continue
            earliest = max(starts[e.source] - pace * e.delay for e in edges) + hops(node)
            if hops(node):
                earliest = max(earliest, starts[node.name])
            moved |= earliest != starts[node.name]
            starts[node.name] = earliest
        if not moved:
            # nobody reads a population before it works, however late the reading is
            read = [graph.edges_into[n.name][0].source for n in graph.outputs]
            together = max(*(starts[n.name] for n in graph.outputs), *(starts[n] for n in read))
            return starts | {n.name: together for n in graph.outputs}
    return None


def least_pace(graph: Graph, hops: Callable[[Node], int]) -> int:
    """Give the fewest chip steps to a step of the network that leave all loops their time.

    Raises:
        CapabilityError: a loop has more hops than that, or no delay.
    """
    for pace in range(1, LARGEST_PACE + 1):
        if hop_starts(graph, hops, pace) is not None:
            return pace
    text = f"a loop has more than {LARGEST_PACE} hops for each step of its delays"
    raise CapabilityError(Finding(text, hint="longer delays in the loop, or fewer layers"))
