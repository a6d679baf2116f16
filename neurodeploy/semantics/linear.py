r"""The meaning of Maps, Reduces and Products: sums in canonical order, in plain numpy.

Every sum has one writer per target and one order: products rounded to the type, added one after
another in ascending flat source index, starting at 0, the bias last. The loops below run over
sources and are vectorised over samples and targets only. Arrays are (N, \*shape).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import singledispatch
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import InternalError
from neurodeploy.ir.ops import (
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Gather,
    MapOp,
    Permute,
    Pool,
    Reshape,
    Synapses,
    Window,
)
from neurodeploy.ir.rules_map import fan_axes
from neurodeploy.ir.synapse_rows import sources_of
from neurodeploy.ir.types import QType, Signal

__all__ = ["apply_map", "finish_sum", "sum_synapses", "taps"]

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]
Index = tuple[Any, ...]


def apply_map(
    op: MapOp, arrived: Sequence[Array], out: Signal, tensors: Arrays, dtype: np.dtype[Any]
) -> Array:
    r"""Compute a Map without history at one step.

    Args:
        op: The operation.
        arrived: Its inputs, (N, \*shape) each.
        out: The signal that it sends.
        tensors: Weights and indices, already in the type of the computation.
        dtype: Type of the computation.
    """
    return _apply(op, arrived, out, tensors, dtype)


def taps(window: Window) -> Iterator[tuple[int, ...]]:
    """Give the positions within a kernel in ascending flat order."""
    return product(*(range(k) for k in window.kernel))


def finish_sum(total: Array, bias: Array | None, axis: int, out: Signal) -> Array:
    """Add the bias last, then wrap or saturate an integer sum to its declared type."""
    if bias is not None:
        if bias.ndim == 1 and bias.shape != out.shape:
            shape = [1] * len(out.shape)
            shape[axis] = bias.size
            bias = bias.reshape(shape)
        total = total + bias
    kind = out.type
    if isinstance(kind, QType) and kind.overflow == "wrap":
        half = 2 ** (kind.bits - 1) if kind.lo < 0 else 0
        mask = 2**kind.bits - 1
        total = ((total + half) & mask) - half if kind.bits < 64 else total
    elif isinstance(kind, QType) and kind.overflow == "saturate":
        total = np.clip(total, kind.lo, kind.hi)
    return total


@singledispatch
def _apply(
    op: MapOp, arrived: Sequence[Array], out: Signal, tensors: Arrays, dtype: np.dtype[Any]
) -> Array:
    raise InternalError(f"no rule computes {type(op).__name__}")


@_apply.register
def _dense(
    op: Dense, arrived: Sequence[Array], out: Signal, tensors: Arrays, dtype: np.dtype[Any]
) -> Array:
    axis = fan_axes(op, len(out.shape))
    x = np.moveaxis(arrived[0], axis + 1, -1).astype(dtype)
    weight = tensors[op.weight].T
    total = np.zeros((*x.shape[:-1], weight.shape[1]), dtype)
    # zeros may be skipped: a sum that starts at +0 never becomes -0
    for i in np.flatnonzero(x.any(axis=tuple(range(x.ndim - 1)))):
        total += x[..., i : i + 1] * weight[i]
    total = np.moveaxis(total, -1, axis + 1)
    return finish_sum(total, tensors[op.bias] if op.bias else None, axis, out)


def _padded(x: Array, window: Window, fill: Any) -> Array:
    pads = [(0, 0), (0, 0), *window.padding]
    return np.pad(x, pads, constant_values=fill)


def window_slices(
    window: Window, tap: tuple[int, ...], spatial: tuple[int, ...]
) -> tuple[slice, ...]:
    """Give, for one tap, the padded positions that all outputs read."""
    return tuple(
        slice(k * d, k * d + s * (n - 1) + 1, s)
        for k, d, s, n in zip(tap, window.dilation, window.stride, spatial, strict=True)
    )


@_apply.register
def _conv(
    op: Conv, arrived: Sequence[Array], out: Signal, tensors: Arrays, dtype: np.dtype[Any]
) -> Array:
    weight, groups = tensors[op.weight], op.groups
    rank = len(op.window.kernel)
    x = _padded(arrived[0].astype(dtype), op.window, 0)
    x = x.reshape(x.shape[0], groups, -1, 1, *x.shape[2:])
    w = weight.reshape(groups, -1, *weight.shape[1:])
    total = np.zeros((x.shape[0], groups, w.shape[1], *out.shape[1:]), dtype)
    for channel in range(w.shape[2]):
        for tap in taps(op.window):
            at = window_slices(op.window, tap, out.shape[1:])
            index: Index = (slice(None), slice(None), channel, *tap)
            factor = w[index].reshape(groups, -1, *[1] * rank)
            seen: Index = (slice(None), slice(None), channel, slice(None), *at)
            total += factor * x[seen]
    return finish_sum(total.reshape(-1, *out.shape), tensors[op.bias] if op.bias else None, 0, out)


@_apply.register
def _conv_transpose(
    op: ConvTranspose, arrived: Sequence[Array], out: Signal, tensors: Arrays, dtype: np.dtype[Any]
) -> Array:
    weight, w, groups = tensors[op.weight], op.window, op.groups
    rank = len(w.kernel)
    x = arrived[0].astype(dtype)
    batch, spatial = x.shape[0], x.shape[2:]
    x = x.reshape(batch, groups, -1, 1, *spatial)
    weight = weight.reshape(groups, -1, *weight.shape[1:])
    full = [n + lo + hi for n, (lo, hi) in zip(out.shape[1:], w.padding, strict=True)]
    reach = [
        s * (n - 1) + d * (k - 1) + 1
        for n, s, d, k in zip(spatial, w.stride, w.dilation, w.kernel, strict=True)
    ]
    full = [max(a, b) for a, b in zip(full, reach, strict=True)]
    total = np.zeros((batch, groups, weight.shape[2], *full), dtype)
    for channel in range(weight.shape[1]):
        # a later source reaches a target through an earlier tap: descending taps add in order
        for tap in reversed(list(taps(w))):
            at = window_slices(w, tap, spatial)
            index: Index = (slice(None), channel, slice(None), *tap)
            factor = weight[index].reshape(groups, -1, *[1] * rank)
            reached: Index = (slice(None), slice(None), slice(None), *at)
            total[reached] += factor * x[:, :, channel]
    cut = tuple(slice(lo, lo + n) for n, (lo, _) in zip(out.shape[1:], w.padding, strict=True))
    total = total.reshape(batch, out.shape[0], *full)[(slice(None), slice(None), *cut)]
    return finish_sum(total, tensors[op.bias] if op.bias else None, 0, out)


@_apply.register
def _pool(
    op: Pool, arrived: Sequence[Array], out: Signal, tensors: Arrays, dtype: np.dtype[Any]
) -> Array:
    x = _padded(arrived[0].astype(dtype), op.window, 0)
    total = np.zeros((x.shape[0], *out.shape), dtype)
    for tap in taps(op.window):
        total += x[(slice(None), slice(None), *window_slices(op.window, tap, out.shape[1:]))]
    if op.mode == "sum":
        return total
    divisor = pool_divisor(op, arrived[0].shape[2:], out.shape[1:]).astype(dtype)
    average: Array = total / divisor
    return average


def pool_divisor(op: Pool, spatial: tuple[int, ...], out: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Give what an average divides by, at each output position."""
    if op.divisor == "kernel":
        return np.asarray(int(np.prod(op.window.kernel)), np.int64)
    ones = _padded(np.ones((1, 1, *spatial), np.int64), op.window, 0)
    total = np.zeros((1, 1, *out), np.int64)
    for tap in taps(op.window):
        total += ones[(slice(None), slice(None), *window_slices(op.window, tap, out))]
    counts: npt.NDArray[np.int64] = total[0]
    return counts


