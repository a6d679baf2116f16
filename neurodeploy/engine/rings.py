"""Which single synapses are driven by listed spikes, and the ring of sums of later steps.

With delays, a spike adds its weights to the sums of the steps at which they arrive. That takes the
place of the history of earlier signals in which the reference looks them up: the sums meet their
terms in the same order, the oldest first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from neurodeploy.errors import InternalError
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Map
from neurodeploy.ir.ops import Synapses
from neurodeploy.ir.state import StateSlot
from neurodeploy.ir.types import BOOL, NumType, QType, storage_dtype

__all__ = ["lists_spikes", "ring_slot"]

RING_BYTES = 1 << 28  # sums of later steps; beyond, earlier signals are kept instead


def lists_spikes(
    graph: Graph,
    name: str,
    stored: Callable[[NumType], str],
    sum_type: Callable[[NumType, NumType, NumType], str],
) -> bool:
    """Say whether the synapses of a node are those of listed spikes.

    Args:
        graph: The graph.
        name: The node.
        stored: Gives the C type in which a signal is stored.
        sum_type: Gives the C type of integer sums of a signal and weights.
    """
    node = graph.node(name)
    if not isinstance(node, Map) or not isinstance(node.op, Synapses):
        return False
    x, out = graph.signal(graph.edges_into[name][0]), graph.signals[(name, "out")]
    if x.type != BOOL:
        return False
    item = storage_dtype(out.type).itemsize
    if node.op.delay is not None and _depth(graph, node.op) * out.size * item > RING_BYTES:
        return False
    if not isinstance(out.type, QType):
        return True
    weight = graph.tensors[node.op.weight].type
    return out.type.overflow == "refuse" and sum_type(x.type, weight, out.type) == stored(out.type)


def ring_slot(graph: Graph, slot: StateSlot) -> StateSlot:
    """Give the state that takes the place of a history: one slot for each step to come."""
    node = graph.node(slot.owner)
    if not isinstance(node, Map) or not isinstance(node.op, Synapses):
        raise InternalError(f"{slot.owner!r} has a history, and no synapses")
    out = graph.signals[(slot.owner, "out")]
    return replace(slot, name="ring", shape=(_depth(graph, node.op), *out.shape), type=out.type)


def _depth(graph: Graph, op: Synapses) -> int:
    """Give the slots of the ring: a power of two, so that a place in it is a mask of the step."""
    latest = int(graph.tensors[op.delay].data.max(initial=0)) if op.delay else 0
    return 1 << latest.bit_length()
