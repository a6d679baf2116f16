"""Shape, type and kind of every signal, derived from inputs, cells and tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from neurodeploy.errors import Finding, GraphError
from neurodeploy.ir.make_cell import cell_signals
from neurodeploy.ir.nodes import Cell, Input, Map, Node, Output, Product, Reduce
from neurodeploy.ir.rules_map import map_signal
from neurodeploy.ir.rules_reduce import product_signal, reduce_signal
from neurodeploy.ir.types import (
    BOOL,
    Signal,
    Tensor,
    expression_type,
    num_type_text,
)
from neurodeploy.semantics.types import Int, Type, type_text

if TYPE_CHECKING:
    from neurodeploy.ir.graph import Graph

__all__ = ["infer_signals"]

Signals = dict[tuple[str, str], Signal]
MAX_ELEMENTS = 2**31 - 1


def infer_signals(graph: Graph) -> tuple[Signals, list[Finding]]:
    """Give every signal that can be derived, and all findings.

    Inputs and cells state their own shapes, so a loop is resolved at its cells. A node whose
    inputs could not be derived because of an earlier finding gets none of its own.
    """
    signals: Signals = {}
    found: list[Finding] = []
    for node in graph.nodes:
        if isinstance(node, Input):
            found += _input_findings(node)
            signals[(node.name, "out")] = Signal(node.shape, node.type, node.kind)
        elif isinstance(node, Cell):
            found += _declared(node, signals)
    waiting = [n for n in graph.nodes if not isinstance(n, Input | Cell)]
    failed = False
    progress = True
    while waiting and progress:
        progress = False
        for node in list(waiting):
            arrived = _arrived(graph, node, signals)
            if arrived is None:
                continue
            waiting.remove(node)
            progress = True
            try:
                signals[(node.name, "out")] = _derived(node, arrived, graph.tensors)
            except GraphError as error:
                failed = True
                found += _located(node, error)
    for node in graph.cells:
        arrived = _arrived(graph, node, signals)
        if arrived is not None:
            found += _cell_findings(node, arrived, graph.tensors)
    if waiting and not failed:
        found.append(
            Finding(
                f"the shape of {waiting[0].name!r} depends on itself",
                node=waiting[0].name,
                hint="a loop passes through at least one cell, which declares its shape",
            )
        )
    for (name, _), signal in signals.items():
        if signal.size < 1:
            found.append(Finding(f"shape {list(signal.shape)} holds nothing", node=name))
        if signal.size > MAX_ELEMENTS:
            found.append(
                Finding(
                    f"{signal.size} elements in one signal",
                    node=name,
                    value=signal.size,
                    limit=MAX_ELEMENTS,
                )
            )
    return signals, found


def _arrived(graph: Graph, node: Node, signals: Signals) -> list[Signal] | None:
    found = [signals.get((e.source, e.output)) for e in graph.edges_into[node.name]]
    known = [s for s in found if s is not None]
    return known if len(known) == len(found) else None


def _derived(node: Node, arrived: list[Signal], tensors: Mapping[str, Tensor]) -> Signal:
    if isinstance(node, Map):
        return map_signal(node.op, arrived, tensors)
    if isinstance(node, Reduce):
        return reduce_signal(node.op, arrived[0])
    if isinstance(node, Product):
        return product_signal(node.equation, arrived[0], arrived[1])
    if isinstance(node, Output):
        return arrived[0]
    raise GraphError(f"{type(node).__name__} is no family of nodes")


def _located(node: Node, error: GraphError) -> Iterator[Finding]:
    for f in error.findings:
        yield Finding(f.message, node.name, node.source, hint=f.hint, value=f.value, limit=f.limit)


def _bad_shape(shape: tuple[int, ...]) -> bool:
    whole = all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in shape)
    return not whole or any(n < 1 for n in shape) or len(shape) > 8


def _input_findings(node: Input) -> Iterator[Finding]:
    if _bad_shape(node.shape):
        yield Finding(f"shape {list(node.shape)} of an input", node=node.name)
    if (node.kind == "spike") != (node.type == BOOL):
        yield Finding(
            f"kind {node.kind!r} with type {num_type_text(node.type)}",
            node=node.name,
            hint="a spike is a bool, and a bool is a spike",
        )


def _declared(node: Cell, signals: Signals) -> Iterator[Finding]:
    """Enter the outputs and states of a cell, as it declares them."""
    if _bad_shape(node.shape):
        yield Finding(f"shape {list(node.shape)} of a cell", node=node.name, source=node.source)
    for name, signal in cell_signals(node).items():
        signals[(node.name, name)] = signal


def _cell_findings(
    node: Cell, arrived: list[Signal], tensors: Mapping[str, Tensor]
) -> Iterator[Finding]:
    def finding(message: str, hint: str = "") -> Finding:
        return Finding(message, node=node.name, source=node.source, hint=hint)

    for port, signal in zip(node.program.inputs, arrived, strict=True):
        if not _fits(port.type, expression_type(signal.type)):
            yield finding(
                f"input {port.name!r} is {num_type_text(signal.type)}, "
                f"the cell was traced for {type_text(port.type)}"
            )
        if not _broadcasts(signal.shape, node.shape):
            yield finding(
                f"input {port.name!r} of shape {list(signal.shape)} does not broadcast "
                f"to {list(node.shape)}"
            )
    if {p.name for p in node.params} != {p.name for p in node.program.params}:
        yield finding("its parameters are not those of its program")
        return
    if {s.name for s in node.states} != {p.name for p in node.program.states}:
        yield finding("its states are not those of its program")
        return
    tables = table_ranges(node)
    param_types = {p.name: p.type for p in node.program.params}
    for ref in node.params:
        given = tensors[ref.tensor]
        shape = given.data.shape[1:] if ref.timed else given.data.shape
        if ref.timed and given.data.ndim == 0:
            yield finding(f"parameter {ref.name!r} has no time axis")
        if not _fits(param_types[ref.name], expression_type(given.type)):
            yield finding(
                f"parameter {ref.name!r} is {num_type_text(given.type)}, "
                f"the cell was traced for {type_text(param_types[ref.name])}"
            )
        if ref.name in tables:
            if len(shape) != 1 or shape[0] <= tables[ref.name]:
                yield finding(
                    f"table {ref.name!r} of shape {list(shape)} is read up to {tables[ref.name]}"
                )
        elif not _broadcasts(shape, node.shape):
            yield finding(
                f"parameter {ref.name!r} of shape {list(shape)} does not broadcast "
                f"to {list(node.shape)}"
            )
    state_types = {p.name: p.type for p in node.program.states}
    for state in node.states:
        given = tensors[state.initial]
        if expression_type(state.type) != state_types[state.name]:
            yield finding(f"state {state.name!r} is stored in another type than it is computed in")
        if not _fits(state_types[state.name], expression_type(given.type)):
            yield finding(f"initial value of {state.name!r} is {num_type_text(given.type)}")
        if not _broadcasts(given.data.shape, node.shape):
            yield finding(
                f"initial value of {state.name!r} of shape {list(given.data.shape)} does not "
                f"broadcast to {list(node.shape)}"
            )
    whole = {n for n, i in node.program.outputs if isinstance(node.program.instrs[i].type, Int)}
    for name in dict(node.steps).keys() - whole:
        yield finding(f"a step of {name!r}, which is no output of integers")
    if node.start < 0 or node.stream < 0:
        yield finding(f"start {node.start} and stream {node.stream} are not both at least 0")


def table_ranges(node: Cell) -> dict[str, int]:
    """Give the parameters that are looked up in, with the largest index that may occur."""
    found: dict[str, int] = {}
    for instr in node.program.instrs:
        if instr.op == "lookup":
            table, index = (node.program.instrs[a] for a in instr.args)
            if table.op == "param" and isinstance(index.type, Int):
                name = str(table.attr("name"))
                found[name] = max(found.get(name, 0), index.type.hi)
    return found


def _fits(port: Type, given: Type) -> bool:
    if isinstance(port, Int) and isinstance(given, Int):
        return port.holds(given)
    return port == given


def _broadcasts(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, target) == target
    except ValueError:
        return False
