"""Makes Cell nodes: traces the definition for the types at hand and binds its tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import Finding, GraphError, SemanticsError
from neurodeploy.ir.nodes import Cell, Node, ParamRef, StateRef
from neurodeploy.ir.types import (
    BOOL,
    NumType,
    QType,
    Signal,
    Tensor,
    expression_type,
    stored_type,
    tensor,
)
from neurodeploy.semantics.kinds import output_kind
from neurodeploy.semantics.program import Program
from neurodeploy.semantics.trace import CellDefinition, cell_definition, trace
from neurodeploy.semantics.types import Float

__all__ = ["MadeCell", "cell_signals", "traced_cell"]

Given = npt.ArrayLike | Tensor


@dataclass(frozen=True)
class MadeCell:
    """A cell node, the tensors that it refers to, and the signals of its outputs."""

    node: Cell
    tensors: Mapping[str, Tensor]
    outputs: tuple[Signal, ...]


def traced_cell(
    name: str,
    cell: str | CellDefinition,
    arrived: Sequence[Signal],
    *,
    shape: tuple[int, ...] | None,
    params: Mapping[str, Given],
    initial: Mapping[str, Given],
    options: Mapping[str, str | int | bool],
    state_types: Mapping[str, NumType],
    timed: frozenset[str],
    float_type: Float,
) -> MadeCell:
    """Trace a cell for the types of what arrives and bind its parameters and initial values.

    Parameters become arrays of the declared type here, never later: an array of floats is
    rounded once to ``float_type``; an integer parameter is given as a `Tensor` with a QType.

    Raises:
        GraphError: a parameter is missing, unknown or unused with these options, or does not
            broadcast to the shape; or the expression is outside the language.
    """
    definition = cell if isinstance(cell, CellDefinition) else cell_definition(cell)
    if len(arrived) != len(definition.inputs):
        raise SemanticsError(
            Finding(
                f"cell {definition.name!r} has the inputs {list(definition.inputs)}, "
                f"but {len(arrived)} signals arrive",
                node=name,
            )
        )
    bound = {
        key: value if isinstance(value, Tensor) else tensor(value, float_type, name=f"{name}.{key}")
        for key, value in params.items()
    }
    try:
        traced = trace(
            definition,
            inputs={
                port: expression_type(signal.type)
                for port, signal in zip(definition.inputs, arrived, strict=True)
            },
            params={key: expression_type(value.type) for key, value in bound.items()},
            states={key: expression_type(value) for key, value in state_types.items()},
            options=options,
            float_type=float_type,
        )
    except SemanticsError as error:
        raise SemanticsError([replace(f, node=f.node or name) for f in error.findings]) from error
    program = traced.program
    final = shape if shape is not None else _broadcast(name, arrived)
    tensors, refs = _bind_params(name, definition, program, bound, timed)
    states, more = _bind_states(name, definition, program, initial, state_types)
    node = Cell(
        name=name,
        program=program,
        shape=tuple(final),
        params=refs,
        states=states,
        definition=definition.name,
        options=tuple((k, str(v)) for k, v in traced.options),
    )
    return MadeCell(node, {**tensors, **more}, tuple(cell_signals(node).values()))


def cell_signals(node: Node) -> dict[str, Signal]:
    """Give the signals of a cell's outputs and states, as the cell declares them."""
    if not isinstance(node, Cell):
        return {}
    signals: dict[str, Signal] = {}
    steps = dict(node.steps)
    for name, index in node.program.outputs:
        num = stored_type(node.program.instrs[index].type)
        if isinstance(num, QType) and name in steps:
            num = replace(num, scale=(steps[name],))
        signals[name] = Signal(node.shape, num, output_kind(node.program, name))
    for state in node.states:
        signals[state.name] = Signal(
            node.shape, state.type, "spike" if state.type == BOOL else "value"
        )
    return signals


def _broadcast(name: str, arrived: Sequence[Signal]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*(s.shape for s in arrived))
    except ValueError:
        shapes = [list(s.shape) for s in arrived]
        raise GraphError(Finding(f"shapes {shapes} do not broadcast", node=name)) from None


def _bind_params(
    name: str,
    definition: CellDefinition,
    program: Program,
    bound: Mapping[str, Tensor],
    timed: frozenset[str],
) -> tuple[dict[str, Tensor], tuple[ParamRef, ...]]:
    used = {p.name: p.type for p in program.params}
    found = [
        Finding(
            f"parameter {key!r} has no effect with these options", node=name, hint="leave it out"
        )
        for key in bound
        if key not in used
    ]
    found += [
        Finding(f"parameter {key!r} is called timed, but it is not given", node=name)
        for key in timed
        if key not in bound
    ]
    tensors: dict[str, Tensor] = {}
    for key, kind in used.items():
        default = definition.params[key]
        if key in bound:
            tensors[f"{name}.{key}"] = bound[key]
        elif default is None:
            found.append(Finding(f"parameter {key!r} has no value", node=name))
        else:
            tensors[f"{name}.{key}"] = tensor(default, stored_type(kind), name=f"{name}.{key}")
    if found:
        raise GraphError(found)
    refs = tuple(ParamRef(key, f"{name}.{key}", key in timed) for key in used)
    return tensors, refs


def _bind_states(
    name: str,
    definition: CellDefinition,
    program: Program,
    initial: Mapping[str, Given],
    state_types: Mapping[str, NumType],
) -> tuple[tuple[StateRef, ...], dict[str, Tensor]]:
    ports = {p.name: p.type for p in program.states}
    unknown = [key for key in initial if key not in ports]
    if unknown:
        raise GraphError(
            [Finding(f"there is no state {key!r} with these options", node=name) for key in unknown]
        )
    refs: list[StateRef] = []
    tensors: dict[str, Tensor] = {}
    for key, kind in ports.items():
        stored = state_types.get(key, stored_type(kind))
        given = initial.get(key, definition.states[key])
        if stored == BOOL and key not in initial:
            given = bool(given)  # a definition writes its initial values as numbers
        label = f"{name}.{key}.initial"
        tensors[label] = given if isinstance(given, Tensor) else tensor(given, stored, name=label)
        refs.append(StateRef(key, stored, label))
    return tuple(refs), tensors
