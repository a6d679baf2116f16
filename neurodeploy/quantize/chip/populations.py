"""Describes the neurons of a float graph as populations whose scale is to be chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import Finding, NeurodeployError, QuantizationError, raise_findings
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Edge, Input, Map, Node, Reduce
from neurodeploy.ir.ops import Dense, MaxPool, Reshape, Synapses
from neurodeploy.ir.types import BOOL, QType
from neurodeploy.passes.recognise import computes
from neurodeploy.passes.retime import hop_starts, least_pace
from neurodeploy.quantize.chip.inputs import Sent
from neurodeploy.quantize.chip.neurons import float_neuron
from neurodeploy.quantize.chip.scales import Population, Term
from neurodeploy.quantize.chip.sums import Arriving, Sum, arriving, group_axis, reach_of, rows_of
from neurodeploy.quantize.scheme import Scheme
from neurodeploy.targets.grid import ChipGrid, FloatNeuron

__all__ = ["Populations", "located"]

Array = npt.NDArray[Any]
SPIKES = Sent(BOOL, 1.0, 1, 1.0, 0.0)


class Populations:
    """The neurons of one prepared graph, what arrives at them, and when.

    Args:
        graph: The prepared float graph.
        scheme: Granularity and headroom.
        grid: What the chip holds.
        hops: Gives the chip's steps from what arrives at a node to what it sends.

    Raises:
        QuantizationError: everything that has no form on the chip.
    """

    def __init__(
        self, graph: Graph, scheme: Scheme, grid: ChipGrid, hops: Callable[[Node], int]
    ) -> None:
        self.graph = graph
        self.scheme = scheme
        self.grid = grid
        self.hops = hops
        self.neurons = tuple(c for c in graph.cells if not computes(c, "add"))
        self.models: dict[str, FloatNeuron] = {}
        self.arriving: dict[str, Arriving] = {}
        self.found: list[Finding] = []
        self._read()
        raise_findings(QuantizationError, self.found)
        self.pace = least_pace(graph, hops)
        self.starts = hop_starts(graph, hops, self.pace) or {}

    def _read(self) -> None:
        for cell in self.neurons:
            try:
                self.models[cell.name] = float_neuron(cell, self.graph.tensors)
            except NeurodeployError as error:
                self.found += located(cell, error)
                continue
            self.arriving[cell.name] = arriving(self.graph, cell, self.found)
            if self.models[cell.name].reset == "none":
                continue
            for edge in self.graph.edges_from[cell.name]:
                if edge.output != cell.outputs[0]:
                    text = f"{edge.target!r} reads the state {edge.output!r} of a neuron that fires"
                    hint = "read its spikes, or a neuron that never fires"
                    self.found.append(Finding(text, cell.name, cell.source, hint))
        for cell in self.neurons:
            for each in self.arriving[cell.name].sums if cell.name in self.arriving else ():
                self._check_source(each)
        for node in self.graph.inputs:
            if isinstance(node.type, QType):
                text = "the graph is over integers already"
                self.found.append(Finding(text, node.name, node.source))

    def _check_source(self, each: Sum) -> None:
        """Refuse sums of what is neither an input, nor spikes of neurons and their pools."""
        node, edge = each.node, each.reads
        while True:
            if edge.delay and edge.initial != 0:
                text = "something arrives before anything was sent"
                self._refuse(node, text, "delays that start with 0")
            source = self.graph.node(edge.source)
            if not (isinstance(source, Map) and isinstance(source.op, Reshape)):
                break
            (edge,) = self.graph.edges_into[source.name]
        if isinstance(source, Input):
            return
        spikes = self.graph.signals[(edge.source, edge.output)].type == BOOL
        known = isinstance(source, Cell) or (
            isinstance(source, Reduce) and isinstance(source.op, MaxPool)
        )
        if not known or not spikes:
            what = source.definition if isinstance(source, Cell) else _kind(source)
            text = f"weighs {source.name!r} ({what}), which sends no spikes of neurons"
            self._refuse(node, text, "inputs, neurons that fire, and max pools of their spikes")

    def _refuse(self, node: Node, text: str, hint: str) -> None:
        self.found.append(Finding(text, node.name, node.source, hint))

    def sender(self, edge: Edge) -> tuple[str, int]:
        """Give the neuron, pool or input that an edge comes from, and the delays on the way."""
        delay = edge.delay
        while not self.hops(node := self.graph.node(edge.source)) and not isinstance(node, Input):
            into = self.graph.edges_into[node.name]
            if len(into) != 1:
                break
            (edge,) = into
            delay += edge.delay
        return edge.source, delay

    def weight(self, each: Sum) -> Array:
        """Give the weights of a sum."""
        return self.graph.tensors[each.op.weight].data.astype(np.float64)

    def _axis(self, cell: Cell) -> int | None:
        """Give the axis of the groups that have a scale of their own; None for one of all."""
        common = self.models[cell.name].reset == "none"  # what is read is compared
        if common or self.scheme.granularity == "tensor":
            return None
        return group_axis(self.arriving[cell.name].sums, len(cell.shape))

    def by_group(self, cell: Cell, values: Array) -> Array:
        """Give the largest magnitude of each group of neurons."""
        full, axis = np.abs(np.broadcast_to(values, cell.shape)), self._axis(cell)
        if axis is None:
            one: Array = full.reshape(1, -1).max(axis=1)
            return one
        found: Array = np.moveaxis(full, axis, 0).reshape(cell.shape[axis], -1).max(axis=1)
        return found

    def on_neurons(self, cell: Cell, values: Array) -> Array:
        """Give a value by group as one that broadcasts to the neurons."""
        axis = self._axis(cell)
        if axis is None:
            return values.reshape(())
        placed: Array = values.reshape([-1 if a == axis else 1 for a in range(len(cell.shape))])
        return placed

    def bias(self, cell: Cell) -> Array:
        """Give what arrives at each neuron in every step, in real units."""
        model = self.models[cell.name]
        total: Array = np.zeros(cell.shape)
        for each in self.arriving[cell.name].sums:
            if each.op.bias is None:
                continue
            bias = self.graph.tensors[each.op.bias].data.astype(np.float64)
            if bias.shape != cell.shape:
                axis = each.op.axis % len(cell.shape) if isinstance(each.op, Dense) else 0
                bias = bias.reshape([-1 if a == axis else 1 for a in range(len(cell.shape))])
            total = total + bias * model.gain
        return total

    def population(self, cell: Cell, peak: Array, sent: Mapping[str, Sent]) -> Population:
        """Describe a neuron's population.

        Args:
            cell: The neuron.
            peak: Largest magnitude of its membrane on the calibration data, after a reset.
            sent: What inputs send.

        Raises:
            QuantizationError: neurons that share a scale take their input by different gains.
        """
        model, sums = self.models[cell.name], self.arriving[cell.name].sums
        gain = self.by_group(cell, model.gain)
        if (np.broadcast_to(self.on_neurons(cell, gain) - model.gain, cell.shape) != 0).any():
            raise QuantizationError(
                "neurons that share weights have gains of their own",
                hint="one gain for all, or dense layers, whose neurons have weights of their own",
            )
        terms = [self._term(cell, each, gain[:, None], sent) for each in sums]
        threshold = self.by_group(cell, model.threshold)
        # a membrane is seen after its reset, and was higher before it
        highest = self.by_group(cell, peak) + threshold
        return Population(
            terms,
            threshold,
            self.by_group(cell, model.taken) if model.reset == "subtract" else 0 * threshold,
            self.by_group(cell, self.bias(cell)),
            self.by_group(cell, model.beta * model.initial),
            highest * self.scheme.headroom,
            self.pace > 1 and model.reset in ("subtract", "unreset"),
        )

    def _term(self, cell: Cell, each: Sum, gain: Array, sent: Mapping[str, Sent]) -> Term:
        name, delay = self.sender(each.reads)
        arrives = sent.get(name, SPIKES)
        weight = self.weight(each)
        rows = rows_of(each.op, weight, self.targets(each), len(gain))
        reach = reach_of(each.op, weight, self.targets(each), len(gain)) * gain[:, 0]
        low, high = self.grid.exponents.get(type(each.op).__name__, (0, 0))
        late = self.starts[cell.name] - self.starts[name] + self.pace * delay
        if late > 1 or (isinstance(each.op, Synapses) and each.op.delay is not None):
            low = max(0, low)  # what comes with delays is summed before it can be cut
        step = arrives.step
        return Term(rows * gain * step, reach * step, (low, high), arrives.largest, arrives.power)

    def targets(self, each: Sum) -> Array:
        """Give the target of each single synapse; nothing for other sums."""
        if isinstance(each.op, Synapses):
            return self.graph.tensors[each.op.target].data.astype(np.int64)
        return np.zeros(0, np.int64)


def _kind(node: Node) -> str:
    return type(node.op).__name__ if isinstance(node, Map | Reduce) else node.family


def located(node: Node, error: NeurodeployError) -> list[Finding]:
    """Give the findings of an error as those of a node."""
    return [
        Finding(f.message, node.name, node.source, f.hint, f.value, f.limit) for f in error.findings
    ]
