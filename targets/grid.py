"""What a chip with neurons of its own holds as integers, and what is rounded onto it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["ChipGrid", "FloatNeuron", "IntegerNeuron"]


@dataclass(frozen=True)
class ChipGrid:
    """What the synapses and neurons of a chip hold as integers; `neurodeploy.quantize.chip` asks.

    A weighted sum is ``2**exponent * sum of mantissas``, in units in which thresholds are whole
    numbers; a membrane is kept finer than that.

    Attributes:
        mantissa: Largest magnitude of a weight's mantissa.
        mixed_step: Distance of neighbouring mantissas where weights of both signs meet.
        exponents: Lowest and highest exponent by the class name of the Map; others have none.
        sum: Largest magnitude of what arrives at a neuron in a step.
        state: Largest magnitude of a membrane, in units of the threshold.
        threshold: Largest threshold.
        taken: Largest mantissa of what a spike subtracts; 0 where nothing can be subtracted.
        taken_exponent: Highest exponent of it.
        drive: Largest magnitude of a constant that arrives in each step, or in the first one.
        drive_step: Distance of neighbouring constants.
        message_bits: Bits of a number that is sent; 0 where spikes alone are.
        shift_cell: Cell behind a weighted sum with the option ``exponent``.
    """

    mantissa: int
    mixed_step: int
    exponents: Mapping[str, tuple[int, int]]
    sum: int
    state: int
    threshold: int
    taken: int
    taken_exponent: int
    drive: int
    drive_step: int
    message_bits: int
    shift_cell: str


@dataclass(frozen=True, eq=False)
class FloatNeuron:
    """A leaky membrane over floats: ``i = alpha i + gain x``, ``v = beta v + i - taken s``.

    Attributes:
        alpha: Factor of the current; 0 for a current without memory.
        beta: Factor of the membrane.
        gain: Factor of what arrives.
        reset: ``subtract`` (``taken``, one step after the spike s), ``zero`` (v at once),
            ``unreset`` (it spikes, and nothing is taken), ``none`` (it never spikes).
        threshold: Where it spikes.
        taken: What a spike subtracts in the next step.
        strict: Above the threshold, else at it too.
        initial: The membrane before the first step.
    """

    alpha: npt.NDArray[np.float64]
    beta: npt.NDArray[np.float64]
    gain: npt.NDArray[np.float64]
    reset: Literal["subtract", "zero", "unreset", "none"]
    threshold: npt.NDArray[np.float64]
    taken: npt.NDArray[np.float64]
    strict: bool
    initial: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class IntegerNeuron:
    """A neuron whose units were chosen.

    Attributes:
        neuron: The float neuron.
        threshold: Threshold in units, above which it spikes; None where it never does.
        taken: What a spike subtracts, in units.
        drive: What arrives in each step beside the weighted sums, in units.
        kick: What arrives in the first step alone: ``beta`` times the initial membrane, in units.
        peak: Largest magnitude of the membrane that is planned for, in units.
        pace: Steps of the chip to one of the network.
        unit: Real value of a unit, by neuron (broadcasts to the shape).
    """

    neuron: FloatNeuron
    threshold: npt.NDArray[np.int64] | None
    taken: npt.NDArray[np.int64]
    drive: npt.NDArray[np.int64]
    kick: npt.NDArray[np.int64]
    peak: npt.NDArray[np.float64]
    pace: int
    unit: npt.NDArray[np.float64]
