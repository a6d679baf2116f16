"""Convolutions, Gemm and MatMul."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neurodeploy.converters.emit import Array, signal
from neurodeploy.converters.emit_algebra import dense
from neurodeploy.converters.emit_windows import convolve, convolve_transposed
from neurodeploy.converters.onnx.table import HANDLERS, Operation
from neurodeploy.converters.onnx.windows import frame
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref

if TYPE_CHECKING:
    from neurodeploy.converters.onnx.walk import Walk

__all__: list[str] = []


def _kernel(walk: Walk, op: Operation) -> tuple[Array, tuple[int, ...]]:
    weight = walk.array(op.input(1), "the weight")
    kernel = weight.shape[2:]
    stated = op.attribute("kernel_shape")
    if weight.ndim < 3 or (stated is not None and tuple(stated) != kernel):
        raise ConversionError(f"a weight of shape {list(weight.shape)}, kernel_shape {stated}")
    return weight, kernel


def _bias(walk: Walk, op: Operation) -> str | None:
    if op.input(2) is None:
        return None
    return walk.weight(op, walk.array(op.input(2), "the bias"), "bias")


@HANDLERS.handles(("", "Conv"))
def _conv(walk: Walk, op: Operation) -> object:
    weight, kernel = _kernel(walk, op)
    at = frame(op, op.input(0), kernel)
    return convolve(
        walk.emit,
        op.input(0),
        walk.weight(op, weight, "weight"),
        _bias(walk, op),
        stride=at.stride,
        padding=at.padding,
        dilation=at.dilation,
        groups=op.integer("group", 1),
    )


@HANDLERS.handles(("", "ConvTranspose"))
def _conv_transpose(walk: Walk, op: Operation) -> object:
    weight, kernel = _kernel(walk, op)
    auto = op.text("auto_pad", "NOTSET")
    if auto not in ("NOTSET", "VALID") or op.attribute("output_shape") is not None:
        raise ConversionError(
            "a transposed convolution with auto_pad or output_shape",
            hint="give pads and output_padding",
        )
    at = frame(op, op.input(0), kernel)
    return convolve_transposed(
        walk.emit,
        op.input(0),
        walk.weight(op, weight, "weight"),
        _bias(walk, op),
        stride=at.stride,
        padding=at.padding,
        dilation=at.dilation,
        extra=op.numbers("output_padding", len(kernel), 0),
        groups=op.integer("group", 1),
    )


@HANDLERS.handles(("", "Gemm"))
def _gemm(walk: Walk, op: Operation) -> object:
    ref = signal(op.input(0), "the first factor")
    given = walk.array(op.input(1), "the second factor")
    if op.integer("transA", 0) or len(ref.shape) != 1 or given.ndim != 2:
        raise ConversionError(
            f"a Gemm of samples {list(ref.shape)} and a constant {list(given.shape)}, "
            f"transA={op.integer('transA', 0)}",
            hint="samples are rows, each a vector",
        )
    weight = given if op.integer("transB", 0) else given.T
    alpha, beta = op.number("alpha", 1.0), op.number("beta", 1.0)
    if alpha != 1:
        weight = weight * weight.dtype.type(alpha)
    bias = None
    if op.input(2) is not None:
        constant = walk.array(op.input(2), "the third operand")
        if constant.size not in (1, weight.shape[0]) or constant.shape[:-1] not in ((), (1,)):
            raise ConversionError(f"a Gemm that adds a constant of shape {list(constant.shape)}")
        vector = np.broadcast_to(constant.reshape(-1), weight.shape[:1])
        if beta != 1:
            vector = vector * vector.dtype.type(beta)
        bias = walk.weight(op, vector, "bias", op.input(2))
    return dense(walk.emit, ref, walk.weight(op, weight, "weight", op.input(1)), bias)


@HANDLERS.handles(("", "MatMul"))
def _matmul(walk: Walk, op: Operation) -> object:
    left, right = op.input(0), op.input(1)
    if isinstance(left, Ref) and isinstance(right, np.ndarray) and right.ndim == 2:
        return dense(walk.emit, left, walk.weight(op, right.T, "weight", right), None)
    if isinstance(left, np.ndarray) and left.ndim == 2 and isinstance(right, Ref):
        # (out, in) times (N, in, k): along the last axis but one of each sample
        if len(right.shape) < 2:
            raise ConversionError("a product from the left mixes the samples of a batch")
        return dense(walk.emit, right, walk.weight(op, left, "weight"), None, axis=-2)
    raise ConversionError(
        "a product of two signals, or with a stack of matrices",
        hint="one factor must be a constant matrix; attention is not handled",
    )
