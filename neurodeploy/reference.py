r"""The reference: the slow, obvious simulator that every other one is measured against.

At each step the nodes run in canonical order. A node reads, along each edge, what was sent
``delay`` steps before. Everything is computed in the declared types and in the canonical order
of sums, so that a compiled program can be compared bit by bit.

Arrays are (N, \*shape) within a step and (N, T, \*shape) in a trace.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import InternalError
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Edge, Input, Map, Node, Output, Product, Reduce
from neurodeploy.ir.ops import ArgMax, MaxPool, ReduceAxes, Synapses
from neurodeploy.ir.state import StateSlot, graph_state
from neurodeploy.ir.types import NumType, Signal, expression_type
from neurodeploy.semantics.linear import apply_map, sum_synapses
from neurodeploy.semantics.numpy_eval import Frame, evaluate, wider
from neurodeploy.semantics.reduce import (
    apply_argmax,
    apply_axes,
    apply_product,
    window_maximum,
)
from neurodeploy.semantics.types import Float

__all__ = ["Stepper", "Trace", "all_outputs", "simulate"]

Array = npt.NDArray[Any]
Key = tuple[str, str]
Trace = dict[Key, Array]


def all_outputs(graph: Graph) -> tuple[Key, ...]:
    """Give every output of every node, states included, in canonical order."""
    return tuple((n.name, out) for n in graph.nodes for out in n.outputs)


def compute_dtype(kind: NumType, *, widen: bool = False) -> np.dtype[Any]:
    """Give the numpy type in which the reference computes a signal of ``kind``."""
    found = expression_type(kind)
    return wider(found) if widen and isinstance(found, Float) else found.dtype


def simulate(
    graph: Graph,
    inputs: Mapping[str, Array],
    timesteps: int,
    *,
    record: Collection[Key],
    seed: int = 0,
    first_sample: int = 0,
    widen: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Trace:
    r"""Run ``graph`` and give what was asked for at every step.

    Args:
        graph: The graph.
        inputs: By input node, (N, T, \*shape), or (N, \*shape) for a value that is presented
            unchanged at every step; in the type of the input.
        timesteps: Number of steps.
        record: Which outputs and states to record, as (node, output).
        seed: Seed of the random bits.
        first_sample: Ordinal of the first sample within the whole run.
        widen: Compute floats in the next longer type, for error analysis.
        progress: Called with the number of each finished step.

    Returns:
        For each key of ``record`` its value after each step, (N, T, \*shape).
    """
    samples = next(iter(inputs.values())).shape[0]
    stepper = Stepper(graph, samples, seed=seed, first_sample=first_sample, widen=widen)
    trace = {
        key: np.zeros(
            (samples, timesteps, *graph.signals[key].shape),
            compute_dtype(graph.signals[key].type, widen=widen),
        )
        for key in record
    }
    for step in range(timesteps):
        now = {
            node.name: inputs[node.name][:, step]
            if inputs[node.name].ndim > len(node.shape) + 1
            else inputs[node.name]
            for node in graph.inputs
        }
        values = stepper.step(now)
        for key, recorded in trace.items():
            recorded[:, step] = values[key]
        if progress is not None:
            progress(step)
    return trace


@dataclass
class Stepper:
    """Runs a graph one step at a time and keeps its state.

    Args:
        graph: The graph.
        samples: Number of samples.
        seed: Seed of the random bits.
        first_sample: Ordinal of the first sample within the run.
        widen: Compute floats in the next longer type: float64 for float32.
        follow: Another stepper whose decisions (everything that is not a float) are taken over
            at each step; it must have made the step before. That is the float64 shadow.
    """

    graph: Graph
    samples: int
    seed: int = 0
    first_sample: int = 0
    widen: bool = False
    follow: Stepper | None = None

    def __post_init__(self) -> None:
        self.time = 0
        self.values: Trace = {}
        self.cell_values: dict[str, list[Array]] = {}
        self.tensors = {
            name: t.data.astype(compute_dtype(t.type, widen=self.widen))
            for name, t in self.graph.tensors.items()
        }
        self.slots = {(s.owner, s.name): s for s in graph_state(self.graph)}
        self.state = {key: self._initial(slot) for key, slot in self.slots.items()}

    def _initial(self, slot: StateSlot) -> Array:
        start = self.tensors[slot.initial] if isinstance(slot.initial, str) else slot.initial
        dtype = compute_dtype(slot.type, widen=self.widen)
        return np.array(np.broadcast_to(start, (self.samples, *slot.shape)), dtype=dtype)

    def step(self, inputs: Mapping[str, Array]) -> Trace:
        """Make one step and give the value of every output and state after it."""
        with np.errstate(all="ignore"):  # a sum that overflows gives infinity here as it does in C
            return self._step(inputs)

    def _step(self, inputs: Mapping[str, Array]) -> Trace:
        self.values = {}
        for node in self.graph.nodes:
            if isinstance(node, Input):
                dtype = compute_dtype(node.type, widen=self.widen)
                self.values[(node.name, "out")] = inputs[node.name].astype(dtype)
            else:
                self._run(node)
        # what arrived in this step, so before the lines move on
        for node in self.graph.nodes:
            slot = self.slots.get((node.name, "history"))
            if slot is not None and slot.role == "history":  # a cell may name a state so
                history = self.state[(node.name, "history")]
                sent = self.graph.edges_into[node.name][0]
                history[:, self.time % history.shape[1]] = self._read(sent)
        for edge in self.graph.edges:
            if edge.delay:
                line = self.state[(edge.key, "line")]
                line[:, self.time % edge.delay] = self.values[(edge.source, edge.output)]
        self.time += 1
        return self.values

    def _read(self, edge: Edge) -> Array:
        """Give what arrives along an edge in this step."""
        if edge.delay:
            return self.state[(edge.key, "line")][:, self.time % edge.delay]
        return self.values[(edge.source, edge.output)]

    def _run(self, node: Node) -> None:
        edges = self.graph.edges_into[node.name]
        if isinstance(node, Cell):
            self._cell(node, [self._read(e) for e in edges])
            return
        out = self.graph.signals[(node.name, "out")]
        dtype = compute_dtype(out.type, widen=self.widen)
        if isinstance(node, Map) and isinstance(node.op, Synapses):
            value = self._synapses(node, node.op, edges[0], out, dtype)
        else:
            value = self._stateless(node, [self._read(e) for e in edges], out, dtype)
        if self.follow is not None and not isinstance(expression_type(out.type), Float):
            value = self.follow.values[(node.name, "out")]
        self.values[(node.name, "out")] = value.astype(dtype)

    def _stateless(
        self, node: Node, arrived: list[Array], out: Signal, dtype: np.dtype[Any]
    ) -> Array:
        if isinstance(node, Output):
            return arrived[0]
        if isinstance(node, Map):
            return apply_map(node.op, arrived, out, self.tensors, dtype)
        if isinstance(node, Product):
            return apply_product(node.equation, arrived[0], arrived[1], out, dtype)
        if isinstance(node, Reduce):
            if isinstance(node.op, ArgMax):
                return apply_argmax(node.op, arrived[0])
            if isinstance(node.op, ReduceAxes):
                return apply_axes(node.op, arrived[0], out, dtype)
            return self._max_pool(node, node.op, arrived[0], out)
        raise InternalError(f"no rule runs {type(node).__name__}")

    def _max_pool(self, node: Reduce, op: MaxPool, x: Array, out: Signal) -> Array:
        if op.mode == "frame":
            return window_maximum(x, op.window, out.shape[1:])
        total = self.state[(node.name, "sum")]
        before = self.state[(node.name, "maximum")]
        total = total + x.astype(total.dtype)
        after = window_maximum(total, op.window, out.shape[1:])
        self.state[(node.name, "sum")], self.state[(node.name, "maximum")] = total, after
        return after - before

    def _synapses(
        self, node: Map, op: Synapses, edge: Edge, out: Signal, dtype: np.dtype[Any]
    ) -> Array:
        def sent(delay: int) -> Array:
            return self._past(node, delay) if delay else self._read(edge)

        return sum_synapses(op, sent, out, self.tensors, dtype)

    def _past(self, node: Map, delay: int) -> Array:
        history = self.state[(node.name, "history")]
        return history[:, (self.time - delay) % history.shape[1]]

    def _cell(self, node: Cell, arrived: list[Array]) -> None:
        names = [s.name for s in node.states]
        shape = (self.samples, *node.shape)
        if self.time < node.start:
            for out in node.outputs:
                kind = self.graph.signals[(node.name, out)].type
                zero = np.zeros(shape, compute_dtype(kind, widen=self.widen))
                self.values[(node.name, out)] = zero
            for name in names:
                self.values[(node.name, name)] = self.state[(node.name, name)]
            return
        frame = Frame(
            inputs=dict(zip(node.ports, (_aligned(a, node.shape) for a in arrived), strict=True)),
            params={
                p.name: self.tensors[p.tensor][self.time] if p.timed else self.tensors[p.tensor]
                for p in node.params
            },
            states={name: self.state[(node.name, name)] for name in names},
            step=self.time,
            index=np.arange(int(np.prod(node.shape))).reshape(node.shape),
            sample=np.arange(self.first_sample, self.first_sample + self.samples).reshape(
                -1, *[1] * len(node.shape)
            ),
            seed=self.seed,
            stream=node.stream,
            widen=self.widen,
            forced=self.follow.cell_values[node.name] if self.follow else None,
        )
        values = evaluate(node.program, frame)
        self.cell_values[node.name] = values
        for name, index in node.program.outputs:
            self.values[(node.name, name)] = np.broadcast_to(values[index], shape)
        for name, index in node.program.updates:
            self.state[(node.name, name)] = np.broadcast_to(values[index], shape)
            self.values[(node.name, name)] = self.state[(node.name, name)]


def _aligned(x: Array, shape: tuple[int, ...]) -> Array:
    """Put ones behind the sample axis, so that numpy's rules see the cell's axes only."""
    missing = len(shape) - (x.ndim - 1)
    return x.reshape(x.shape[0], *[1] * missing, *x.shape[1:])
