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
from neurodeploy.ir.nodes import Cell, Input
from neurodeploy.ir.ops import Synapses
from neurodeploy.ir.types import BOOL, QType
from neurodeploy.passes.rewire import Draft
from neurodeploy.quantize.chip.inputs import Sent, best_numbers, spikes
from neurodeploy.quantize.chip.populations import Populations, located
from neurodeploy.quantize.chip.prepare import STEP, chip_prepared
from neurodeploy.quantize.chip.scales import Fitted, Population, Term, fitted, rounded_rows
from neurodeploy.quantize.chip.sums import Sum
from neurodeploy.quantize.observers import observe
from neurodeploy.quantize.scheme import Scheme
from neurodeploy.semantics.types import Float
from neurodeploy.targets.base import Capabilities, Run, Target
from neurodeploy.targets.grid import FloatNeuron, IntegerNeuron

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
    populations = Populations(chip_prepared(graph), scheme, capabilities.grid, target.hops)
    ready = populations.graph
    # a current is held to the same range as a membrane
    keys = [(c.name, s.name) for c in populations.neurons for s in c.states if s.name in ("v", "i")]
    seen = observe(ready, make_runner(ready), inputs, timesteps, keys, seed=seed, progress=progress)
    peaks: dict[str, Array] = {}
    for name, state in keys:
        peaks[name] = np.maximum(peaks.get(name, 0.0), seen[(name, state)].peak)
    made = _Rounding(populations, target, capabilities, peaks).run(inputs)
    # ranges were planned for runs of so many steps
    return made if made.timesteps is not None else replace(made, timesteps=timesteps)


class _Rounding:
    """One graph that is being rounded; findings are collected, and raised together."""

    def __init__(
        self,
        populations: Populations,
        target: Target,
        capabilities: Capabilities,
        peaks: Mapping[str, Array],
    ) -> None:
        self.populations = populations
        self.graph = populations.graph
        self.grid = populations.grid
        self.bits = populations.scheme.weight_bits
        self.target = target
        self.capabilities = capabilities
        self.peaks = peaks
        self.draft = Draft(self.graph, STEP)
        self.found: list[Finding] = []
        self.sent: dict[str, Sent] = {}

    def run(self, inputs: Mapping[str, Array]) -> Graph:
        """Give the integer graph.

        Raises:
            QuantizationError: every neuron, sum and input that has no form on the chip.
        """
        for node in self.graph.inputs:
            self._input(node, inputs[node.name])
        raise_findings(QuantizationError, self.found)
        for cell in self.populations.neurons:
            try:
                self._neuron(cell)
            except NeurodeployError as error:
                self.found += located(cell, error)
        raise_findings(QuantizationError, self.found)
        return self.draft.finish()

    # -- inputs -------------------------------------------------------------------------------

    def _input(self, node: Input, x: Array) -> None:
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
            sent = self._numbers(node, x)
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

    def _numbers(self, node: Input, x: Array) -> Sent:
        known = self.populations
        behind = [
            (cell, each)
            for cell in known.neurons
            for each in known.arriving[cell.name].sums
            if known.sender(each.reads)[0] == node.name
        ]
        power = sum(float(np.square(known.weight(each)).sum()) for _, each in behind)
        readers = {cell.name: cell for cell, _ in behind}

        def weights(sent: Sent) -> float:
            self.sent[node.name] = sent
            try:
                return sum(self._fit(cell)[1].error for cell in readers.values())
            except QuantizationError:
                return float("inf")

        bits = min(self.grid.message_bits, known.scheme.input_bits)
        return best_numbers(x, bits, weights, power)

    # -- neurons ------------------------------------------------------------------------------

    def _fit(self, cell: Cell) -> tuple[Population, Fitted]:
        found = self.populations.population(cell, self.peaks[cell.name], self.sent)
        return found, fitted(found, self.grid, self.bits)

    def _neuron(self, cell: Cell) -> None:
        population, fit = self._fit(cell)
        arrives = self.populations.arriving[cell.name]
        for each, term, e in zip(arrives.sums, population.terms, fit.exponents, strict=True):
            self._sum(each, term, e, fit)
        for addition in arrives.additions:
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
        node, weight = each.node, self.populations.weight(each)
        exact = term.rows * fit.scale[:, None] * 2.0**-exponent
        rows = rounded_rows(exact, self.grid, self.bits)
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
            f"{self.bits}-bit mantissas, times 2**{exponent}",
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
        target = self.populations.targets(each)
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

    def _threshold(self, model: FloatNeuron, scale: Array) -> Array:
        """Round a threshold; a unit lower where a neuron spikes at it, the chip's is above it."""
        rounded = np.rint(model.threshold * scale).astype(np.int64)
        held: Array = np.maximum(rounded - (not model.strict), 0)
        return held

    def _cell(self, cell: Cell, fit: Fitted, peak: Array) -> None:
        """Put the chip's neuron in the place of a float one."""
        known = self.populations
        model, scale = known.models[cell.name], known.on_neurons(cell, fit.scale)
        step = 2.0**fit.taken_exponent
        drive = self._constant(known.bias(cell) * scale)
        taken = np.rint(model.taken * scale / step) * step
        spiking = model.reset != "none"
        made = IntegerNeuron(
            model,
            self._threshold(model, scale) if spiking else None,
            (taken if model.reset == "subtract" else 0 * taken).astype(np.int64),
            drive,
            self._constant(model.beta * model.initial * scale),
            known.on_neurons(cell, peak * fit.scale),
            known.pace,
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
