"""What a cell's function is written in: symbols with operators, and named functions.

A cell is called once, with symbols; each operation adds an instruction to its program. Python
numbers become constants of the type of the other operand, rounded once. What would be
ambiguous between numpy, torch and C has no operator: integer division, shifts, arithmetic on
conditions, a Python ``if`` on a value. All of them raise `SemanticsError` when traced.
"""

from __future__ import annotations

from typing import NoReturn

import numpy as np

from neurodeploy.errors import SemanticsError
from neurodeploy.semantics.program import Attr, ProgramBuilder
from neurodeploy.semantics.types import Bool, Int, Type, type_text

__all__ = [
    "Number",
    "Sym",
    "absolute",
    "clip",
    "constant",
    "declare",
    "fire",
    "floor",
    "floor_div",
    "lookup",
    "maximum",
    "minimum",
    "mod",
    "neuron_index",
    "pow2",
    "random_bits",
    "rint",
    "saturate",
    "shift_left",
    "shift_right",
    "sign",
    "sqrt",
    "step_index",
    "stop_gradient",
    "to_float",
    "to_int",
    "where",
    "wrap",
]

Number = int | float | bool


class Sym:
    """A symbolic value: an instruction of the program that is being traced."""

    __slots__ = ("builder", "index")
    __array_ufunc__ = None  # numpy must not take a symbol apart
    __hash__ = None  # type: ignore[assignment]  # == builds a comparison, so no hashing

    def __init__(self, builder: ProgramBuilder, index: int) -> None:
        self.builder = builder
        self.index = index

    @property
    def type(self) -> Type:
        """The type of the value."""
        return self.builder.instrs[self.index].type

    def __bool__(self) -> NoReturn:
        raise SemanticsError(
            "a cell is traced once: a Python if, and, or, not or while cannot depend on a value",
            hint="use where(condition, a, b) and & | ~",
        )

    def __add__(self, other: Sym | Number) -> Sym:
        return _binary("add", self, other)

    def __radd__(self, other: Sym | Number) -> Sym:
        return _binary("add", other, self)

    def __sub__(self, other: Sym | Number) -> Sym:
        return _binary("sub", self, other)

    def __rsub__(self, other: Sym | Number) -> Sym:
        return _binary("sub", other, self)

    def __mul__(self, other: Sym | Number) -> Sym:
        return _binary("mul", self, other)

    def __rmul__(self, other: Sym | Number) -> Sym:
        return _binary("mul", other, self)

    def __truediv__(self, other: Sym | Number) -> Sym:
        return _binary("div", self, other)

    def __rtruediv__(self, other: Sym | Number) -> Sym:
        return _binary("div", other, self)

    def __neg__(self) -> Sym:
        return _emit("neg", self)

    def __gt__(self, other: Sym | Number) -> Sym:
        return _binary("gt", self, other)

    def __ge__(self, other: Sym | Number) -> Sym:
        return _binary("ge", self, other)

    def __lt__(self, other: Sym | Number) -> Sym:
        return _binary("lt", self, other)

    def __le__(self, other: Sym | Number) -> Sym:
        return _binary("le", self, other)

    def __eq__(self, other: object) -> Sym:  # type: ignore[override]
        return _binary("eq", self, _operand(other))

    def __ne__(self, other: object) -> Sym:  # type: ignore[override]
        return _binary("ne", self, _operand(other))

    def __and__(self, other: Sym | Number) -> Sym:
        return _binary("and", self, other)

    def __or__(self, other: Sym | Number) -> Sym:
        return _binary("or", self, other)

    def __invert__(self) -> Sym:
        return _emit("not", self)

    def _refuse(self, other: object) -> NoReturn:
        raise SemanticsError(
            "// % ** << >> differ between numpy, torch and C",
            hint="use floor_div, mod, powers written as products, shift_left, shift_right",
        )

    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = _refuse
    __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = __xor__ = __rxor__ = _refuse


