"""The C evaluator of cell programs: one statement for each operation.

Integers are ``int32_t`` where their range fits, else ``int64_t``; an operation is computed in
the widest type of its operands and its result, so nothing overflows. Floats are computed in
their declared type, constants are hexadecimal, and no statement holds two float operations,
so a compiler that is told not to contract or reorder has no choice left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from neurodeploy.errors import InternalError
from neurodeploy.semantics.program import Instr, Program
from neurodeploy.semantics.types import Bool, Float, Int, Type

__all__ = ["Names", "c_float", "c_int", "c_statements", "c_type", "fits_int32", "tables"]

INT32 = Int(-(2**31), 2**31 - 1)


@dataclass(frozen=True)
class Names:
    """C expressions of what a program reads.

    Attributes:
        inputs: Value of each input, in the C type of its signal.
        params: Value of each parameter.
        states: Value of each state before the step.
        tables: Pointer to the first entry of each parameter that is looked up in.
        input_types: Types in which inputs are stored, where narrower than the port's.
        step: Number of the step.
        index: Flat neuron index.
        random: 64-bit state after the words seed, stream, sample and step.
    """

    inputs: Mapping[str, str]
    params: Mapping[str, str]
    states: Mapping[str, str]
    tables: Mapping[str, str] = field(default_factory=dict)
    input_types: Mapping[str, Type] = field(default_factory=dict)
    step: str = "t"
    index: str = "o"
    random: str = "key"


def fits_int32(*kinds: Type) -> bool:
    """Say whether all are integers within 32 bits, or bools."""
    return all(isinstance(k, Bool) or (isinstance(k, Int) and INT32.holds(k)) for k in kinds)


def c_type(kind: Type) -> str:
    """Give the C type in which a value of ``kind`` is stored.

    >>> from neurodeploy.semantics.types import BOOL, F32
    >>> c_type(BOOL), c_type(F32), c_type(Int(0, 7)), c_type(Int(0, 2**40))
    ('uint8_t', 'float', 'int32_t', 'int64_t')
    """
    if isinstance(kind, Bool):
        return "uint8_t"
    if isinstance(kind, Float):
        return "float" if kind.bits == 32 else "double"
    return "int32_t" if fits_int32(kind) else "int64_t"


def c_int(value: int, kind: str = "int32_t") -> str:
    """Write an integer constant.

    >>> c_int(-3), c_int(2**40, "int64_t")
    ('-3', 'INT64_C(1099511627776)')
    """
    if kind == "int32_t":
        return "INT32_MIN" if value == INT32.lo else str(value)
    return "INT64_MIN" if value == -(2**63) else f"INT64_C({value})"


def c_float(value: float, bits: int) -> str:
    """Write a float constant, exact.

    >>> c_float(0.1, 32), c_float(-0.0, 64)
    ('0x1.99999a0000000p-4f', '-0x0.0p+0')
    """
    with np.errstate(over="ignore"):
        rounded = float(np.float32(value)) if bits == 32 else float(value)
    if not np.isfinite(rounded):
        return "INFINITY" if rounded > 0 else "-INFINITY"
    return rounded.hex() + ("f" if bits == 32 else "")


def tables(program: Program) -> frozenset[str]:
    """Give the names of the parameters that are looked up in."""
    sources = [program.instrs[i.args[0]] for i in program.instrs if i.op == "lookup"]
    if any(s.op != "param" for s in sources):
        raise InternalError("a lookup reads something that is no parameter")
    return frozenset(str(s.attr("name")) for s in sources)


def c_statements(program: Program, names: Names) -> tuple[list[str], list[str]]:
    """Give the statements that compute ``program``, and the C expression of each instruction.

    A bool is an ``int`` of 0 or 1; every other value has its `c_type`.
    """
    looked_up = tables(program)
    statements: list[str] = []
    values: list[str] = []
    for position, instr in enumerate(program.instrs):
        if instr.op == "param" and str(instr.attr("name")) in looked_up:
            values.append(names.tables[str(instr.attr("name"))])
            continue
        operands = [_Operand(values[a], program.instrs[a].type) for a in instr.args]
        alias = _alias(instr, operands)
        if alias is not None:
            values.append(alias)
            continue
        name = f"v{position}"
        kind = "int" if isinstance(instr.type, Bool) else c_type(instr.type)
        if instr.op == "to_int":
            before, expression = _to_int(instr, operands[0], name)
            statements += before
        else:
            expression = _expression(instr, operands, names)
        statements.append(f"const {kind} {name} = {expression};")
        values.append(name)
    return statements, values


@dataclass(frozen=True)
class _Operand:
    text: str
    type: Type

    def cast(self, kind: str) -> str:
        """Give the operand in the C type ``kind``, which holds its value."""
        return self.text if c_type(self.type) == kind else f"({kind}){self.text}"


def _widest(*kinds: Type) -> str:
    return "int32_t" if fits_int32(*kinds) else "int64_t"


def _narrowed(expression: str, computed: str, kind: Type) -> str:
    return expression if c_type(kind) == computed else f"({c_type(kind)})({expression})"


def _alias(instr: Instr, operands: list[_Operand]) -> str | None:
    """Give the operand itself where the operation changes nothing."""
    if instr.op in ("stop_gradient", "declare", "saturate", "wrap"):
        x = operands[0]
        if instr.op == "stop_gradient" or instr.type == x.type:
            return x.text
        if instr.op == "declare" and c_type(x.type) == c_type(instr.type):
            return x.text
    return None


def _expression(instr: Instr, operands: list[_Operand], names: Names) -> str:
    if instr.op in _LEAVES:
        return _LEAVES[instr.op](instr, names)
    return _OPS[instr.op](instr, operands)


def _input(instr: Instr, names: Names) -> str:
    name = str(instr.attr("name"))
    stored = names.input_types.get(name, instr.type)
    return _Operand(names.inputs[name], stored).cast(c_type(instr.type))


def _const(instr: Instr, names: Names) -> str:
    value = instr.attr("value")
    if isinstance(instr.type, Float):
        return c_float(float.fromhex(str(value)), instr.type.bits)
    return c_int(int(value), "int32_t" if isinstance(instr.type, Bool) else c_type(instr.type))


def _random(instr: Instr, names: Names) -> str:
    draw = int(instr.attr("draw"))
    inner = f"nd_fold({names.random}, (uint64_t)({names.index}))"
    return f"(int64_t)(nd_fold({inner}, UINT64_C({draw})) >> 32)"


_LEAVES: dict[str, Callable[[Instr, Names], str]] = {
    "input": _input,
    "param": lambda i, n: n.params[str(i.attr("name"))],
    "state": lambda i, n: n.states[str(i.attr("name"))],
    "const": _const,
    "step": lambda i, n: f"(int32_t)({n.step})",
    "index": lambda i, n: f"(int32_t)({n.index})",
    "random_bits": _random,
}


def _binary(symbol: str) -> Callable[[Instr, list[_Operand]], str]:
    def write(instr: Instr, operands: list[_Operand]) -> str:
        a, b = operands
        if isinstance(instr.type, Float):
            return f"{a.text} {symbol} {b.text}"
        t = _widest(a.type, b.type, instr.type)
        return _narrowed(f"{a.cast(t)} {symbol} {b.cast(t)}", t, instr.type)

    return write


def _compare(symbol: str) -> Callable[[Instr, list[_Operand]], str]:
    def write(instr: Instr, operands: list[_Operand]) -> str:
        a, b = operands
        if isinstance(a.type, Int) and isinstance(b.type, Int):
            known = _decided(symbol, a.type, b.type)
            if known is not None:
                # compilers warn of a comparison that the ranges decide, and of an unread operand
                return f"((void)({a.text}), (void)({b.text}), {int(known)})"
            t = _widest(a.type, b.type)
            return f"{a.cast(t)} {symbol} {b.cast(t)}"
        return f"{a.text} {symbol} {b.text}"

    return write


def _decided(symbol: str, a: Int, b: Int) -> bool | None:
    """Give what a comparison of integers is for all values of their ranges, where they tell."""
    above, below = a.lo > b.hi, a.hi < b.lo
    not_above, not_below = a.hi <= b.lo, a.lo >= b.hi
    same = a.lo == a.hi == b.lo == b.hi
    cases = {
        ">": (above, not_above),
        ">=": (not_below, below),
        "<": (below, not_below),
        "<=": (not_above, above),
        "==": (same, above or below),
        "!=": (above or below, same),
    }
    yes, no = cases[symbol]
    return True if yes else False if no else None


def _negate(instr: Instr, operands: list[_Operand]) -> str:
    if isinstance(instr.type, Float):
        return f"-{operands[0].text}"
    t = _widest(operands[0].type, instr.type)
    return _narrowed(f"-{operands[0].cast(t)}", t, instr.type)


def _where(instr: Instr, operands: list[_Operand]) -> str:
    condition, a, b = operands
    if isinstance(instr.type, Int):
        t = c_type(instr.type)
        return f"{condition.text} ? {a.cast(t)} : {b.cast(t)}"
    return f"{condition.text} ? {a.text} : {b.text}"


def _call(name: str) -> Callable[[Instr, list[_Operand]], str]:
    """Give a function of libm that is exact, in the float type of the result."""

    def write(instr: Instr, operands: list[_Operand]) -> str:
        return f"{name}{'f' if instr.type == Float(32) else ''}({operands[0].text})"

    return write


def _pow2(instr: Instr, operands: list[_Operand]) -> str:
    return f"{'nd_pow2f' if instr.attr('bits') == 32 else 'nd_pow2d'}({operands[0].text})"


def _to_int(instr: Instr, x: _Operand, name: str) -> tuple[list[str], str]:
    real = c_type(x.type)
    suffix, bits = ("f", 32) if real == "float" else ("", 64)
    function = {"nearest_even": "rint", "floor": "floor", "zero": "trunc"}[
        str(instr.attr("rounding"))
    ]
    lo, hi = int(instr.attr("lo")), int(instr.attr("hi"))
    t, r = c_type(instr.type), f"{name}r"
    # gcc turns a float to an integer and back into one trunc, which keeps the sign of -0; the
    # integer 0 has none, so it is taken away before
    before = [
        f"const {real} {name}s = {function}{suffix}({x.text});",
        f"const {real} {r} = {name}s + {c_float(0.0, bits)};",
    ]
    # NaN compares false, so it gives lo, as in the reference; the cast sees numbers in range only
    inner = f"{r} < {c_float(float(hi), bits)} ? ({t}){r} : {c_int(hi, t)}"
    return before, f"{r} > {c_float(float(lo), bits)} ? ({inner}) : {c_int(lo, t)}"


def _shift_left(instr: Instr, operands: list[_Operand]) -> str:
    factor = Int(0, 2 ** int(instr.attr("n")))
    t = _widest(operands[0].type, instr.type, factor)
    return _narrowed(f"{operands[0].cast(t)} * {c_int(factor.hi, t)}", t, instr.type)


def _shift_right(instr: Instr, operands: list[_Operand]) -> str:
    x, n, rounding = operands[0], int(instr.attr("n")), str(instr.attr("rounding"))
    if not isinstance(x.type, Int):
        raise InternalError("shift_right of something that is no integer")
    raised = x.type.hi + 2 ** (n - 1)  # what rounding to the nearest reaches
    t = "int32_t" if fits_int32(x.type) and raised <= INT32.hi and n <= 30 else "int64_t"
    name = f"nd_shift_{rounding}{t[3:5]}"
    return _narrowed(f"{name}({x.cast(t)}, {n})", t, instr.type)


def _saturate(instr: Instr, operands: list[_Operand]) -> str:
    x, lo, hi = operands[0], int(instr.attr("lo")), int(instr.attr("hi"))
    if not isinstance(x.type, Int):
        raise InternalError("saturate of something that is no integer")
    if x.type.lo >= hi or x.type.hi <= lo:
        # one end for every value: compilers warn of the comparison, and of an unread operand
        return f"((void)({x.text}), {c_int(hi if x.type.lo >= hi else lo, c_type(instr.type))})"
    t = _widest(x.type, instr.type)
    text, bits = x.cast(t), hi.bit_length()
    if t == "int32_t" and lo > x.type.lo and hi < x.type.hi and hi == 2**bits - 1:
        if lo == 0:
            return _narrowed(f"nd_usat({text}, {bits})", t, instr.type)
        if lo == -hi - 1:
            return _narrowed(f"nd_ssat({text}, {bits + 1})", t, instr.type)
    inner = f"({text} > {c_int(hi, t)} ? {c_int(hi, t)} : {text})" if hi < x.type.hi else text
    whole = f"{text} < {c_int(lo, t)} ? {c_int(lo, t)} : {inner}" if lo > x.type.lo else inner
    return _narrowed(whole, t, instr.type)


def _wrap(instr: Instr, operands: list[_Operand]) -> str:
    x, bits = operands[0], int(instr.attr("bits"))
    t = "int32_t" if fits_int32(x.type) and bits <= 31 else "int64_t"
    return _narrowed(f"nd_wrap{t[3:5]}({x.cast(t)}, {bits})", t, instr.type)


def _divide(instr: Instr, operands: list[_Operand]) -> str:
    x, by = operands[0], int(instr.attr("by"))
    t = _widest(x.type, instr.type, Int(0, by))
    if isinstance(x.type, Int) and x.type.lo >= 0:
        symbol = "/" if instr.op == "floor_div" else "%"
        return _narrowed(f"{x.cast(t)} {symbol} {c_int(by, t)}", t, instr.type)
    return _narrowed(f"nd_{instr.op}{t[3:5]}({x.cast(t)}, {c_int(by, t)})", t, instr.type)


_OPS: dict[str, Callable[[Instr, list[_Operand]], str]] = {
    **{op: _binary(s) for op, s in (("add", "+"), ("sub", "-"), ("mul", "*"), ("div", "/"))},
    **{
        op: _compare(s)
        for op, s in (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<="), ("eq", "=="))
    },
    "ne": _compare("!="),
    "fire": lambda i, x: _compare(">" if i.attr("strict") else ">=")(i, x),
    "and": lambda i, x: f"{x[0].text} & {x[1].text}",
    "or": lambda i, x: f"{x[0].text} | {x[1].text}",
    "not": lambda i, x: f"!{x[0].text}",
    "neg": _negate,
    "where": _where,
    "sqrt": _call("sqrt"),
    "floor": _call("floor"),
    "rint": _call("rint"),
    "pow2": _pow2,
    "to_float": lambda i, x: f"({c_type(i.type)}){x[0].text}",
    "shift_left": _shift_left,
    "shift_right": _shift_right,
    "saturate": _saturate,
    "wrap": _wrap,
    "declare": lambda i, x: f"({c_type(i.type)}){x[0].text}",
    "floor_div": _divide,
    "mod": _divide,
    "lookup": lambda i, x: f"{x[0].text}[{x[1].text}]",
}
