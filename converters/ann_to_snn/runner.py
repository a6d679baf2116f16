"""How the conversion runs graphs, in batches, and tells how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.execute import Progress, reference_runner
from neurodeploy.ir.graph import Graph
from neurodeploy.targets.base import Run

__all__ = ["Inputs", "MakeRunner", "Meter", "batch_size", "batches", "count", "reference_runner"]

Array = npt.NDArray[Any]
Key = tuple[str, str]
Inputs = Mapping[str, Array]
MakeRunner = Callable[[Graph], Run]
BATCH = 64
BATCH_BYTES = 64 * 2**20


class Meter:
    """Adds up the work done, in samples times steps, and tells the caller.

    Args:
        progress: Called with (done, in all), or None.
        total: Work in all.
    """

    def __init__(self, progress: Progress | None = None, total: int = 0) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def add(self, work: int) -> None:
        """Add work that has been done."""
        self.done += work
        if self.progress is not None:
            self.progress(self.done, max(self.total, self.done))


def count(inputs: Inputs) -> int:
    """Give the number of samples."""
    return int(next(iter(inputs.values())).shape[0])


def batch_size(graph: Graph, timesteps: int, record: Sequence[Key]) -> int:
    """Give 64 samples, or fewer where their trace would be larger than 64 MiB."""
    traced = 8 * timesteps * sum(graph.signals[key].size for key in record)
    return max(1, min(BATCH, BATCH_BYTES // max(traced, 1)))


def batches(
    run: Run, inputs: Inputs, timesteps: int, record: Sequence[Key], size: int, meter: Meter
) -> Iterator[dict[Key, Array]]:
    """Run the samples, ``size`` at a time, and give each batch's trace."""
    samples = count(inputs)
    for start in range(0, samples, size):
        part = {name: np.ascontiguousarray(x[start : start + size]) for name, x in inputs.items()}
        yield run(part, timesteps, record=record)
        meter.add((min(start + size, samples) - start) * timesteps)
