"""The events of all samples in flat arrays, checked once when they come in."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import DataError, Finding, raise_findings
from neurodeploy.ir.duration import UNITS

__all__ = ["Events", "offenders"]

Array = npt.NDArray[Any]
SHOWN = 5  # findings of one kind that are told one by one


@dataclass(frozen=True, eq=False)
class Events:
    """Events of N samples; those of sample i are ``offsets[i]`` to before ``offsets[i + 1]``.

    Attributes:
        t: (M,) times since the start of the sample, ascending within it, in ``unit``; whole
            numbers are exact.
        x: (M,) columns, or the channels of a sensor with one axis.
        y: (M,) rows; None for a sensor with one axis.
        p: (M,) polarities, 0 or -1 for off and 1 for on; None where there are none.
        offsets: (N + 1,) bounds of the samples.
        unit: Unit of ``t``: ``s``, ``ms``, ``us`` or ``ns``.
        labels: (N,) class indices, or None.
        shape: Shape of a frame of the sensor, such as (2, 34, 34); None where it is not known.

    Raises:
        DataError: everything that breaks these rules, by sample and event.
    """

    t: Array
    x: Array
    y: Array | None
    p: Array | None
    offsets: npt.NDArray[np.int64]
    unit: str = "us"
    labels: Array | None = None
    shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.unit, str) or self.unit not in UNITS:
            raise DataError(
                Finding(
                    f"the unit of time is {str(self.unit)[:40]!r}",
                    node="t_unit",
                    hint=f"one of {', '.join(UNITS)}",
                )
            )
        columns = {name: _column(name, getattr(self, name)) for name in ("t", "x", "y", "p")}
        given = {name: c for name, c in columns.items() if c is not None}
        sizes = {name: c.size for name, c in given.items()}
        if len(set(sizes.values())) > 1:
            raise DataError(Finding(f"columns of different length: {sizes}", node="events"))
        offsets = _offsets(self.offsets, sizes["t"])
        raise_findings(
            DataError,
            [f for name, c in given.items() for f in _findings(name, c, offsets)],
        )
        for name, column in given.items():
            held = column > 0 if name == "p" else column
            object.__setattr__(self, name, held)
        object.__setattr__(self, "offsets", offsets)
        if self.labels is not None and np.shape(self.labels) != (self.count,):
            raise DataError(
                f"labels of shape {list(np.shape(self.labels))} for {self.count} samples"
            )

    @property
    def count(self) -> int:
        """Number of samples."""
        return int(self.offsets.size) - 1

    @property
    def seconds_per_unit(self) -> Fraction:
        """Seconds that one unit of ``t`` lasts."""
        return UNITS[self.unit]

    def first(self, count: int) -> Events:
        """Give the first ``count`` samples."""
        offsets = self.offsets[: count + 1]
        parts = [None if c is None else c[: offsets[-1]] for c in (self.t, self.x, self.y, self.p)]
        t, x, y, p = parts
        labels = None if self.labels is None else self.labels[:count]
        return Events(cast(Array, t), cast(Array, x), y, p, offsets, self.unit, labels, self.shape)

    def __repr__(self) -> str:
        """Say what it holds in one line."""
        where = "" if self.shape is None else f", sensor {list(self.shape)}"
        return f"Events({self.count} samples, {self.t.size} events, t in {self.unit}{where})"


def offenders(bad: Array, offsets: Array, what: str, column: Array, hint: str) -> list[Finding]:
    """Tell the events for which ``bad`` holds, the first few of them one by one.

    Args:
        bad: (M,) booleans.
        offsets: (N + 1,) bounds of the samples.
        what: What is wrong, with ``{}`` where the value goes.
        column: (M,) values.
        hint: What to do about it.
    """
    at = np.flatnonzero(bad)
    if not at.size:
        return []
    samples = np.searchsorted(offsets, at[:SHOWN], side="right") - 1
    found = [
        Finding(
            f"sample {s}, event {i - int(offsets[s])}: {what.format(column[i])}",
            node="events",
            hint=hint,
            value=str(column[i]),
        )
        for s, i in zip(samples.tolist(), at[:SHOWN].tolist(), strict=True)
    ]
    if at.size > SHOWN:
        found.append(Finding(f"{at.size - SHOWN} more events like the last", node="events"))
    return found


def _column(name: str, given: object) -> Array | None:
    """Give a column as an array of numbers in native byte order."""
    if given is None and name in ("y", "p"):
        return None
    column = np.asarray(given)
    if column.ndim != 1 or column.dtype.kind not in ("biuf" if name == "p" else "iuf"):
        raise DataError(
            Finding(f"is {column.dtype} of shape {list(column.shape)}", node=f"events.{name}")
        )
    if column.dtype.kind == "f" and column.dtype.itemsize > 8:
        with np.errstate(over="ignore"):  # what float64 cannot hold becomes inf, and is found
            column = column.astype(np.float64)
    return column.astype(column.dtype.newbyteorder("="), copy=False)


def _offsets(given: object, events: int) -> npt.NDArray[np.int64]:
    """Check the bounds of the samples.

    Raises:
        DataError: they are no ascending whole numbers from 0 to the number of events.
    """
    found = np.asarray(given)
    if found.ndim != 1 or found.size < 2 or found.dtype.kind not in "iu":
        raise DataError(
            Finding(
                f"is {found.dtype} of shape {list(found.shape)}",
                node="offsets",
                hint="N + 1 whole numbers: sample i holds events[offsets[i]:offsets[i + 1]]",
            )
        )
    # compared before they are cast: a bound of 2**63 must not become a negative one
    findings = []
    if found[0] != 0:
        findings.append(Finding(f"offsets[0] is {found[0]}, not 0", node="offsets"))
    down = np.flatnonzero(found[1:] < found[:-1])
    findings += [
        Finding(f"offsets[{i + 1}] is {found[i + 1]}, after {found[i]}", node="offsets")
        for i in down[:SHOWN].tolist()
    ]
    if down.size > SHOWN:
        findings.append(Finding(f"{down.size - SHOWN} more that descend", node="offsets"))
    if found[-1] != events:
        findings.append(
            Finding(
                f"offsets end at {found[-1]}, and there are {events} events",
                node="offsets",
                value=int(found[-1]),
                limit=events,
            )
        )
    raise_findings(DataError, findings)
    return found.astype(np.int64)


def _findings(name: str, column: Array, offsets: npt.NDArray[np.int64]) -> list[Finding]:
    """Check what one column says by itself."""
    if name == "p":
        return _polarity_findings(column, offsets)
    said = f"{name} is {{}}"
    found: list[Finding] = []
    if column.dtype.kind == "f":
        lost = ~np.isfinite(column)
        found += offenders(lost, offsets, said, column, "leave such events out")
        if name != "t":
            broken = ~lost & (column != np.rint(column))
            found += offenders(broken, offsets, said, column, "x and y are whole numbers")
    if name == "t" and column.dtype.kind == "u":
        late = column > np.iinfo(np.int64).max
        found += offenders(late, offsets, said, column, "a time fits into 64 bits")
    if column.dtype.kind != "u":
        hint = "time starts at 0 in every sample" if name == "t" else "positions count from 0"
        found += offenders(column < 0, offsets, said, column, hint)
    if name == "t" and column.size:
        back = np.concatenate([[False], column[1:] < column[:-1]])
        starts = offsets[:-1][offsets[:-1] < column.size]
        back[starts] = False  # every sample has a time of its own
        found += offenders(
            back, offsets, "t is {}, before the event before it", column, "sort by time"
        )
    return found


def _polarity_findings(column: Array, offsets: npt.NDArray[np.int64]) -> list[Finding]:
    on = column == 1
    off = (column == 0) | (column == -1) if column.dtype.kind != "u" else column == 0
    found = offenders(~(on | off), offsets, "p is {}", column, "0 or -1 for off, 1 for on")
    if column.dtype.kind != "u" and (column == 0).any() and (column == -1).any():
        found.append(Finding("p holds 0 as well as -1", node="events", hint="0 and 1, or -1 and 1"))
    return found