def _operand(value: object) -> Sym | Number:
    if isinstance(value, Sym | bool | int | float):
        return value
    raise SemanticsError(f"a {type(value).__name__} cannot stand in a cell's expression")


def _emit(op: str, *args: Sym, **attrs: Attr) -> Sym:
    for value in args:
        if not isinstance(value, Sym):
            raise SemanticsError(f"{op} of {value!r}: a symbol is due, such as an input or p.name")
    builder = args[0].builder
    if any(a.builder is not builder for a in args):
        raise SemanticsError("symbols of two different cells stand in one expression")
    return Sym(builder, builder.emit(op, tuple(a.index for a in args), **attrs))


def constant(like: Sym, value: Number) -> Sym:
    """Give ``value`` as a constant of the type of ``like``, rounded once to that type.

    Raises:
        SemanticsError: a float where an integer is due, a non-finite number, a number as a bool.
    """
    kind, builder = like.type, like.builder
    if isinstance(kind, Bool) or isinstance(value, bool):
        if isinstance(kind, Bool) and isinstance(value, bool):
            return Sym(builder, builder.emit("const", kind="bool", value=value))
        raise SemanticsError(f"{value!r} cannot stand for a {type_text(kind)}")
    if isinstance(kind, Int):
        if not isinstance(value, int):
            raise SemanticsError(f"the float constant {value!r} stands in an integer expression")
        return Sym(builder, builder.emit("const", kind="int", value=value))
    try:
        with np.errstate(over="ignore"):
            rounded = float(kind.dtype.type(value))
    except OverflowError:  # a whole number of Python beyond every float
        rounded = float("inf")
    if not np.isfinite(rounded):
        raise SemanticsError(f"the constant {value!r} is not finite in {type_text(kind)}")
    return Sym(builder, builder.emit("const", kind=type_text(kind), value=rounded.hex()))


def _pair(a: Sym | Number, b: Sym | Number) -> tuple[Sym, Sym]:
    if isinstance(a, Sym):
        return a, b if isinstance(b, Sym) else constant(a, _checked(b))
    if isinstance(b, Sym):
        return constant(b, _checked(a)), b
    raise SemanticsError("an operation on two Python numbers needs no symbol: compute it before")


def _checked(value: object) -> Number:
    number = _operand(value)
    if isinstance(number, Sym):
        raise SemanticsError("a symbol stands where a number is due")
    return number


def _binary(op: str, a: Sym | Number, b: Sym | Number) -> Sym:
    left, right = _pair(a, b)
    return _emit(op, left, right)


def where(condition: Sym, a: Sym | Number, b: Sym | Number) -> Sym:
    """Give ``a`` where the condition holds, else ``b``; exact, no arithmetic is done.

    With two Python numbers, the result takes the cell's float type if one of them is a float.
    """
    if isinstance(a, Sym) or isinstance(b, Sym):
        left, right = _pair(a, b)
        return _emit("where", condition, left, right)
    raise SemanticsError(
        "where needs a symbol in one branch, to know the type",
        hint="write constant(v, 1.0) with v a symbol of the wanted type",
    )


def fire(v: Sym, threshold: Sym | Number, *, strict: bool) -> Sym:
    """Give a spike: ``v > threshold`` if strict, else ``v >= threshold``.

    The only operation that makes a spike. It names its margin ``v - threshold`` for
    comparisons, and carries the surrogate gradient of the torch evaluator.
    """
    left, right = _pair(v, threshold)
    return _emit("fire", left, right, strict=strict)


def stop_gradient(x: Sym) -> Sym:
    """Give ``x``; gradients do not flow through."""
    return _emit("stop_gradient", x)


def sqrt(x: Sym) -> Sym:
    """Give the correctly rounded square root of a float."""
    return _emit("sqrt", x)


def floor(x: Sym) -> Sym:
    """Give the largest whole float that is not above ``x``."""
    return _emit("floor", x)


def rint(x: Sym) -> Sym:
    """Give the nearest whole float, halves to the even one."""
    return _emit("rint", x)


