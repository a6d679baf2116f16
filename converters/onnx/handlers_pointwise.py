"""Sums, products and batch norm."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from neurodeploy.converters.emit_algebra import (
    add,
    batch_norm,
    divide,
    multiply,
    negate,
    subtract,
)
from neurodeploy.converters.emit_analog import elementwise, unary
from neurodeploy.converters.onnx.table import HANDLERS, Operation
from neurodeploy.errors import ConversionError

if TYPE_CHECKING:
    from neurodeploy.converters.onnx.walk import Walk

__all__: list[str] = []


@HANDLERS.handles(("", "Add"))
def _add(walk: Walk, op: Operation) -> object:
    return add(walk.emit, op.input(0), op.input(1))


@HANDLERS.handles(("", "Sum"))
def _sum(walk: Walk, op: Operation) -> object:
    return reduce(lambda a, b: add(walk.emit, a, b), op.inputs)


@HANDLERS.handles(("", "Sub"))
def _sub(walk: Walk, op: Operation) -> object:
    return subtract(walk.emit, op.input(0), op.input(1))


@HANDLERS.handles(("", "Mul"))
def _mul(walk: Walk, op: Operation) -> object:
    return multiply(walk.emit, op.input(0), op.input(1))


@HANDLERS.handles(("", "Div"))
def _div(walk: Walk, op: Operation) -> object:
    kind = walk.kind(op, 0)
    if kind is not None and kind.kind in "iu":
        # of whole numbers, correctly rounded and then cut off: exact
        quotient = elementwise(walk.emit, "divide", op.input(0), op.input(1), part="quotient")
        return unary(walk.emit, "round", quotient, options={"mode": "zero"})
    return divide(walk.emit, op.input(0), op.input(1))


@HANDLERS.handles(("", "Neg"))
def _neg(walk: Walk, op: Operation) -> object:
    return negate(walk.emit, op.input(0))


@HANDLERS.handles(("", "BatchNormalization"))
def _batch_norm(walk: Walk, op: Operation) -> object:
    if op.integer("training_mode", 0) or any(op.given(i) for i in range(1, 5)):
        raise ConversionError(
            "a batch norm in training mode takes its statistics from the batch",
            hint="export the model in evaluation mode",
        )
    names = ("the scale", "the bias", "the mean", "the variance")
    weight, bias, mean, variance = (
        walk.array(op.input(i), name).astype(walk.emit.float_type.dtype)
        for i, name in enumerate(names, 1)
    )
    if not weight.shape == bias.shape == mean.shape == variance.shape:
        raise ConversionError("scale, bias, mean and variance of a batch norm differ in shape")
    epsilon = op.number("epsilon", 1e-5)
    return batch_norm(walk.emit, op.input(0), mean, variance, weight, bias, epsilon)
