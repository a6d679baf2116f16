"""Constants of energy models: numbers with unit, conditions, source and evidence class.

All of them stand in ``energy_constants.json`` beside this file, none in code. Evidence:

- **A**: checked against board measurements that the fit had not seen;
- **B**: published, and read in a source;
- **C**: from a data sheet or from memory.

A constant without a spread of its own gets a factor of 2 either way in class B, and of 5 in
class C. Where readings of a source differ, or the source gives a range, its ends are the
interval, and the value is their geometric mean.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from neurodeploy.errors import InternalError

__all__ = ["EVIDENCE_FACTOR", "Constant", "Evidence", "Interval", "constants", "interval_of"]

Evidence = Literal["A", "B", "C"]
EVIDENCE_FACTOR: Mapping[Evidence, float] = {"A": 1.0, "B": 2.0, "C": 5.0}
_UNITS = {"pJ": 1e-12, "nJ": 1e-9, "uJ": 1e-6, "mJ": 1e-3, "J": 1.0}


@dataclass(frozen=True)
class Interval:
    """A figure between two bounds.

    Sums add the bounds, as if all errors had the same sign: the widest honest interval.
    """

    value: float
    low: float
    high: float

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.value + other.value, self.low + other.low, self.high + other.high)

    def __mul__(self, factor: float) -> Interval:
        """Scale by a factor of at least 0."""
        return Interval(self.value * factor, self.low * factor, self.high * factor)

    def to_json(self) -> dict[str, float]:
        """Give the interval with the keys of the JSON contract."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Constant:
    """One constant, in joules per unit of what is counted.

    Attributes:
        name: Key of the row.
        quantity: What it is the energy of.
        joules: Value and interval.
        per: Unit of what is counted: ``operation``, ``byte``, ``event``.
        conditions: Technology, voltage, what is included.
        source: Where the figure was read.
        evidence: Class of the evidence.
    """

    name: str
    quantity: str
    joules: Interval
    per: str
    conditions: str
    source: str
    evidence: Evidence

    def to_json(self) -> dict[str, object]:
        """Give the row for reports."""
        return {
            "name": self.name,
            "quantity": self.quantity,
            "joules": self.joules.to_json(),
            "per": self.per,
            "conditions": self.conditions,
            "source": self.source,
            "evidence": self.evidence,
        }


@cache
def constants(table: str) -> Mapping[str, Constant]:
    """Give the rows of a table by name.

    >>> constants("cmos45")["fp32_add"].joules
    Interval(value=9e-13, low=4.5e-13, high=1.8e-12)
    """
    text = files("neurodeploy.profile").joinpath("energy_constants.json").read_text("utf-8")
    rows = [row for row in json.loads(text) if row["table"] == table]
    if not rows:
        raise InternalError(f"there is no table of constants {table!r}")
    return {row["name"]: _constant(row) for row in rows}


def _constant(row: Mapping[str, Any]) -> Constant:
    unit, _, per = row["unit"].partition("/")
    return Constant(
        name=row["name"],
        quantity=row["quantity"],
        joules=interval_of(row["readings"], row["evidence"], _UNITS[unit]),
        per=per,
        conditions=row["conditions"],
        source=row["source"],
        evidence=row["evidence"],
    )


def interval_of(readings: list[float], evidence: Evidence, scale: float = 1.0) -> Interval:
    """Give the interval of one reading by its class, or of several by their ends.

    >>> interval_of([4.0], "C")
    Interval(value=4.0, low=0.8, high=20.0)
    >>> interval_of([2.0, 8.0], "B")
    Interval(value=4.0, low=2.0, high=8.0)
    """
    low, high = min(readings), max(readings)
    if low == high:
        factor = EVIDENCE_FACTOR[evidence]
        return Interval(low * scale, low / factor * scale, low * factor * scale)
    return Interval(math.sqrt(low * high) * scale, low * scale, high * scale)
