"""The functions written in the language, against float64 of numpy and Python's math."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurodeploy.errors import SemanticsError
from neurodeploy.semantics import math as ours
from neurodeploy.semantics.language import Sym
from neurodeploy.semantics.numpy_eval import Frame, evaluate
from neurodeploy.semantics.program import Program
from neurodeploy.semantics.trace import CellDefinition, trace
from neurodeploy.semantics.types import F32, F64, Int, Type
from oracles import Ledger
from tiers import sample_count

Array = npt.NDArray[Any]
Double = npt.NDArray[np.float64]
FUNCTIONS = ("cos", "erf", "exp", "log", "sigmoid", "sin", "softplus", "tanh")


def program_of(function: Callable[[Sym], Sym], kind: Type = F32) -> Program:
    definition = CellDefinition("function", lambda p, s, x: function(x))
    return trace(definition, inputs={"x": kind}).program


def run(function: Callable[[Sym], Sym], x: Array, kind: Type = F32) -> Array:
    program = program_of(function, kind)
    return evaluate(program, Frame({"x": x}, {}, {}))[dict(program.outputs)["out"]]


def sigmoid(x: Double) -> Double:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, np.where(x < -104, 0, e), 1) / (1 + e)


def softplus(x: Double) -> Double:
    return np.maximum(x, 0) + np.log1p(np.where(np.abs(x) > 104, 0, np.exp(-np.abs(x))))


LARGEST_EXP = float(np.float32(88.72283))
# the function with its stated saturation, the interval that is drawn densely, the bound in ulp
REFERENCES: dict[str, tuple[Callable[[Double], Double], tuple[float, float], float]] = {
    "exp": (lambda x: np.where(x <= -104, 0, np.exp(np.clip(x, -104, LARGEST_EXP))), (-105, 90), 1),
    "log": (lambda x: np.log(np.maximum(x, 2.0**-149)), (0.3, 3.0), 1),
    "sigmoid": (sigmoid, (-105, 30), 3),
    "tanh": (np.tanh, (-10, 10), 2),
    "erf": (np.vectorize(math.erf, otypes=[float]), (-4.5, 4.5), 2),
    "softplus": (softplus, (-105, 60), 3),
    "sin": (lambda x: np.sin(np.clip(x, -8192, 8192)), (-8200, 8200), 3),
    "cos": (lambda x: np.cos(np.clip(x, -8192, 8192)), (-8200, 8200), 3),
}


def samples(name: str) -> Array:
    """Draw over the function's interval, near 0, near multiples of pi / 4, and over all floats."""
    rng = np.random.default_rng(5)
    count = sample_count(1_000_000, 60_000)
    bits = rng.integers(0, 2**32, count, dtype=np.uint64).astype(np.uint32).view(np.float32)
    lo, hi = REFERENCES[name][1]
    limit = np.finfo(np.float32)
    edges = [0.0, -0.0, 1, -1, 104, -104, 88.72283, 88.8, 0.625, 1.4142135, 8192, -8192, 1e-45]
    edges += [limit.max, limit.min, limit.tiny, -limit.tiny, -1e-45]
    x = np.concatenate(
        [
            rng.uniform(lo, hi, count),
            rng.uniform(-2, 2, count),
            rng.integers(-9000, 9000, count) * (math.pi / 4),
            edges,
        ]
    ).astype(np.float32)
    # neighbours of the points where a function changes its form
    near = np.concatenate([np.nextafter(x[-len(edges) :], np.float32(side)) for side in (-9, 9)])
    return np.concatenate([x, near, bits[np.isfinite(bits)]])


def ulps(got: Array, exact: Double) -> Double:
    """Give the error in units of the float32 spacing at the exact value."""
    _, exponent = np.frexp(np.maximum(np.abs(exact), 2.0**-126))
    return np.asarray(np.abs(got.astype(np.float64) - exact) / np.ldexp(1.0, exponent - 24))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_error_in_ulp(oracle: Ledger, name: str) -> None:
    numpy = oracle("numpy")
    reference, _, bound = REFERENCES[name]
    x = samples(name)
    got = run(getattr(ours, name), x)
    assert got.dtype == np.float32
    assert np.isfinite(got).all()
    with np.errstate(over="ignore", under="ignore"):
        error = ulps(got, reference(x.astype(np.float64)))
    worst = int(np.argmax(error))
    assert error[worst] <= bound, f"{name}({x[worst]!r}) = {got[worst]!r}: {error[worst]} ulp"
    numpy.record()


