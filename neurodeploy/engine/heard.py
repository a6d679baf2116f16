"""Lists of spikes that are made once in a step, for all synapses that are driven by them.

A population often drives several projections, and its spikes are recorded as well. Who looks for
spikes looks at every neuron, which takes longer than the sums of the few that spiked. So a list is
made where a signal is: behind the node that makes it, at the top of another block of nodes that
reads it, and at the end of the step for those of the same block who hear it one step later. All
other synapses look for spikes on their own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from neurodeploy.engine.blocks import Block
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Map
from neurodeploy.ir.ops import Synapses
from neurodeploy.ir.order import smallest_delay

__all__ = ["Heard", "heard", "read_after_the_step"]

Key = tuple[str, str]


@dataclass(frozen=True)
class Heard:
    """A list of spikes, made in each step.

    Attributes:
        signal: The output whose memory holds the spikes.
        late: Its readers hear it one step later: it is made at the end of a step.
        block: Number of the block of nodes in which it is made and read.
        readers: The nodes that read it.
        edges: By key, the delayed edges that need no line.
    """

    signal: Key
    late: bool
    block: int
    readers: tuple[str, ...]
    edges: frozenset[str]


def heard(
    graph: Graph,
    blocks: Iterable[Block],
    root: Callable[[Key], Key],
    constant: Mapping[str, frozenset[int]],
    lists: Callable[[str], bool],
) -> tuple[Heard, ...]:
    """Give the lists of a graph.

    Args:
        graph: The graph.
        blocks: Its nodes, in the order in which they run.
        root: Gives the output whose memory holds a signal.
        constant: Nodes that may need one computation per sample: these look for spikes then.
        lists: Says whether single synapses are those of listed spikes.
    """
    block = {name: number for number, b in enumerate(blocks) for name in b.nodes}
    readers: dict[tuple[Key, bool, int], list[str]] = {}
    edges: dict[tuple[Key, bool, int], set[str]] = {}
    for name, number in block.items():
        if name in constant or not lists(name):
            continue
        (edge,) = graph.edges_into[name]
        signal = root((edge.source, edge.output))
        if edge.delay > 1 or (edge.delay == 1 and not _hears_late(graph, name, edge.initial)):
            continue
        # who runs in another block has finished the tile: its memory is of the last step
        if edge.delay == 1 and block.get(signal[0]) != number:
            continue
        place = (signal, edge.delay == 1, number)
        readers.setdefault(place, []).append(name)
        edges.setdefault(place, set()).update({edge.key} if edge.delay else ())
    return tuple(Heard(*place, tuple(readers[place]), frozenset(edges[place])) for place in readers)


def read_after_the_step(
    graph: Graph, root: Callable[[Key], Key], histories: Collection[str]
) -> frozenset[Key]:
    """Give the outputs whose memory is read at the end of a step: by delayed edges, and histories.

    Args:
        graph: The graph.
        root: Gives the output whose memory holds a signal.
        histories: Nodes that keep a history of what arrives.
    """
    edges = (e for e in graph.edges if e.delay or e.target in histories)
    return frozenset(root((e.source, e.output)) for e in edges)


def _hears_late(graph: Graph, name: str, initial: float | int | bool | str) -> bool:
    """Say whether a node that hears of spikes a step later may hear of them by a list.

    A ring whose delays are all 1 or more is fed at the end of the step, when the list of those who
    hear late already holds this step's spikes.
    """
    node = graph.node(name)
    if not isinstance(node, Map) or not isinstance(node.op, Synapses):
        return False
    sends = node.op.delay is not None and smallest_delay(node, graph.tensors) > 0
    return not sends and not isinstance(initial, str) and initial == 0
