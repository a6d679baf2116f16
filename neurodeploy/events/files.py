"""Reads files of events: HDF5 in the layout of SHD, and AEDAT4; both are hostile until checked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import DataError, Finding, MissingDependencyError
from neurodeploy.events.decode_aedat import EVENT
from neurodeploy.events.record import Events
from neurodeploy.hdf5 import INSTALL, import_h5py, member
from neurodeploy.ir.strict_json import shown
from neurodeploy.memory import available_bytes, require_bytes

if TYPE_CHECKING:
    import h5py

__all__ = ["SUFFIXES", "read_events"]

Array = npt.NDArray[Any]
SHD = "the layout of SHD: spikes/times, spikes/units, labels"
FIX = "a whole file; for other layouts, numpy.savez(path, events=events, offsets=offsets, y=y)"
SUFFIXES = (".h5", ".hdf5", ".aedat4")
MICROSECONDS = 1e6  # in a second


def read_events(path: str | os.PathLike[str]) -> Events:
    """Read a file of events.

    ``.h5`` and ``.hdf5`` in the layout of SHD and SSC: ragged ``spikes/times`` in seconds and
    ``spikes/units``, and ``labels``. Times become whole microseconds, cut off as tonic does, and
    are sorted within a sample. ``.aedat4``: one recording, one sample, whose time starts at its
    first event.

    Raises:
        DataError: there is no such file, it is damaged, or has another layout.
        MissingDependencyError: the package that reads it is not installed.
    """
    file = Path(path)
    if not os.path.isfile(file):
        raise DataError(f"there is no file {shown(str(path))}")
    reader = _read_aedat if file.suffix.lower() == ".aedat4" else _read_hdf5
    try:
        return reader(file)
    except DataError as error:
        named = [
            Finding(f.message, node=f"{file.name}: {f.node}" if f.node else file.name, hint=f.hint)
            for f in error.findings
        ]
        raise DataError(named) from error


def _read_hdf5(file: Path) -> Events:
    h5py = import_h5py(file.suffix)
    try:
        with h5py.File(file, "r") as held:
            spikes = member(held, "spikes", h5py.Group, SHD)
            times = _ragged(member(spikes, "times", h5py.Dataset, SHD), "spikes/times", "f")
            units = _ragged(member(spikes, "units", h5py.Dataset, SHD), "spikes/units", "iu")
            labels = None
            if "labels" in held:
                labels = _plain(member(held, "labels", h5py.Dataset), "labels")
    except DataError:
        raise
    except Exception as error:  # damage can raise anything, from OSError to UnicodeDecodeError
        text = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise DataError(f"cannot be read as HDF5: {text}", hint=FIX) from error
    sizes, others = [t.size for t in times], [u.size for u in units]
    if sizes != others:
        pairs = list(zip(sizes, others, strict=False))
        first = next((i for i, (a, b) in enumerate(pairs) if a != b), len(pairs))
        raise DataError(
            f"spikes/times and spikes/units differ in length from sample {first} on", hint=FIX
        )
    if not sizes:
        raise DataError("spikes/times holds no sample")
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    t = np.concatenate([_microseconds(t, i) for i, t in enumerate(times)])
    x = np.concatenate(units)
    for start, stop in pairwise(offsets.tolist()):
        order = np.argsort(t[start:stop], kind="stable")
        t[start:stop], x[start:stop] = t[start:stop][order], x[start:stop][order]
    return Events(t, x, None, None, offsets, labels=labels)


def _microseconds(t: Array, sample: int) -> Array:
    wide = t.astype(np.float64)
    bad = ~((wide >= 0) & (wide < 2**62 / MICROSECONDS))
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        raise DataError(f"sample {sample}, event {at}: t is {t[at]} s")
    # cut off, as tonic's SHD does: a network that was trained on its frames sees the same ones
    return (wide * MICROSECONDS).astype(np.int64)


def _ragged(data: h5py.Dataset, node: str, kinds: str) -> list[Array]:
    import h5py

    base = h5py.check_vlen_dtype(data.dtype)
    if base is None or data.shape is None or len(data.shape) != 1 or base.kind not in kinds:
        what = f"is {data.dtype} of shape {list(data.shape or ())}"
        raise DataError(Finding(what, node=node, hint="a ragged data set, one row a sample"))
    rows, needed = data.shape[0], 0
    require_bytes(rows * 16, node)
    found: list[Array] = []
    for i in range(rows):
        found.append(np.asarray(data[i]))
        needed += found[-1].nbytes
        if i % 256 == 0:  # rows may all name one piece of the file: few bytes, and many in memory
            require_bytes(needed, node)
    return found


def _plain(data: h5py.Dataset, node: str) -> Array:
    if data.shape is None or len(data.shape) != 1 or data.dtype.kind not in "iu":
        raise DataError(Finding(f"is {data.dtype} of shape {data.shape}", node=node))
    require_bytes(data.shape[0] * data.dtype.itemsize, node)
    return np.asarray(data[()])


def _read_aedat(file: Path) -> Events:
    if find_spec("aedat") is None:
        raise MissingDependencyError(".aedat4 needs aedat", hint=INSTALL)
    room = available_bytes()
    with TemporaryDirectory(prefix="neurodeploy-") as folder:
        out = Path(folder) / "events"
        script = Path(__file__).with_name("decode_aedat.py")
        limit = 2**62 if room is None else room // 4  # they are held twice, and checked
        # -P: a module in the current folder must not stand for the decoder
        command = [sys.executable, "-P", str(script), str(file.absolute()), str(out), str(limit)]
        ran = subprocess.run(command, capture_output=True, check=False)
        try:
            told = json.loads(ran.stdout)
        except ValueError:  # it was aborted before it could say anything
            told = {"error": f"cannot be read as AEDAT4: the decoder ended by {ran.returncode}"}
        if "error" in told:
            raise DataError(str(told["error"]).splitlines()[0][:200], hint=FIX)
        found = np.fromfile(out, EVENT)
    if not found.size:
        raise DataError("holds no event")
    t = found["t"].copy()
    # the camera's clock counts from 1970 or from when it was plugged in; a time before the first
    # one stays wrong, so that it is found
    if t.max() >= 2**63:
        raise DataError(f"t is {t.max()}, which no clock shows", hint=FIX)
    return Events(
        t.astype(np.int64) - int(t[0]),
        found["x"].copy(),
        found["y"].copy(),
        found["p"].copy(),
        np.array([0, t.size], np.int64),
        shape=(2, int(told["height"]), int(told["width"])),
    )
