"""Thresholds of the spiking neurons, from what the activations did: one per channel.

A neuron with threshold h that starts at h / 2 and is driven by the constant current z sends,
within T steps, ``q(z) = h / T * clip(floor(z * T / h + 1 / 2), 0, T)`` on average: a ReLU that is
rounded to multiples of h / T and clipped at h (Bu et al. 2022, "Optimal ANN-SNN conversion for
high-accuracy and ultra-low-latency spiking neural networks"). A small threshold clips, a large
one rounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.converters.ann_to_snn.observe import Observed

__all__ = ["METHODS", "Threshold", "choose_thresholds", "clip_floor_shift"]

Array = npt.NDArray[Any]
PERCENTILE = 99.9
FACTORS = np.linspace(0.1, 1.0, 41)
TINY = float(np.finfo(np.float32).tiny) * 2**24  # below it, the weights would leave float32


@dataclass(frozen=True, eq=False)
class Threshold:
    """The thresholds of one layer.

    Attributes:
        values: One per channel, (channels,), all positive.
        method: How they were chosen.
        dead: Which channels were never active; their threshold is the mean of the others.
        clipped: Share of the observed values that lie above the threshold.
        error: Root mean square of ``q(z) - z`` over the observed values.
    """

    values: Array
    method: str
    dead: Array
    clipped: float
    error: float


def clip_floor_shift(a: Array, threshold: Array, timesteps: int) -> Array:
    """Give what a neuron with ``threshold`` makes of the activation ``a`` in ``timesteps``.

    >>> clip_floor_shift(np.array([0.1, 0.4, 0.9, 7.0]), np.array(1.0), 4)
    array([0. , 0.5, 1. , 1. ])
    """
    step = threshold / timesteps
    return np.clip(np.floor(a / step + 0.5), 0, timesteps) * step


def _maximum(seen: Observed, timesteps: int) -> Array:
    return seen.maximum


def _percentile(seen: Observed, timesteps: int) -> Array:
    return np.percentile(seen.values, PERCENTILE, axis=1)


def _mse(seen: Observed, timesteps: int) -> Array:
    """Try factors of the maximum; keep, per channel, the one with the least square error."""
    values = seen.values.astype(np.float64)
    best = seen.maximum.copy()
    least = np.full(best.shape, np.inf)
    for factor in FACTORS[::-1]:
        threshold = np.where(seen.maximum > 0, seen.maximum * factor, 1.0)
        error = clip_floor_shift(values, threshold[:, None], timesteps) - values
        square = np.mean(error * error, axis=1)
        better = square < least
        best[better], least[better] = threshold[better], square[better]
    return best


METHODS: dict[str, Callable[[Observed, int], Array]] = {
    "mse": _mse,
    "percentile": _percentile,
    "max": _maximum,
}


def choose_thresholds(seen: Observed, method: str, timesteps: int) -> Threshold:
    """Give the thresholds of one layer.

    1. ``max``: the largest value; ``percentile``: 99.9 % of the values lie below it; ``mse``: the
       factor of the largest value, of 41, with the least mean square of ``q(z) - z``.
    2. A threshold is never above the ceiling of a clipped ReLU: at one spike a step the neuron
       then reaches the ceiling and no more.
    3. A channel whose percentile is 0 takes its maximum; one that was never active the mean of
       the layer's other thresholds (1 if there are none).
    """
    dead = ~(seen.maximum > TINY)
    values = METHODS[method](seen, timesteps).astype(np.float64)
    values = np.where(values > TINY, values, seen.maximum)
    alive = values[~dead]
    values = np.where(dead, alive.mean() if alive.size else 1.0, values)
    values = np.minimum(values, seen.upper)
    values = values.astype(np.float32).astype(np.float64)
    observed = seen.values.astype(np.float64)
    error = clip_floor_shift(observed, values[:, None], timesteps) - observed
    return Threshold(
        values,
        method,
        dead,
        clipped=float(np.mean(observed > values[:, None])),
        error=float(np.sqrt(np.mean(error * error))),
    )
