"""Durations as exact rationals of a second."""

from __future__ import annotations

import re
from fractions import Fraction

from neurodeploy.errors import UsageError

__all__ = ["duration_text", "parse_duration"]

UNITS = {"s": Fraction(1), "ms": Fraction(1, 10**3), "us": Fraction(1, 10**6)}
UNITS["ns"] = Fraction(1, 10**9)
TEXT = re.compile(r"\s*([0-9]{0,20}\.?[0-9]{1,20}(?:[eE]-?[0-9]{1,2})?)\s*(s|ms|us|ns)\s*")


def parse_duration(value: str | float | int | Fraction | None) -> Fraction | None:
    """Give a duration in seconds, exact.

    Args:
        value: Text with a unit (``"1ms"``, ``"0.1 ms"``), a number of seconds, or None.

    Raises:
        UsageError: it is no positive duration.

    >>> parse_duration("0.1ms")
    Fraction(1, 10000)
    """
    if value is None:
        return None
    if isinstance(value, str):
        match = TEXT.fullmatch(value)
        if match is None:
            raise UsageError(f"{value[:40]!r} is no duration", hint="such as 1ms, 0.1ms or 25us")
        seconds = Fraction(match[1]) * UNITS[match[2]]
    else:
        try:
            # a float of seconds means the decimal that a person wrote: 0.001, not its binary value
            seconds = value if isinstance(value, Fraction) else Fraction(str(value))
        except ValueError:
            raise UsageError(f"{value!r} is no number of seconds", hint="such as 0.001") from None
    if seconds <= 0:
        raise UsageError(f"a step of {value} does not last a positive time")
    return seconds


def duration_text(dt: Fraction | None) -> str:
    """Write a duration in the largest unit that keeps it whole, else as a fraction of a second.

    >>> duration_text(Fraction(1, 1000)), duration_text(Fraction(1, 10000))
    ('1 ms', '100 us')
    """
    if dt is None:
        return "unset"
    for name, unit in UNITS.items():
        if (dt / unit).denominator == 1:
            return f"{dt / unit} {name}"
    return f"{dt} s"
