"""Sums, products, activations and batch norm."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from neurodeploy.converters.emit import signal
from neurodeploy.converters.emit_algebra import (
    add,
    aligned,
    batch_norm,
    clip,
    divide,
    multiply,
    negate,
    relu,
    subtract,
)
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
    return divide(walk.emit, op.input(0), op.input(1))


@HANDLERS.handles(("", "Neg"))
def _neg(walk: Walk, op: Operation) -> object:
    return negate(walk.emit, op.input(0))


@HANDLERS.handles(("", "Relu"))
def _relu(walk: Walk, op: Operation) -> object:
    return relu(walk.emit, op.input(0))


@HANDLERS.handles(("", "Clip"))
def _clip(walk: Walk, op: Operation) -> object:
    limits = [None if op.input(i) is None else walk.array(op.input(i), "a limit") for i in (1, 2)]
    return clip(walk.emit, op.input(0), *limits)


@HANDLERS.handles(("", "Max"))
def _max(walk: Walk, op: Operation) -> object:
    constants = [v for v in op.inputs if isinstance(v, np.ndarray)]
    if len(op.inputs) != 2 or len(constants) != 1 or constants[0].any():
        raise ConversionError("the larger of two signals", hint="use ReLU, or a max pool")
    ref = next(v for v in op.inputs if v is not constants[0])
    aligned(constants[0], signal(ref))
    return relu(walk.emit, ref)


@HANDLERS.handles(("", "LeakyRelu"))
def _leaky(walk: Walk, op: Operation) -> object:
    e = walk.emit
    params = {"slope": op.number("alpha", 0.01)}
    x = signal(op.input(0))
    return e.builder.cell(e.fresh(), "leaky_relu", x, params=params, source=e.source)


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
