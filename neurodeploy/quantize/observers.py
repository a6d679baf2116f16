"""Measures on calibration data what ranges states and activations take: the mechanism."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import Finding, QuantizationError, raise_findings
from neurodeploy.execute import Progress
from neurodeploy.ir.graph import Graph
from neurodeploy.quantize.scheme import Scheme
from neurodeploy.targets.base import Run

__all__ = ["Range", "observe", "span"]

Array = npt.NDArray[Any]
Key = tuple[str, str]
KEPT = 1 << 16  # values of each signal, drawn evenly
BATCH_BYTES = 64 * 2**20
CUTS = 64


@dataclass(frozen=True, eq=False)
class Range:
    """What a signal did on the calibration data.

    Attributes:
        low: Smallest value.
        high: Largest value.
        values: Some of the values, drawn evenly over the data.
        mean: Mean over samples and steps, of the signal's shape.
        peak: Largest magnitude over samples and steps, of the signal's shape.
    """

    low: float
    high: float
    values: Array
    mean: Array
    peak: Array

    @property
    def signed(self) -> bool:
        """Whether a value is negative."""
        return self.low < 0


def observe(
    graph: Graph,
    run: Run,
    inputs: Mapping[str, Array],
    timesteps: int,
    keys: Sequence[Key],
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[Key, Range]:
    """Run the calibration data and record signals.

    Args:
        graph: The float graph.
        run: What runs it.
        inputs: Samples by input node.
        timesteps: Steps.
        keys: The signals.
        seed: Seed of the choice of values that are kept.
        progress: Called with (samples done, samples in all).

    Raises:
        QuantizationError: a signal is not finite.
    """
    samples = int(next(iter(inputs.values())).shape[0])
    each = max(1, 8 * timesteps * sum(graph.signals[k].size for k in keys))
    size = max(1, min(64, BATCH_BYTES // each))
    random = np.random.default_rng(seed)
    lows: dict[Key, float] = {}
    highs: dict[Key, float] = {}
    drawn: dict[Key, list[Array]] = {k: [] for k in keys}
    sums = {k: np.zeros(graph.signals[k].shape) for k in keys}
    peaks = {k: np.zeros(graph.signals[k].shape) for k in keys}
    quota = max(1, KEPT * size // samples)
    for start in range(0, samples, size):
        part = {n: np.ascontiguousarray(x[start : start + size]) for n, x in inputs.items()}
        trace = run(part, timesteps, record=list(keys), first_sample=start)
        for key in keys:
            values = np.asarray(trace[key], np.float64)
            sums[key] += values.sum(axis=(0, 1))
            np.maximum(peaks[key], np.abs(values).max(axis=(0, 1), initial=0), out=peaks[key])
            flat = values.reshape(-1)
            lows[key] = min(lows.get(key, np.inf), float(flat.min()))
            highs[key] = max(highs.get(key, -np.inf), float(flat.max()))
            drawn[key].append(flat if flat.size <= quota else random.choice(flat, quota))
        if progress is not None:
            progress(min(start + size, samples), samples)
    wrong = [k for k in keys if not np.isfinite([lows[k], highs[k]]).all()]
    raise_findings(
        QuantizationError,
        [
            Finding(f"{out!r} is not finite on the calibration data", n, graph.node(n).source)
            for n, out in wrong
        ],
    )
    count = samples * timesteps
    return {
        k: Range(lows[k], highs[k], np.concatenate(drawn[k]), sums[k] / count, peaks[k])
        for k in keys
    }


def span(seen: Range, bits: int, scheme: Scheme) -> float:
    """Give the largest magnitude that a grid of ``bits`` should hold.

    ``max``: the largest value. ``percentile``: that share of the magnitudes lies inside.
    ``mse``: the cut for which rounding and clipping together cost least.
    """
    largest = max(abs(seen.low), abs(seen.high))
    if scheme.observer == "max" or not largest:
        return largest
    sizes = np.abs(seen.values)
    if scheme.observer == "percentile":
        return float(np.quantile(sizes, scheme.percentile)) or largest
    levels = 2 ** (bits - 1) - 1 if seen.signed else 2**bits - 1
    cuts = largest * np.arange(CUTS // 4, CUTS + 1) / CUTS
    return float(min(cuts, key=_cost(sizes, levels)))


def _cost(sizes: Array, levels: int) -> Callable[[float], float]:
    def cost(cut: float) -> float:
        step = cut / levels
        kept = np.minimum(np.rint(sizes / step), levels) * step
        return float(np.square(kept - sizes).sum())

    return cost
