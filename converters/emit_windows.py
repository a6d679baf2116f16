"""Convolutions and pools, with the paddings that frameworks know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from neurodeploy.converters.emit import Emitter, Padded, signal, zeros
from neurodeploy.converters.emit_shapes import solid
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.ops import Conv, ConvTranspose, MaxPool, Pool, ReduceAxes, Window

__all__ = [
    "Pads",
    "adaptive_window",
    "average_pool",
    "convolve",
    "convolve_transposed",
    "max_pool",
    "reduce_axes",
    "same_padding",
    "spread",
]

Pads = tuple[tuple[int, int], ...]


def spread(value: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """Give one number per axis; a single number counts for all of them.

    >>> spread([2], 3)
    (2, 2, 2)
    """
    numbers = (value,) if isinstance(value, int) else tuple(int(v) for v in value)
    return numbers * rank if len(numbers) == 1 else numbers


def same_padding(
    spatial: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    *,
    upper: bool = True,
) -> Pads:
    """Give the padding whose output has ``ceil(n / stride)`` positions.

    An odd number of zeros has the extra one at the end (``upper``), or at the start. Source: the
    ONNX operator specification, ``auto_pad``; torch's ``padding="same"`` is its upper form with
    stride 1.
    """
    pads = []
    for n, k, s, d in zip(spatial, kernel, stride, dilation, strict=True):
        total = max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
        small, large = total // 2, total - total // 2
        pads.append((small, large) if upper else (large, small))
    return tuple(pads)


def _windowed(x: object, rank: int, padding: Pads, what: str) -> tuple[Ref, Pads]:
    """Give the signal below any zero padding, and the padding of both together."""
    ref = x.ref if isinstance(x, Padded) else signal(x, f"the input of {what}")
    if len(ref.shape) != rank + 1:
        raise ConversionError(
            f"{what} over {rank} spatial axes meets samples of shape {list(ref.shape)}",
            hint="give it (batch, channels, spatial axes)",
        )
    outer = x.pads if isinstance(x, Padded) else zeros(rank + 1)
    if outer[0] != (0, 0):
        raise ConversionError(f"zeros are added to the channels before {what}")
    both = tuple((a + c, b + d) for (a, b), (c, d) in zip(outer[1:], padding, strict=True))
    return ref, both


def convolve(
    e: Emitter,
    x: object,
    weight: str,
    bias: str | None,
    *,
    stride: tuple[int, ...],
    padding: Pads,
    dilation: tuple[int, ...],
    groups: int,
) -> Ref:
    """Add a convolution whose weights are stored already; preceding zero padding joins it."""
    kernel = e.builder.tensors[weight].data.shape[2:]
    ref, pads = _windowed(x, len(kernel), padding, "a convolution")
    op = Conv(weight, Window(kernel, stride, pads, dilation), bias, groups)
    return e.builder.map(e.fresh(), op, ref, source=e.source)


def convolve_transposed(
    e: Emitter,
    x: object,
    weight: str,
    bias: str | None,
    *,
    stride: tuple[int, ...],
    padding: Pads,
    dilation: tuple[int, ...],
    extra: tuple[int, ...],
    groups: int,
) -> Ref:
    """Add a transposed convolution whose weights are stored already."""
    kernel = e.builder.tensors[weight].data.shape[2:]
    ref = signal(x, "the input of a transposed convolution")
    if len(ref.shape) != len(kernel) + 1:
        raise ConversionError(
            f"a transposed convolution over {len(kernel)} spatial axes meets samples of shape "
            f"{list(ref.shape)}"
        )
    op = ConvTranspose(weight, Window(kernel, stride, padding, dilation), extra, bias, groups)
    return e.builder.map(e.fresh(), op, ref, source=e.source)


def _ceiled(ref: Ref, window: Window) -> Window:
    """Widen the padding behind, so that a rounded-up number of windows fits.

    A window that would start in that extra padding is left out. Source: the formulas of
    ``torch.nn.MaxPool2d`` and of the ONNX operator ``MaxPool``, ``ceil_mode``.
    """
    pads = []
    for n, k, s, d, (lo, hi) in zip(
        ref.shape[1:], window.kernel, window.stride, window.dilation, window.padding, strict=True
    ):
        extent = d * (k - 1) + 1
        count = -(-(n + lo + hi - extent) // s) + 1
        if (count - 1) * s >= n + lo:
            count -= 1
        pads.append((lo, max(hi, (count - 1) * s + extent - n - lo)))
    return Window(window.kernel, window.stride, tuple(pads), window.dilation)


def max_pool(
    e: Emitter,
    x: object,
    *,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: Pads,
    dilation: tuple[int, ...],
    ceil: bool = False,
) -> Ref:
    """Add a max pool; rounding up becomes padding behind, which never wins."""
    ref, pads = _windowed(solid(e, x), len(kernel), padding, "a max pool")
    window = Window(kernel, stride, pads, dilation)
    op = MaxPool(_ceiled(ref, window) if ceil else window)
    return e.builder.reduce(e.fresh(), op, ref, source=e.source)


def average_pool(
    e: Emitter,
    x: object,
    *,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: Pads,
    ceil: bool = False,
    count_padding: bool = True,
    divisor: int | None = None,
) -> Ref:
    """Add an average pool.

    Args:
        e: The emitter.
        x: What is pooled; zero padding before it joins it where padding counts.
        kernel: Window.
        stride: Steps.
        padding: Zeros before and after.
        ceil: Round the number of windows up.
        count_padding: Divide by the whole window, else by the positions inside.
        divisor: Divide by this number instead.

    Raises:
        ConversionError: rounding up meets padding that counts: such a window is divided by a
            number that is neither.
    """
    rank = len(kernel)
    if isinstance(x, Padded) and not count_padding and divisor is None:
        x = solid(e, x)
    ref, pads = _windowed(x, rank, padding, "an average pool")
    plain = Window(kernel, stride, pads, (1,) * rank)
    window = _ceiled(ref, plain) if ceil else plain
    valid = not count_padding
    if window != plain and count_padding and divisor is None:
        if any(n for pair in pads for n in pair):
            raise ConversionError(
                "an average pool that counts its padding and rounds its size up",
                hint="use ceil_mode=False or count_include_pad=False",
            )
        valid = True
    if divisor is not None:
        total = e.builder.map(e.fresh("sum"), Pool(window, "sum"), ref, source=e.source)
        share = np.float64(1) / np.float64(divisor)
        return e.builder.cell(e.fresh(), "scale", total, params={"scale": share}, source=e.source)
    mode: Literal["kernel", "valid"] = (
        "valid" if valid and any(map(any, window.padding)) else "kernel"
    )
    return e.builder.map(e.fresh(), Pool(window, "average", mode), ref, source=e.source)


def adaptive_window(ref: Ref, size: Sequence[int | None]) -> tuple[int, ...]:
    """Give the window, and stride, of an adaptive pool to ``size`` positions.

    Raises:
        ConversionError: a length is no multiple of its size, so that the windows differ.
    """
    spatial = ref.shape[1:]
    wanted = tuple(n if s is None else int(s) for n, s in zip(spatial, size, strict=True))
    if len(ref.shape) != len(size) + 1 or min(wanted, default=0) < 1:
        raise ConversionError(f"an adaptive pool to {list(wanted)} of {list(ref.shape)}")
    if any(n % s for n, s in zip(spatial, wanted, strict=True)):
        raise ConversionError(
            f"an adaptive pool from {list(spatial)} to {list(wanted)} positions has windows of "
            "different length",
            hint="choose a size that divides the input's",
        )
    return tuple(n // s for n, s in zip(spatial, wanted, strict=True))


def reduce_axes(
    e: Emitter,
    x: object,
    function: Literal["sum", "mean", "max"],
    axes: Sequence[int],
    keepdims: bool,
) -> Ref:
    """Add a reduction along ``axes`` of a sample; a global pool where they are all spatial ones."""
    ref = signal(x, "the operand of a reduction")
    spatial = tuple(range(1, len(ref.shape)))
    if function != "sum" and tuple(sorted(axes)) == spatial and 1 <= len(spatial) <= 3:
        window = ref.shape[1:]
        none = zeros(len(window))
        ones = (1,) * len(window)
        if function == "max":
            pooled = max_pool(e, ref, kernel=window, stride=ones, padding=none, dilation=ones)
        else:
            pooled = average_pool(e, ref, kernel=window, stride=ones, padding=none)
        if keepdims:
            return pooled
        return e.builder.reshape(e.fresh("reshape"), pooled, ref.shape[:1], source=e.source)
    op = ReduceAxes(function, tuple(sorted(axes)), keepdims)
    return e.builder.reduce(e.fresh(), op, ref, source=e.source)
