"""What is to be counted at each node: fan-outs and fixed work, found once per graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import singledispatch

import numpy as np
import numpy.typing as npt

from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Edge, Input, Map, Node, Output, Product, Reduce
from neurodeploy.ir.ops import (
    Conv,
    ConvTranspose,
    Dense,
    MapOp,
    MaxPool,
    Pool,
    ReduceAxes,
    Synapses,
)
from neurodeploy.ir.rules_reduce import parse_equation
from neurodeploy.ir.types import BOOL, QType
from neurodeploy.profile.fanout import delayed_fanout, dense_ops, fanout, padded_ops
from neurodeploy.profile.operations import Operation, Verb, Width, cell_operations, width_of
from neurodeploy.profile.storage import bits_of

__all__ = ["EVENTS", "Path", "Plan", "make_plan"]

Counts64 = npt.NDArray[np.int64]
EVENTS = ("spike", "graded", "signed")
WEIGHTED = Dense | Conv | ConvTranspose | Synapses


@dataclass(frozen=True)
class Path:
    """Operations that each nonzero value causes.

    Attributes:
        edge: What the values come along.
        lag: Steps that they wait within the node.
        reach: Operations per source element, in flat order.
        bits: Bits of constants read per operation.
    """

    edge: Edge
    lag: int
    reach: Counts64
    bits: int = 0


@dataclass(frozen=True)
class Plan:
    """How one node is counted.

    Attributes:
        node: The node.
        kind: Operation, or name of the cell.
        neurons: Neurons that it holds.
        synaptic: Paths into synapses.
        product: The einsum labels of a Product of two signals, and its two edges.
        dense: Synaptic operations of a step if nothing were zero; ``padded`` likewise.
        bias: Nonzero biases that are added at each step; ``bias_bits`` of each.
        purpose: Column that the operations below belong to.
        adding: Path of additions that nonzero values cause, and what they are.
        fixed: Operations of each step, from ``start`` on.
        per_update: Operations of one update of one neuron.
        updates: Neurons that are updated at each step, from ``start`` on.
        start: First step of the cell.
        update_weight_bits: Bits of parameters read at each step from ``start`` on.
        update_state_bits: Bits of state read and written at each step from ``start`` on.
        sends: Outputs that carry events, with the number of projections of each.
        activations: Output whose nonzero values are the activations of neurons.
        spiking: Whether these are events.
    """

    node: Node
    kind: str
    neurons: int = 0
    synaptic: tuple[Path, ...] = ()
    product: tuple[str, Edge, Edge] | None = None
    dense: int = 0
    padded: int = 0
    bias: int = 0
    bias_bits: int = 0
    purpose: str = "elementwise_ops"
    adding: tuple[Path, Operation] | None = None
    fixed: Mapping[Operation, int] = field(default_factory=dict)
    per_update: Mapping[Operation, int] = field(default_factory=dict)
    updates: int = 0
    start: int = 0
    update_weight_bits: int = 0
    update_state_bits: int = 0
    sends: Mapping[str, int] = field(default_factory=dict)
    activations: str | None = None
    spiking: bool = False

    @property
    def recorded(self) -> tuple[tuple[str, str], ...]:
        """The signals, as (node, output), that counting this node needs."""
        edges = [p.edge for p in self.synaptic]
        edges += [self.adding[0].edge] if self.adding else []
        edges += list(self.product[1:]) if self.product else []
        own = [self.activations] if self.activations else []
        keys = [(e.source, e.output) for e in edges]
        keys += [(self.node.name, out) for out in (*own, *self.sends)]
        return tuple(dict.fromkeys(keys))

    @property
    def structural(self) -> bool:
        """Whether the node only passes values on."""
        return isinstance(self.node, Output | Map) and not (self.synaptic or self.adding)


def make_plan(graph: Graph) -> tuple[Plan, ...]:
    """Give the plan of every node but the inputs, in canonical order."""
    return tuple(_plan(n, graph) for n in graph.nodes if not isinstance(n, Input))


@singledispatch
def _plan(node: Node, graph: Graph) -> Plan:
    return Plan(node, type(node).__name__)


@_plan.register
def _map(node: Map, graph: Graph) -> Plan:
    kind = type(node.op).__name__
    edge = graph.edges_into[node.name][0]
    x, out = graph.signal(edge), graph.signals[(node.name, "out")]
    if isinstance(node.op, Pool):
        reach = fanout(node.op, x.shape, graph.tensors).ravel()
        width = width_of(out.type)
        fixed: dict[Operation, int] = {}
        if node.op.mode == "average":
            fixed = {("div", width): out.size}
        adds: Operation = ("add", width)
        adding = (Path(edge, 0, reach), adds)
        return Plan(node, kind, purpose="pool_ops", adding=adding, fixed=fixed)
    if not isinstance(node.op, WEIGHTED):
        return Plan(node, kind)
    bits = _bits_per_synapse(node.op, graph)
    bias, bias_bits = _bias(node.op, out.size, graph)
    return Plan(
        node,
        kind,
        synaptic=tuple(
            Path(edge, lag, reach.ravel(), bits)
            for lag, reach in delayed_fanout(node.op, x.shape, graph.tensors)
        ),
        dense=dense_ops(node.op, x.shape, graph.tensors),
        padded=padded_ops(node.op, x.shape, graph.tensors),
        bias=bias,
        bias_bits=bias_bits,
        fixed={("add", width_of(out.type)): bias} if bias else {},
        purpose="bias_ops",
    )


def _bits_per_synapse(op: MapOp, graph: Graph) -> int:
    """Give the bits read per synapse: its weight, and where it leads if that is stored."""
    names: list[str | None] = []
    if isinstance(op, Synapses):
        names = [op.weight, op.target, op.delay]
    elif isinstance(op, Dense | Conv | ConvTranspose):
        names = [op.weight]
    return sum(bits_of(graph.tensors[n].type) for n in names if n is not None)


def _bias(op: Dense | Conv | ConvTranspose | Synapses, out: int, graph: Graph) -> tuple[int, int]:
    if op.bias is None:
        return 0, 0
    bias = graph.tensors[op.bias]
    nonzero = int(np.count_nonzero(bias.data))
    return nonzero * (out // int(bias.data.size)), bits_of(bias.type)


@_plan.register
def _reduce(node: Reduce, graph: Graph) -> Plan:
    kind = type(node.op).__name__
    edge = graph.edges_into[node.name][0]
    x, out = graph.signal(edge), graph.signals[(node.name, "out")]
    if isinstance(node.op, MaxPool):
        return _max_pool(node, node.op, edge, graph)
    if isinstance(node.op, ReduceAxes) and node.op.function != "max":
        width = width_of(out.type)
        reach = fanout(node.op, x.shape, graph.tensors).ravel()
        fixed: dict[Operation, int] = {}
        if node.op.function == "mean":
            fixed = {("div", width): out.size}
        adds: Operation = ("add", width)
        adding = (Path(edge, 0, reach), adds)
        return Plan(node, kind, purpose="reduce_ops", adding=adding, fixed=fixed)
    groups = out.size
    if not isinstance(node.op, ReduceAxes):  # one maximum per line along the axis
        groups = x.size // x.shape[node.op.axis]
    verb: Verb = "other" if x.type == BOOL else "compare"
    fixed = {(verb, width_of(x.type)): x.size - groups}
    return Plan(node, kind, purpose="reduce_ops", fixed=fixed)


def _max_pool(node: Reduce, op: MaxPool, edge: Edge, graph: Graph) -> Plan:
    x, out = graph.signal(edge), graph.signals[(node.name, "out")]
    members = int(fanout(op, x.shape, graph.tensors).sum())
    if op.mode == "frame":
        verb: Verb = "other" if x.type == BOOL else "compare"  # a maximum of spikes is an OR
        fixed: dict[Operation, int] = {(verb, width_of(x.type)): members - out.size}
        return Plan(node, "MaxPool", purpose="pool_ops", fixed=fixed)
    width: Width = "int64" if x.type == BOOL or isinstance(x.type, QType) else "f64"
    ones = np.ones(x.size, np.int64)
    return Plan(
        node,
        "MaxPool",
        purpose="pool_ops",
        adding=(Path(edge, 0, ones), ("add", width)),
        fixed={("compare", width): members - out.size, ("add", width): out.size},
    )


@_plan.register
def _product(node: Product, graph: Graph) -> Plan:
    a, b = graph.edges_into[node.name]
    labels_a, labels_b, _ = parse_equation(node.equation)
    sizes = dict(zip(labels_a, graph.signal(a).shape, strict=True))
    sizes |= dict(zip(labels_b, graph.signal(b).shape, strict=True))
    dense = 1
    for n in sizes.values():
        dense *= n
    return Plan(node, "Product", product=(node.equation, a, b), dense=dense, padded=dense)


@_plan.register
def _cell(node: Cell, graph: Graph) -> Plan:
    size = 1
    for n in node.shape:
        size *= n
    per_update = cell_operations(node)
    updating = bool(node.states) or "fire" in node.program.uses
    joins = len(node.ports) > 1
    purpose = "neuron_ops" if updating else "residual_ops" if joins else "elementwise_ops"
    sends: dict[str, int] = {}
    for edge in graph.edges_from[node.name]:
        if graph.signal(edge).kind in EVENTS:
            sends[edge.output] = sends.get(edge.output, 0) + 1
    main = node.outputs[0]
    holds_neurons = updating or not joins
    return Plan(
        node,
        node.definition or "Cell",
        neurons=size if holds_neurons else 0,
        purpose=purpose,
        fixed={key: n * size for key, n in per_update.items()},
        per_update=per_update,
        updates=size if updating else 0,
        start=node.start,
        update_weight_bits=_parameter_bits(node, size, graph),
        update_state_bits=2 * size * sum(bits_of(s.type) for s in node.states),
        sends=sends,
        activations=main if holds_neurons else None,
        spiking=graph.signals[(node.name, main)].kind in EVENTS,
    )


def _parameter_bits(node: Cell, size: int, graph: Graph) -> int:
    """Give the bits of parameters read per step; one scalar for all stays in a register."""
    total = 0
    for ref in node.params:
        tensor = graph.tensors[ref.tensor]
        shape = tensor.data.shape[1:] if ref.timed else tensor.data.shape
        elements = int(np.prod(shape))
        if elements > 1:
            total += size * bits_of(tensor.type)
        elif ref.timed:
            total += bits_of(tensor.type)
    return total
