"""Shape, type and kind rules of the Map operations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import singledispatch
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import GraphError
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
from neurodeploy.ir.types import (
    BOOL,
    F32,
    Kind,
    NumType,
    QType,
    Signal,
    Tensor,
    num_type_text,
)
from neurodeploy.semantics.types import INT64_MAX, INT64_MIN, Float

__all__ = ["fan_axes", "map_signal", "refuse_empty_windows", "summed_kind", "window_shape"]

Tensors = Mapping[str, Tensor]
MAX_JUMPS = 1 << 20


def map_signal(op: MapOp, arrived: Sequence[Signal], tensors: Tensors) -> Signal:
    """Give the signal that a Map sends.

    Raises:
        GraphError: shapes or types do not go together.
    """
    return _rule(op, arrived, tensors)


def summed_kind(kind: Kind) -> Kind:
    """Give the kind of a weighted sum: of events a current, else what went in."""
    return "current" if kind in ("spike", "graded", "signed") else kind


def accumulator_type(
    x: NumType, weight: Tensor, bias: Tensor | None, declared: QType | None, axis: int = 0
) -> NumType:
    """Give the type of a weighted sum; ``axis`` is the weight's target axis.

    A float weight takes bools (0 or 1) and floats of its own width. Integer weights give the
    range that the worst input can reach at any partial sum, or the declared type, which must
    hold that range unless it wraps; a saturating one needs addends of one sign, else the
    result would depend on the order.
    """
    if isinstance(weight.type, Float):
        if x not in (BOOL, weight.type):
            raise GraphError(
                f"a {num_type_text(x)} signal meets {num_type_text(weight.type)} weights"
            )
        if bias is not None and bias.type != weight.type:
            raise GraphError(
                f"weights are {num_type_text(weight.type)}, bias {num_type_text(bias.type)}"
            )
        if declared is not None:
            raise GraphError("an accumulator type stands beside float weights")
        return weight.type
    if not isinstance(weight.type, QType):
        raise GraphError("bool weights")
    if isinstance(x, Float):
        raise GraphError(f"a {num_type_text(x)} signal meets integer weights")
    if bias is not None and not isinstance(bias.type, QType):
        raise GraphError(f"weights are integers, bias {num_type_text(bias.type)}")
    low, high = (x.lo, x.hi) if isinstance(x, QType) else (0, 1)
    lo, hi = _worst_case(weight.data, low, high, bias.data if bias else None, axis)
    scale = weight.type.scale
    if isinstance(x, QType):
        if len(x.scale) > 1 or x.zero_point or weight.type.zero_point:
            raise GraphError("a weighted sum needs zero points of 0 and one scale of its input")
        scale = tuple(s * x.scale[0] for s in scale)
    if declared is None:
        if lo < INT64_MIN or hi > INT64_MAX:
            raise GraphError(f"the sum may reach [{lo}, {hi}], beyond 64 bits")
        return QType(lo, hi, scale, axis=0 if len(scale) > 1 else None)
    if declared.overflow == "refuse" and not (declared.lo <= lo and hi <= declared.hi):
        raise GraphError(f"the sum may reach [{lo}, {hi}], beyond {num_type_text(declared)}")
    if declared.overflow == "saturate" and lo < 0 < hi:
        raise GraphError(f"a saturating sum of both signs, [{lo}, {hi}], depends on its order")
    return declared


def _worst_case(
    weight: npt.NDArray[Any], low: int, high: int, bias: npt.NDArray[Any] | None, axis: int
) -> tuple[int, int]:
    fan = weight.size // max(1, weight.shape[axis])
    most = max(abs(int(weight.max())), abs(int(weight.min()))) if weight.size else 0
    fits = most * max(abs(low), abs(high), 1) * max(fan, 1) < 2**62
    # whole numbers of Python where int64 might not hold the sum: exact, and slow
    kind = np.int64 if fits else object
    w = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], fan).astype(kind)
    ends = np.stack([w * low, w * high])
    up = np.maximum(ends.max(axis=0), 0).sum(axis=1)
    down = np.minimum(ends.min(axis=0), 0).sum(axis=1)
    hi, lo = int(up.max(initial=0)), int(down.min(initial=0))
    if bias is not None and bias.size:
        hi, lo = hi + max(0, int(bias.max())), lo + min(0, int(bias.min()))
    return lo, hi


@singledispatch
def _rule(op: MapOp, arrived: Sequence[Signal], tensors: Tensors) -> Signal:
    raise GraphError(f"{type(op).__name__} is no Map operation")


def _bias(
    op: Dense | Conv | ConvTranspose | Synapses, out: tuple[int, ...], axis: int, tensors: Tensors
) -> Tensor | None:
    if op.bias is None:
        return None
    bias = tensors[op.bias]
    along = out[axis : axis + 1]
    if bias.data.shape not in (along, out):
        raise GraphError(
            f"bias of shape {list(bias.data.shape)}, expected {list(along)} or {list(out)}"
        )
    return bias


def fan_axes(op: Dense, rank: int) -> int:
    """Give the axis of the input that a Dense sums over, from 0 on.

    Raises:
        GraphError: there is no such axis.
    """
    if not -rank <= op.axis < rank:
        raise GraphError(f"axis {op.axis} of a signal with {rank} axes")
    return op.axis % rank


@_rule.register
def _dense(op: Dense, arrived: Sequence[Signal], tensors: Tensors) -> Signal:
    x, weight = arrived[0], tensors[op.weight]
    axis = fan_axes(op, len(x.shape))
    if weight.data.ndim != 2 or weight.data.shape[1] != x.shape[axis]:
        raise GraphError(
            f"weight of shape {list(weight.data.shape)} meets {x.shape[axis]} inputs "
            f"on axis {axis} of {list(x.shape)}"
        )
    shape = (*x.shape[:axis], weight.data.shape[0], *x.shape[axis + 1 :])
    bias = _bias(op, shape, axis, tensors)
    kind = accumulator_type(x.type, weight, bias, op.accumulator)
    return Signal(shape, _on_axis(kind, axis), summed_kind(x.kind))


def _on_axis(kind: NumType, axis: int) -> NumType:
    if isinstance(kind, QType) and kind.axis is not None and kind.axis != axis:
        return QType(
            kind.lo, kind.hi, kind.scale, kind.zero_point, axis, kind.rounding, kind.overflow
        )
    return kind


def window_shape(x: Signal, channels: int, window: Window) -> tuple[int, ...]:
    r"""Give (channels, \*output) of a window over ``x``.

    Raises:
        GraphError: the ranks differ, or the window does not fit.
    """
    if len(x.shape) != len(window.kernel) + 1:
        raise GraphError(
            f"a window of {len(window.kernel)} spatial axes meets a signal of shape {list(x.shape)}"
        )
    spatial = window.output(x.shape[1:])
    if min(spatial) < 1:
        raise GraphError(f"kernel {list(window.kernel)} does not fit into {list(x.shape[1:])}")
    return (channels, *spatial)


@_rule.register
def _conv(op: Conv, arrived: Sequence[Signal], tensors: Tensors) -> Signal:
    x, weight = arrived[0], tensors[op.weight]
    shape = window_shape(x, weight.data.shape[0] if weight.data.ndim else 0, op.window)
    expected = (shape[0], x.shape[0] // op.groups, *op.window.kernel) if op.groups > 0 else ()
    if op.groups < 1 or x.shape[0] % op.groups or shape[0] % op.groups:
        raise GraphError(f"{op.groups} groups of {x.shape[0]} inputs and {shape[0]} outputs")
    if weight.data.shape != expected:
        raise GraphError(f"weight of shape {list(weight.data.shape)}, expected {list(expected)}")
    kind = accumulator_type(x.type, weight, _bias(op, shape, 0, tensors), op.accumulator)
    return Signal(shape, kind, summed_kind(x.kind))


@_rule.register
def _conv_transpose(op: ConvTranspose, arrived: Sequence[Signal], tensors: Tensors) -> Signal:
    x, weight, w = arrived[0], tensors[op.weight], op.window
    rank = len(w.kernel)
    if len(x.shape) != rank + 1 or len(op.extra) != rank or weight.data.ndim != rank + 2:
        raise GraphError(f"{rank} spatial axes meet a signal of shape {list(x.shape)}")
    if op.groups < 1 or x.shape[0] % op.groups:
        raise GraphError(f"{op.groups} groups of {x.shape[0]} inputs")
    if weight.data.shape != (x.shape[0], weight.data.shape[1], *w.kernel):
        raise GraphError(f"weight of shape {list(weight.data.shape)} meets {x.shape[0]} inputs")
    spatial = tuple(
        (n - 1) * s - lo - hi + d * (k - 1) + 1 + e
        for n, k, s, (lo, hi), d, e in zip(
            x.shape[1:], w.kernel, w.stride, w.padding, w.dilation, op.extra, strict=True
        )
    )
    if min(spatial) < 1 or min(op.extra) < 0:
        raise GraphError(f"output of {list(spatial)} positions")
    shape = (weight.data.shape[1] * op.groups, *spatial)
    per_target = Tensor(np.moveaxis(weight.data, 1, 0), weight.type)
    kind = accumulator_type(x.type, per_target, _bias(op, shape, 0, tensors), op.accumulator)
    return Signal(shape, kind, summed_kind(x.kind))


@_rule.register
def _synapses(op: Synapses, arrived: Sequence[Signal], tensors: Tensors) -> Signal:
    x, weight = arrived[0], tensors[op.weight]
    out = Signal(op.shape, F32, "current")
    if any(n < 1 for n in op.shape):
        raise GraphError(f"shape {list(op.shape)}")
    for name, length, limit in (
        (op.starts, x.size + 1, weight.data.size + 1),
        (op.target, weight.data.size, out.size),
        (op.delay, weight.data.size, 1 << 20),
    ):
        if name is None:
            continue
        index = tensors[name]
        if index.data.shape != (length,) or weight.data.ndim != 1:
            raise GraphError(
                f"{name!r} is {list(index.data.shape)}, due are [{length}]: {x.size} sources and "
                f"weights {list(weight.data.shape)}"
            )
        if not isinstance(index.type, QType):
            raise GraphError(f"{name!r} holds no integers")
        if index.data.size and (int(index.data.min()) < 0 or int(index.data.max()) >= limit):
            raise GraphError(f"{name!r} leaves 0 to {limit - 1}")
    starts = tensors[op.starts].data
    if starts[0] != 0 or starts[-1] != weight.data.size or (starts[1:] < starts[:-1]).any():
        raise GraphError(f"{op.starts!r} does not rise from 0 to {weight.data.size}")
    # one row per target, so that the worst case is that of a single neuron
    bound = weight
    if isinstance(weight.type, QType):
        reached, at = np.unique(tensors[op.target].data, return_inverse=True)
        rows = np.zeros((reached.size, 2), dtype=object)
        np.add.at(rows[:, 0], at, np.maximum(weight.data.astype(object), 0))
        np.add.at(rows[:, 1], at, np.minimum(weight.data.astype(object), 0))
        bound = Tensor(rows, weight.type)
    bias = _bias(op, op.shape, len(op.shape) - 1, tensors)
    kind = accumulator_type(x.type, bound, bias, op.accumulator)
    return Signal(op.shape, kind, summed_kind(x.kind))


def refuse_empty_windows(window: Window, spatial: tuple[int, ...]) -> None:
    """Refuse a window that lies in padding alone at some output position.

    Raises:
        GraphError: there is such a position.
    """
    for n, out, k, s, (lo, _), d in zip(
        spatial,
        window.output(spatial),
        window.kernel,
        window.stride,
        window.padding,
        window.dilation,
        strict=True,
    ):
        # windows that begin behind the end, or before the start with no tap that reaches it;
        # in closed form, because a hostile file may claim billions of positions
        behind = (out - 1) * s - lo >= n
        short = -(-lo // d) >= k
        if behind or short or (d > n and _jumps_over(n, out, s, lo, d, k)):
            raise GraphError(f"padding leaves windows of {list(window.kernel)} without a position")


def _jumps_over(n: int, out: int, stride: int, lo: int, dilation: int, kernel: int) -> bool:
    """Say whether taps further apart than the signal is long may all miss it."""
    count = min(out, -(-lo // stride))
    if count > MAX_JUMPS:
        raise GraphError(f"padding {lo} and dilation {dilation} around {n} positions")
    before = lo - np.arange(count, dtype=np.int64) * stride  # positions before the start
    first = -(-before // dilation)
    return bool(((first >= kernel) | (first * dilation - before >= n)).any())


@_rule.register
def _pool(op: Pool, arrived: Sequence[Signal], tensors: Tensors) -> Signal:
    x = arrived[0]
    shape = window_shape(x, x.shape[0] if x.shape else 0, op.window)
    if op.divisor == "valid":
        refuse_empty_windows(op.window, x.shape[1:])
    kind = x.type
    if x.type == BOOL:
        kind = F32
    elif isinstance(x.type, QType):
        if op.mode == "average":
            raise GraphError("an average of integers", hint="sum, then divide in a cell")
        size = math.prod(op.window.kernel)
        kind = QType(
            min(0, x.type.lo * size), max(0, x.type.hi * size), x.type.scale, axis=x.type.axis
        )
    return Signal(shape, kind, summed_kind(x.kind))


@_rule.register
def _reshape(op: Reshape, arrived: Sequence[Signal], tensors: Tensors) -> Signal:
    x = arrived[0]
    out = Signal(op.shape, x.type, x.kind)
    if any(n < 1 for n in op.shape) or out.size != x.size:
        raise GraphError(f"{list(x.shape)} does not become {list(op.shape)}")
    if isinstance(x.type, QType) and x.type.axis is not None:
        raise GraphError("a signal with a scale per channel is reshaped")
    return out


@_rule.register
def _permute(op: Permute, arrived: Sequence[Signal], tensors: Tensors) -> Signal:
    x = arrived[0]
    if sorted(op.axes) != list(range(len(x.shape))):
        raise GraphError(f"axes {list(op.axes)} of a signal of shape {list(x.shape)}")
    kind = x.type
    if isinstance(kind, QType) and kind.axis is not None:
        kind = _on_axis(kind, op.axes.index(kind.axis))
    return Signal(tuple(x.shape[a] for a in op.axes), kind, x.kind)


@_rule.register
def _concat(op: Concat, arrived: Sequence[Signal], tensors: Tensors) -> Signal:
    first = arrived[0]
    if not 0 <= op.axis < len(first.shape):
        raise GraphError(f"axis {op.axis} of a signal of shape {list(first.shape)}")
    rest = [(*s.shape[: op.axis], *s.shape[op.axis + 1 :]) for s in arrived]
    if any(r != rest[0] for r in rest) or any(len(s.shape) != len(first.shape) for s in arrived):
        raise GraphError(f"shapes {[list(s.shape) for s in arrived]} do not join on axis {op.axis}")
    if any(s.type != first.type for s in arrived):
        raise GraphError(f"types {[num_type_text(s.type) for s in arrived]} do not join")
    if isinstance(first.type, QType) and first.type.axis == op.axis:
        raise GraphError("signals with a scale per channel are joined along the channels")
    length = sum(s.shape[op.axis] for s in arrived)
    kind = first.kind if all(s.kind == first.kind for s in arrived) else "value"
    shape = (*first.shape[: op.axis], length, *first.shape[op.axis + 1 :])
    return Signal(shape, first.type, kind)


@_rule.register
def _gather(op: Gather, arrived: Sequence[Signal], tensors: Tensors) -> Signal:
    x, indices = arrived[0], tensors[op.indices]
    if not 0 <= op.axis < len(x.shape) or indices.data.ndim != 1 or not indices.data.size:
        raise GraphError(f"axis {op.axis} of {list(x.shape)} by indices {list(indices.data.shape)}")
    if not isinstance(indices.type, QType):
        raise GraphError(f"{op.indices!r} holds no integers")
    if int(indices.data.min()) < 0 or int(indices.data.max()) >= x.shape[op.axis]:
        raise GraphError(f"{op.indices!r} leaves 0 to {x.shape[op.axis] - 1}")
    if isinstance(x.type, QType) and x.type.axis == op.axis:
        raise GraphError("a signal with a scale per channel is gathered along the channels")
    shape = (*x.shape[: op.axis], int(indices.data.size), *x.shape[op.axis + 1 :])
    return Signal(shape, x.type, x.kind)