@_apply.register
def _reshape(
    op: Reshape, arrived: Sequence[Array], out: Signal, tensors: Arrays, dtype: np.dtype[Any]
) -> Array:
    return arrived[0].reshape(-1, *op.shape)


@_apply.register
def _permute(
    op: Permute, arrived: Sequence[Array], out: Signal, tensors: Arrays, dtype: np.dtype[Any]
) -> Array:
    return arrived[0].transpose(0, *(a + 1 for a in op.axes))


@_apply.register
def _concat(
    op: Concat, arrived: Sequence[Array], out: Signal, tensors: Arrays, dtype: np.dtype[Any]
) -> Array:
    return np.concatenate(arrived, axis=op.axis + 1)


@_apply.register
def _gather(
    op: Gather, arrived: Sequence[Array], out: Signal, tensors: Arrays, dtype: np.dtype[Any]
) -> Array:
    taken: Array = arrived[0].take(tensors[op.indices], axis=op.axis + 1)
    return taken


@_apply.register
def _synapses(
    op: Synapses, arrived: Sequence[Array], out: Signal, tensors: Arrays, dtype: np.dtype[Any]
) -> Array:
    if op.delay is not None:
        raise InternalError("delayed synapses have a history")
    return sum_synapses(op, lambda _: arrived[0], out, tensors, dtype)


def sum_synapses(
    op: Synapses,
    sent: Callable[[int], Array],
    out: Signal,
    tensors: Arrays,
    dtype: np.dtype[Any],
) -> Array:
    r"""Add up single synapses.

    Args:
        op: The synapses.
        sent: Gives the signal of so many steps ago, (N, \*shape).
        out: The signal that they send.
        tensors: Weights and indices, already in the type of the computation.
        dtype: Type of the computation.
    """
    source, target = sources_of(tensors[op.starts]), tensors[op.target]
    delay = tensors[op.delay] if op.delay else np.zeros_like(source)
    order, rank = synapse_order(source, target, delay)
    weight = tensors[op.weight]
    # in a loop whose synapses are all late, the signal of this step is not there yet
    samples = sent(int(delay.min()) if delay.size else 0).shape[0]
    total = np.zeros((samples, out.size), dtype)
    for r in range(int(rank.max(initial=-1)) + 1):
        k = order[rank == r]  # at most one synapse of each target
        for d in np.unique(delay[k]):
            at = k[delay[k] == d]
            x = sent(int(d)).reshape(samples, -1).astype(dtype)
            total[:, target[at]] += weight[at] * x[:, source[at]]
    bias = tensors[op.bias] if op.bias else None
    return finish_sum(total.reshape(-1, *out.shape), bias, len(out.shape) - 1, out)


def synapse_order(source: Array, target: Array, delay: Array) -> tuple[Array, Array]:
    """Give the canonical order of single synapses.

    Returns:
        A permutation that sorts by target, then oldest delay first, then source, then the given
        order; and for each synapse of the sorted list its rank within its target.
    """
    order = np.lexsort((np.arange(source.size), source, -delay, target))
    sorted_target = target[order]
    first = np.searchsorted(sorted_target, sorted_target, side="left")
    return order, np.arange(source.size) - first
