"""A cell's program as text: one line for each value that is used twice, stored, or sent.

Inputs stand by their names, parameters as ``p.name``, states as ``s.name``, as in the function
that the cell was traced from; ``s.name'`` is the state after the step.
"""

from __future__ import annotations

import json
import re

import numpy as np

from neurodeploy.semantics.program import Attr, Instr, Port, Program
from neurodeploy.semantics.types import Float, type_text

__all__ = ["name_text", "program_text"]

WIDTH = 60  # a longer expression gets a line of its own
ATOM = 9
# how tightly an operator binds, as in Python: its operands bind as tightly, or stand in brackets
BINDS = {"mul": 6, "div": 6, "add": 5, "sub": 5, "and": 4, "or": 3}
BINDS |= dict.fromkeys(("gt", "ge", "lt", "le", "eq", "ne"), 2)
SIGNS = {"mul": "*", "div": "/", "add": "+", "sub": "-", "and": "&", "or": "|"}
SIGNS |= {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "==", "ne": "!="}
PREFIXES = {"neg": ("-", 5), "not": ("~", 7)}  # a sign never follows a sign: a - (-b)
PLACES = {"input": "", "param": "p.", "state": "s."}

Term = tuple[str, int]


def name_text(name: str) -> str:
    """Write a name as it is if it is plain, else as a JSON text that steers no terminal.

    >>> name_text("features.0"), name_text("my layer")
    ('features.0', '"my layer"')
    """
    if re.fullmatch(r"[\w./\-]+", name):
        return name
    quoted = json.dumps(name, ensure_ascii=False)
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in quoted)


def program_text(program: Program) -> str:
    """Write a program: its inputs, parameters and states, then what it computes.

    >>> from neurodeploy.semantics.language import fire, where
    >>> from neurodeploy.semantics.trace import CellDefinition, State, trace
    >>> from neurodeploy.semantics.types import F32
    >>> def lif(p, s, x):
    ...     v = p.beta * s.v + x
    ...     spike = fire(v, 1.0, strict=True)
    ...     return spike, State(v=where(spike, v - 1.0, v))
    >>> cell = CellDefinition("lif", lif, params={"beta": 0.9}, states={"v": 0.0})
    >>> print(program_text(trace(cell, inputs={"x": F32}).program))
    (x: f32; p.beta: f32; s.v: f32)
      %1: f32 = p.beta * s.v + x
      %2: bool = fire(%1 > 1.0)
      out: bool = %2
      s.v': f32 = where(%2, %1 - 1.0, %1)
    """
    ports = (
        _ports("", program.inputs),
        _ports("p.", program.params),
        _ports("s.", program.states),
    )
    lines = [f"({'; '.join(p for p in ports if p)})"]
    terms: list[Term] = []
    uses = _uses(program)
    number = 0
    for index, instr in enumerate(program.instrs):
        term = _term(instr, [terms[a] for a in instr.args])
        if instr.op != "const" and term[1] < ATOM and (uses[index] > 1 or len(term[0]) > WIDTH):
            number += 1
            lines.append(f"  %{number}: {type_text(instr.type)} = {term[0]}")
            term = (f"%{number}", ATOM)
        terms.append(term)
    types = [type_text(i.type) for i in program.instrs]
    stored = {p.name: type_text(p.type) for p in program.states}
    lines += [f"  {name_text(n)}: {types[i]} = {terms[i][0]}" for n, i in program.outputs]
    lines += [f"  s.{name_text(n)}': {stored[n]} = {terms[i][0]}" for n, i in program.updates]
    return "\n".join(lines)


def _ports(place: str, ports: tuple[Port, ...]) -> str:
    return ", ".join(f"{place}{name_text(p.name)}: {type_text(p.type)}" for p in ports)


def _uses(program: Program) -> list[int]:
    """Count how often each instruction is read by others, sent, or stored."""
    uses = [0] * len(program.instrs)
    for instr in program.instrs:
        for arg in instr.args:
            uses[arg] += 1
    for _, index in program.outputs + program.updates:
        uses[index] += 1
    return uses


def _term(instr: Instr, args: list[Term]) -> Term:
    """Write one instruction, and say how tightly it binds; ``ATOM`` for a leaf."""
    op, texts = instr.op, [text for text, _ in args]
    if op in PLACES:
        return PLACES[op] + name_text(str(instr.attr("name"))), ATOM
    if op == "const":
        return _constant(instr)
    if op in PREFIXES:
        sign, binds = PREFIXES[op]
        return sign + _inside(args[0], 7), binds
    if op in SIGNS:
        binds = BINDS[op]
        left = _inside(args[0], binds + (binds == 2))
        return f"{left} {SIGNS[op]} {_inside(args[1], binds + 1)}", binds
    if op == "fire":
        sign = ">" if instr.attr("strict") else ">="
        return f"fire({_inside(args[0], 3)} {sign} {_inside(args[1], 3)})", ATOM - 1
    fixed = [f"{name}={_attr(value)}" for name, value in instr.attrs]
    return f"{op}({', '.join(texts + fixed)})", ATOM - 1


def _inside(term: Term, binds: int) -> str:
    return term[0] if term[1] >= binds else f"({term[0]})"


def _constant(instr: Instr) -> Term:
    value = instr.attr("value")
    if isinstance(instr.type, Float) and isinstance(value, str):
        number = float.fromhex(value)
        text = str(np.float32(number)) if instr.type.bits == 32 else repr(number)
    else:
        text = _attr(value)
    return (text, PREFIXES["neg"][1]) if text.startswith("-") else (text, ATOM)


def _attr(value: Attr) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