def pow2(n: Sym, *, bits: int = 32) -> Sym:
    """Give ``2**n`` as a float, exact; the range of ``n`` must stay in the normal exponents."""
    return _emit("pow2", n, bits=bits)


def to_float(n: Sym, *, bits: int = 32) -> Sym:
    """Give a number as a float of ``bits``, rounded to nearest even where it is not exact."""
    return _emit("to_float", n, bits=bits)


def to_int(x: Sym, *, rounding: str, lo: int, hi: int) -> Sym:
    """Give a float rounded to an integer, saturated to ``[lo, hi]``.

    Args:
        x: A float.
        rounding: ``nearest_even``, ``floor`` or ``zero``.
        lo: Smallest result; exact in the float type.
        hi: Largest result; exact in the float type.
    """
    return _emit("to_int", x, rounding=rounding, lo=lo, hi=hi)


def minimum(a: Sym, b: Sym | Number) -> Sym:
    """Give the smaller of two numbers (``a`` where they are equal)."""
    return where(_binary("gt", a, b), b, a)


def maximum(a: Sym, b: Sym | Number) -> Sym:
    """Give the larger of two numbers (``a`` where they are equal)."""
    return where(_binary("lt", a, b), b, a)


def absolute(x: Sym) -> Sym:
    """Give the magnitude of a number."""
    return where(x < 0, -x, x)


def sign(x: Sym) -> Sym:
    """Give -1, 0 or 1 in the type of ``x``."""
    one = constant(x, 1)
    return where(x > 0, one, where(x < 0, -one, constant(x, 0)))


def clip(x: Sym, lo: Sym | Number, hi: Sym | Number) -> Sym:
    """Give ``x`` held between ``lo`` and ``hi``."""
    return minimum(maximum(x, lo), hi)


def shift_left(x: Sym, n: int) -> Sym:
    """Give ``x * 2**n`` of an integer."""
    return _emit("shift_left", x, n=n)


def shift_right(x: Sym, n: int, *, rounding: str) -> Sym:
    """Give ``x / 2**n`` of an integer.

    Args:
        x: An integer.
        n: Positions, 1 to 62.
        rounding: ``floor``; ``zero``; ``nearest`` (half upwards: add half, then floor);
            ``even`` (half to even).
    """
    return _emit("shift_right", x, n=n, rounding=rounding)


def saturate(x: Sym, lo: int, hi: int) -> Sym:
    """Give an integer held to ``[lo, hi]``."""
    return _emit("saturate", x, lo=lo, hi=hi)


def wrap(x: Sym, bits: int) -> Sym:
    """Give an integer modulo ``2**bits``, as two's complement."""
    return _emit("wrap", x, bits=bits)


def declare(x: Sym, lo: int, hi: int) -> Sym:
    """Claim that an integer lies in ``[lo, hi]``; the reference checks it, C believes it."""
    return _emit("declare", x, lo=lo, hi=hi)


def floor_div(x: Sym, by: int) -> Sym:
    """Give the floor of an integer divided by a positive constant."""
    return _emit("floor_div", x, by=by)


def mod(x: Sym, by: int) -> Sym:
    """Give the remainder, from 0 on, of an integer and a positive constant."""
    return _emit("mod", x, by=by)


def lookup(table: Sym, index: Sym) -> Sym:
    """Give ``table[index]``, with a parameter of one axis as the table."""
    return _emit("lookup", table, index)


def step_index(like: Sym) -> Sym:
    """Give the number of the current step, from 0 on."""
    return Sym(like.builder, like.builder.emit("step"))


def neuron_index(like: Sym) -> Sym:
    """Give the flat index of the neuron in its population."""
    return Sym(like.builder, like.builder.emit("index"))


def random_bits(like: Sym, draw: int) -> Sym:
    """Give 32 random bits as an integer.

    A pure function of the run's seed, the node's stream number, the sample's ordinal in the
    run, the step, the flat neuron index and ``draw`` (`neurodeploy.semantics.random`).
    """
    return Sym(like.builder, like.builder.emit("random_bits", draw=draw))
