"""Chooses the integers of an input: spikes, or numbers of as few values as cost least."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import QuantizationError
from neurodeploy.ir.types import BOOL, NumType, QType

__all__ = ["Sent", "best_numbers", "spikes"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Sent:
    """What an input sends as integers.

    Attributes:
        type: Its type.
        step: Real value of 1.
        largest: Largest magnitude as an integer.
        power: Mean square as an integer.
        error: Mean squared error of rounding, in real units.
    """

    type: NumType
    step: float
    largest: int
    power: float
    error: float


def spikes(x: Array) -> Sent | None:
    """Give an input whose samples are 0 and 1 as spikes; None for others."""
    if x.dtype.kind == "b" or bool(np.isin(x, (0, 1)).all()):
        return Sent(BOOL, 1.0, 1, 1.0, 0.0)
    return None


def best_numbers(x: Array, bits: int, weights: Callable[[Sent], float], power: float) -> Sent:
    """Choose how many values an input has.

    Few values leave the weights behind them more bits, for their sum has a range. What both
    roundings together do to the sums decides: ``weights(sent)``, the squared error of the weights
    times the power of the input, and the input's own times the power of the weights.

    Args:
        x: Samples.
        bits: Bits that the chip has for a number that is sent.
        weights: Squared error of the weights behind it, infinite where none fit.
        power: Sum of squares of the weights.

    Raises:
        QuantizationError: no choice leaves weights that fit.
    """
    signed = bool(x.min(initial=0) < 0)
    most = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    ends = sorted({most, *(e for k in range(2, bits + 1) for e in (2**k - 1, 2**k) if e <= most)})
    largest = float(np.abs(x).max(initial=0.0)) or 1.0
    tried = [_rounded(x, largest / end, end, signed=signed) for end in ends]
    costs = [weights(sent) + sent.error * power for sent in tried]
    best = int(np.argmin(costs))
    if not np.isfinite(costs[best]):
        raise QuantizationError("no number of values leaves weights behind it that fit")
    return tried[best]


def _rounded(x: Array, step: float, end: int, *, signed: bool) -> Sent:
    whole = np.rint(x.astype(np.float64) / step)
    error = float(np.square(whole * step - x).mean())
    kind = QType(-end if signed else 0, end, (step,), overflow="saturate")
    return Sent(kind, step, end, float(np.square(whole).mean()), error)
