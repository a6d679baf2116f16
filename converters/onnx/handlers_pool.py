"""Pools and reductions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from neurodeploy.converters.emit import signal
from neurodeploy.converters.emit_algebra import negate
from neurodeploy.converters.emit_analog import unary
from neurodeploy.converters.emit_windows import average_pool, max_pool, reduce_axes
from neurodeploy.converters.onnx.constants import axes_of
from neurodeploy.converters.onnx.table import HANDLERS, Operation
from neurodeploy.converters.onnx.windows import frame
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref

if TYPE_CHECKING:
    from neurodeploy.converters.onnx.walk import Walk

__all__: list[str] = []


@HANDLERS.handles(("", "MaxPool"))
def _max_pool(walk: Walk, op: Operation) -> object:
    if op.given(1):
        raise ConversionError("a max pool that gives indices", hint="only its values are handled")
    at = frame(op, op.input(0), op.attribute("kernel_shape"))
    return max_pool(
        walk.emit,
        op.input(0),
        kernel=at.kernel,
        stride=at.stride,
        padding=at.padding,
        dilation=at.dilation,
        ceil=bool(op.integer("ceil_mode", 0)),
    )


@HANDLERS.handles(("", "AveragePool"))
def _average_pool(walk: Walk, op: Operation) -> object:
    at = frame(op, op.input(0), op.attribute("kernel_shape"))
    if any(d != 1 for d in at.dilation):
        raise ConversionError(f"an average pool with dilations {list(at.dilation)}")
    return average_pool(
        walk.emit,
        op.input(0),
        kernel=at.kernel,
        stride=at.stride,
        padding=at.padding,
        ceil=bool(op.integer("ceil_mode", 0)),
        count_padding=bool(op.integer("count_include_pad", 0)),
    )


@HANDLERS.handles(("", "GlobalAveragePool"))
def _global_average(walk: Walk, op: Operation) -> object:
    ref = signal(op.input(0))
    return reduce_axes(walk.emit, ref, "mean", range(1, len(ref.shape)), keepdims=True)


@HANDLERS.handles(("", "GlobalMaxPool"))
def _global_max(walk: Walk, op: Operation) -> object:
    ref = signal(op.input(0))
    return reduce_axes(walk.emit, ref, "max", range(1, len(ref.shape)), keepdims=True)


def _reduce(walk: Walk, op: Operation, x: object, function: Literal["sum", "mean", "max"]) -> Ref:
    ref = signal(x)
    axes = axes_of(op, 1)
    keepdims = bool(op.integer("keepdims", 1))
    if not axes:
        if axes is not None and op.integer("noop_with_empty_axes", 0):
            return ref
        if walk.batch != 1:
            raise ConversionError(
                f"{op.node.op_type} over all axes, the batch included",
                hint="name the axes to reduce",
            )
        axes = list(range(len(ref.shape)) if walk.view else range(1, len(ref.shape) + 1))
    inner = [walk.axis(a, ref, op.node.op_type) for a in axes]
    walk.dropped = () if keepdims else tuple(inner)
    return reduce_axes(walk.emit, ref, function, inner, keepdims)


@HANDLERS.handles(("", "ReduceMean"))
def _mean(walk: Walk, op: Operation) -> object:
    return _reduce(walk, op, op.input(0), "mean")


@HANDLERS.handles(("", "ReduceSum"))
def _sum(walk: Walk, op: Operation) -> object:
    return _reduce(walk, op, op.input(0), "sum")


@HANDLERS.handles(("", "ReduceMax"))
def _max(walk: Walk, op: Operation) -> object:
    return _reduce(walk, op, op.input(0), "max")


@HANDLERS.handles(("", "ReduceMin"))
def _min(walk: Walk, op: Operation) -> object:
    return negate(walk.emit, _reduce(walk, op, negate(walk.emit, op.input(0), "negate"), "max"))


@HANDLERS.handles(("", "ReduceSumSquare"))
def _sum_square(walk: Walk, op: Operation) -> object:
    squares = unary(walk.emit, "power", op.input(0), options={"exponent": 2}, part="squares")
    return _reduce(walk, op, squares, "sum")


@HANDLERS.handles(("", "ReduceL2"))
def _l2(walk: Walk, op: Operation) -> object:
    return unary(walk.emit, "sqrt", _sum_square(walk, op))
