"""Quantises the weights and the bias of one projection."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import QuantizationError
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Map
from neurodeploy.ir.ops import Conv, ConvTranspose, Dense, Synapses
from neurodeploy.ir.rules_map import fan_axes
from neurodeploy.ir.types import QType, Signal
from neurodeploy.passes.weights import Weighted
from neurodeploy.quantize.grids import grid_values, round_weights
from neurodeploy.quantize.scheme import Scheme

__all__ = [
    "QuantisedMap",
    "WeightedMap",
    "channel_axis",
    "on_axis",
    "quantised_map",
    "weighted_maps",
]

Array = npt.NDArray[Any]
FINE = 64  # base steps in a step of the weights, so that rounding it costs next to nothing


class WeightedMap(Map):
    """A projection with weights, as a type checker sees it."""

    op: Weighted


def weighted_maps(graph: Graph) -> list[WeightedMap]:
    """Give the projections of a graph that have weights."""
    found = [n for n in graph.nodes if isinstance(n, Map) and isinstance(n.op, Weighted)]
    return cast("list[WeightedMap]", found)


@dataclass(frozen=True, eq=False)
class QuantisedMap:
    """A projection over integers.

    Attributes:
        whole: Its weights.
        kind: Their type.
        rounded: The real values that they stand for.
        step: Real value of 1 in its sums; broadcasts to the shape of the output.
        bias: Bias in steps of the sums, where it stays in the projection.
        offset: Bias as real values that broadcast to the output, where the cell behind adds it.
    """

    whole: npt.NDArray[np.int64]
    kind: QType
    rounded: Array
    step: Array
    bias: npt.NDArray[np.int64] | None
    offset: Array | None


def quantised_map(
    op: Weighted,
    weight: Array,
    bias: Array | None,
    arrived: float,
    unit: float,
    out: Signal,
    scheme: Scheme,
    *,
    keep_bias: bool,
    lost: Callable[[Array], Array] | None = None,
) -> QuantisedMap:
    """Quantise weights so that a sum's step is a whole number of units of the cell behind.

    Where the units are too coarse for that, it is a whole number of ``unit / 2**digits``, and the
    cell rounds what arrives once.

    Args:
        op: The projection.
        weight: Its weights in float64.
        bias: Its bias in float64.
        arrived: Real value of 1 in what arrives.
        unit: Unit of the cell behind.
        out: The signal that it sends.
        scheme: Grid and fit.
        keep_bias: The bias stays in the projection, rounded to a step of its sums.
        lost: Gives the mean of the sums for a change of the weights; the bias then makes up for
            what rounding changed.
    """
    axis = channel_axis(op)
    rows = weight.reshape(1, -1)
    if axis is not None:
        rows = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)
    base = unit * 2.0 ** -_digits(rows, unit / arrived, scheme)
    found = round_weights(rows, base / arrived, scheme)
    steps = found.multiple * base
    whole = found.whole
    if axis is not None:
        moved = np.moveaxis(weight, axis, 0).shape
        whole = np.moveaxis(whole.reshape(moved), 0, axis)
    whole = whole.reshape(weight.shape)
    per_weight = steps / arrived
    if axis is not None:
        shape = [1] * weight.ndim
        shape[axis] = -1
        per_weight = per_weight.reshape(shape)
    if axis is None or np.all(steps == steps[0]):
        scale: tuple[float, ...] = (float(steps[0] / arrived),)
        along, step = None, np.asarray(steps[0])
    else:
        scale, along = tuple(float(s) for s in steps / arrived), axis
        step = on_axis(steps, _out_axis(op, out), out)
    kind = QType(-scheme.weight_limit, scheme.weight_limit, scale, axis=along)
    rounded = whole * per_weight
    offset = None if bias is None else _placed(op, bias, out)
    if lost is not None and not keep_bias:
        gone = _by_channel(lost(rounded - weight), op, out)
        offset = -gone if offset is None else offset - gone
    kept = None
    if offset is not None and keep_bias:
        if step.size > 1 and bias is not None and bias.shape == out.shape:
            kept = np.rint(offset / step).astype(np.int64)
        elif bias is not None:
            kept = np.rint(bias / steps if bias.shape == steps.shape else bias / steps[0])
            kept = kept.astype(np.int64)
        offset = None
    return QuantisedMap(whole, kind, rounded, step, kept, offset)


def _digits(rows: Array, base: float, scheme: Scheme) -> int:
    """Give the binary digits below the unit for which each row has a fine enough step."""
    largest = np.abs(rows).max(axis=1, initial=0.0)
    least = float(largest[largest > 0].min()) / grid_values(scheme)[-1]
    return min(scheme.factor_bits, max(0, math.ceil(math.log2(FINE * base / least))))


def channel_axis(op: Weighted) -> int | None:
    """Give the axis of the weights that runs along the output's channels; None for none."""
    if isinstance(op, Dense | Conv):
        return 0
    if isinstance(op, ConvTranspose) and op.groups == 1:
        return 1
    if isinstance(op, ConvTranspose | Synapses):
        return None
    raise QuantizationError(f"{type(op).__name__} has no integer form")


def _out_axis(op: Weighted, out: Signal) -> int:
    return fan_axes(op, len(out.shape)) if isinstance(op, Dense) else 0


def on_axis(values: Array, axis: int, out: Signal) -> Array:
    """Give one value per channel in a shape that broadcasts to a signal."""
    shape = [1] * len(out.shape)
    shape[axis] = -1
    return values.reshape(shape)


def _by_channel(mean: Array, op: Weighted, out: Signal) -> Array:
    """Give the mean of each channel of a convolution; of each neuron elsewhere."""
    if not isinstance(op, Conv | ConvTranspose):
        return mean
    return on_axis(mean.reshape(out.shape[0], -1).mean(axis=1), 0, out)


def _placed(op: Weighted, bias: Array, out: Signal) -> Array:
    return bias if bias.shape == out.shape else on_axis(bias, _out_axis(op, out), out)
