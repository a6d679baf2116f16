"""Reads the recordings of `neurodeploy.record` from disk, as much as is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import DataError, Finding, UsageError
from neurodeploy.hdf5 import import_h5py, member
from neurodeploy.memory import require_bytes

if TYPE_CHECKING:
    from neurodeploy.engine.spike_log import SpikeList

__all__ = ["FORMAT", "LongRecording"]

Array = npt.NDArray[Any]
Key = tuple[str, str]
FORMAT = "neurodeploy.long-recording"


class LongRecording:
    """What `record` wrote, read from disk as it is asked for; a context manager.

    Attributes:
        path: The file.
        graph: Digest of the graph that ran.
        seed: Seed of the run.
        timesteps: Steps of each sample.
        samples: Number of samples.

    Raises:
        DataError: the file is missing, damaged, or no such recording.
        MissingDependencyError: there is no h5py.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        h5py = import_h5py("a long recording")
        try:
            self._file: Any = h5py.File(path, "r")
        except OSError as error:
            raise DataError(Finding(f"it cannot be read: {error}", node=self.path)) from error
        try:
            self._read(h5py)
        except DataError as error:
            self.close()
            raise DataError(
                [
                    replace(f, node=": ".join(x for x in (self.path, f.node) if x))
                    for f in error.findings
                ]
            ) from error
        except Exception as error:  # damage can raise anything, from OSError to UnicodeDecodeError
            self.close()
            text = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise DataError(Finding(f"it cannot be read: {text}", node=self.path)) from error

    def _read(self, h5py: Any) -> None:
        """Look at everything but the numbers."""
        if self._file.attrs.get("format") != FORMAT:
            raise DataError("it is no long recording")
        self.graph = str(self._file.attrs.get("graph", ""))
        self.seed = _whole(self._file.attrs, "seed", 0)
        self.timesteps = _whole(self._file.attrs, "timesteps", 1)
        samples = member(self._file, "samples", h5py.Group)
        self.samples = len(samples)
        if not self.samples:
            raise DataError("it holds no sample")
        self._lists: dict[tuple[int, Key], _List] = {}
        self._arrays: dict[tuple[int, Key], Any] = {}
        for sample in range(self.samples):
            group = member(samples, str(sample), h5py.Group)
            for key, held in _outputs(group, "spikes", h5py):
                ends = _numbers(held, "ends", h5py, "i", self.timesteps)
                neurons = _numbers(held, "neurons", h5py, "iu")
                shape = tuple(int(n) for n in held.attrs["shape"])
                self._lists[sample, key] = _List(shape, neurons, ends)
            for key, held in _outputs(group, "signals", h5py):
                self._arrays[sample, key] = _numbers(held, "values", h5py, "biuf", self.timesteps)

    @property
    def spiking(self) -> tuple[Key, ...]:
        """The outputs whose spikes are listed, by (node, output)."""
        return tuple(key for sample, key in self._lists if sample == 0)

    @property
    def whole(self) -> tuple[Key, ...]:
        """The outputs and states that are kept as arrays, by (node, output)."""
        return tuple(key for sample, key in self._arrays if sample == 0)

    def count(self, node: str, output: str = "out", *, sample: int = 0) -> int:
        """Give the number of spikes of one sample.

        Raises:
            UsageError: they were not recorded, or there is no such sample.
        """
        return int(self._held(self._lists, node, output, sample).neurons.shape[0])

    def spikes(
        self,
        node: str,
        output: str = "out",
        *,
        sample: int = 0,
        begin: int = 0,
        end: int | None = None,
    ) -> SpikeList:
        """Give the spikes of one sample from step ``begin`` to before ``end``.

        Raises:
            DataError: the list is damaged, or larger than memory.
            UsageError: they were not recorded, or there is no such sample or step.
        """
        from neurodeploy.engine.spike_log import SpikeList

        held = self._held(self._lists, node, output, sample)
        steps = self._steps(begin, end)
        require_bytes(8 * (len(steps) + 1), f"the ends of {node!r}")
        ends = np.asarray(held.ends[max(0, begin - 1) : steps.stop], np.int64)
        before = int(ends[0]) if begin and ends.size else 0
        ends = ends[1:] if begin else ends
        last = int(ends[-1]) if ends.size else before
        sound = 0 <= before <= last <= held.neurons.shape[0]
        if not sound or (np.diff(ends, prepend=before) < 0).any():
            raise self._damaged(node, "its ends do not rise to the length of the list")
        require_bytes(8 * (last - before), f"the spikes of {node!r}")
        neurons = np.asarray(held.neurons[before:last], np.int32)
        if neurons.size and not 0 <= int(neurons.min()) <= int(neurons.max()) < prod(held.shape):
            raise self._damaged(node, f"a neuron lies outside of {list(held.shape)}")
        return SpikeList(held.shape, neurons, (ends - before)[None])

    def signal(
        self,
        node: str,
        output: str = "out",
        *,
        sample: int = 0,
        begin: int = 0,
        end: int | None = None,
    ) -> Array:
        r"""Give the values of one sample from step ``begin`` to before ``end``, (steps, \*shape).

        Raises:
            DataError: they are larger than memory.
            UsageError: they were not recorded, or there is no such sample or step.
        """
        held = self._held(self._arrays, node, output, sample)
        steps = self._steps(begin, end)
        size = prod(held.shape[1:]) * held.dtype.itemsize
        require_bytes(len(steps) * size, f"the values of {node!r}")
        found: Array = held[begin : steps.stop]
        return found

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> LongRecording:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _held(
        self, kept: Mapping[tuple[int, Key], Any], node: str, output: str, sample: int
    ) -> Any:
        if (sample, (node, output)) not in kept:
            what = "spikes" if kept is self._lists else "values"
            known = ", ".join(".".join(key) for key in (*self.spiking, *self.whole))
            raise UsageError(
                Finding(
                    f"no {what} of its output {output!r} are recorded of sample {sample}",
                    node,
                    hint=f"samples 0 to {self.samples - 1}; recorded: {known or 'none'}",
                )
            )
        return kept[sample, (node, output)]

    def _steps(self, begin: int, end: int | None) -> range:
        last = self.timesteps if end is None else end
        if not 0 <= begin <= last <= self.timesteps:
            hint = f"0 <= begin <= end <= {self.timesteps}"
            raise UsageError(f"steps from {begin} to {last}", hint=hint)
        return range(begin, last)

    def _damaged(self, node: str, what: str) -> DataError:
        return DataError(Finding(what, node=f"{self.path}: {node}"))


