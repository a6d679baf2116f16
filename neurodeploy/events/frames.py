"""Bins events into the steps of a graph: exact, and nothing falls off an edge unseen."""

from __future__ import annotations

import logging
import math
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import DataError, Finding, raise_findings
from neurodeploy.events.record import Events, offenders
from neurodeploy.ir.duration import duration_text
from neurodeploy.memory import available_bytes

__all__ = ["to_frames"]

Array = npt.NDArray[Any]
FAR = 2**62  # steps and products that int64 still holds
EDGE = 2  # float64 roundings of a time that still count as the start of a step

log = logging.getLogger("neurodeploy")


def to_frames(
    events: Events,
    shape: tuple[int, ...],
    dt: Fraction | None,
    timesteps: int | None = None,
    *,
    binary: bool,
    dtype: npt.DTypeLike = np.float32,
) -> tuple[Array, npt.NDArray[np.int64] | None]:
    r"""Bin the events of each sample into steps of ``dt``.

    Args:
        events: The events.
        shape: Shape of a frame: (2, H, W), off before on; (1, H, W) or (H, W), polarities merged;
            (2, X), (1, X) or (X,) for a sensor with one axis.
        dt: Duration of a step in seconds, exact.
        timesteps: T; later events are left out, and every sample lasts T steps. Without it T is
            that of the longest sample.
        binary: Put 1 where events fell, however many; else their number.
        dtype: Type of the frames.

    Returns:
        (N, T, \*shape) frames, and the (N,) steps that each sample lasts: up to its last event;
        None where all last T.

    Raises:
        DataError: everything that has no place in the frames, by sample and event; or frames
            that memory cannot hold.
    """
    if dt is None:
        raise DataError(
            "events are binned into steps, and the graph does not say how long a step lasts",
            hint="--dt 1ms at `convert` (dt= of load), the step that the network was trained with",
        )
    cells, size = _cells(events, shape)
    last = _last_steps(events, dt)
    if timesteps is None:
        empty = [
            Finding(f"sample {i} has no event", node="events", hint="leave it out, or give T")
            for i, n in enumerate(last)
            if n < 0
        ]
        raise_findings(DataError, empty)
    steps = max(last) + 1 if timesteps is None else timesteps
    _require_room(events, dt, last, steps, size * np.dtype(dtype).itemsize)
    frames = _room((events.count, steps * size), dtype)
    late = merged = 0
    for i, row in enumerate(frames):
        part = slice(int(events.offsets[i]), int(events.offsets[i + 1]))
        t, cell = events.t[part], cells[part]
        if last[i] >= steps:
            kept = _before(t, steps, events.seconds_per_unit / dt)
            late += t.size - int(kept.sum())
            t, cell = t[kept], cell[kept]
        at = _steps(t, events.seconds_per_unit / dt) * size + cell
        if binary:
            row[at] = 1
            merged += at.size - int(np.count_nonzero(row))
        else:
            row[:] = np.bincount(at, minlength=row.size)
    _tell(events, steps, dt, binary=binary, late=late, merged=merged)
    lengths = np.array([n + 1 for n in last], np.int64) if timesteps is None else None
    if lengths is not None and (lengths == steps).all():
        lengths = None
    return frames.reshape(events.count, steps, *shape), lengths


def _cells(events: Events, shape: tuple[int, ...]) -> tuple[npt.NDArray[np.int64], int]:
    """Give the flat index into a frame of each event, and the size of a frame.

    Raises:
        DataError: the frame has no such layout, or events lie outside of it.
    """
    planes, rows, columns = _layout(events, shape)
    axes = 1 if events.y is None or len(shape) == 1 else 2
    if events.shape is not None and events.shape[-axes:] != shape[-axes:]:
        raise DataError(
            Finding(
                f"a sensor of {list(events.shape)} does not fit an input of {list(shape)}",
                node="events",
                hint="crop or downsample the events first, such as by tonic's transforms",
            )
        )
    findings: list[Finding] = []
    for name, column, limit in (("x", events.x, columns), ("y", events.y, rows)):
        if column is not None:
            hint = f"the input has {limit} of them" if limit > 1 else "the input has no such axis"
            what = f"{name} is {{}}, beyond {limit - 1}"
            findings += offenders(column >= limit, events.offsets, what, column, hint)
    raise_findings(DataError, findings)
    flat = events.x.astype(np.int64)
    if events.y is not None:
        flat += events.y.astype(np.int64) * columns
    if planes == 2 and events.p is not None:
        flat += events.p.astype(np.int64) * (rows * columns)
    return flat, math.prod(shape)


