"""A small evaluator for operators whose operands are all constants.

Exporters compute the target of a reshape, or an unfolded batch norm, by operators. These run
here in numpy, in the types of the file. What would grow beyond `LARGEST` elements is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.converters.onnx.table import Operation
from neurodeploy.converters.onnx.tensors import dtype_of
from neurodeploy.errors import ConversionError

__all__ = ["FOLDS", "axes_of", "fold", "positions"]

Array = npt.NDArray[Any]
Fold = Callable[[Operation, list[Array]], Array]

LARGEST = 1 << 26
# elements of a fill, which is stored as one value
MOST = 1 << 36


def _binary(function: Callable[[Array, Array], Array]) -> Fold:
    def apply(op: Operation, x: list[Array]) -> Array:
        _limit(np.broadcast_shapes(x[0].shape, x[1].shape))
        return function(x[0], x[1])

    return apply


def _unary(function: Callable[[Array], Array]) -> Fold:
    return lambda op, x: function(x[0])


def _divide(a: Array, b: Array) -> Array:
    if a.dtype.kind in "iu":
        if not b.all():
            raise ConversionError("a division by zero")
        quotient: Array = np.abs(a) // np.abs(b) * (np.sign(a) * np.sign(b))
        return quotient.astype(a.dtype)
    result: Array = a / b
    return result


def _limit(shape: Sequence[int]) -> None:
    if prod(shape) > LARGEST:
        raise ConversionError(f"a constant of shape {list(shape)}", hint="it is too large")


def axes_of(op: Operation, position: int) -> list[int] | None:
    """Give axes that are an attribute in older opsets and an operand in newer ones."""
    value = op.attribute("axes")
    if value is not None:
        return list(value)
    operand = op.input(position)
    if operand is None:
        return None
    if not isinstance(operand, np.ndarray):
        raise ConversionError("axes that depend on the network's input")
    return [int(n) for n in operand.reshape(-1)]


def positions(op: Operation, shape: Sequence[int]) -> list[tuple[int, range]]:
    """Give, for a Slice of an array of ``shape``, the axes and the positions taken on each.

    Raises:
        ConversionError: bounds that are no constants or do not go together.
    """
    given: list[list[int] | None] = []
    for i in range(1, 5):
        operand = op.input(i)
        if operand is not None and not isinstance(operand, np.ndarray):
            raise ConversionError("a slice whose bounds depend on the network's input")
        given.append(None if operand is None else [int(n) for n in operand.reshape(-1)])
    starts, ends = given[0] or [], given[1] or []
    axes = given[2] if given[2] is not None else list(range(len(starts)))
    steps = given[3] if given[3] is not None else [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise ConversionError(f"a slice from {starts} to {ends} on axes {axes} by {steps}")
    found = []
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if not -len(shape) <= axis < len(shape):
            raise ConversionError(f"a slice along axis {axis} of {list(shape)}")
        axis %= len(shape)
        # out of range is cut off as Python does: the far ends of int64 stand for "to the end"
        found.append((axis, range(shape[axis])[start:end:step]))
    return found


def _slice(op: Operation, x: list[Array]) -> Array:
    result = x[0]
    for axis, taken in positions(op, result.shape):
        result = result.take(list(taken), axis=axis)
    return result


def _gather(op: Operation, x: list[Array]) -> Array:
    _limit((*x[0].shape, x[1].size))
    taken: Array = x[0].take(x[1].astype(np.int64), axis=op.integer("axis", 0), mode="raise")
    return taken


def _reshape(op: Operation, x: list[Array]) -> Array:
    target = [int(n) for n in x[1].reshape(-1)]
    if not op.integer("allowzero", 0):
        target = [x[0].shape[i] if n == 0 else n for i, n in enumerate(target)]
    return x[0].reshape(target)


def _squeeze(op: Operation, x: list[Array]) -> Array:
    axes = axes_of(op, 1)
    return np.squeeze(x[0], None if axes is None else tuple(axes))


def _unsqueeze(op: Operation, x: list[Array]) -> Array:
    return np.expand_dims(x[0], tuple(axes_of(op, 1) or ()))


def _cast(op: Operation, x: list[Array]) -> Array:
    kind = dtype_of(op.integer("to", 0))
    if kind is None:
        raise ConversionError(f"a cast to ONNX type {op.integer('to', 0)}")
    return x[0].astype(kind)


def _constant_of_shape(op: Operation, x: list[Array]) -> Array:
    shape = [int(n) for n in x[0].reshape(-1)]
    value = op.attribute("value")
    if min(shape, default=0) < 0 or prod(shape) > MOST:
        raise ConversionError(f"a fill of shape {shape}", hint="it is too large")
    if value is None:
        return np.broadcast_to(np.float32(0), shape)
    from neurodeploy.converters.onnx.tensors import read_tensor

    one = read_tensor(value, None, op.name)
    if one.size != 1:
        raise ConversionError(f"a fill with {one.size} values")
    # a view of one value: a batch of open size may have millions of rows
    return np.broadcast_to(one.reshape(()), shape)


def _expand(op: Operation, x: list[Array]) -> Array:
    shape = np.broadcast_shapes(x[0].shape, tuple(int(n) for n in x[1].reshape(-1)))
    _limit(shape)
    return np.broadcast_to(x[0], shape)


def _transpose(op: Operation, x: list[Array]) -> Array:
    return x[0].transpose(op.attribute("perm"))


def _concat(op: Operation, x: list[Array]) -> Array:
    return np.concatenate(x, axis=op.integer("axis", 0))


def _shape(op: Operation, x: list[Array]) -> Array:
    end = op.attribute("end")
    full = np.array(x[0].shape, np.int64)
    return full[op.integer("start", 0) : None if end is None else int(end)]


def _range(op: Operation, x: list[Array]) -> Array:
    start, limit, delta = (v.reshape(()).item() for v in x)
    if not delta or (limit - start) / delta > LARGEST:
        raise ConversionError(f"a range from {start} to {limit} by {delta}")
    return np.asarray(np.arange(start, limit, delta)).astype(x[0].dtype)


def _tile(op: Operation, x: list[Array]) -> Array:
    counts = [int(n) for n in x[1].reshape(-1)]
    _limit([max(0, n) * m for n, m in zip(counts, x[0].shape, strict=True)])
    return np.tile(x[0], counts)


def _reduction(function: Callable[..., Array]) -> Fold:
    def apply(op: Operation, x: list[Array]) -> Array:
        axes = axes_of(op, 1)
        along = tuple(axes) if axes else None
        return function(x[0], axis=along, keepdims=bool(op.integer("keepdims", 1)))

    return apply


def _several(function: Callable[[Array, Array], Array]) -> Fold:
    return lambda op, x: reduce(function, x)


def _clip(op: Operation, x: list[Array]) -> Array:
    given = [None if v is None else v for v in x[1:3]]
    low, high = [*given, None, None][:2]
    return x[0] if low is None and high is None else np.clip(x[0], low, high)


def _dequantize(op: Operation, x: list[Array]) -> Array:
    """``(x - zero_point) * scale``, per tensor or along one axis."""
    scale = x[1]
    zero = x[2] if len(x) > 2 and x[2] is not None else np.zeros_like(scale, x[0].dtype)
    if scale.ndim > 1 or op.integer("block_size", 0):
        raise ConversionError("a quantisation in blocks")
    if scale.size > 1:
        shape = [1] * x[0].ndim
        shape[op.integer("axis", 1)] = -1
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    else:
        scale, zero = scale.reshape(()), zero.reshape(())
    steps: Array = (x[0].astype(np.int64) - zero.astype(np.int64)).astype(scale.dtype)
    return np.asarray(steps * scale)


def _matmul(op: Operation, x: list[Array]) -> Array:
    _limit((*x[0].shape[:-1], *x[1].shape[-1:]))
    return np.asarray(x[0] @ x[1])


def _modulo(op: Operation, x: list[Array]) -> Array:
    """Remainder with the sign of the divisor, or with ``fmod`` that of the dividend."""
    if not op.integer("fmod", 0) and not x[1].all():
        raise ConversionError("a remainder of a division by zero")
    return np.asarray((np.fmod if op.integer("fmod", 0) else np.mod)(x[0], x[1]))


# operator of the default domain: what it computes from constants
FOLDS: dict[str, Fold] = {
    "Abs": _unary(np.abs),
    "Add": _binary(np.add),
    "And": _binary(np.logical_and),
    "Cast": _cast,
    "Ceil": _unary(np.ceil),
    "Clip": _clip,
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "Cos": _unary(np.cos),
    "DequantizeLinear": _dequantize,
    "Div": _binary(_divide),
    "Equal": _binary(np.equal),
    "Exp": _unary(np.exp),
    "Expand": _expand,
    "Floor": _unary(np.floor),
    "Gather": _gather,
    "Greater": _binary(np.greater),
    "GreaterOrEqual": _binary(np.greater_equal),
    "Identity": _unary(np.asarray),
    "Less": _binary(np.less),
    "LessOrEqual": _binary(np.less_equal),
    "Log": _unary(np.log),
    "MatMul": _matmul,
    "Max": _several(np.maximum),
    "Min": _several(np.minimum),
    "Mod": _modulo,
    "Mul": _binary(np.multiply),
    "Neg": _unary(np.negative),
    "Not": _unary(np.logical_not),
    "Or": _binary(np.logical_or),
    "Pow": _binary(np.power),
    "Range": _range,
    "Reciprocal": _unary(np.reciprocal),
    "ReduceMax": _reduction(np.max),
    "ReduceMean": _reduction(np.mean),
    "ReduceMin": _reduction(np.min),
    "ReduceProd": _reduction(np.prod),
    "ReduceSum": _reduction(np.sum),
    "Reshape": _reshape,
    "Round": _unary(np.rint),
    "Shape": _shape,
    "Sin": _unary(np.sin),
    "Size": lambda op, x: np.array(x[0].size, np.int64),
    "Slice": _slice,
    "Sqrt": _unary(np.sqrt),
    "Squeeze": _squeeze,
    "Sub": _binary(np.subtract),
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Where": lambda op, x: np.where(x[0], x[1], x[2]),
}


def fold(op: Operation) -> Array:
    """Compute an operator whose operands are constants.

    Raises:
        ConversionError: its operands do not fit, or its result is too large.
    """
    try:
        with np.errstate(all="ignore"):
            return np.asarray(FOLDS[op.node.op_type](op, list(op.inputs)))
    except (ValueError, IndexError, TypeError, OverflowError, AttributeError) as error:
        raise ConversionError(f"its operands do not fit: {error}") from error
