"""Decides what a whole number stands for: the unit of each cell, the step of what it sends."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from neurodeploy.errors import Finding, QuantizationError, raise_findings
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Output
from neurodeploy.quantize.fixed_point import Sending
from neurodeploy.quantize.observers import Range, span
from neurodeploy.quantize.scheme import Scheme
from neurodeploy.semantics.types import Float, Int

__all__ = ["CellUnits", "Span", "cell_units", "input_step", "wanted_keys"]

Key = tuple[str, str]
SPARE_DIGITS = 15  # binary digits of a unit below the step of an activation
BETWEEN_DIGITS = 8  # of a sum of currents below the unit of the neuron that takes it
OUTPUT_BITS = 24  # of the largest output
LOOP = Int(-(2**31) + 1, 2**31 - 1)  # what goes round in a loop


@dataclass(frozen=True)
class CellUnits:
    """The unit of a cell and what it sends.

    Attributes:
        unit: Real value of 1 in its currents and states.
        states: Range of each state.
        sendings: How outputs that are numbers leave.
        steps: Real value of 1 in each of its outputs and states.
    """

    unit: float
    states: Mapping[str, Int]
    sendings: Mapping[str, Sending]
    steps: Mapping[str, float]


@dataclass(frozen=True)
class Span:
    """What the calibration data of an input are.

    Attributes:
        low: Smallest value.
        high: Largest value.
        whole: All of them are whole numbers.
    """

    low: float
    high: float
    whole: bool


def wanted_keys(graph: Graph) -> list[Key]:
    """Give the states and outputs of cells whose range has to be known."""
    found = []
    for cell in graph.cells:
        for name in cell.outputs:
            if isinstance(cell.program.output_type(name), Float):
                found.append((cell.name, name))
    return found


def input_step(seen: tuple[float, float], bits: int) -> tuple[float, Int]:
    """Give the step and range of an input that is a number."""
    low, high = seen
    bounds = Int(0, 2**bits - 1) if low >= 0 else Int(-(2 ** (bits - 1) - 1), 2 ** (bits - 1) - 1)
    largest = max(abs(low), abs(high))
    return (largest / bounds.hi if largest else 1.0), bounds


def cell_units(graph: Graph, seen: Mapping[Key, Range], scheme: Scheme) -> dict[str, CellUnits]:
    """Give the units of every cell.

    1. A cell with states: the largest state, times the headroom, is the end of its range; a
       threshold that all its neurons share is a whole number of units.
    2. One without: what it sends to weights, pools or reshapes has a step by the range of the
       activation, its unit is finer by `SPARE_DIGITS`; what it sends to cells alone is finer than
       the unit of the first of them by `BETWEEN_DIGITS`, so that a sum of several currents is
       rounded once; what it sends to outputs has 24 bits.

    Raises:
        QuantizationError: layers that are silent on the calibration data.
    """
    found: dict[str, CellUnits] = {}
    silent: list[Finding] = []
    for cell in graph.cells:
        if _float_states(cell):
            _add(found, silent, cell, _stateful(graph, cell, seen, scheme))
    waiting = [c for c in reversed(graph.cells) if not _float_states(c)]
    for cell in waiting:
        _add(found, silent, cell, _stateless(graph, cell, seen, scheme, found))
    raise_findings(QuantizationError, silent)
    return found


def _add(
    found: dict[str, CellUnits], silent: list[Finding], cell: Cell, made: CellUnits | None
) -> None:
    if made is None:
        silent.append(
            Finding(
                "is 0 throughout the calibration data: nothing says what its range is",
                node=cell.name,
                source=cell.source,
                hint="more calibration samples, or ones on which this layer does something",
            )
        )
    else:
        found[cell.name] = made


def _float_states(cell: Cell) -> list[str]:
    return [p.name for p in cell.program.states if isinstance(p.type, Float)]


def _float_outputs(cell: Cell) -> list[str]:
    return [n for n, i in cell.program.outputs if isinstance(cell.program.instrs[i].type, Float)]


def _stateful(
    graph: Graph, cell: Cell, seen: Mapping[Key, Range], scheme: Scheme
) -> CellUnits | None:
    names = _float_states(cell)
    largest = max(span(seen[(cell.name, n)], scheme.state_bits, scheme) for n in names)
    if not largest:
        return None
    end = 2 ** (scheme.state_bits - 1) - 1
    unit = _snapped(graph, cell, largest * scheme.headroom / end)
    bounds = Int(-end - 1, end)
    sendings, steps = {}, dict.fromkeys(names, unit)
    for name in _float_outputs(cell):
        sendings[name], steps[name] = _sending(graph, cell, name, seen, scheme, unit)
    return CellUnits(unit, dict.fromkeys(names, bounds), sendings, steps)


def _snapped(graph: Graph, cell: Cell, unit: float) -> float:
    """Widen a unit a little, so that the threshold of all neurons is a whole number of it.

    A threshold of 139.4 units that is rounded to 139 would be too low by 0.3 %.
    """
    tensors = {p.name: graph.tensors[p.tensor].data for p in cell.params}
    for instr in cell.program.instrs:
        if instr.op != "fire":
            continue
        source = cell.program.instrs[instr.args[1]]
        values = tensors[str(source.attr("name"))] if source.op == "param" else np.zeros(1)
        value = float(values.reshape(-1)[0])
        if value >= unit and (values == values.reshape(-1)[0]).all():
            return value / math.floor(value / unit)
    return unit


def _sending(
    graph: Graph, cell: Cell, name: str, seen: Mapping[Key, Range], scheme: Scheme, unit: float
) -> tuple[Sending, float]:
    """Give how a number leaves a cell whose unit is known."""
    here = seen[(cell.name, name)]
    step, bounds = input_step((here.low, here.high), scheme.activation_bits)
    kind = graph.signals[(cell.name, name)].kind
    if kind in ("graded", "signed"):
        return Sending(payload=step), step
    if _reads_weights(graph, cell, name):
        shift = max(0, round(math.log2(step / unit)))
        return Sending(shift, bounds), unit * 2**shift
    return _whole(graph, cell, name), unit


def _whole(graph: Graph, cell: Cell, name: str) -> Sending:
    """Send units as they are; in a loop, of a declared range, for it cannot be derived there."""
    edges = [e for e in graph.edges_from[cell.name] if e.output == name]
    return Sending(bounds=LOOP) if any(e.delay for e in edges) else Sending()


def _reads_weights(graph: Graph, cell: Cell, name: str) -> bool:
    """Say whether something other than cells and outputs reads an output."""
    readers = [graph.node(e.target) for e in graph.edges_from[cell.name] if e.output == name]
    return any(not isinstance(n, Cell | Output) for n in readers)


def _finer(graph: Graph, reader: str, known: Mapping[str, CellUnits]) -> float:
    """Give a unit below that of the neuron at the end of a chain of cells."""
    unit = known[reader].unit
    node = graph.node(reader)
    last = isinstance(node, Cell) and bool(_float_states(node))
    return unit / 2**BETWEEN_DIGITS if last else unit


def _stateless(
    graph: Graph,
    cell: Cell,
    seen: Mapping[Key, Range],
    scheme: Scheme,
    known: Mapping[str, CellUnits],
) -> CellUnits | None:
    outputs = _float_outputs(cell)
    if not outputs:
        return CellUnits(1.0, {}, {}, {})
    name = outputs[0]
    here = seen[(cell.name, name)]
    largest = span(here, scheme.activation_bits, scheme)
    if not largest:
        return None
    kind = graph.signals[(cell.name, name)].kind
    if kind in ("graded", "signed"):
        sent, step = _sending(graph, cell, name, seen, scheme, 1.0)
        return CellUnits(1.0, {}, {name: sent}, {name: step})
    if _reads_weights(graph, cell, name):
        low = -largest if here.signed else 0.0
        step, bounds = input_step((low, largest), scheme.activation_bits)
        unit = step / 2**SPARE_DIGITS
        return CellUnits(unit, {}, {name: Sending(SPARE_DIGITS, bounds)}, {name: step})
    cells = [
        e.target
        for e in graph.edges_from[cell.name]
        if isinstance(graph.node(e.target), Cell) and e.target in known
    ]
    unit = _finer(graph, cells[0], known) if cells else largest / (2 ** (OUTPUT_BITS - 1) - 1)
    return CellUnits(unit, {}, {name: _whole(graph, cell, name)}, {name: unit})