def _layout(events: Events, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Say how many polarities, rows and columns a frame has."""
    flat_sensor = events.y is None
    if len(shape) == 1:
        planes, rows, columns = 1, 1, shape[0]
    elif len(shape) == 2 and flat_sensor:
        planes, rows, columns = shape[0], 1, shape[1]
    elif len(shape) == 2:
        planes, rows, columns = 1, *shape
    elif len(shape) == 3 and not flat_sensor:
        planes, rows, columns = shape
    else:
        have = "x alone" if flat_sensor else "x and y"
        raise DataError(
            Finding(
                f"events with {have} do not fit an input of shape {list(shape)}",
                node="events",
                hint="(2, H, W), (1, H, W), (H, W), or (X,), (1, X), (2, X) for a sensor of one "
                "axis; bin them into x of shape (N, T, *input) where the input is another",
            )
        )
    two_rows = len(shape) == 2 and shape[0] == 2 and events.y is not None
    if two_rows and events.p is not None and not bool(np.any(events.y)):
        raise DataError(
            f"an input of {list(shape)} may be two polarities or two rows, and y is always 0",
            hint="leave y out (structured events with fields t, x, p)",
        )
    if planes > 2:
        raise DataError(f"an input of {list(shape)} has {planes} channels; events have 2 at most")
    if planes == 2 and events.p is None:
        raise DataError(f"an input of {list(shape)} takes two polarities; these events have none")
    return planes, rows, columns


def _last_steps(events: Events, dt: Fraction) -> list[int]:
    """Give the step of the last event of each sample, -1 where there is none."""
    ends = events.offsets[1:]
    filled = ends > events.offsets[:-1]
    last = np.full(events.count, -1, np.int64)
    last[filled] = _steps(events.t[ends[filled] - 1], events.seconds_per_unit / dt)
    return last.tolist()


def _steps(t: Array, ratio: Fraction) -> npt.NDArray[np.int64]:
    """Give the step of each time; steps beyond 2**62 are given as that.

    Whole numbers are divided exactly. A float stands for what it was rounded from: one that is
    the start of a step up to its own rounding belongs to that step, as 0.003 s does to step 3 of
    1 ms though 0.003 / 0.001 is less than 3.
    """
    if t.dtype.kind in "iu":
        a, b = ratio.numerator, ratio.denominator
        if int(t.max(initial=0)) * a < FAR and b < FAR:
            return t.astype(np.int64) * a // b
        exact = [min(int(n) * a // b, FAR) for n in t.tolist()]
        return np.array(exact, np.int64)
    wide = t.astype(np.float64)
    with np.errstate(over="ignore"):
        ticks = np.minimum(wide * float(ratio), float(FAR))
        blur = np.spacing(t).astype(np.float64) / 2 + EDGE * np.spacing(wide)
        near = np.rint(ticks)
        start = (near > ticks) & (near - ticks <= blur * float(ratio))
    found: npt.NDArray[np.int64] = np.where(start, near, np.floor(ticks)).astype(np.int64)
    return found


def _before(t: Array, steps: int, ratio: Fraction) -> npt.NDArray[np.bool_]:
    kept: npt.NDArray[np.bool_] = _steps(t, ratio) < steps
    return kept


def _require_room(
    events: Events, dt: Fraction, last: list[int], steps: int, bytes_per_step: int
) -> None:
    """Refuse frames that memory cannot hold, by what makes them so many.

    Raises:
        DataError: they need more than there is.
    """
    needed = events.count * steps * bytes_per_step
    there = available_bytes()
    if there is None or needed <= there:
        return
    longest = max(range(len(last)), key=lambda i: last[i])
    t = events.t[events.offsets[longest + 1] - 1] if last[longest] >= 0 else 0
    raise DataError(
        Finding(
            f"sample {longest} ends at t = {t} {events.unit}: frames of {events.count} samples "
            f"and {steps} steps of {duration_text(dt)} need {needed} bytes, and {there} bytes of "
            "memory are available",
            node="events",
            hint="subtract each recording's own start from t, state its t_unit, take a longer "
            "dt, give T, or run fewer samples",
            value=needed,
            limit=there,
        )
    )


def _room(shape: tuple[int, int], dtype: npt.DTypeLike) -> Array:
    try:
        return np.zeros(shape, dtype)
    except (MemoryError, ValueError, OverflowError) as error:  # more than can be addressed
        raise DataError(
            Finding(f"frames of {list(shape)} values cannot be held: {error}", node="events")
        ) from error


def _tell(
    events: Events, steps: int, dt: Fraction, *, binary: bool, late: int, merged: int
) -> None:
    form = "1 where events fell" if binary else "counts of events"
    log.info("events: %d samples, %d steps of %s, %s", events.count, steps, duration_text(dt), form)
    if late:
        log.info("events: %d fall after step %d and are left out", late, steps)
    if merged:
        log.warning(
            "events: %d of %d fall where one fell in the same step; a spike input holds one",
            merged,
            events.t.size - late,
        )
