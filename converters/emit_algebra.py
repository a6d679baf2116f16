"""Sums, products and dense projections of signals and constants."""

from __future__ import annotations

import numpy as np

from neurodeploy.converters.emit import Array, Emitter, as_array, signal
from neurodeploy.converters.per_step import PerStep, over_steps, row_of
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.ops import Dense

__all__ = [
    "add",
    "affine",
    "aligned",
    "batch_norm",
    "both",
    "broadcast",
    "clip",
    "dense",
    "divide",
    "multiply",
    "negate",
    "per_channel",
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


def _met(constant: object, x: Ref) -> Array | PerStep:
    """Give a constant, perhaps of each step, as it meets one sample of ``x``."""
    return over_steps(lambda c: aligned(c, x), constant)


def both(a: object, b: object) -> tuple[Ref, Ref]:
    """Give two signals that meet element by element.

    Raises:
        ConversionError: one is a constant, or their ranks differ.
    """
    x, y = signal(a), signal(b)
    if len(x.shape) != len(y.shape):
        raise ConversionError(
            f"samples of shapes {list(x.shape)} and {list(y.shape)} meet: the batch axis of one "
            "would meet another axis of the other",
            hint="give both the same number of axes",
        )
    return x, y


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Give the shape that shapes broadcast to.

    Raises:
        ConversionError: there is none.
    """
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ConversionError(f"shapes {[list(s) for s in shapes]} do not broadcast") from None


def per_channel(values: Array, rank: int) -> Array:
    """Put ones behind a vector over the channels, for samples of ``rank`` axes."""
    return values.reshape(-1, *[1] * (rank - 1))


def affine(
    e: Emitter, x: object, scale: Array | PerStep | None, shift: Array | PerStep | None
) -> Ref:
    """Add ``x * scale + shift``; either may be None, or differ from step to step."""
    ref = signal(x)
    shape = broadcast(ref.shape, *(row_of(c).shape for c in (scale, shift) if c is not None))
    name = e.fresh()
    kind = "scale" if shift is None else "affine"
    if scale is None and shift is not None and not isinstance(shift, PerStep):
        e.shifts[name] = shift
    given = {"scale": np.asarray(1.0) if scale is None else scale}
    if shift is not None:
        given["shift"] = shift
    return e.builder.cell(
        name,
        kind,
        ref,
        shape=shape,
        params={k: v.rows if isinstance(v, PerStep) else v for k, v in given.items()},
        timed=[k for k, v in given.items() if isinstance(v, PerStep)],
        source=e.source,
    )


def batch_norm(
    e: Emitter,
    x: object,
    mean: Array | PerStep,
    variance: Array | PerStep,
    weight: Array | PerStep | None,
    bias: Array | PerStep | None,
    epsilon: float,
) -> Ref:
    """Add a batch norm in evaluation as one scale and one shift per channel, perhaps per step.

    ``scale = weight / sqrt(variance + epsilon)`` and ``shift = bias - mean * scale``, each
    operation rounded to the type of the statistics, in the order of torch's CPU kernel
    (``batch_norm_cpu_collect_linear_and_constant_terms``).
    """
    ref = signal(x, "the input of a batch norm")
    rank, sizes = len(ref.shape), row_of(mean).shape
    kind = row_of(mean).dtype.type
    if rank < 1 or sizes != ref.shape[:1]:
        raise ConversionError(f"a batch norm of {sizes[0]} channels meets {list(ref.shape)}")

    def scale_of(variance: Array, weight: Array | None) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            inverse = kind(1) / np.sqrt(variance + kind(epsilon))
        return per_channel(inverse if weight is None else inverse * weight, rank)

    def shift_of(mean: Array, scale: Array, bias: Array | None) -> Array:
        moved = per_channel(mean, rank) * scale
        return -moved if bias is None else per_channel(bias, rank) - moved

    scale = over_steps(scale_of, variance, weight)
    return affine(e, ref, scale, over_steps(shift_of, mean, scale, bias))


def add(e: Emitter, a: object, b: object) -> Ref:
    """Add the sum of two signals, or of a signal and a constant."""
    if not isinstance(b, Ref) and isinstance(a, Ref):
        return affine(e, a, None, _met(b, a))
    if not isinstance(a, Ref) and isinstance(b, Ref):
        return affine(e, b, None, _met(a, b))
    return e.builder.cell(e.fresh(), "add", *both(a, b), source=e.source)


def negate(e: Emitter, x: object, part: str = "") -> Ref:
    """Add ``-x``."""
    params = {"scale": np.float64(-1)}
    return e.builder.cell(e.fresh(part), "scale", signal(x), params=params, source=e.source)


def subtract(e: Emitter, a: object, b: object) -> Ref:
    """Add the difference of two signals, or of a signal and a constant."""
    if isinstance(a, Ref) and not isinstance(b, Ref):
        return affine(e, a, None, over_steps(np.negative, _met(b, a)))
    if not isinstance(a, Ref) and isinstance(b, Ref):
        return affine(e, b, np.asarray(-1.0), _met(a, b))
    return e.builder.cell(e.fresh(), "subtract", *both(a, b), source=e.source)


def multiply(e: Emitter, a: object, b: object) -> Ref:
    """Add the product of a signal and a constant, or the elementwise product of two signals."""
    if not isinstance(b, Ref) and isinstance(a, Ref):
        return affine(e, a, _met(b, a), None)
    if not isinstance(a, Ref) and isinstance(b, Ref):
        return affine(e, b, _met(a, b), None)
    return e.builder.cell(e.fresh(), "multiply", *both(a, b), source=e.source)


def divide(e: Emitter, a: object, b: object) -> Ref:
    """Add a quotient; by a constant, it is a product with the rounded reciprocal."""
    if isinstance(a, Ref) and isinstance(b, Ref):
        return e.builder.cell(e.fresh(), "divide", *both(a, b), source=e.source)
    if isinstance(b, Ref):
        numerator = aligned(a, b)
        return e.builder.cell(
            e.fresh(),
            "reciprocal",
            b,
            shape=broadcast(numerator.shape, b.shape),
            params={"numerator": numerator},
            source=e.source,
        )
    divisor = aligned(b, signal(a)).astype(np.float64)
    if not divisor.all():
        raise ConversionError("a division by zero")
    return affine(e, a, 1 / divisor, None)


def relu(e: Emitter, x: object) -> Ref:
    """Add ``max(x, 0)``."""
    return e.builder.cell(e.fresh(), "relu", signal(x), source=e.source)


def clip(e: Emitter, x: object, low: object, high: object) -> Ref:
    """Add a clip; from 0 upwards it is a ReLU, or a ReLU with a ceiling.

    Raises:
        ConversionError: a limit is NaN.
    """
    ref = signal(x)
    limits: dict[str, Array] = {}
    for name, given, unbounded in (("lower", low, -np.inf), ("upper", high, np.inf)):
        value = None if given is None else as_array(given).astype(np.float64)
        if value is None or (value == unbounded).all():
            continue
        if not np.isfinite(value).all():
            raise ConversionError(f"a clip to [{low}, {high}]", hint="the limits are numbers")
        value = value.reshape(()) if value.size == 1 else aligned(value, ref)
        # the largest float of another type stands for "no limit"
        if abs(value).min(initial=np.inf) < np.finfo(e.float_type.dtype).max:
            limits[name] = value
    if not limits:
        return ref
    bottom, top = limits.get("lower"), limits.get("upper")
    if bottom is not None and bottom.size == 1 and bottom.item() == 0:
        if top is None:
            return relu(e, x)
        if top.size == 1 and top.item() > 0:
            name = "clipped_relu"
            return e.builder.cell(e.fresh(), name, ref, params={"upper": top}, source=e.source)
    options = {"low": "lower" in limits, "high": "upper" in limits}
    return e.builder.cell(e.fresh(), "clip", ref, params=limits, options=options, source=e.source)


def dense(e: Emitter, x: object, weight: str, bias: str | None, axis: int = -1) -> Ref:
    """Add a dense projection along ``axis`` of a sample; weight (out, in), stored already."""
    ref = signal(x, "the input of a dense layer")
    if not ref.shape:
        raise ConversionError("a dense layer meets a batch of numbers, not of vectors")
    return e.builder.map(e.fresh(), Dense(weight, bias, axis), ref, source=e.source)
