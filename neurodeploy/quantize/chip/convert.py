"""Rewrites a float graph into the integers and neurons of a chip, in steps of the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import (
    Finding,
    InternalError,
    NeurodeployError,
    QuantizationError,
    raise_findings,
)
from neurodeploy.execute import Progress
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Edge, Input, Node, Reduce
from neurodeploy.ir.ops import Synapses
from neurodeploy.ir.types import BOOL, QType
from neurodeploy.passes.recognise import computes
from neurodeploy.passes.retime import least_pace
from neurodeploy.passes.rewire import Draft
from neurodeploy.quantize.chip.inputs import Sent, best_numbers, spikes
from neurodeploy.quantize.chip.neurons import float_neuron
from neurodeploy.quantize.chip.prepare import STEP, chip_prepared
from neurodeploy.quantize.chip.scales import Fitted, Population, Term, fitted, rounded_rows
from neurodeploy.quantize.chip.sums import Arriving, Sum, arriving, group_axis, rows_of
from neurodeploy.quantize.observers import observe
from neurodeploy.quantize.scheme import Scheme
from neurodeploy.semantics.types import Float
from neurodeploy.targets.base import Capabilities, Run, Target
from neurodeploy.targets.grid import ChipGrid, FloatNeuron, IntegerNeuron

__all__ = ["for_chip"]

Array = npt.NDArray[Any]
Key = tuple[str, str]
MakeRunner = Callable[[Graph], Run]


def for_chip(
    graph: Graph,
    inputs: Mapping[str, Array],
    timesteps: int,
    scheme: Scheme,
    target: Target,
    capabilities: Capabilities,
    *,
    make_runner: MakeRunner,
    seed: int = 0,
    progress: Progress | None = None,
) -> Graph:
    """Round a float graph onto the grids of a chip.

    Args:
        graph: The float graph.
        inputs: Calibration samples by input node.
        timesteps: Steps of a calibration run.
        scheme: Bits of weights, granularity, headroom; the chip decides the rest.
        target: Whose cells the neurons become.
        capabilities: The profile.
        make_runner: Gives what runs the float graph.
        seed: Seed of the choice of values that observers keep.
        progress: Called with (samples done, samples in all).

    Raises:
        QuantizationError: every neuron, sum and input that has no form on the chip.
    """
    if capabilities.grid is None:
        raise InternalError(f"{capabilities.name!r} has no grid")
    ready = chip_prepared(graph)
    rounding = _Rounding(ready, scheme, target, capabilities, capabilities.grid)
    rounding.read()
    keys = [(c.name, "v") for c in rounding.neurons]
    seen = observe(ready, make_runner(ready), inputs, timesteps, keys, seed=seed, progress=progress)
    return rounding.run({n: seen[(n, out)].peak for n, out in keys}, inputs)


def hops(node: Node) -> bool:
    """Say whether what a node sends arrives one step of a chip later: neurons, and max pools."""
    return isinstance(node, Reduce) or (isinstance(node, Cell) and not computes(node, "add"))


class _Rounding:
    """One graph that is being rounded; findings are collected, and raised together."""

    def __init__(
        self,
        graph: Graph,
        scheme: Scheme,
        target: Target,
        capabilities: Capabilities,
        grid: ChipGrid,
    ) -> None:
        self.graph = graph
        self.scheme = scheme
        self.target = target
        self.capabilities = capabilities
        self.grid = grid
        self.draft = Draft(graph, STEP)
        self.found: list[Finding] = []
        self.neurons = tuple(c for c in graph.cells if not computes(c, "add"))
        self.pace = least_pace(graph, hops)
        self.models: dict[str, FloatNeuron] = {}
        self.arriving: dict[str, Arriving] = {}
        self.sent: dict[str, Sent] = {}

    def read(self) -> None:
        """Read all neurons and what arrives at them.

        Raises:
            QuantizationError: everything that has no form on the chip.
        """
        for cell in self.neurons:
            try:
                self.models[cell.name] = float_neuron(cell, self.graph.tensors)
            except NeurodeployError as error:
                self._refuse(cell, error)
            self.arriving[cell.name] = arriving(self.graph, cell, self.found)
        for node in self.graph.inputs:
            if isinstance(node.type, QType):
                self.found.append(
                    Finding("the graph is over integers already", node.name, node.source)
                )
        raise_findings(QuantizationError, self.found)

    def _refuse(self, node: Any, error: NeurodeployError) -> None:
        self.found += [
            Finding(f.message, node.name, node.source, f.hint, f.value, f.limit)
            for f in error.findings
        ]

    def run(self, peaks: Mapping[str, Array], inputs: Mapping[str, Array]) -> Graph:
        """Give the integer graph.

        Raises:
            QuantizationError: every neuron, sum and input that has no form on the chip.
        """
        for node in self.graph.inputs:
            self._input(node, inputs[node.name], peaks)
        raise_findings(QuantizationError, self.found)
        for cell in self.neurons:
            try:
                self._neuron(cell, peaks[cell.name])
            except NeurodeployError as error:
                self._refuse(cell, error)
        raise_findings(QuantizationError, self.found)
        return self.draft.finish()

    # -- inputs -------------------------------------------------------------------------------

    def _input(self, node: Input, x: Array, peaks: Mapping[str, Array]) -> None:
        """Choose the integers of an input, together with the weights behind it."""
        sent = spikes(x)
        if sent is None and not self.grid.message_bits:
            self.found.append(
                Finding(
                    "its samples are numbers, the chip sends spikes alone",
                    node.name,
                    node.source,
                    hint="encode them as spikes: --rate, --latency, or events",
                )
            )
            return
        if sent is None:
            sent = self._numbers(node, x, peaks)
        self.sent[node.name] = sent
        if not isinstance(node.type, Float):
            return
        if sent.type == BOOL:
            self.draft.nodes[node.name] = replace(node, type=BOOL, kind="spike")
            self.draft.note(
                node.name, "spikes instead of floats", "exact", "the calibration data are 0 and 1"
            )
            return
        self.draft.nodes[node.name] = replace(node, type=sent.type)
        self.draft.note(
            node.name,
            f"whole numbers up to {sent.largest} instead of floats",
            f"bounded: rounded by at most {sent.step / 2:.2g}",
            "fewer values of the input leave the weights behind it more bits of the sum",
        )

    def _numbers(self, node: Input, x: Array, peaks: Mapping[str, Array]) -> Sent:
        readers = [
            cell
            for cell in self.neurons
            if any(self._sender(s.reads) == node.name for s in self.arriving[cell.name].sums)
        ]
        power = 0.0
        for cell in readers:
            for each in self.arriving[cell.name].sums:
                if self._sender(each.reads) == node.name:
                    power += float(np.square(self._weight(each)).sum())

        def weights(sent: Sent) -> float:
            self.sent[node.name] = sent
            try:
                return sum(self._fit(c, peaks[c.name]).error for c in readers)
            except QuantizationError:
                return float("inf")

        bits = min(self.grid.message_bits, self.scheme.input_bits)
        return best_numbers(x, bits, weights, power)

    def _sender(self, edge: Edge) -> str:
        """Give the input or the neuron that an edge comes from, through reshapes."""
        while edge.source not in self.models:
            into = self.graph.edges_into[edge.source]
            if len(into) != 1:
                break
            (edge,) = into
        return edge.source

    # -- neurons ------------------------------------------------------------------------------

    def _weight(self, each: Sum) -> Array:
        return self.graph.tensors[each.op.weight].data.astype(np.float64)

    def _axis(self, cell: Cell) -> int | None:
        """Give the axis of the groups that have a scale of their own; None for one of all."""
        common = self.models[cell.name].reset == "none"  # what is read is compared
        if common or self.scheme.granularity == "tensor":
            return None
        return group_axis(self.arriving[cell.name].sums, len(cell.shape))

    def _by_group(self, cell: Cell, values: Array) -> Array:
        """Give the largest magnitude of each group of neurons."""
        full, axis = np.abs(np.broadcast_to(values, cell.shape)), self._axis(cell)
        if axis is None:
            one: Array = full.reshape(1, -1).max(axis=1)
            return one
        found: Array = np.moveaxis(full, axis, 0).reshape(cell.shape[axis], -1).max(axis=1)
        return found

    def _on_neurons(self, cell: Cell, values: Array) -> Array:
        """Give a value by group as one that broadcasts to the neurons."""
        axis = self._axis(cell)
        if axis is None:
            return values.reshape(())
        placed: Array = values.reshape([-1 if a == axis else 1 for a in range(len(cell.shape))])
        return placed

    def _bias(self, cell: Cell) -> Array:
        """Give what arrives at each neuron in every step, in real units."""
        model = self.models[cell.name]
        total: Array = np.zeros(cell.shape)
        for each in self.arriving[cell.name].sums:
            if each.op.bias is None:
                continue
            bias = self.graph.tensors[each.op.bias].data.astype(np.float64)
            if bias.shape != cell.shape:
                axis = 0 if not hasattr(each.op, "axis") else each.op.axis % len(cell.shape)
                bias = bias.reshape([-1 if a == axis else 1 for a in range(len(cell.shape))])
            total = total + bias * model.gain
        return total

    def _population(self, cell: Cell, peak: Array) -> Population:
        model, sums = self.models[cell.name], self.arriving[cell.name].sums
        gain = self._by_group(cell, model.gain)[:, None]
        groups = len(gain)
        terms = []
        for each in sums:
            sent = self.sent.get(self._sender(each.reads), Sent(BOOL, 1.0, 1, 1.0, 0.0))
            target = self._targets(each)
            rows = rows_of(each.op, self._weight(each), target, groups) * gain * sent.step
            exponents = self.grid.exponents.get(type(each.op).__name__, (0, 0))
            if isinstance(each.op, Synapses) and each.op.delay is not None:
                exponents = max(0, exponents[0]), exponents[1]
            terms.append(Term(rows, exponents, sent.largest, sent.power))
        threshold = self._by_group(cell, model.threshold)
        # a membrane is seen after its reset, and was higher before it
        highest = self._by_group(cell, peak) + threshold
        gated = self.pace > 1 and model.reset in ("subtract", "unreset")
        return Population(
            terms,
            threshold,
            self._by_group(cell, model.taken) if model.reset == "subtract" else 0 * threshold,
            self._by_group(cell, self._bias(cell)),
            self._by_group(cell, model.beta * model.initial),
            highest * self.scheme.headroom,
            gated,
        )

    def _targets(self, each: Sum) -> Array:
        if isinstance(each.op, Synapses):
            return self.graph.tensors[each.op.target].data.astype(np.int64)
        return np.zeros(0, np.int64)

    def _fit(self, cell: Cell, peak: Array) -> Fitted:
        return fitted(self._population(cell, peak), self.grid, self.scheme.weight_bits)

    def _neuron(self, cell: Cell, peak: Array) -> None:
        population = self._population(cell, peak)
        fit = fitted(population, self.grid, self.scheme.weight_bits)
        for each, term, e in zip(
            self.arriving[cell.name].sums, population.terms, fit.exponents, strict=True
        ):
            self._sum(each, term, e, fit)
        for addition in self.arriving[cell.name].additions:
            edges = self.draft.into(addition.name)
            self.draft.cell(
                addition.name,
                "add",
                [(e.source, e.output) for e in edges],
                shape=addition.shape,
                params={},
                source=addition.source,
            )
        self._cell(cell, fit, population.peak)

    def _sum(self, each: Sum, term: Term, exponent: int, fit: Fitted) -> None:
        """Round the weights of a sum, and give it its exponent."""
        node, weight = each.node, self._weight(each)
        rows = rounded_rows(
            term.rows * fit.scale[:, None] * 2.0**-exponent, self.grid, self.scheme.weight_bits
        )
        exact = term.rows * fit.scale[:, None] * 2.0**-exponent
        if weight.any() and not rows.any():
            raise QuantizationError(
                f"all weights of {node.name!r} become 0 beside those that arrive with them",
                hint="a layer of its own for what is so much weaker, or more bits",
            )
        whole = self._placed(each, rows, weight)
        end = self.grid.mantissa
        kind = QType(-end - 1 if whole.min(initial=0) < -end else -end, end)
        stored = self.draft.store(each.op.weight, whole.astype(np.int64), kind, owner=node.name)
        self.draft.nodes[node.name] = replace(node, op=replace(each.op, weight=stored, bias=None))
        zeroed = int(((rows == 0) & (exact != 0)).sum())
        clipped = int((np.abs(exact) > end + 0.5).sum())
        self.draft.note(
            node.name,
            f"{self.scheme.weight_bits}-bit mantissas, times 2**{exponent}",
            f"bounded: {clipped} of {weight.size} weights clipped, {zeroed} became 0",
            "scale and exponent of least squared error, within the chip's ranges",
        )
        if exponent:
            leaves = self.draft.edges[(each.leaves.target, each.leaves.port)]
            made = self.draft.cell(
                self.draft.fresh(f"{node.name}.exponent"),
                self.grid.shift_cell,
                [(node.name, "out")],
                shape=self.draft.signal((node.name, "out")).shape,
                params={},
                options={"exponent": exponent},
                source=node.source,
            )
            self.draft.read(leaves, made)

    def _placed(self, each: Sum, rows: Array, weight: Array) -> Array:
        """Give rows of groups as the weights that they came from."""
        if not isinstance(each.op, Synapses) or len(rows) == 1:
            return rows.reshape(weight.shape)
        target = self._targets(each)
        order = np.argsort(target, kind="stable")
        counts = np.bincount(target, minlength=len(rows))
        begin = np.concatenate([[0], np.cumsum(counts)[:-1]])
        placed = np.zeros_like(weight)
        placed[order] = rows[target[order], np.arange(len(order)) - begin[target[order]]]
        return placed

    def _constant(self, values: Array) -> Array:
        """Round what arrives beside the sums."""
        step = self.grid.drive_step
        rounded: Array = (np.rint(values / step) * step).astype(np.int64)
        return rounded

    def _cell(self, cell: Cell, fit: Fitted, peak: Array) -> None:
        """Put the chip's neuron in the place of a float one."""
        model = self.models[cell.name]
        scale = self._on_neurons(cell, fit.scale)
        step = 2.0**fit.taken_exponent
        drive = self._constant(self._bias(cell) * scale)
        taken = np.rint(model.taken * scale / step) * step
        spiking = model.reset != "none"
        made = IntegerNeuron(
            model,
            np.rint(model.threshold * scale).astype(np.int64) if spiking else None,
            (taken if model.reset == "subtract" else 0 * taken).astype(np.int64),
            drive,
            self._constant(model.beta * model.initial * scale),
            self._on_neurons(cell, peak * fit.scale),
            self.pace,
            np.asarray(1 / scale),
        )
        edges = self.draft.into(cell.name)
        arrived = [self.draft.signal((e.source, e.output)) for e in edges]
        new, output = self.target.integer_cell(cell, arrived, made, self.capabilities)
        stored = {
            old: self.draft.store(old, t.data, t.type, owner=cell.name)
            for old, t in new.tensors.items()
        }
        self.draft.nodes[cell.name] = replace(
            new.node,
            params=tuple(replace(p, tensor=stored[p.tensor]) for p in new.node.params),
            states=tuple(replace(s, initial=stored[s.initial]) for s in new.node.states),
        )
        for edge, port in zip(edges, new.node.ports, strict=True):
            del self.draft.edges[(edge.target, edge.port)]
            self.draft.edges[(cell.name, port)] = replace(edge, port=port)
        for out in cell.outputs:
            for reader in self.draft.readers((cell.name, out)):
                self.draft.read(reader, (cell.name, output))
        self.draft.note(
            cell.name,
            f"{new.node.definition}, a unit of {float(made.unit.min()):.3g}",
            "bounded: decays, thresholds and states are the chip's integers",
            f"{model.reset} reset; {'above' if model.strict else 'at'} the threshold in floats",
        )
