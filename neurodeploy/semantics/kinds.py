"""What kind of signal an output is, read off its expression."""

from __future__ import annotations

from typing import Literal

from neurodeploy.semantics.program import Instr, Program
from neurodeploy.semantics.types import Bool, Int

__all__ = ["output_kind"]


def output_kind(program: Program, name: str) -> Literal["spike", "graded", "signed", "value"]:
    """Give the kind of an output.

    ``spike``: a bool. ``graded``: nested ``where`` on conditions that end in 0, with payloads
    that are not known to be negative, and that depends on a `fire` or on a spike that arrives.
    ``signed``: the same with a payload that is a negative constant or a negation. ``value``: any
    other number.
    """
    index = dict(program.outputs)[name]
    root = program.instrs[index]
    if isinstance(root.type, Bool):
        return "spike"
    payloads: list[Instr] = []
    if not _fires(program, index) or not _events(program, index, payloads):
        return "value"
    return "signed" if any(_negative(program, p) for p in payloads) else "graded"


def _events(program: Program, index: int, payloads: list[Instr]) -> bool:
    """Collect the leaves of nested wheres; say whether one of them is the constant 0."""
    instr = program.instrs[index]
    if instr.op != "where":
        payloads.append(instr)
        return _constant(instr) == 0
    left = _events(program, instr.args[1], payloads)
    right = _events(program, instr.args[2], payloads)
    return left or right


def _fires(program: Program, index: int) -> bool:
    """Say whether the conditions of the wheres at the root depend on a fire or a spike input."""
    stack, seen = [index], set()
    while stack:
        at = stack.pop()
        if at in seen:
            continue
        seen.add(at)
        instr = program.instrs[at]
        if instr.op == "fire" or (instr.op == "input" and isinstance(instr.type, Bool)):
            return True
        if instr.op == "where" or instr.op in ("and", "or", "not", "stop_gradient"):
            stack.extend(instr.args)
    return False


def _constant(instr: Instr) -> float | None:
    if instr.op != "const":
        return None
    value = instr.attr("value")
    return float.fromhex(value) if isinstance(value, str) else float(value)


def _negative(program: Program, instr: Instr) -> bool:
    value = _constant(instr)
    if value is not None:
        return value < 0
    if isinstance(instr.type, Int):
        return instr.type.lo < 0
    return instr.op == "neg"
