"""The language on floats: every operation rounds once; constants; the canonical program."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cell_runs import program_of, value_of
from neurodeploy.errors import SemanticsError
from neurodeploy.semantics import language as nd
from neurodeploy.semantics.language import Sym
from neurodeploy.semantics.trace import CellDefinition, trace
from neurodeploy.semantics.types import F32, F64, Int

ROUND: dict[str, Callable[[Fraction], int]] = {
    "nearest_even": round,
    "floor": math.floor,
    "zero": math.trunc,
}


finite = st.floats(-(2.0**23), 2.0**23, width=32)


@given(finite, st.sampled_from(sorted(ROUND)), st.integers(-(2**20), 2**20), st.integers(0, 99))
def test_to_int_rounds_and_saturates(x: float, rounding: str, lo: int, span: int) -> None:
    kind = Int(lo, lo + span**3)
    program = program_of(lambda a: nd.to_int(a, rounding=rounding, lo=kind.lo, hi=kind.hi), F32)
    assert program.output_type("out") == kind
    assert value_of(program, x) == min(max(ROUND[rounding](Fraction(x)), kind.lo), kind.hi)


@given(st.integers(-(2**62), 2**62), st.sampled_from([32, 64]))
def test_to_float_rounds_to_nearest_even(n: int, bits: int) -> None:
    program = program_of(lambda a: nd.to_float(a, bits=bits), Int(-(2**62), 2**62))
    got = value_of(program, n)
    # Python's int to float is correctly rounded; 24 digits by exact integer arithmetic
    digits = 53 if bits == 64 else 24
    spare = max(abs(n).bit_length() - digits, 0)
    assert got == round(Fraction(n, 2**spare)) * 2**spare


@pytest.mark.parametrize(("bits", "lo", "hi"), [(32, -126, 127), (64, -1022, 1023)])
def test_pow2_is_exact_over_its_range(bits: int, lo: int, hi: int) -> None:
    program = program_of(lambda n: nd.pow2(n, bits=bits), Int(lo, hi))
    for n in range(lo, hi + 1):
        assert value_of(program, n) == math.ldexp(1.0, n)


@given(finite, finite)
def test_float_operations_round_once(x: float, y: float) -> None:
    exact: list[tuple[Callable[[Any, Any], Any], Callable[[Fraction, Fraction], Fraction]]] = [
        (lambda a, b: a + b, lambda a, b: a + b),
        (lambda a, b: a - b, lambda a, b: a - b),
        (lambda a, b: a * b, lambda a, b: a * b),
        (
            lambda a, b: nd.floor(a) if isinstance(a, Sym) else a,
            lambda a, b: Fraction(math.floor(a)),
        ),
        (lambda a, b: nd.rint(a) if isinstance(a, Sym) else a, lambda a, b: Fraction(round(a))),
    ]
    if y:
        exact.append((lambda a, b: a / b, lambda a, b: a / b))
    for operation, fraction in exact:
        value = fraction(Fraction(x), Fraction(y))
        got = value_of(program_of(operation, F32, F32), x, y)
        if math.isinf(got):
            assert abs(value) > float(np.finfo(np.float32).max)
            continue
        # no float32 is nearer to the exact value
        for other in (
            np.nextafter(np.float32(got), np.float32(side)) for side in (-np.inf, np.inf)
        ):
            if np.isfinite(other):
                assert abs(Fraction(got) - value) <= abs(Fraction(float(other)) - value)


@given(st.floats(-1e30, 1e30))
def test_a_constant_is_rounded_once_to_the_type_of_its_partner(value: float) -> None:
    for kind in (F32, F64):
        program = program_of(lambda x: x * 0 + value, kind)
        assert value_of(program, 1.0) == float(kind.dtype.type(value))


def test_equal_instructions_are_merged_and_signed_zeros_are_not() -> None:
    program = program_of(lambda x: (x + 1) * (x + 1.0), F32)
    assert [i.op for i in program.instrs] == ["input", "const", "add", "mul"]
    program = program_of(lambda x: {"a": x * 0.0, "b": x * -0.0}, F32)
    assert [i.op for i in program.instrs].count("const") == 2


def test_what_nothing_uses_is_dropped() -> None:
    def unused(p: Any, s: Any, x: Sym) -> Sym:
        _ = p.w * x + s.v  # neither an output nor a state's next value
        return x

    definition = CellDefinition("tested", lambda p, s, x: (p.w * x, x)[1], {"w": 1.0})
    program = trace(definition, inputs={"x": F32}).program
    assert [i.op for i in program.instrs] == ["input"]
    assert program.params == ()
    with pytest.raises(SemanticsError, match="no next value"):
        trace(CellDefinition("tested", unused, {"w": 1.0}, {"v": 0.0}), inputs={"x": F32})
