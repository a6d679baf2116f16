r"""Chooses the step of a weight grid and rounds the weights to it.

A step is a whole number of *base* steps, ``a * base``: what a projection adds up then needs no
rounding to become whole units of the cell behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.quantize.scheme import Scheme

__all__ = ["Rounded", "grid_values", "round_weights", "to_noise_ratio"]

Array = npt.NDArray[Any]
CANDIDATES = 48
LEAST_SHARE = 0.2  # of the largest weight, below which no end of a grid is tried


@dataclass(frozen=True, eq=False)
class Rounded:
    """Weights on a grid: ``whole * multiple * base`` in each row.

    Attributes:
        whole: Integers, of the shape of the weights.
        multiple: Whole base steps of 1, by row.
    """

    whole: npt.NDArray[np.int64]
    multiple: npt.NDArray[np.int64]


def grid_values(scheme: Scheme) -> npt.NDArray[np.int64]:
    """Give the integers of the grid that are not negative, ascending.

    >>> grid_values(Scheme(weight_bits=4, grid="power-of-two")).tolist()
    [0, 1, 2, 4]
    """
    if scheme.grid == "power-of-two":
        return np.array([0, *(2**k for k in range(scheme.weight_bits - 1))])
    return np.arange(scheme.weight_limit + 1)


def round_weights(rows: Array, base: float, scheme: Scheme) -> Rounded:
    """Round weights to the grid of a scheme.

    Args:
        rows: Weights (rows, fan), float64; each row has a step of its own.
        base: Real value of the base step.
        scheme: The grid and how its step is chosen.
    """
    values = grid_values(scheme)
    largest = np.abs(rows).max(axis=1, initial=0.0)
    if scheme.granularity == "tensor":
        largest = np.full_like(largest, largest.max(initial=0.0))
    ends = largest[:, None] / values[-1] / base
    if scheme.fit == "max" and scheme.grid == "uniform":
        multiple = np.maximum(1, np.ceil(ends[:, 0] - 1e-9))
    else:
        multiple = _least_error(rows, base, ends, values, scheme)
    scaled = rows / (multiple[:, None] * base)
    return Rounded(_nearest(scaled, values), multiple.astype(np.int64))


def _least_error(
    rows: Array, base: float, ends: Array, values: Array, scheme: Scheme
) -> npt.NDArray[np.float64]:
    shares = np.linspace(LEAST_SHARE, 1.0, CANDIDATES)
    best = np.maximum(1.0, np.ceil(ends[:, 0] - 1e-9))
    error = _errors(rows, base, best, values, scheme)
    for share in shares:
        tried = np.maximum(1.0, np.rint(ends[:, 0] * share))
        found = _errors(rows, base, tried, values, scheme)
        better = found < error
        best, error = np.where(better, tried, best), np.where(better, found, error)
    return best


def _errors(rows: Array, base: float, multiple: Array, values: Array, scheme: Scheme) -> Array:
    step = multiple[:, None] * base
    lost = (_nearest(rows / step, values) * step - rows) ** 2
    each = lost.sum(axis=1)
    return np.full_like(each, each.sum()) if scheme.granularity == "tensor" else each


def _nearest(scaled: Array, values: Array) -> npt.NDArray[np.int64]:
    """Round to the nearest value of a grid, halves to the even one of a uniform grid."""
    size = np.abs(scaled)
    if values[-1] == values.size - 1:
        whole = np.minimum(np.rint(size), values[-1])
    else:
        between = (values[1:] + values[:-1]) / 2
        whole = values[np.searchsorted(between, size)]
    signed: npt.NDArray[np.int64] = (np.sign(scaled) * whole).astype(np.int64)
    return signed


def to_noise_ratio(exact: Array, rounded: Array) -> float:
    """Give the signal to noise ratio in decibels; infinite where nothing was lost."""
    noise = float(np.square(rounded - exact).sum())
    signal = float(np.square(exact).sum())
    return float("inf") if not noise else 10 * float(np.log10(max(signal, 1e-300) / noise))