@dataclass(frozen=True)
class _List:
    """Spikes in the file: shape of the output, neurons, their number by the end of each step."""

    shape: tuple[int, ...]
    neurons: Any
    ends: Any


def _outputs(group: Any, kind: str, h5py: Any) -> Iterator[tuple[Key, Any]]:
    if kind not in group:
        return
    nodes = member(group, kind, h5py.Group)
    for node in nodes:
        outputs = member(nodes, node, h5py.Group)
        for output in outputs:
            yield (unquote(node), unquote(output)), member(outputs, output, h5py.Group)


def _numbers(group: Any, name: str, h5py: Any, kinds: str, length: int | None = None) -> Any:
    """Give a data set of numbers, of ``length`` rows where that is known."""
    found = member(group, name, h5py.Dataset)
    rows = found.shape[:1] if found.shape else ()
    if found.dtype.kind not in kinds or not rows or length not in (None, rows[0]):
        due = "" if length is None else f"; {length} rows are due"
        what = f"is {found.dtype} of shape {list(found.shape or ())}{due}"
        raise DataError(Finding(what, node=str(found.name)))
    return found


def _whole(attributes: Any, name: str, least: int) -> int:
    value = attributes.get(name)
    if not isinstance(value, int | np.integer) or value < least:
        raise DataError(f"its {name} is {value!r}")
    return int(value)
