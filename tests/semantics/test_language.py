"""The language: what it refuses when tracing, and its types and values against Python's ints."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cell_runs import program_of, value_of
from neurodeploy.errors import GraphError, SemanticsError
from neurodeploy.semantics import language as nd
from neurodeploy.semantics.language import Sym
from neurodeploy.semantics.trace import CellDefinition, State, trace
from neurodeploy.semantics.types import BOOL, F32, F64, Int

Array = npt.NDArray[Any]
INT64 = Int(-(2**63), 2**63 - 1)


# ---------------------------------------------------------------------------------------------
# Refusals


REFUSED: dict[str, Callable[[Sym, Sym, Sym], object]] = {
    # x is a float, n an integer in [0, 9], b a bool
    "bool plus bool": lambda x, n, b: b + b,
    "bool times float": lambda x, n, b: b * x,
    "negated bool": lambda x, n, b: -b,
    "bool against bool": lambda x, n, b: b == b,
    "float plus int": lambda x, n, b: x + n,
    "float against int": lambda x, n, b: x > n,
    "float constant in an integer": lambda x, n, b: n + 0.5,
    "float constant against an integer": lambda x, n, b: n > 0.5,
    "number against a bool": lambda x, n, b: b == 1,
    "bool constant in a number": lambda x, n, b: n + True,
    "integer / by operator": lambda x, n, b: n / 2,
    "integer //": lambda x, n, b: n // 2,
    "integer // reversed": lambda x, n, b: 2 // n,
    "integer %": lambda x, n, b: n % 2,
    "float //": lambda x, n, b: x // 2,
    "power by operator": lambda x, n, b: x**2,
    "power of two by operator": lambda x, n, b: 2**n,
    "<< by operator": lambda x, n, b: n << 1,
    ">> by operator": lambda x, n, b: n >> 1,
    "xor": lambda x, n, b: b ^ b,
    "& of numbers": lambda x, n, b: n & n,
    "| with a number": lambda x, n, b: b | n,
    "~ of a number": lambda x, n, b: ~n,
    "Python if": lambda x, n, b: x if x > 0 else -x,
    "Python and": lambda x, n, b: b and b,
    "Python not": lambda x, n, b: not b,
    "chained comparison": lambda x, n, b: 0 < x < 1,
    "Python max": lambda x, n, b: max(x, 0.0),
    "membership": lambda x, n, b: x in (x, n),
    "numpy scalar": lambda x, n, b: x + np.float32(0.5),
    "numpy scalar reversed": lambda x, n, b: np.float32(0.5) + x,
    "numpy integer": lambda x, n, b: n + np.int64(1),
    "array": lambda x, n, b: x + np.zeros(3, np.float32),
    "string": lambda x, n, b: x + "1",
    "comparison with None": lambda x, n, b: x == None,  # noqa: E711
    "infinite constant": lambda x, n, b: x + math.inf,
    "NaN constant": lambda x, n, b: x * math.nan,
    "constant above float32": lambda x, n, b: x * 1e39,
    "where on a number": lambda x, n, b: nd.where(n, x, x),
    "where of two types": lambda x, n, b: nd.where(b, x, n),
    "where of two Python numbers": lambda x, n, b: nd.where(b, 1.0, 0.0),
    "fire of a float at an int": lambda x, n, b: nd.fire(x, n, strict=True),
    "fire of a bool": lambda x, n, b: nd.fire(b, b, strict=True),
    "fire without strictness": lambda x, n, b: nd.fire(x, 1.0, strict=None),  # type: ignore[arg-type]
    "sqrt of an integer": lambda x, n, b: nd.sqrt(n),
    "floor of an integer": lambda x, n, b: nd.floor(n),
    "rint of a bool": lambda x, n, b: nd.rint(b),
    "pow2 of a float": lambda x, n, b: nd.pow2(x),
    "pow2 above the exponents": lambda x, n, b: nd.pow2(n + 120),
    "pow2 of subnormals": lambda x, n, b: nd.pow2(n - 128),
    "to_float of a bool": lambda x, n, b: nd.to_float(b),
    "to_float of 16 bits": lambda x, n, b: nd.to_float(n, bits=16),
    "to_int of an integer": lambda x, n, b: nd.to_int(n, rounding="floor", lo=0, hi=9),
    "to_int without rounding": lambda x, n, b: nd.to_int(x, rounding="round", lo=0, hi=9),
    "to_int of an inexact bound": lambda x, n, b: nd.to_int(x, rounding="zero", lo=0, hi=2**24 + 1),
    "to_int of an empty range": lambda x, n, b: nd.to_int(x, rounding="zero", lo=5, hi=4),
    "shift of a float": lambda x, n, b: nd.shift_left(x, 1),
    "shift by 63": lambda x, n, b: nd.shift_left(n, 63),
    "shift by less than none": lambda x, n, b: nd.shift_left(n, -1),
    "shift right by 0": lambda x, n, b: nd.shift_right(n, 0, rounding="floor"),
    "shift right, unknown rounding": lambda x, n, b: nd.shift_right(n, 1, rounding="up"),
    "shift by a bool": lambda x, n, b: nd.shift_left(n, True),
    "saturate to nothing": lambda x, n, b: nd.saturate(n, 3, 2),
    "saturate a float": lambda x, n, b: nd.saturate(x, 0, 1),
    "saturate with floats": lambda x, n, b: nd.saturate(n, 0.0, 1.0),  # type: ignore[arg-type]
    "wrap to 0 bits": lambda x, n, b: nd.wrap(n, 0),
    "wrap to 64 bits": lambda x, n, b: nd.wrap(n, 64),
    "declare of a float": lambda x, n, b: nd.declare(x, 0, 1),
    "floor_div by 0": lambda x, n, b: nd.floor_div(n, 0),
    "floor_div by less": lambda x, n, b: nd.floor_div(n, -2),
    "mod by 0": lambda x, n, b: nd.mod(n, 0),
    "lookup at a negative index": lambda x, n, b: nd.lookup(x, n - 1),
    "lookup at a float": lambda x, n, b: nd.lookup(x, x),
    "a random draw below 0": lambda x, n, b: nd.random_bits(x, -1),
    "beyond 64 bits": lambda x, n, b: nd.shift_left(n, 40) * nd.shift_left(n, 40),
    "no output": lambda x, n, b: (),
    "a number for an output": lambda x, n, b: 1.0,
    "two outputs without names": lambda x, n, b: (x, n),
}


@pytest.mark.parametrize("what", sorted(REFUSED))
def test_refused_when_traced(what: str) -> None:
    with pytest.raises(SemanticsError) as caught:
        program_of(REFUSED[what], F32, Int(0, 9), BOOL)
    assert isinstance(caught.value, TypeError)
    assert all(finding.message for finding in caught.value.findings)


@pytest.mark.parametrize("use", [math.exp, np.exp, float, int, abs, round, list, len, bool, hash])
def test_python_and_numpy_functions_take_no_symbol(use: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError):
        program_of(lambda x: use(x) and x, F32)


def test_float_types_do_not_mix() -> None:
    with pytest.raises(SemanticsError, match=r"add\(f32, f64\)"):
        program_of(lambda x, y: x + y, F32, F64)


def test_symbols_of_two_cells_do_not_mix() -> None:
    kept: list[Sym] = []
    program_of(lambda x: kept.append(x) or x, F32)  # type: ignore[func-returns-value]
    with pytest.raises(SemanticsError, match="two different cells"):
        program_of(lambda x: x + kept[0], F32)


def test_states_and_parameters_are_checked() -> None:
    def cell(function: Callable[..., object]) -> CellDefinition:
        kinds = {"n": Int(0, 7)}
        return CellDefinition("tested", function, {"w": 1.0}, {"v": 0.0, "n": 0}, kinds)

    refused: list[tuple[Callable[..., object], str]] = [
        (lambda p, s, x: x * p.gain, "no param 'gain'"),
        (lambda p, s, x: x + s.u, "no state 'u'"),
        (lambda p, s, x: x + s.v, "no next value"),
        (lambda p, s, x: (x, State(u=x)), "is no state"),
        (lambda p, s, x: (x, State(v=s.n, n=s.n)), "state 'v' is f32"),
        (lambda p, s, x: (x, State(n=s.n + 1)), r"next value is int\[1,8\]"),
        (lambda p, s, x: ({"v": x}, State(v=x)), "share the name 'v'"),
        (lambda p, s, x: (x, State(v=1.0)), "a float for 'v'"),
    ]
    for function, message in refused:
        with pytest.raises(SemanticsError, match=message):
            trace(cell(function), inputs={"x": F32})
    with pytest.raises(SemanticsError) as caught:
        trace(
            cell(lambda p, s, x: x),
            inputs={"y": F32},
            params={"a": F32},
            states={"b": F32},
            options={"c": 1},
        )
    assert len(caught.value.findings) == 5  # four unknown names and a missing input, at once


# ---------------------------------------------------------------------------------------------
# Integers: types and values against Python


def rounded(value: Fraction, rounding: str) -> int:
    half_up = math.floor(value + Fraction(1, 2))
    return {
        "floor": math.floor(value),
        "zero": math.trunc(value),
        "nearest": half_up,
        "even": round(value),
        "nearest_even": round(value),
    }[rounding]


def wrapped(value: int, bits: int) -> int:
    return (value + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)


Step = tuple[str, Callable[[Sym, Sym], Sym], Callable[[int, int], int]]


@st.composite
def operations(draw: st.DrawFn) -> Step:
    """Draw an operation on integers: its name, with symbols, and with Python's integers."""
    n = draw(st.integers(1, 20))
    lo, hi = sorted(draw(st.tuples(st.integers(-(2**33), 2**33), st.integers(-(2**33), 2**33))))
    rounding = draw(st.sampled_from(["floor", "zero", "nearest", "even"]))
    return draw(
        st.sampled_from(
            [
                ("add", lambda a, b: a + b, lambda a, b: a + b),
                ("sub", lambda a, b: a - b, lambda a, b: a - b),
                ("mul", lambda a, b: a * b, lambda a, b: a * b),
                ("neg", lambda a, b: -a, lambda a, b: -a),
                ("constant", lambda a, b: n - a * n, lambda a, b: n - a * n),
                ("minimum", nd.minimum, min),
                ("maximum", nd.maximum, max),
                ("absolute", lambda a, b: nd.absolute(a), lambda a, b: abs(a)),
                ("sign", lambda a, b: nd.sign(a), lambda a, b: (a > 0) - (a < 0)),
                ("clip", lambda a, b: nd.clip(a, lo, hi), lambda a, b: min(max(a, lo), hi)),
                ("saturate", lambda a, b: nd.saturate(a, lo, hi), lambda a, b: min(max(a, lo), hi)),
                ("where", lambda a, b: nd.where(a < b, a, b), lambda a, b: a if a < b else b),
                ("wrap", lambda a, b: nd.wrap(a, n + 1), lambda a, b: wrapped(a, n + 1)),
                ("shift_left", lambda a, b: nd.shift_left(a, n), lambda a, b: a * 2**n),
                (
                    f"shift_right {rounding}",
                    lambda a, b: nd.shift_right(a, n, rounding=rounding),
                    lambda a, b: rounded(Fraction(a, 2**n), rounding),
                ),
                ("floor_div", lambda a, b: nd.floor_div(a, n), lambda a, b: a // n),
                ("mod", lambda a, b: nd.mod(a, n), lambda a, b: a % n),
            ]
        )
    )


def ranges(size: int) -> st.SearchStrategy[Int]:
    bound = st.one_of(st.integers(-size, size), st.sampled_from([-size, -1, 0, 1, size]))
    return st.tuples(bound, bound).map(lambda pair: Int(*sorted(pair)))


@given(st.data(), ranges(2**40), ranges(2**40), st.lists(operations(), min_size=1, max_size=5))
def test_integer_expressions(data: st.DataObject, a: Int, b: Int, chain: list[Step]) -> None:
    """A chain computes what Python computes, inside the range that its type claims."""

    def symbols(x: Sym, y: Sym) -> Sym:
        for _, operation, _ in chain:
            x, y = operation(x, y), x
        return x

    try:
        program = program_of(symbols, a, b)
    except SemanticsError as error:
        assert "64 bits" in str(error)  # noqa: PT017
        return
    kind = program.output_type("out")
    assert isinstance(kind, Int)
    for corner in ((a.lo, b.lo), (a.lo, b.hi), (a.hi, b.lo), (a.hi, b.hi), None):
        if corner is None:
            corner = (data.draw(st.integers(a.lo, a.hi)), data.draw(st.integers(b.lo, b.hi)))
        x, y = corner
        for _, _, operation in chain:
            x, y = operation(x, y), x
        assert kind.lo <= x <= kind.hi
        assert value_of(program, *corner) == x


@given(ranges(2**62), ranges(2**62), st.sampled_from(["add", "sub", "mul"]))
def test_ranges_are_tight_and_refused_where_they_leave_64_bits(a: Int, b: Int, name: str) -> None:
    operation: Callable[[Any, Any], Any] = {
        "add": lambda x, y: x + y,
        "sub": lambda x, y: x - y,
        "mul": lambda x, y: x * y,
    }[name]
    corners = [operation(x, y) for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
    if INT64.lo <= min(corners) and max(corners) <= INT64.hi:
        assert program_of(operation, a, b).output_type("out") == Int(min(corners), max(corners))
    else:
        with pytest.raises(SemanticsError, match="64 bits"):
            program_of(operation, a, b)


@given(
    st.sampled_from(["gt", "ge", "lt", "le", "eq", "ne"]), st.integers(-3, 3), st.integers(-3, 3)
)
def test_comparisons(name: str, a: int, b: int) -> None:
    import operator

    compare = getattr(operator, name)
    for kind in (Int(-3, 3), F32, F64):
        program = program_of(compare, kind, kind)
        assert program.output_type("out") == BOOL
        assert value_of(program, a, b) is compare(a, b)


def test_declared_ranges_are_checked_by_the_reference() -> None:
    program = program_of(lambda x: nd.declare(x, 0, 3), Int(-100, 100))
    assert program.output_type("out") == Int(0, 3)
    assert value_of(program, 3) == 3
    with pytest.raises(GraphError, match=r"\[0, 3\] reaches \[-1, -1\]"):
        value_of(program, -1)
