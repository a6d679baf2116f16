r"""How many synapses each source element really reaches.

Conventions, those of NeuroBench: a synapse exists where its target does, so what would fall into
the padding is none; a synapse of weight 0 is left out of the fan-out and kept in the dense count.
Windows are separable, so that the fan-out of a convolution is a product of small matrices, one
per axis, whatever the size of the image:

.. math::
    fan[c, i_1, i_2] = \sum_{k_1, k_2} nonzero[c, k_1, k_2] \; touch_1[k_1, i_1] \;
    touch_2[k_2, i_2]

with ``touch[k, i]`` 1 where position i meets an existing output through tap k.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import InternalError
from neurodeploy.ir.ops import (
    ArgMax,
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Gather,
    MapOp,
    MaxPool,
    Permute,
    Pool,
    ReduceAxes,
    ReduceOp,
    Reshape,
    Synapses,
    Window,
)
from neurodeploy.ir.rules_map import fan_axes
from neurodeploy.ir.synapse_rows import sources_of
from neurodeploy.ir.types import Tensor

__all__ = ["Counts64", "delayed_fanout", "dense_ops", "fanout", "padded_ops"]

Counts64 = npt.NDArray[np.int64]
Shape = tuple[int, ...]
Tensors = Mapping[str, Tensor]


def fanout(op: MapOp | ReduceOp, in_shape: Shape, tensors: Tensors) -> Counts64:
    """Give, for each source element, the synapses of nonzero weight that it reaches.

    For a pool or a reduction these are the windows or sums that hold the element; for a change
    of shape, the copies made of it.

    Args:
        op: The operation.
        in_shape: Shape of what arrives, for one sample.
        tensors: The graph's tensors.

    Returns:
        int64 array of ``in_shape``.

    >>> import numpy as np
    >>> from neurodeploy.ir import F32, tensor
    >>> weight = tensor(np.array([[1.0, 0.0], [2.0, 3.0], [0.0, 4.0]]), F32)
    >>> fanout(Dense("w"), (2,), {"w": weight})
    array([2, 2])
    """
    return _reach(op, in_shape, tensors, True)


def dense_ops(op: MapOp | ReduceOp, in_shape: Shape, tensors: Tensors) -> int:
    """Give the number of existing synapses, those of weight 0 included."""
    return int(_reach(op, in_shape, tensors, False).sum())


def padded_ops(op: MapOp | ReduceOp, in_shape: Shape, tensors: Tensors) -> int:
    """Give the operations of a kernel that also visits padding, or outputs that are cut off.

    Equal to `dense_ops` where the operation has no padding.
    """
    if isinstance(op, Conv):
        weight = tensors[op.weight].data
        return _size(op.window.output(in_shape[1:])) * int(weight.size)
    if isinstance(op, ConvTranspose):
        weight = tensors[op.weight].data
        return _size(in_shape[1:]) * int(weight.size)
    if isinstance(op, Pool | MaxPool):
        window = op.window
        return in_shape[0] * _size(window.output(in_shape[1:])) * _size(window.kernel)
    return dense_ops(op, in_shape, tensors)


def delayed_fanout(
    op: MapOp, in_shape: Shape, tensors: Tensors
) -> tuple[tuple[int, Counts64], ...]:
    """Give the fan-out apart for each delay in steps; one entry of delay 0 for most Maps."""
    if not isinstance(op, Synapses) or op.delay is None:
        return ((0, fanout(op, in_shape, tensors)),)
    delay = tensors[op.delay].data
    live = tensors[op.weight].data != 0
    source = sources_of(tensors[op.starts].data)
    return tuple(
        (int(d), _histogram(source[live & (delay == d)], in_shape)) for d in np.unique(delay)
    )


def _size(shape: Shape) -> int:
    size = 1
    for n in shape:
        size *= n
    return size


def _nonzero(weight: npt.NDArray[Any], axis: int, live: bool) -> Counts64:
    """Count the weights along an axis: the nonzero ones, or all."""
    if live:
        return np.asarray(np.count_nonzero(weight, axis=axis), np.int64)
    rest = (*weight.shape[:axis], *weight.shape[axis + 1 :])
    return np.full(rest, weight.shape[axis], np.int64)


def _histogram(source: npt.NDArray[Any], shape: Shape) -> Counts64:
    found = np.bincount(source.astype(np.int64), minlength=_size(shape))
    return np.asarray(found, np.int64).reshape(shape)


@singledispatch
def _reach(op: MapOp | ReduceOp, in_shape: Shape, tensors: Tensors, live: bool) -> Counts64:
    raise InternalError(f"no rule counts the synapses of {type(op).__name__}")


@_reach.register
def _dense(op: Dense, in_shape: Shape, tensors: Tensors, live: bool) -> Counts64:
    axis = fan_axes(op, len(in_shape))
    per_source = _nonzero(tensors[op.weight].data, 0, live)
    shape = [1] * len(in_shape)
    shape[axis] = per_source.size
    return np.broadcast_to(per_source.reshape(shape), in_shape).copy()


@_reach.register
def _conv(op: Conv, in_shape: Shape, tensors: Tensors, live: bool) -> Counts64:
    weight = tensors[op.weight].data
    grouped = weight.reshape(op.groups, -1, *weight.shape[1:])
    per_tap = _nonzero(grouped, 1, live).reshape(in_shape[0], *op.window.kernel)
    return _spread(per_tap, _touches(op.window, in_shape[1:]))


@_reach.register
def _conv_transpose(op: ConvTranspose, in_shape: Shape, tensors: Tensors, live: bool) -> Counts64:
    per_tap = _nonzero(tensors[op.weight].data, 1, live)
    w = op.window
    touches: list[Counts64] = []
    for axis, n in enumerate(in_shape[1:]):
        s, d, k = w.stride[axis], w.dilation[axis], w.kernel[axis]
        lo, hi = w.padding[axis]
        out = (n - 1) * s - lo - hi + d * (k - 1) + 1 + op.extra[axis]
        target = np.arange(n) * s + np.arange(k)[:, None] * d - lo
        touches.append(((target >= 0) & (target < out)).astype(np.int64))
    return _spread(per_tap, touches)


@_reach.register
def _synapses(op: Synapses, in_shape: Shape, tensors: Tensors, live: bool) -> Counts64:
    if not live:
        starts = tensors[op.starts].data.astype(np.int64)
        return (starts[1:] - starts[:-1]).reshape(in_shape)
    source = sources_of(tensors[op.starts].data)
    return _histogram(source[tensors[op.weight].data != 0], in_shape)


@_reach.register(Pool)
@_reach.register(MaxPool)
def _windowed(op: Pool | MaxPool, in_shape: Shape, tensors: Tensors, live: bool) -> Counts64:
    per_tap = np.ones((in_shape[0], *op.window.kernel), np.int64)
    return _spread(per_tap, _touches(op.window, in_shape[1:]))


@_reach.register(ReduceAxes)
@_reach.register(ArgMax)
@_reach.register(Reshape)
@_reach.register(Permute)
@_reach.register(Concat)
def _once(
    op: ReduceAxes | ArgMax | Reshape | Permute | Concat,
    in_shape: Shape,
    tensors: Tensors,
    live: bool,
) -> Counts64:
    return np.ones(in_shape, np.int64)


@_reach.register
def _gather(op: Gather, in_shape: Shape, tensors: Tensors, live: bool) -> Counts64:
    taken = _histogram(tensors[op.indices].data, (in_shape[op.axis],))
    shape = [1] * len(in_shape)
    shape[op.axis] = taken.size
    return np.broadcast_to(taken.reshape(shape), in_shape).copy()


def _touches(window: Window, spatial: Shape) -> list[Counts64]:
    """Give touch[k, i] for each axis of a window over positions without the padding."""
    outputs = window.output(spatial)
    found: list[Counts64] = []
    for axis, n in enumerate(spatial):
        touch = np.zeros((window.kernel[axis], n), np.int64)
        for k in range(window.kernel[axis]):
            first = k * window.dilation[axis] - window.padding[axis][0]
            seen = first + window.stride[axis] * np.arange(outputs[axis])
            touch[k, seen[(seen >= 0) & (seen < n)]] = 1
        found.append(touch)
    return found


def _spread(per_tap: Counts64, touches: list[Counts64]) -> Counts64:
    r"""Contract (channels, \*taps) with one matrix (tap, position) per axis."""
    result = per_tap
    for touch in touches:
        result = np.tensordot(result, touch, axes=(1, 0))
    return result
