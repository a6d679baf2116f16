r"""Runs a graph in torch one step at a time: the reference's stepper, with gradients.

Nothing is written in place, so that autograd sees every step. Tensors are (N, \*shape).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from neurodeploy.errors import Finding, GraphError, InternalError
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Edge, Input, Map, Node, Output, Product, Reduce
from neurodeploy.ir.ops import ArgMax, MaxPool, ReduceAxes, Synapses
from neurodeploy.ir.state import graph_state
from neurodeploy.ir.types import BOOL, NumType, Signal, expression_type
from neurodeploy.semantics.surrogate import Surrogate
from neurodeploy.semantics.torch_eval import TorchFrame, evaluate, torch_dtype
from neurodeploy.training.maps import apply_map, as_number, finish_sum
from neurodeploy.training.reduces import apply_argmax, apply_axes, apply_product, window_maximum

__all__ = ["TorchStepper", "Trace", "signal_dtype"]

Key = tuple[str, str]
Trace = dict[Key, Tensor]


def signal_dtype(kind: NumType) -> torch.dtype:
    """Give the torch type in which signals and tensors of ``kind`` are computed."""
    return torch_dtype(expression_type(kind))


@dataclass
class TorchStepper:
    """Runs a graph step by step and keeps its state.

    Args:
        graph: The graph.
        tensors: Its tensors, by name, in their types of computation.
        samples: Number of samples.
        device: Where it runs.
        surrogate: Derivative of the spikes.
        seed: Seed of the random bits.
        first_sample: Ordinal of the first sample within the run.
    """

    graph: Graph
    tensors: Mapping[str, Tensor]
    samples: int
    device: torch.device
    surrogate: Surrogate
    seed: int = 0
    first_sample: int = 0

    def __post_init__(self) -> None:
        self.time = 0
        self.values: Trace = {}
        self.state: Trace = {}
        self.rings: dict[Key, list[Tensor]] = {}
        self.index = {
            node.name: torch.arange(
                int(torch.Size(node.shape).numel()), device=self.device
            ).reshape(node.shape)
            for node in self.graph.cells
        }
        for slot in graph_state(self.graph):
            initial = slot.initial
            dtype = signal_dtype(slot.type)
            start = (
                self.tensors[initial]
                if isinstance(initial, str)
                else torch.tensor(initial, dtype=dtype, device=self.device)
            )
            ring = slot.role in ("line", "history")
            shape = slot.shape[1:] if ring else slot.shape
            value = start.to(dtype).expand(self.samples, *shape)
            if ring:
                self.rings[(slot.owner, slot.name)] = [value] * slot.shape[0]
            else:
                self.state[(slot.owner, slot.name)] = value

    def detach(self) -> None:
        """Cut the gradient between the steps so far and those to come."""
        self.state = {key: value.detach() for key, value in self.state.items()}
        self.rings = {key: [v.detach() for v in ring] for key, ring in self.rings.items()}

    def step(self, inputs: Mapping[str, Tensor]) -> Trace:
        """Make one step and give the value of every output and state after it."""
        self.values = {}
        for node in self.graph.nodes:
            if isinstance(node, Input):
                self.values[(node.name, "out")] = inputs[node.name]
            elif isinstance(node, Cell):
                self._cell(node)
            else:
                self._run(node)
        # what arrived in this step, so before the lines move on
        for node in self.graph.nodes:
            history = self.rings.get((node.name, "history"))
            if history is not None:
                sent = self.graph.edges_into[node.name][0]
                history[self.time % len(history)] = self._read(sent)
        for edge in self.graph.edges:
            if edge.delay:
                line = self.rings[(edge.key, "line")]
                line[self.time % edge.delay] = self.values[(edge.source, edge.output)]
        self.time += 1
        return self.values

    def _read(self, edge: Edge) -> Tensor:
        """Give what arrives along an edge in this step."""
        if edge.delay:
            return self.rings[(edge.key, "line")][self.time % edge.delay]
        return self.values[(edge.source, edge.output)]

    def _run(self, node: Node) -> None:
        edges = self.graph.edges_into[node.name]
        out = self.graph.signals[(node.name, "out")]
        if isinstance(node, Map) and isinstance(node.op, Synapses):
            value = self._synapses(node, node.op, edges[0], out)
        else:
            value = self._stateless(node, [self._read(e) for e in edges], out)
        self.values[(node.name, "out")] = value

    def _stateless(self, node: Node, arrived: list[Tensor], out: Signal) -> Tensor:
        if isinstance(node, Output):
            return arrived[0]
        if isinstance(node, Map):
            return apply_map(node.op, arrived, out, self.tensors)
        if isinstance(node, Product):
            return apply_product(node.equation, arrived[0], arrived[1], out)
        if isinstance(node, Reduce):
            if isinstance(node.op, ArgMax):
                return apply_argmax(node.op, arrived[0])
            if isinstance(node.op, ReduceAxes):
                return apply_axes(node.op, arrived[0], out)
            return self._max_pool(node, node.op, arrived[0], out)
        raise InternalError(f"no torch rule runs {type(node).__name__}")

    def _max_pool(self, node: Reduce, op: MaxPool, x: Tensor, out: Signal) -> Tensor:
        if op.mode == "frame":
            return window_maximum(x, op.window, out.shape[1:])
        total, before = self.state[(node.name, "sum")], self.state[(node.name, "maximum")]
        if x.is_floating_point():  # also spikes that carry a gradient: float64 counts them exactly
            total, before = total.to(torch.float64), before.to(torch.float64)
        total = total + x.to(total.dtype)
        after = window_maximum(total, op.window, out.shape[1:])
        self.state[(node.name, "sum")], self.state[(node.name, "maximum")] = total, after
        grown = after - before
        if out.type != BOOL:
            return grown.to(signal_dtype(out.type))
        return grown.to(torch.float32) if grown.is_floating_point() else grown != 0

    def _synapses(self, node: Map, op: Synapses, edge: Edge, out: Signal) -> Tensor:
        weight, starts, target = (self.tensors[n] for n in (op.weight, op.starts, op.target))
        every = torch.arange(len(starts) - 1, device=self.device)
        source = every.repeat_interleave(starts.diff())
        delay = self.tensors[op.delay] if op.delay else torch.zeros_like(source)
        total = torch.zeros((self.samples, out.size), dtype=weight.dtype, device=self.device)
        for d in sorted(set(delay.tolist()), reverse=True):
            at = (delay == d).nonzero()[:, 0]
            x = self._read(edge) if d == 0 else self._past(node, int(d))
            sent = as_number(x, out).reshape(self.samples, -1)[:, source[at]] * weight[at]
            total = total.index_add(1, target[at], sent)
        bias = self.tensors[op.bias] if op.bias else None
        return finish_sum(total.reshape(-1, *out.shape), bias, len(out.shape) - 1, out)

    def _past(self, node: Map, delay: int) -> Tensor:
        history = self.rings[(node.name, "history")]
        return history[(self.time - delay) % len(history)]

    def _cell(self, node: Cell) -> None:
        shape = (self.samples, *node.shape)
        states = {s.name: self.state[(node.name, s.name)] for s in node.states}
        if self.time < node.start:
            for name, _ in node.program.outputs:
                dtype = signal_dtype(self.graph.signals[(node.name, name)].type)
                zero = torch.zeros(shape, dtype=dtype, device=self.device)
                self.values[(node.name, name)] = zero
            self.values.update({(node.name, name): value for name, value in states.items()})
            return
        arrived = [self._read(e) for e in self.graph.edges_into[node.name]]
        samples = torch.arange(
            self.first_sample, self.first_sample + self.samples, device=self.device
        )
        frame = TorchFrame(
            inputs=dict(zip(node.ports, (_aligned(a, node.shape) for a in arrived), strict=True)),
            params={
                p.name: self.tensors[p.tensor][self.time] if p.timed else self.tensors[p.tensor]
                for p in node.params
            },
            states=states,
            step=self.time,
            index=self.index[node.name],
            sample=samples.reshape(-1, *[1] * len(node.shape)),
            seed=self.seed,
            stream=node.stream,
            surrogate=self.surrogate,
        )
        try:
            values = evaluate(node.program, frame)
        except GraphError as error:
            raise GraphError(
                [Finding(f.message, node.name, node.source, hint=f.hint) for f in error.findings]
            ) from error
        for name, index in node.program.outputs:
            self.values[(node.name, name)] = values[index].expand(shape)
        for name, index in node.program.updates:
            self.state[(node.name, name)] = values[index].expand(shape)
            self.values[(node.name, name)] = self.state[(node.name, name)]


def _aligned(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Put ones behind the sample axis, so that broadcasting sees the cell's axes only."""
    missing = len(shape) - (x.ndim - 1)
    return x.reshape(x.shape[0], *[1] * missing, *x.shape[1:])
