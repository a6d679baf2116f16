"""Instructions that a runner counts on the processor that it emulates."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from neurodeploy.profile.cycles import Processor
    from neurodeploy.targets.base import Run

__all__ = ["CountedRun", "CountsInstructions"]

Array = npt.NDArray[Any]
Counts64 = npt.NDArray[np.int64]


@runtime_checkable
class CountsInstructions(Protocol):
    """What a runner offers beside being called, where it can count.

    Attributes:
        instructions: (N, T) of each step of the last call; None where none were counted.
        processor: What they ran on.
    """

    instructions: Counts64 | None
    processor: Processor


class CountedRun:
    """A runner that keeps the instructions of its calls, one call after another.

    Args:
        run: The runner; one that counts nothing is called all the same.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._counter = run if isinstance(run, CountsInstructions) else None
        self._parts: list[Counts64 | None] = []

    def __call__(
        self,
        inputs: Mapping[str, Array],
        timesteps: int,
        *,
        record: Collection[tuple[str, str]],
        seed: int = 0,
        first_sample: int = 0,
    ) -> dict[tuple[str, str], Array]:
        """Run a batch; see `neurodeploy.reference.simulate`."""
        found = self._run(inputs, timesteps, record=record, seed=seed, first_sample=first_sample)
        self._parts.append(self._counter.instructions if self._counter else None)
        return found

    @property
    def processor(self) -> Processor | None:
        """What the runner emulates; None where it counts no instructions."""
        return self._counter.processor if self._counter else None

    def per_sample(self, steps: Counts64) -> Counts64 | None:
        """Give (N,) instructions of each sample's own steps; None where a call has no count.

        Args:
            steps: (N,) steps of each sample; later ones are padding and cost the device nothing.
        """
        parts = [p for p in self._parts if p is not None]
        if not parts or len(parts) < len(self._parts):
            return None
        each = np.concatenate(parts)
        own = np.arange(each.shape[1]) < steps[:, None]
        return np.asarray(np.where(own, each, 0).sum(axis=1), np.int64)
