"""Everything that a graph remembers from one step to the next, listed by one function.

Reset, sessions, the compiled program and the memory bill all use this list and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Edge, Map, Node, Reduce
from neurodeploy.ir.ops import MaxPool, Synapses
from neurodeploy.ir.types import BOOL, F64, NumType, QType

__all__ = ["StateSlot", "graph_state"]

COUNT = QType(-(2**62), 2**62)


@dataclass(frozen=True)
class StateSlot:
    """One array of state, for one sample.

    Attributes:
        role: ``cell`` (a state of a cell), ``pool`` (sums or maxima of a cumulative max pool),
            ``line`` (the ring of a delayed edge) or ``history`` (the ring of delayed synapses).
        owner: Name of the node; for a line the key of the edge, ``target.port``.
        name: Name of the state within its owner.
        shape: Shape; rings have the depth as first axis. Slot ``t % depth`` of a line holds
            what was sent at ``t - depth`` until the end of step t, when the value of step t
            replaces it; a history of depth D + 1 holds the value of step t in ``t % depth``.
        type: Type of each element.
        initial: A number, or the name of a tensor that broadcasts to the shape.
    """

    role: Literal["cell", "pool", "line", "history"]
    owner: str
    name: str
    shape: tuple[int, ...]
    type: NumType
    initial: float | int | bool | str

    @property
    def size(self) -> int:
        """Number of elements."""
        size = 1
        for n in self.shape:
            size *= n
        return size


def graph_state(graph: Graph) -> tuple[StateSlot, ...]:
    """Give all state of ``graph``, in canonical order: nodes first, then delayed edges."""
    slots: list[StateSlot] = []
    for node in graph.nodes:
        slots += _node_slots(graph, node)
    slots += [_line(graph, e) for e in graph.edges if e.delay > 0]
    return tuple(slots)


def _node_slots(graph: Graph, node: Node) -> list[StateSlot]:
    if isinstance(node, Cell):
        return [
            StateSlot("cell", node.name, s.name, node.shape, s.type, s.initial) for s in node.states
        ]
    if isinstance(node, Reduce) and isinstance(node.op, MaxPool) and node.op.mode == "cumulative":
        x = graph.signal(graph.edges_into[node.name][0])
        out = graph.signals[(node.name, "out")]
        kind: NumType = COUNT if x.type == BOOL or isinstance(x.type, QType) else F64
        return [
            StateSlot("pool", node.name, "sum", x.shape, kind, 0),
            StateSlot("pool", node.name, "maximum", out.shape, kind, 0),
        ]
    if isinstance(node, Map) and isinstance(node.op, Synapses) and node.op.delay:
        x = graph.signal(graph.edges_into[node.name][0])
        delays = graph.tensors[node.op.delay].data
        depth = int(delays.max(initial=0)) + 1
        return [StateSlot("history", node.name, "history", (depth, *x.shape), x.type, 0)]
    return []


def _line(graph: Graph, edge: Edge) -> StateSlot:
    signal = graph.signal(edge)
    shape = (edge.delay, *signal.shape)
    return StateSlot("line", edge.key, "line", shape, signal.type, edge.initial)
