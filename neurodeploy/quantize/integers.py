"""Rewrites a prepared float graph, node by node, into one over integers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import Finding, InternalError, NeurodeployError, QuantizationError
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Edge, Input, Map, ParamRef, StateRef
from neurodeploy.ir.ops import Synapses
from neurodeploy.ir.types import BOOL, QType, Signal, expression_type
from neurodeploy.passes.rewire import Draft
from neurodeploy.passes.weights import Weighted
from neurodeploy.quantize.fixed_point import Arrival, fixed_point
from neurodeploy.quantize.grids import to_noise_ratio
from neurodeploy.quantize.prepare import STEP
from neurodeploy.quantize.projections import QuantisedMap, quantised_map
from neurodeploy.quantize.scheme import Scheme
from neurodeploy.quantize.units import CellUnits, Span, input_step
from neurodeploy.semantics.linear import apply_map
from neurodeploy.semantics.types import Bool, Float, Int

__all__ = ["Integers"]

Array = npt.NDArray[Any]
Key = tuple[str, str]


class Integers:
    """Quantises one graph.

    Args:
        graph: The prepared graph.
        scheme: Widths and grids.
        units: Units of its cells.
        spans: What the calibration data of each input that is a number are.
        means: Mean over samples and steps of what projections add up.
        bits: Bits of the weights of single projections, where not the scheme's.
    """

    def __init__(
        self,
        graph: Graph,
        scheme: Scheme,
        units: Mapping[str, CellUnits],
        spans: Mapping[str, Span],
        means: Mapping[Key, Array],
        bits: Mapping[str, int] | None = None,
    ) -> None:
        self.graph = graph
        self.scheme = scheme
        self.units = units
        self.spans = spans
        self.means = means
        self.bits = bits or {}
        self.draft = Draft(graph, STEP)
        self.maps: dict[str, QuantisedMap] = {}
        self.findings: list[Finding] = []

    def run(self) -> Graph:
        """Give the integer graph.

        Raises:
            QuantizationError: all nodes that have no integer form.
        """
        failed: set[str] = set()
        for node in self.graph.nodes:
            if any(e.source in failed for e in self.graph.edges_into[node.name]):
                failed.add(node.name)  # what is wrong is told where it is
                continue
            try:
                if isinstance(node, Input):
                    self._input(node)
                elif isinstance(node, Map) and isinstance(node.op, Weighted):
                    self._map(node, node.op)
                elif isinstance(node, Cell):
                    self._cell(node)
                elif not any(e.delay for e in self.graph.edges_into[node.name]):
                    self.draft.signal((node.name, node.outputs[0]))  # integers may not join here
            except NeurodeployError as error:
                failed.add(node.name)
                self.findings += [
                    Finding(f.message, node.name, node.source, hint=f.hint) for f in error.findings
                ]
        if self.findings:
            raise QuantizationError(self.findings)
        self._initial_values()
        return self.draft.finish()

    def step(self, key: Key) -> Array:
        """Give the real value of 1 of a signal; it broadcasts to the signal's shape."""
        node = self.graph.node(key[0])
        if isinstance(node, Input):
            kind = self.draft.nodes[node.name].type  # type: ignore[attr-defined]
            return np.asarray(kind.scale[0] if isinstance(kind, QType) else 1.0)
        if isinstance(node, Cell):
            return np.asarray(self.units[node.name].steps.get(key[1], 1.0))
        if node.name in self.maps:
            return self.maps[node.name].step
        steps = [self.step((e.source, e.output)) for e in self.graph.edges_into[node.name]]
        if any(s.size > 1 or s != steps[0] for s in steps):
            raise QuantizationError(
                "signals of different steps meet",
                hint="activations of one range, or projections of their own behind each",
            )
        return steps[0]

    # -- nodes --------------------------------------------------------------------------------

    def _input(self, node: Input) -> None:
        if not isinstance(node.type, Float):
            return
        if node.name not in self.spans:
            raise QuantizationError("no calibration data for this input")
        span = self.spans[node.name]
        seen = f"the calibration data lie in [{span.low:.4g}, {span.high:.4g}]"
        if span.whole and span.low >= 0 and span.high <= 1:
            self.draft.nodes[node.name] = replace(node, type=BOOL, kind="spike")
            self.draft.note(
                node.name, "spikes instead of floats", "exact", "the calibration data are 0 and 1"
            )
            return
        step, bounds = input_step((span.low, span.high), self.scheme.input_bits)
        if span.whole and bounds.lo <= span.low and span.high <= bounds.hi:
            step = 1.0
        kind = QType(bounds.lo, bounds.hi, (step,), overflow="saturate")
        self.draft.nodes[node.name] = replace(node, type=kind)
        amount = "exact for whole numbers" if step == 1 else f"rounded by at most {step / 2:.2g}"
        self.draft.note(
            node.name, f"{kind.bits}-bit input instead of floats", f"bounded: {amount}", seen
        )

    def _map(self, node: Map, op: Weighted) -> None:
        readers = self.graph.edges_from[node.name]
        unit = next((self.units[e.target].unit for e in readers if e.target in self.units), None)
        if unit is None:
            raise InternalError(f"{node.name!r} is read by no cell")
        edge = self.graph.edges_into[node.name][0]
        arrived = self.step((edge.source, edge.output))
        if arrived.size != 1:
            raise QuantizationError("what arrives has a step per channel")
        weight = self.graph.tensors[op.weight].data.astype(np.float64)
        scheme = replace(self.scheme, weight_bits=self.bits.get(node.name, self.scheme.weight_bits))
        here = any(e.delay for e in readers) or any(
            not isinstance(self.graph.node(e.target), Cell) for e in readers
        )
        out = self.graph.signals[(node.name, "out")]
        made = quantised_map(
            op,
            weight,
            None if op.bias is None else self.graph.tensors[op.bias].data.astype(np.float64),
            float(arrived),
            unit,
            out,
            scheme,
            keep_bias=here,
            lost=self._lost(node, op) if scheme.bias_correction else None,
        )
        self.maps[node.name] = made
        stored = self.draft.store(op.weight, made.whole, made.kind, owner=node.name)
        bias = None
        if made.bias is not None and op.bias is not None:
            bias = self.draft.store(op.bias, made.bias, _range_of(made.bias), owner=node.name)
        self.draft.nodes[node.name] = replace(node, op=replace(op, weight=stored, bias=bias))
        ratio = to_noise_ratio(weight, made.rounded)
        self.draft.note(
            node.name,
            f"{made.kind.bits}-bit weights"
            + (f", {scheme.grid}" if scheme.grid != "uniform" else "")
            + f", one step per {scheme.granularity}",
            f"bounded: signal to noise ratio {ratio:.1f} dB",
            scheme.described(),
        )

    def _lost(self, node: Map, op: Weighted) -> Callable[[Array], Array]:
        """Give what computes the mean of a projection's sums for other weights."""
        edge = self.graph.edges_into[node.name][0]
        mean = self.means[(edge.source, edge.output)][None]
        out = self.graph.signals[(node.name, "out")]
        tensors = {name: t.data for name, t in self.graph.tensors.items()}

        def sums(change: Array) -> Array:
            changed = {**tensors, op.weight: change}
            plain = replace(op, bias=None)
            if isinstance(plain, Synapses):
                plain = replace(plain, delay=None)  # a mean over time knows no delay
            found: Array = apply_map(plain, [mean], out, changed, np.dtype(np.float64))[0]
            return found

        return sums

    def _cell(self, node: Cell) -> None:
        units = self.units[node.name]
        arrivals = {}
        for edge in self.graph.edges_into[node.name]:
            arrivals[edge.port] = self._arrival(node, edge, units.unit)
        given = {p.name: self.graph.tensors[p.tensor].data for p in node.params}
        kinds = {p.name: self.graph.tensors[p.tensor].type for p in node.params}
        made = fixed_point(
            node.program,
            given,
            unit=units.unit,
            arrivals=arrivals,
            states=units.states,
            sendings=units.sendings,
            factor_bits=self.scheme.factor_bits,
            timed=frozenset(p.name for p in node.params if p.timed),
        )
        refs = []
        for port in made.program.params:
            name = f"{node.name}.{port.name}"
            kind = (
                QType(port.type.lo, port.type.hi)
                if isinstance(port.type, Int)
                else kinds[port.name]
            )
            stored = self.draft.store(name, made.params[port.name], kind, owner=node.name)
            refs.append(ParamRef(port.name, stored, port.name in made.timed))
        states = tuple(self._state(node, ref, units) for ref in node.states)
        held = {s.name for s in states}
        steps = tuple((n, step) for n, step in units.steps.items() if n not in held)
        self.draft.nodes[node.name] = replace(
            node, program=made.program, params=tuple(refs), states=states, steps=steps
        )
        if units.states or any(isinstance(p.type, Float) for p in node.program.inputs):
            bits = f"{self.scheme.state_bits}-bit states" if units.states else "integers"
            self.draft.note(
                node.name,
                f"{bits} of {units.unit:.4g}, factors of {self.scheme.factor_bits} bits",
                "bounded: each product rounded to nearest, states saturate",
                "the range is that of the calibration data"
                + (f" times {self.scheme.headroom}" if units.states else ""),
            )

    def _arrival(self, node: Cell, edge: Edge, unit: float) -> Arrival:
        key = (edge.source, edge.output)
        kind = self._type_of(key)
        if isinstance(kind, Float):
            raise QuantizationError(
                f"{edge.source} sends it floats that have no integer form",
                hint="a weighted sum in the place of sums and products of spikes",
            )
        if isinstance(kind, Bool):
            return Arrival(kind, np.asarray(1.0))
        steps = self.step(key) / unit
        whole = np.rint(steps)
        steps = np.where(np.abs(steps - whole) < 1e-6 * np.abs(steps), whole, steps)
        offset = None
        source = self.maps.get(edge.source)
        if source is not None and source.offset is not None:
            offset = source.offset
        return Arrival(kind, steps, offset)

    def _type_of(self, key: Key) -> Any:
        """Give the integer range of a signal, of a cell that is not rewritten yet too."""
        node = self.graph.node(key[0])
        done = self.draft.nodes[node.name] is not node
        if isinstance(node, Cell) and not done:
            kind = node.program.output_type(key[1])
            units = self.units[node.name]
            if key[1] in units.states:
                return units.states[key[1]]
            if isinstance(kind, Float):
                bounds = units.sendings[key[1]].bounds
                if bounds is None:
                    raise QuantizationError(
                        f"{node.name} sends numbers of no declared range in a loop",
                        hint="spikes may go round in a loop",
                    )
                return bounds
            return kind
        return expression_type(self._signal(key).type)

    def _signal(self, key: Key) -> Signal:
        return self.draft.signal(key)

    def _state(self, node: Cell, ref: StateRef, units: CellUnits) -> StateRef:
        if ref.name not in units.states:
            return ref
        bounds = units.states[ref.name]
        kind = QType(bounds.lo, bounds.hi, (units.unit,), overflow="saturate")
        start = np.rint(self.graph.tensors[ref.initial].data.astype(np.float64) / units.unit)
        if start.min(initial=0) < bounds.lo or start.max(initial=0) > bounds.hi:
            raise QuantizationError(f"the initial {ref.name} is out of the range of its type")
        name = self.draft.store(
            f"{node.name}.{ref.name}.initial", start.astype(np.int64), kind, owner=node.name
        )
        return StateRef(ref.name, kind, name)

    def _initial_values(self) -> None:
        """Give what arrives over a delay before the first value in steps of the signal.

        Raises:
            QuantizationError: it lies outside of the range that was found for the signal.
        """
        outside: list[Finding] = []
        for edge in self.graph.edges:
            kind = self.graph.signal(edge).type
            if not edge.delay or not isinstance(kind, Float):
                continue
            key = (edge.source, edge.output)
            step, sent = self.step(key), self.draft.signal(key)
            start = edge.initial
            given = self.graph.tensors[start].data if isinstance(start, str) else np.asarray(start)
            whole = np.rint(given.astype(np.float64) / step).astype(np.int64)
            held = expression_type(sent.type)
            if isinstance(held, Int) and not held.lo <= whole.min() <= whole.max() <= held.hi:
                what = f"{given} arrives before the first step, outside of {held.lo} to {held.hi}"
                node = self.graph.node(edge.target)
                hint = "an initial value among those that the signal takes"
                outside.append(Finding(f"{what} steps", node.name, node.source, hint=hint))
                continue
            initial: str | int = int(whole.reshape(-1)[0])
            if whole.size > 1:
                wanted = start if isinstance(start, str) else f"{edge.key}.initial"
                values = np.broadcast_to(whole, sent.shape)
                initial = self.draft.store(wanted, values, sent.type, owner="")
            here = self.draft.edges[(edge.target, edge.port)]
            self.draft.edges[(edge.target, edge.port)] = replace(here, initial=initial)
        if outside:
            raise QuantizationError(outside)


def _range_of(whole: Array) -> QType:
    return QType(int(whole.min(initial=0)), int(whole.max(initial=0)))
