"""Weights and delays of synapses: one for all, or drawn for each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import Finding, UsageError
from neurodeploy.ir.synapse_rows import SynapseRows
from neurodeploy.ir.types import QType

__all__ = ["Values", "blocks", "filled", "finished", "normal", "stream", "uniform", "whole"]

Array = npt.NDArray[Any]
Drawn = Callable[[np.random.Generator, int], Array]
Values = float | Drawn
BLOCK = 1 << 21  # synapses that are drawn at a time, by a generator of their own
LATEST = (1 << 20) - 1
PAIRS, WEIGHTS, DELAYS = range(3)  # what a generator is for


def uniform(low: float, high: float) -> Drawn:
    """Draw numbers from low to high, all alike.

    Raises:
        UsageError: high is below low, or one is no finite number.
    """
    _check_range(low, high)
    return partial(_uniform, low, high)


def normal(mean: float, deviation: float, low: float = -np.inf, high: float = np.inf) -> Drawn:
    """Draw from a normal distribution; what lies outside low to high is set to the end.

    Raises:
        UsageError: high is below low, or the deviation is negative.
    """
    if not (np.isfinite(mean) and 0 <= deviation < np.inf and low <= high):
        what = f"mean {mean}, deviation {deviation}, from {low} to {high}"
        raise UsageError(Finding(what, node="normal", hint="a deviation from 0 on, low <= high"))
    return partial(_normal, mean, deviation, low, high)


def whole(low: int, high: int) -> Drawn:
    """Draw whole numbers from low to high, both included, all alike.

    Raises:
        UsageError: high is below low, or one is no whole number.
    """
    _check_range(low, high)
    if low != int(low) or high != int(high):
        raise UsageError(Finding(f"{low} to {high}", node="whole", hint="whole numbers"))
    return partial(_whole, low, high)


def _check_range(low: float, high: float) -> None:
    if not -np.inf < low <= high < np.inf:
        raise UsageError(Finding(f"{low} to {high}", node="range", hint="low <= high, both finite"))


def _uniform(low: float, high: float, rng: np.random.Generator, count: int) -> Array:
    return rng.uniform(low, high, count)


def _normal(
    mean: float, deviation: float, low: float, high: float, rng: np.random.Generator, count: int
) -> Array:
    return np.clip(rng.normal(mean, deviation, count), low, high)


def _whole(low: int, high: int, rng: np.random.Generator, count: int) -> Array:
    return rng.integers(low, high, count, endpoint=True)


def stream(seed: int, purpose: int, block: int) -> np.random.Generator:
    """Give the generator of one block of one purpose: blocks do not depend on each other."""
    return np.random.default_rng((seed, purpose, block))


def blocks(total: int, size: int) -> list[range]:
    """Cut 0 to total into ranges of at most ``size``."""
    return [range(begin, min(begin + size, total)) for begin in range(0, total, max(1, size))]


def filled(values: Values, count: int, dtype: Any, seed: int, purpose: int) -> Array:
    """Give one value for each synapse."""
    if not callable(values):
        return np.full(count, values, dtype)
    made = np.empty(count, dtype)
    for number, part in enumerate(blocks(count, BLOCK)):
        drawn = values(stream(seed, purpose, number), len(part))
        if np.shape(drawn) != (len(part),):
            raise UsageError(f"{len(part)} values were asked for, {np.shape(drawn)} were drawn")
        made[part.start : part.stop] = drawn
    return made


def finished(
    starts: Array, target: Array, weight: Values, delay: Values | None, seed: int
) -> SynapseRows:
    """Give synapses their weights and delays, and freeze them.

    Raises:
        UsageError: a delay that is no whole number of steps from 0 to 1,048,575.
    """
    count = target.size
    late = None if delay is None else _delays(delay, count, seed)
    weights = filled(weight, count, np.float32, seed, WEIGHTS)
    starts = starts.astype(QType(0, max(1, count)).storage)
    for array in (starts, target, weights, late):
        if array is not None:
            array.setflags(write=False)
    return SynapseRows(weights, starts, target, late)


def _delays(delay: Values, count: int, seed: int) -> Array:
    """Give delays in the narrowest type that holds them."""
    if not callable(delay):
        _check_delays(np.asarray([delay]))
        return np.full(count, delay, QType(0, max(1, int(delay))).storage)
    latest = 1
    for number, part in enumerate(blocks(count, BLOCK)):
        drawn = delay(stream(seed, DELAYS, number), len(part))
        _check_delays(drawn)
        latest = max(latest, int(np.max(drawn, initial=0)))
    return filled(delay, count, QType(0, latest).storage, seed, DELAYS)


def _check_delays(delay: Array) -> None:
    if delay.size and ((delay != np.rint(delay)).any() or delay.min() < 0 or delay.max() > LATEST):
        raise UsageError(
            Finding(
                f"delays from {delay.min()} to {delay.max()}",
                node="delay",
                hint=f"whole numbers of steps from 0 to {LATEST}",
            )
        )
