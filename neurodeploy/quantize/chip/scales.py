r"""Chooses how many units of the chip a float neuron's unit is, with all exponents of a population.

A neuron may be scaled as a whole: with what arrives, its threshold and its reset times one factor
lambda it spikes the same. So lambda is free, and is searched together with the exponents: weights
use all their bits, what a spike subtracts is a mantissa times a power of two *exactly* (for its
error would add up over spikes), and neither a sum nor a membrane leaves what the chip holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import QuantizationError
from neurodeploy.targets.grid import ChipGrid

__all__ = ["Fitted", "Population", "Term", "fitted", "rounded_rows"]

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]
# a little below what fits the largest weight, to a third above, where it is clipped
SHARES = 2.0 ** (np.arange(-4, 4) / 8)
MARGIN = 0.98  # of a limit, for what rounding adds to a sum
TINY = 1e-300
FINE = 256.0  # units of a threshold at which rounding it counts as much as rounding the weights
BETTER = 0.99  # of an error, for another choice to replace one that cuts less or is smaller


@dataclass(frozen=True, eq=False)
class Term:
    """One weighted sum that arrives at a population.

    Attributes:
        rows: Weights (groups, fan), times the gain and the real value of 1 of what arrives.
        exponents: Lowest and highest exponent that the chip has for it.
        reach: Largest sum of magnitudes of the weights of one neuron, by group, likewise scaled.
        largest: Largest magnitude of what arrives, as an integer.
        power: Mean square of it: how much an error of the weights counts.
    """

    rows: F64
    reach: F64
    exponents: tuple[int, int]
    largest: int
    power: float


@dataclass(frozen=True, eq=False)
class Population:
    """Neurons in groups that share a scale.

    Attributes:
        terms: What arrives.
        threshold: Largest threshold of each group; 0 for none.
        taken: Largest amount that a spike subtracts, by group; 0 for none.
        drive: Largest magnitude of what arrives in each step beside the sums, by group.
        kick: The same for what arrives in the first step alone.
        peak: Largest magnitude of the membrane, by group, with its headroom.
        gated: The neurons are closed between steps of the network, by as much as their peak.
    """

    terms: Sequence[Term]
    threshold: F64
    taken: F64
    drive: F64
    kick: F64
    peak: F64
    gated: bool = False


@dataclass(frozen=True, eq=False)
class Fitted:
    """What was chosen.

    Attributes:
        scale: Units by real 1, by group.
        exponents: Exponent of each term.
        taken_exponent: Exponent of what a spike subtracts.
        error: Squared error of all weights, each times the power of what arrives.
    """

    scale: F64
    exponents: tuple[int, ...]
    taken_exponent: int
    error: float


def fitted(population: Population, grid: ChipGrid, bits: int) -> Fitted:
    """Search scale and exponents of a population: the least squared error of its weights.

    Args:
        population: The population.
        grid: What the chip holds.
        bits: Bits of a weight.

    Raises:
        QuantizationError: nothing fits: a sum or a membrane has more than the chip's bits.
    """
    most = _most(population, grid)
    largest = [float(np.abs(t.rows).max(initial=0.0)) for t in population.terms]
    best: Fitted | None = None
    for exponents in _exponent_sets(population.terms, largest):
        fit = _widest(population.terms, exponents, grid)
        for e in range(grid.taken_exponent + 1 if population.taken.any() else 1):
            scale, error = _best_scale(population, exponents, e, fit, most, grid, bits)
            error *= 1 + _coarseness(population, scale)
            if best is None or error < BETTER * best.error:
                best = Fitted(scale, exponents, e, error)
    if best is None or not np.isfinite(best.error):
        raise QuantizationError(
            "no scale fits: sums, threshold and reset differ by more than the chip holds",
            hint="fewer bits of what arrives, or a membrane that stays smaller",
        )
    return best


def _most(population: Population, grid: ChipGrid) -> F64:
    """Give the largest scale of each group that keeps sums, membranes and constants in range."""
    worst = population.drive + population.kick + population.taken
    if population.gated:
        worst = worst + population.peak  # what opens the neurons
    for term in population.terms:
        worst = worst + term.reach * term.largest
    limits = [
        (worst, grid.sum),
        # what closes a neuron comes on top of what it holds
        (population.peak * (2 if population.gated else 1), grid.state),
        (population.peak if population.gated else 0 * population.peak, grid.drive),
        (population.threshold, grid.threshold),
        (np.maximum(population.drive, population.kick), grid.drive),
    ]
    most: F64 = np.full(worst.shape, np.inf)
    for values, limit in limits:
        most = np.minimum(most, MARGIN * limit / np.maximum(values, TINY))
    return most


def _exponent_sets(terms: Sequence[Term], largest: Sequence[float]) -> list[tuple[int, ...]]:
    """Give exponents to try: that of the largest weights, the others below by their ratio."""
    whole = max(largest, default=0.0) or 1.0
    below = [int(np.floor(np.log2(whole / x))) if x else 0 for x in largest]
    low = min((t.exponents[0] for t in terms), default=0)
    high = max((t.exponents[1] for t in terms), default=0)
    # exponents from 0 on first: a negative one cuts every sum
    tops = sorted(range(low, high + max(below, default=0) + 1), key=lambda e: (e < 0, abs(e)))
    found = [
        tuple(int(np.clip(top - b, *t.exponents)) for t, b in zip(terms, below, strict=True))
        for top in tops
    ]
    return list(dict.fromkeys(found))


def _coarseness(population: Population, scale: F64) -> float:
    """Give how much worse weights are taken to be where thresholds have few units.

    A threshold, and what closes and opens a neuron, are rounded to units too.
    """
    units = (population.threshold * scale)[population.threshold > 0]
    return float(np.square(FINE / np.maximum(units.min(), TINY))) if units.size else 0.0


def _widest(terms: Sequence[Term], exponents: Sequence[int], grid: ChipGrid) -> F64:
    """Give the scale of each group at which its largest weight is the end of the grid."""
    fits = [
        grid.mantissa * 2.0**e / np.maximum(np.abs(t.rows).max(axis=1, initial=0.0), TINY)
        for t, e in zip(terms, exponents, strict=True)
    ]
    fit: F64 = np.min(fits, axis=0)
    return fit


def _best_scale(
    population: Population,
    exponents: Sequence[int],
    taken_exponent: int,
    fit: F64,
    most: F64,
    grid: ChipGrid,
    bits: int,
) -> tuple[F64, float]:
    """Give the best scale of each group, and the error of all."""
    best = np.ones_like(most)
    error = np.full(most.shape, np.inf)
    for share in SHARES:
        scale = np.minimum(fit * share, most)
        scale = _on_taken(scale, population.taken, taken_exponent, most, grid)
        found = _errors(population.terms, exponents, scale, grid, bits)
        found = np.where(scale > 0, found, np.inf)
        best, error = np.where(found < error, scale, best), np.minimum(found, error)
    return best, float(error.sum())


def _on_taken(scale: F64, taken: F64, exponent: int, most: F64, grid: ChipGrid) -> F64:
    """Move scales to where what a spike subtracts is a mantissa; 0 where there is none."""
    if not taken.any():
        return scale
    step = 2.0**exponent / np.maximum(taken, TINY)
    mantissa = np.clip(np.minimum(np.rint(scale / step), np.floor(most / step)), 0, grid.taken)
    moved: F64 = np.where(taken > 0, mantissa * step, scale)
    return moved


def _errors(
    terms: Sequence[Term], exponents: Sequence[int], scale: F64, grid: ChipGrid, bits: int
) -> F64:
    """Give the squared error of the weights of each group, in real units."""
    found = np.zeros_like(scale)
    safe = np.where(scale > 0, scale, 1.0)[:, None]
    for term, e in zip(terms, exponents, strict=True):
        whole = rounded_rows(term.rows * safe * 2.0**-e, grid, bits)
        found += term.power * (np.square(whole * 2.0**e / safe - term.rows)).sum(axis=1)
    return found


def rounded_rows(rows: F64, grid: ChipGrid, bits: int) -> Array:
    """Round weights to the mantissas of a connection, whose signs decide their step.

    Args:
        rows: Weights in units of its exponent.
        grid: What the chip holds.
        bits: Bits of a weight.
    """
    mixed = rows.size and rows.min() < 0 < rows.max()
    full = int(grid.mantissa + 1).bit_length() - 1
    step = 2 ** (full - bits) * (grid.mixed_step if mixed else 1)
    end = grid.mantissa // step
    whole: Array = np.clip(np.rint(rows / step), -end, end) * step
    return whole
