"""The meaning of Reduce and Product: sums in canonical order, as in `linear`."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.ir.ops import ArgMax, ReduceAxes, Window
from neurodeploy.ir.rules_reduce import parse_equation
from neurodeploy.ir.types import Signal
from neurodeploy.semantics.linear import taps, window_slices

__all__ = ["apply_argmax", "apply_axes", "apply_product", "window_maximum"]

Array = npt.NDArray[Any]


def window_maximum(x: Array, window: Window, out: tuple[int, ...]) -> Array:
    """Give the largest value in each window; positions outside never win."""
    lowest: Any = False
    if x.dtype.kind == "f":
        lowest = -np.inf
    elif x.dtype.kind == "i":
        lowest = np.iinfo(x.dtype).min
    pads = [(0, 0), (0, 0), *window.padding]
    padded = np.pad(x, pads, constant_values=lowest)
    best: Array | None = None
    for tap in taps(window):
        seen = padded[(slice(None), slice(None), *window_slices(window, tap, out))]
        best = seen.copy() if best is None else np.where(best < seen, seen, best)
    return best if best is not None else padded


def apply_axes(op: ReduceAxes, x: Array, out: Signal, dtype: np.dtype[Any]) -> Array:
    """Sum, average or maximise along axes, in ascending flat order of what is summed."""
    axes = tuple(sorted(a + 1 for a in op.axes))
    terms = np.moveaxis(x, axes, range(len(axes)))
    terms = terms.reshape(-1, *terms.shape[len(axes) :])
    total = terms[0].astype(dtype) if op.function == "max" else np.zeros(terms.shape[1:], dtype)
    for term in terms:
        total = np.where(total < term, term, total) if op.function == "max" else total + term
    if op.function == "mean":
        total = total / np.asarray(len(terms), dtype)
    return total.astype(dtype).reshape(-1, *out.shape)


def apply_argmax(op: ArgMax, x: Array) -> Array:
    """Mark the first position of the largest value along the axis."""
    first = np.argmax(x, axis=op.axis + 1)
    hot = np.arange(x.shape[op.axis + 1]).reshape(-1, *[1] * (x.ndim - op.axis - 2))
    marked: Array = hot == np.expand_dims(first, op.axis + 1)
    return marked


def apply_product(equation: str, x: Array, y: Array, out: Signal, dtype: np.dtype[Any]) -> Array:
    """Contract two signals; contracted indices ascend, the first label slowest."""
    a, b, kept = parse_equation(equation)
    sizes = dict(zip(a, x.shape[1:], strict=True)) | dict(zip(b, y.shape[1:], strict=True))
    summed = [label for label in dict.fromkeys(a + b) if label not in kept]
    total = np.zeros((x.shape[0], *out.shape), dtype)
    for position in product(*(range(sizes[label]) for label in summed)):
        at = dict(zip(summed, position, strict=True))
        total += _aligned(x, a, at, kept, dtype) * _aligned(y, b, at, kept, dtype)
    return total


def _aligned(x: Array, labels: str, at: dict[str, int], kept: str, dtype: np.dtype[Any]) -> Array:
    """Fix the contracted labels of a factor and bring the others into the output's order."""
    part = x[(slice(None), *(at.get(label, slice(None)) for label in labels))].astype(dtype)
    left = [label for label in labels if label in kept]
    part = part.transpose(0, *(left.index(label) + 1 for label in kept if label in left))
    shape = iter(part.shape[1:])
    return part.reshape(part.shape[0], *(next(shape) if label in left else 1 for label in kept))
