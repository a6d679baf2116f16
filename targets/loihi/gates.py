"""How a neuron is closed between two steps of the network, and opened again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.targets.loihi.cells import UNITY

__all__ = ["Gate", "gate"]

Array = npt.NDArray[Any]
LARGEST = 254 << 7  # that two synapses bring
TRIED = 512  # closings, for one of which what is left is nearly a whole number


@dataclass(frozen=True, eq=False)
class Gate:
    """What the clock brings to a neuron.

    Attributes:
        closing: What it takes in the step behind the one in which the neuron may spike.
        opening: What it brings when the neuron may spike again: what is left of the closing.
        lowered: By how much the threshold is lower, for what the membrane remembers of it.
    """

    closing: npt.NDArray[np.int64]
    opening: npt.NDArray[np.int64]
    lowered: npt.NDArray[np.int64]


def gate(kept: Array, peak: Array, pace: int) -> Gate:
    """Choose what closes and opens neurons.

    A current u, ``kept / 4096`` of which is there a step later, stays below every threshold when as
    much as that is taken. What is left of it ``pace - 1`` steps later is brought again; of the
    amounts to choose from, one is taken of which that is nearly whole, for the rest adds up.

    Args:
        kept: Parts of 4096 of a current that are left after a step of the chip.
        peak: Largest current that is planned for, in units.
        pace: Steps of the chip to one of the network.
    """
    factor = np.asarray(kept, np.float64) / UNITY
    least = 2 * np.ceil(np.asarray(peak, np.float64) * factor / 2)
    tried = np.minimum(least[..., None] + 2 * np.arange(TRIED), LARGEST)
    left = tried * (factor ** (pace - 1))[..., None]
    whole = 2 * np.rint(left / 2)
    best = np.argmin(np.abs(left - whole), axis=-1)[..., None]
    closing = np.take_along_axis(tried, best, -1)[..., 0]
    opening = np.take_along_axis(whole, best, -1)[..., 0]
    # the membrane has forgotten all but one part of 4096 of the last closed step
    lowered = np.rint(closing * factor ** (pace - 2) / UNITY)
    return Gate(*(x.astype(np.int64) for x in (closing, opening, lowered)))
