"""Which signals have their channels last in memory: (..., channels) for a shape (channels, ...).

A convolution adds whole rows of channels, so its sums come with the channels last. Pools compute
all channels of a position together, and cells read at any stride. Between them a signal stays as
it came; everything else, records among it, sees the channels first.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from neurodeploy.engine.text import strides_of
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Map, Node, Reduce
from neurodeploy.ir.ops import Conv, ConvTranspose, MaxPool, Pool

__all__ = ["MANY", "channels_last", "last_strides"]

Key = tuple[str, str]
MANY = 8  # channels of a group from which the scatter of a convolution is the faster form


def channels_last(graph: Graph, aliases: Collection[Key]) -> frozenset[Key]:
    """Give the signals that are made with their channels last, and read so by all.

    Args:
        graph: The graph.
        aliases: Signals that are another signal, unchanged.
    """
    readers: dict[Key, list[tuple[str, int]]] = {}
    for edge in graph.edges:
        readers.setdefault((edge.source, edge.output), []).append((edge.target, edge.delay))
    good: dict[Key, bool] = {}
    for node in reversed(graph.nodes):
        key = (node.name, "out")
        good[key] = key not in aliases and all(
            delay == 0 and (isinstance(reader := graph.node(name), Cell) or _pools(reader, good))
            for name, delay in readers.get(key, ())
        )
    found: set[Key] = set()
    for node in graph.nodes:
        key = (node.name, "out")
        if not good[key]:
            continue
        (source, *others) = graph.edges_into[node.name] or (None,)
        fed = source is not None and not others and (source.source, source.output) in found
        if _scatters(graph, node) or (fed and _pools(node, good)):
            found.add(key)
    return frozenset(found)


def last_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Give the element strides of (channels, ...) in memory with the channels last.

    >>> last_strides((12, 30, 30))
    (1, 360, 12)
    """
    return (1, *(s * shape[0] for s in strides_of(shape[1:])))


def _pools(node: Node, good: dict[Key, bool]) -> bool:
    """Say whether a node takes channels last; it then gives them last."""
    pool = isinstance(node, Map) and isinstance(node.op, Pool)
    largest = isinstance(node, Reduce) and isinstance(node.op, MaxPool) and node.op.mode == "frame"
    return (pool or largest) and good.get((node.name, "out"), False)


def _scatters(graph: Graph, node: Node) -> bool:
    if not isinstance(node, Map):
        return False
    channels = graph.signals[(node.name, "out")].shape[0] if node.outputs else 0
    if isinstance(node.op, Conv):
        return channels // node.op.groups >= MANY
    return isinstance(node.op, ConvTranspose)
