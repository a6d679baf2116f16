"""Softmax and norms, composed of reductions and cells."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Literal

import numpy as np

from neurodeploy.converters.emit import Array, Emitter, signal
from neurodeploy.converters.emit_algebra import affine, per_channel
from neurodeploy.converters.emit_analog import binary, unary
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.ops import ReduceAxes

__all__ = ["group_norm", "log_softmax", "normalised", "softmax"]


def _along(
    e: Emitter, x: Ref, function: Literal["sum", "mean", "max"], axes: tuple[int, ...], part: str
) -> Ref:
    op = ReduceAxes(function, axes, keepdims=True)
    return e.builder.reduce(e.fresh(part), op, x, source=e.source)


def softmax(e: Emitter, x: object, axes: Sequence[int]) -> Ref:
    """Add ``exp(x - max) / sum(exp(x - max))`` along axes of a sample."""
    ref, along = signal(x, "the operand of a softmax"), tuple(sorted(axes))
    top = _along(e, ref, "max", along, "max")
    powers = unary(e, "exp", binary(e, "subtract", ref, top, part="shifted"), part="exp")
    return binary(e, "divide", powers, _along(e, powers, "sum", along, "sum"))


def log_softmax(e: Emitter, x: object, axes: Sequence[int]) -> Ref:
    """Add ``(x - max) - log(sum(exp(x - max)))`` along axes of a sample."""
    ref, along = signal(x, "the operand of a softmax"), tuple(sorted(axes))
    shifted = binary(e, "subtract", ref, _along(e, ref, "max", along, "max"), part="shifted")
    total = _along(e, unary(e, "exp", shifted, part="exp"), "sum", along, "sum")
    return binary(e, "subtract", shifted, unary(e, "log", total, part="log"))


def normalised(
    e: Emitter,
    x: object,
    axes: Sequence[int],
    epsilon: float,
    scale: Array | None = None,
    shift: Array | None = None,
) -> Ref:
    """Add ``(x - mean) / sqrt(variance + epsilon) * scale + shift``, statistics along ``axes``.

    The variance is the mean of the squared distances to the mean (Ba et al. 2016, "Layer
    Normalization"); scale and shift broadcast to the sample.
    """
    ref, along = signal(x, "the operand of a norm"), tuple(sorted(axes))
    centred = binary(e, "subtract", ref, _along(e, ref, "mean", along, "mean"), part="centred")
    squares = unary(e, "power", centred, options={"exponent": 2}, part="squares")
    variance = _along(e, squares, "mean", along, "variance")
    inverse = unary(e, "inverse_sqrt", variance, {"epsilon": epsilon}, part="inverse")
    if scale is None and shift is None:
        return binary(e, "multiply", centred, inverse)
    plain = binary(e, "multiply", centred, inverse, part="normalised")
    if shift is not None and scale is None:
        scale = np.ones(())
    return affine(e, plain, scale, shift)


def group_norm(
    e: Emitter,
    x: object,
    groups: int,
    epsilon: float,
    scale: Array | None,
    shift: Array | None,
) -> Ref:
    """Add a norm over each of ``groups`` groups of channels and all positions (Wu and He 2018).

    One group for each channel makes an instance norm. Scale and shift are per channel.

    Raises:
        ConversionError: the channels do not divide into the groups.
    """
    ref = signal(x, "the operand of a norm")
    rank = len(ref.shape)
    if not rank or groups < 1 or ref.shape[0] % groups:
        raise ConversionError(f"a norm over {groups} groups of samples {list(ref.shape)}")
    if any(c is not None and c.size not in (1, ref.shape[0]) for c in (scale, shift)):
        raise ConversionError(f"a norm of {ref.shape[0]} channels whose scale or shift has others")
    factors = [None if c is None else per_channel(c.reshape(-1), rank) for c in (scale, shift)]
    if groups == ref.shape[0] and rank > 1:
        return normalised(e, ref, range(1, rank), epsilon, *factors)
    b, source = e.builder, e.source
    inside = (groups, prod(ref.shape) // groups)
    flat = b.reshape(e.fresh("groups"), ref, inside, source=source)
    with e.at(type(e.layer)(f"{e.layer.name}.group", source)):
        plain = normalised(e, flat, (1,), epsilon)
    if scale is None and shift is None:
        return b.reshape(e.fresh(), plain, ref.shape, source=source)
    back = b.reshape(e.fresh("channels"), plain, ref.shape, source=source)
    scaled = np.ones(()) if factors[0] is None else factors[0]
    return affine(e, back, scaled, factors[1])
