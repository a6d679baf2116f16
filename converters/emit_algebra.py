"""Sums, products and dense projections of signals and constants."""

from __future__ import annotations

import numpy as np

from neurodeploy.converters.emit import Array, Emitter, as_array, signal
from neurodeploy.converters.emit_windows import per_channel
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.ops import Dense

__all__ = [
    "add",
    "affine",
    "aligned",
    "batch_norm",
    "clip",
    "dense",
    "divide",
    "multiply",
    "negate",
    "relu",
    "subtract",
]


def aligned(constant: object, x: Ref) -> Array:
    r"""Give a constant as it meets one sample of ``x``.

    The framework aligns the last axes of (N, \*shape) and of the constant, so that a constant
    of full rank has the batch in front.

    Raises:
        ConversionError: it differs from sample to sample, or has more axes than the batch.
    """
    array = as_array(constant)
    if array.ndim == len(x.shape) + 1 and array.shape[0] == 1:
        array = array[0]
    if array.ndim > len(x.shape):
        raise ConversionError(
            f"a constant of shape {list(array.shape)} meets a batch of samples {list(x.shape)}: "
            "it would differ from sample to sample",
            hint="give the constant the shape of one sample",
        )
    if array.dtype.kind not in "biuf":
        raise ConversionError(f"a constant of type {array.dtype}")
    return array.astype(np.float64) if array.dtype.kind != "f" else array


def _both(a: object, b: object) -> tuple[Ref, Ref]:
    x, y = signal(a), signal(b)
    if len(x.shape) != len(y.shape):
        raise ConversionError(
            f"samples of shapes {list(x.shape)} and {list(y.shape)} meet: the batch axis of one "
            "would meet another axis of the other",
            hint="give both the same number of axes",
        )
    return x, y


def affine(e: Emitter, x: object, scale: Array | None, shift: Array | None) -> Ref:
    """Add ``x * scale + shift``; either may be None."""
    ref = signal(x)
    given = [c for c in (scale, shift) if c is not None]
    shape = np.broadcast_shapes(ref.shape, *(c.shape for c in given))
    name = e.fresh()
    if shift is None:
        params = {"scale": np.float64(1) if scale is None else scale}
        return e.builder.cell(name, "scale", ref, shape=shape, params=params, source=e.source)
    if scale is None:
        e.shifts[name] = shift
        scale = np.asarray(1.0)
    return e.builder.cell(
        name,
        "affine",
        ref,
        shape=shape,
        params={"scale": scale, "shift": shift},
        source=e.source,
    )


def batch_norm(
    e: Emitter,
    x: object,
    mean: Array,
    variance: Array,
    weight: Array | None,
    bias: Array | None,
    epsilon: float,
) -> Ref:
    """Add a batch norm in evaluation as one scale and one shift per channel.

    ``scale = weight / sqrt(variance + epsilon)`` and ``shift = bias - mean * scale``, each
    operation rounded to the type of the statistics, in the order of torch's CPU kernel
    (``batch_norm_cpu_collect_linear_and_constant_terms``).
    """
    ref = signal(x, "the input of a batch norm")
    kind = mean.dtype.type
    if len(ref.shape) < 1 or mean.shape != ref.shape[:1]:
        raise ConversionError(f"a batch norm of {mean.size} channels meets {list(ref.shape)}")
    with np.errstate(invalid="ignore", divide="ignore"):
        inverse = kind(1) / np.sqrt(variance + kind(epsilon))
    scale = inverse if weight is None else inverse * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    rank = len(ref.shape)
    return affine(e, ref, per_channel(scale, rank), per_channel(shift, rank))


def add(e: Emitter, a: object, b: object) -> Ref:
    """Add the sum of two signals, or of a signal and a constant."""
    if not isinstance(b, Ref) and isinstance(a, Ref):
        return affine(e, a, None, aligned(b, a))
    if not isinstance(a, Ref) and isinstance(b, Ref):
        return affine(e, b, None, aligned(a, b))
    return e.builder.cell(e.fresh(), "add", *_both(a, b), source=e.source)


def negate(e: Emitter, x: object, part: str = "") -> Ref:
    """Add ``-x``."""
    params = {"scale": np.float64(-1)}
    return e.builder.cell(e.fresh(part), "scale", signal(x), params=params, source=e.source)


def subtract(e: Emitter, a: object, b: object) -> Ref:
    """Add the difference of two signals, or of a signal and a constant."""
    if isinstance(a, Ref) and not isinstance(b, Ref):
        return affine(e, a, None, -aligned(b, a))
    if not isinstance(a, Ref) and isinstance(b, Ref):
        return affine(e, b, np.asarray(-1.0), aligned(a, b))
    _both(a, b)
    return add(e, a, negate(e, b, "negate"))


def multiply(e: Emitter, a: object, b: object) -> Ref:
    """Add the product of a signal and a constant, or the elementwise product of two signals."""
    if not isinstance(b, Ref) and isinstance(a, Ref):
        return affine(e, a, aligned(b, a), None)
    if not isinstance(a, Ref) and isinstance(b, Ref):
        return affine(e, b, aligned(a, b), None)
    return e.builder.cell(e.fresh(), "multiply", *_both(a, b), source=e.source)


def divide(e: Emitter, a: object, b: object) -> Ref:
    """Add the quotient of a signal and a constant: a product with the rounded reciprocal."""
    if isinstance(b, Ref) or not isinstance(a, Ref):
        raise ConversionError(
            "a division by a signal", hint="divide by constants, which become weights"
        )
    divisor = aligned(b, a).astype(np.float64)
    if not divisor.all():
        raise ConversionError("a division by zero")
    return affine(e, a, 1 / divisor, None)


def relu(e: Emitter, x: object) -> Ref:
    """Add ``max(x, 0)``."""
    return e.builder.cell(e.fresh(), "relu", signal(x), source=e.source)


def clip(e: Emitter, x: object, low: object, high: object) -> Ref:
    """Add a clip to [0, high], or to [0, infinity).

    Raises:
        ConversionError: other limits.
    """
    bottom = None if low is None else as_array(low).astype(np.float64)
    top = None if high is None else as_array(high).astype(np.float64)
    if top is not None and top.size == 1 and np.isposinf(top).all():
        top = None
    if bottom is None or bottom.size != 1 or bottom.item() != 0:
        raise ConversionError(
            f"a clip to [{low}, {high}]", hint="only ReLU, and clips from 0 upwards, are handled"
        )
    if top is None:
        return relu(e, x)
    ref = signal(x)
    if top.size != 1 or not top.item() > 0:
        raise ConversionError(f"a clip to [0, {high}]", hint="the upper limit is one number")
    params = {"upper": top.reshape(())}
    return e.builder.cell(e.fresh(), "clipped_relu", ref, params=params, source=e.source)


def dense(e: Emitter, x: object, weight: str, bias: str | None, axis: int = -1) -> Ref:
    """Add a dense projection along ``axis`` of a sample; weight (out, in), stored already."""
    ref = signal(x, "the input of a dense layer")
    if not ref.shape:
        raise ConversionError("a dense layer meets a batch of numbers, not of vectors")
    return e.builder.map(e.fresh(), Dense(weight, bias, axis), ref, source=e.source)
