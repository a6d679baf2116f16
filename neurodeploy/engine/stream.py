"""One sample that runs step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

__all__ = ["Stream"]

Array = npt.NDArray[Any]
Key = tuple[str, str]


@dataclass(eq=False)
class Stream:
    """One sample that runs step by step in memory of its own.

    Attributes:
        inputs: By input node, the array to fill before a step, in the C type of the signal.
        held: By (node, output), what a step leaves.
        most: Steps that can be made after a reset.
        make: Makes the step of a number.
        kept: What ``make`` points to.
        time: Steps made.
    """

    inputs: dict[str, Array]
    held: dict[Key, Array]
    most: int
    make: Callable[[int], None]
    kept: list[Any]
    time: int = 0

    def step(self) -> None:
        """Make one step from what stands in ``inputs``."""
        self.make(self.time)
        self.time += 1

    def reset(self) -> None:
        """Begin anew: the next step is the first one."""
        self.time = 0
