"""Tells what a cell computes: by its program, never by its name."""

from __future__ import annotations

from functools import lru_cache

from neurodeploy.errors import SemanticsError
from neurodeploy.ir.nodes import Cell, Node
from neurodeploy.semantics.program import Program
from neurodeploy.semantics.trace import cell_definition, trace
from neurodeploy.semantics.types import F32, Float, Type

__all__ = ["computes", "fires", "is_linear", "named_options"]

_LINEAR = {"add", "sub", "neg", "mul", "div", "input", "param", "const", "to_float"}


def computes(node: Node, *names: str) -> bool:
    """Say whether ``node`` is a cell with the program of one of the built-in cells ``names``.

    A cell of another name with the same program counts; a renamed or altered one does not. A
    cell that starts late is another cell.
    """
    if not isinstance(node, Cell) or node.start:
        return False
    types = tuple(p.type for p in node.program.inputs)
    return any(_program(name, types) == node.program for name in names)


@lru_cache(maxsize=256)
def _program(name: str, types: tuple[Type, ...]) -> Program | None:
    definition = cell_definition(name)
    if len(definition.inputs) != len(types):
        return None
    inputs = dict(zip(definition.inputs, types, strict=True))
    floats = [t for t in types if isinstance(t, Float)]
    try:
        return trace(definition, inputs=inputs, float_type=floats[0] if floats else F32).program
    except SemanticsError:
        return None  # the built-in cell does not take such inputs, so this is another cell


def named_options(node: Cell) -> dict[str, str | int | bool] | None:
    """Give the options of the registered cell that ``node`` is named after, all of them.

    None where the node computes something else than that cell with these options: the label, or
    an option that stands beside it, is not of this program.
    """
    shown, program = dict(node.options), node.program
    try:
        definition = cell_definition(node.definition)
        options: dict[str, str | int | bool] = {}
        for name, default in definition.options.items():
            text = shown.get(name, str(default))
            options[name] = (text == "True") if isinstance(default, bool) else type(default)(text)
        again = trace(
            definition,
            inputs={p.name: p.type for p in program.inputs},
            params={p.name: p.type for p in program.params},
            states={p.name: p.type for p in program.states},
            options=options,
        )
    except (SemanticsError, ValueError):
        return None
    return options if again.program == program else None


def fires(node: Node) -> bool:
    """Say whether ``node`` is a cell that makes spikes."""
    return isinstance(node, Cell) and "fire" in node.program.uses


def is_linear(node: Node) -> bool:
    """Say whether ``node`` is a cell without memory whose outputs are affine in its inputs.

    The mean of its outputs over the steps is then its output for the mean of its inputs.
    """
    if not isinstance(node, Cell) or node.states or node.start or any(p.timed for p in node.params):
        return False
    degrees: list[int] = []
    for instr in node.program.instrs:
        if instr.op not in _LINEAR:
            return False
        below = [degrees[i] for i in instr.args]
        degree = sum(below) if instr.op == "mul" else max(below, default=0)
        if instr.op == "input":
            degree = 1
        if degree > 1 or (instr.op == "div" and below[1]):
            return False
        degrees.append(degree)
    return True