def test_the_bound_can_fail() -> None:
    x = samples("exp")[:1000]
    off = np.nextafter(run(ours.exp, x), np.float32(np.inf))
    error = ulps(np.nextafter(off, np.float32(np.inf)), np.exp(x.astype(np.float64)))
    assert error.max() > 1


@pytest.mark.parametrize(
    ("name", "x", "value"),
    [
        ("exp", 0.0, 1.0),
        ("exp", 3e38, 3.4027985e38),
        ("exp", -3e38, 0.0),
        ("log", 1.0, 0.0),
        ("log", 0.0, -103.27893),
        ("log", -5.0, -103.27893),
        ("sigmoid", 0.0, 0.5),
        ("sigmoid", 3e38, 1.0),
        ("tanh", 0.0, 0.0),
        ("tanh", -3e38, -1.0),
        ("erf", 1e-45, 1e-45),
        ("erf", 4.0, 1.0),
        ("softplus", -3e38, 0.0),
        ("softplus", 3e38, 3e38),
        ("sin", 0.0, 0.0),
        ("cos", 0.0, 1.0),
    ],
)
def test_points(name: str, x: float, value: float) -> None:
    got = run(getattr(ours, name), np.asarray([x], np.float32))
    assert got.tolist() == [np.float32(value)]


@pytest.mark.parametrize("name", ["tanh", "erf", "sin"])
def test_odd_functions_are_odd_to_the_bit(name: str) -> None:
    x = samples(name)[:20_000]
    function = getattr(ours, name)
    assert (run(function, -x) == -run(function, x)).all()


def test_products_of_the_reductions_are_exact() -> None:
    """Cody and Waite's reduction needs the leading parts short enough for exact products."""
    for part, largest in ((ours.LN2[0], 160), *((part, 5216) for part in ours.HALF_PI[:3])):
        for n in range(1, largest + 1):
            assert float(np.float32(part) * np.float32(n)) == part * n
    assert math.isclose(sum(ours.LN2), math.log(2), rel_tol=1e-12)
    assert math.isclose(sum(ours.HALF_PI), math.pi / 2, rel_tol=1e-15)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("kind", [F64, Int(0, 9)])
def test_other_types_are_refused(name: str, kind: Type) -> None:
    with pytest.raises(SemanticsError, match=rf"^{name} is for f32"):
        program_of(getattr(ours, name), kind)


@given(st.integers(-20, 20), st.integers(0, 24))
def test_power_of_an_integer(x: int, n: int) -> None:
    values = np.asarray([x, -20, 20])
    lo, hi = (-(20**n), 20**n) if n else (1, 1)
    if hi >= 2**63:
        with pytest.raises(SemanticsError, match="64 bits"):
            program_of(lambda s: ours.power(s, n), Int(-20, 20))
        return
    program = program_of(lambda s: ours.power(s, n), Int(-20, 20))
    kind = program.output_type("out")
    assert isinstance(kind, Int)
    assert kind.lo >= lo
    assert kind.hi == hi
    got = run(lambda s: ours.power(s, n), values, Int(-20, 20))
    assert np.broadcast_to(got, 3).tolist() == [x**n, (-20) ** n, 20**n]


@given(st.integers(-30, 30), st.floats(0.5, 2.0, width=32))
def test_power_of_a_float(n: int, x: float) -> None:
    got = run(lambda s: ours.power(s, n), np.asarray([x, -x], np.float32))
    got = np.broadcast_to(got, 2)
    # each product rounds once, relative 2**-24: at most |n| of them weigh on the result
    assert np.allclose(got, [x**n, (-x) ** n], rtol=(abs(n) + 2) * 2.0**-24, atol=0)


def test_power_refuses_what_is_no_whole_power() -> None:
    for n in (0.5, True, "2"):
        with pytest.raises(SemanticsError, match="whole number"):
            program_of(lambda s, n=n: ours.power(s, n))  # type: ignore[misc]
    with pytest.raises(SemanticsError, match="negative power"):
        program_of(lambda s: ours.power(s, -1), Int(1, 3))
