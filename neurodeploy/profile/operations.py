"""What one update of a cell costs in operations, read off its program.

What depends on parameters and constants alone is computed once, before the run, and is not
counted; reading an operand costs nothing here (memory traffic is counted apart).
"""

from __future__ import annotations

from typing import Literal

from neurodeploy.ir.nodes import Cell
from neurodeploy.ir.types import NumType, QType
from neurodeploy.semantics.program import Instr, Program
from neurodeploy.semantics.types import Bool, Float, Int, Type

__all__ = ["ARITHMETIC", "Operation", "Verb", "Width", "cell_operations", "width_of"]

Verb = Literal["add", "mul", "div", "compare", "other"]
Width = Literal["bool", "f32", "f64", "int8", "int16", "int32", "int64"]
Operation = tuple[Verb, Width]

ARITHMETIC: tuple[Verb, ...] = ("add", "mul", "div", "compare")

_VERBS: dict[str, Verb] = {
    "add": "add",
    "sub": "add",
    "mul": "mul",
    "div": "div",
    "sqrt": "div",
    "gt": "compare",
    "ge": "compare",
    "lt": "compare",
    "le": "compare",
    "eq": "compare",
    "ne": "compare",
    "fire": "compare",
    "saturate": "compare",
}
# a reading, a type assertion, or nothing at all on a machine
_FREE = frozenset({"const", "param", "state", "input", "step", "index", "declare", "stop_gradient"})
_CHANGING = frozenset({"state", "input", "step", "index", "random_bits"})


def _changing(program: Program, timed: frozenset[str]) -> list[bool]:
    """Say of each instruction whether its value may change during a run."""
    found: list[bool] = []
    for instr in program.instrs:
        row = instr.op == "param" and instr.attr("name") in timed
        found.append(instr.op in _CHANGING or row or any(found[a] for a in instr.args))
    return found


def cell_operations(node: Cell) -> dict[Operation, int]:
    """Count the operations of one update of one neuron.

    ``add`` holds subtractions, ``div`` square roots, ``compare`` the spike decisions; ``other``
    is what no table of energies prices: selections, logic, signs, shifts, roundings,
    conversions, table look-ups, random bits. A saturation is two comparisons.

    >>> from neurodeploy.ir import GraphBuilder
    >>> b = GraphBuilder()
    >>> _ = b.cell("a", "leaky_relu", b.input("x", (3,)))
    >>> cell_operations(b.nodes[-1])
    {('compare', 'f32'): 1, ('mul', 'f32'): 1, ('other', 'f32'): 1}
    """
    timed = frozenset(p.name for p in node.params if p.timed)
    found: dict[Operation, int] = {}
    moving = _changing(node.program, timed)
    for instr, moves in zip(node.program.instrs, moving, strict=True):
        if instr.op in _FREE or not moves:
            continue
        key = (_VERBS.get(instr.op, "other"), _operand_width(node.program, instr))
        found[key] = found.get(key, 0) + (2 if instr.op == "saturate" else 1)
    return found


def width_of(kind: NumType | Type) -> Width:
    """Give the narrowest machine width that holds a type.

    >>> width_of(Int(-128, 127)), width_of(Int(0, 255)), width_of(Int(0, 256))
    ('int8', 'int8', 'int16')
    """
    if isinstance(kind, Bool):
        return "bool"
    if isinstance(kind, Float):
        return "f32" if kind.bits == 32 else "f64"
    bits = kind.bits if isinstance(kind, QType | Int) else 64
    if bits <= 8:
        return "int8"
    if bits <= 16:
        return "int16"
    return "int32" if bits <= 32 else "int64"


def _operand_width(program: Program, instr: Instr) -> Width:
    """Give the widest of result and operands, conditions left out where there is a number."""
    kinds = [instr.type, *(program.instrs[a].type for a in instr.args)]
    numbers = [k for k in kinds if not isinstance(k, Bool)]
    order: tuple[Width, ...] = ("bool", "int8", "int16", "int32", "f32", "int64", "f64")
    return max((width_of(k) for k in numbers or kinds), key=order.index)
