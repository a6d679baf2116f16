"""Bytes that a graph's constants and its state need, at the width of their types.

A tensor of integers takes the bits of its range, packed: 4-bit weights are half a byte each. A
bool is one bit. What a target really allots (padding, headers, key tables) is its placement's
business.
"""

from __future__ import annotations

from dataclasses import dataclass

from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Map, Node
from neurodeploy.ir.ops import Conv, ConvTranspose, Dense, Gather, Synapses
from neurodeploy.ir.state import graph_state
from neurodeploy.ir.types import NumType, QType, Tensor
from neurodeploy.semantics.types import Bool

__all__ = ["Storage", "bits_of", "node_tensors", "packed_bytes", "storage", "synaptic_weights"]


@dataclass(frozen=True)
class Storage:
    """Bytes by node.

    Attributes:
        weight_bytes: Weights, biases, indices, parameters. A tensor that several nodes share
            is counted once, with the first of them.
        initial_bytes: Initial values of states, kept for the reset.
        state_bytes: State of one sample; a delay line is counted with the node that it feeds.
        step_state_bits: Bits of state, cells' own apart, that each step reads or writes: rings
            of delays take one write and one read, sums of a cumulative pool likewise.
    """

    weight_bytes: dict[str, int]
    initial_bytes: dict[str, int]
    state_bytes: dict[str, int]
    step_state_bits: dict[str, int]


def bits_of(kind: NumType) -> int:
    """Give the bits of one element of a type."""
    if isinstance(kind, QType):
        return kind.bits
    return 1 if isinstance(kind, Bool) else kind.bits


def packed_bytes(elements: int, kind: NumType) -> int:
    """Give the bytes of ``elements`` packed side by side.

    >>> packed_bytes(3, QType(-8, 7))
    2
    """
    return (elements * bits_of(kind) + 7) // 8


def node_tensors(node: Node) -> tuple[str, ...]:
    """Give the names of the constants that a node reads at every step, indices included."""
    if isinstance(node, Cell):
        return tuple(p.tensor for p in node.params)
    if not isinstance(node, Map):
        return ()
    op = node.op
    if isinstance(op, Dense | Conv | ConvTranspose):
        return (op.weight,) if op.bias is None else (op.weight, op.bias)
    if isinstance(op, Synapses):
        names = (op.weight, op.starts, op.target, op.delay, op.bias)
        return tuple(n for n in names if n is not None)
    return (op.indices,) if isinstance(op, Gather) else ()


def synaptic_weights(graph: Graph) -> dict[str, Tensor]:
    """Give the weight tensors of all synapses by name, each once."""
    found: dict[str, Tensor] = {}
    for node in graph.nodes:
        if isinstance(node, Map) and isinstance(node.op, Dense | Conv | ConvTranspose | Synapses):
            found[node.op.weight] = graph.tensors[node.op.weight]
    return found


def storage(graph: Graph) -> Storage:
    """Give the bytes of every node of ``graph``."""
    result = Storage(*({n.name: 0 for n in graph.nodes} for _ in range(4)))
    seen: set[str] = set()
    for node in graph.nodes:
        initial = [s.initial for s in node.states] if isinstance(node, Cell) else []
        for names, into in (
            (node_tensors(node), result.weight_bytes),
            (initial, result.initial_bytes),
        ):
            for name in names:
                if name not in seen:
                    seen.add(name)
                    data = graph.tensors[name]
                    into[node.name] += packed_bytes(int(data.data.size), data.type)
    fed = {e.key: e.target for e in graph.edges}
    for slot in graph_state(graph):
        owner = fed[slot.owner] if slot.role == "line" else slot.owner
        result.state_bytes[owner] += packed_bytes(slot.size, slot.type)
        if slot.role != "cell":
            row = slot.size if slot.role == "pool" else slot.size // slot.shape[0]
            result.step_state_bits[owner] += 2 * row * bits_of(slot.type)
    return result
