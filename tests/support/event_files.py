"""Events for tests: random ones, those of frames, and files of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["DVS", "SHD", "as_structured", "of_frames", "write_shd"]

Array = npt.NDArray[Any]
DVS = np.dtype([("t", np.int64), ("x", np.int16), ("y", np.int16), ("p", np.int8)])
SHD = np.dtype([("t", np.int64), ("x", np.int64), ("p", np.int64)])


def as_structured(dtype: np.dtype[Any], **columns: object) -> Array:
    """Give one sample as tonic does."""
    size = np.size(columns["t"])
    events = np.zeros(size, dtype)
    for name, column in columns.items():
        events[name] = column
    return events


def of_frames(frames: Array, step: int) -> tuple[Array, Array]:
    """Give events (t, x, p) at the start of each step, and offsets, of (N, T, X) zeros and ones."""
    sample, at, channel = np.nonzero(frames)
    events = as_structured(SHD, t=at * step, x=channel, p=1)
    return events, np.searchsorted(sample, np.arange(frames.shape[0] + 1))


def write_shd(
    path: Path, times: list[Array], units: list[Array], labels: list[int] | None = None
) -> None:
    """Write a file in the layout of SHD: ragged times in seconds (float16) and units (uint16)."""
    import h5py

    with h5py.File(path, "w") as file:
        spikes = file.create_group("spikes")
        for name, rows, base in (("times", times, np.float16), ("units", units, np.uint16)):
            data = spikes.create_dataset(name, (len(rows),), h5py.vlen_dtype(base))
            for i, row in enumerate(rows):
                data[i] = np.asarray(row, base)
        if labels is not None:
            file["labels"] = np.asarray(labels, np.uint16)
