"""Durations: exact, or refused."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurodeploy.errors import UsageError
from neurodeploy.ir import GraphBuilder
from neurodeploy.ir.duration import duration_text, parse_duration


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1ms", Fraction(1, 1000)),
        (" 0.1 ms ", Fraction(1, 10000)),
        ("25us", Fraction(1, 40000)),
        ("500ns", Fraction(1, 2000000)),
        ("2s", Fraction(2)),
        (".5s", Fraction(1, 2)),
        ("1e-3s", Fraction(1, 1000)),
        ("1E3us", Fraction(1, 1000)),
        (0.001, Fraction(1, 1000)),
        (np.float64(0.001), Fraction(1, 1000)),
        (np.float32(0.001), Fraction(1, 1000)),
        (np.int64(2), Fraction(2)),
        (3, Fraction(3)),
        (Fraction(1, 3000), Fraction(1, 3000)),
        (None, None),
    ],
)
def test_durations(value: Any, seconds: Fraction | None) -> None:
    assert parse_duration(value) == seconds
    assert GraphBuilder(value).dt == seconds


@pytest.mark.parametrize(
    "value",
    [
        "", "ms", "1", "1 m", "1min", "-1ms", "0ms", "0.0s", "1e-3", "1.ms", "1e400s", "nan s",
        "infs", "1,5ms", "٣ms", "1ms\0", "9" * 5000 + "s", "1" * 200_000, " " * 200_000, 0, -0.001,
        float("nan"), float("inf"), True, Fraction(0), 1j, b"1ms", [1],
    ],
)  # fmt: skip
def test_what_is_no_duration(value: Any) -> None:
    with pytest.raises(UsageError):
        parse_duration(value)


@given(st.fractions(min_value=Fraction(1, 10**9), max_value=1000, max_denominator=10**9))
def test_durations_are_shown_exactly(dt: Fraction) -> None:
    number, unit = duration_text(dt).split(" ")
    scale = {"s": 1, "ms": 1000, "us": 10**6, "ns": 10**9}[unit]
    assert Fraction(number) / scale == dt
    if "/" not in number:
        assert parse_duration(f"{number}{unit}") == dt
        assert math.gcd(int(number), 1) == 1
