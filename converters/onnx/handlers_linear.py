"""Convolutions, Gemm and MatMul."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from neurodeploy.converters.emit import Array, signal
from neurodeploy.converters.emit_algebra import dense
from neurodeploy.converters.emit_products import matmul, stacked
from neurodeploy.converters.emit_windows import convolve, convolve_transposed
from neurodeploy.converters.onnx.layout import Whole, settled
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
    x = op.input(0)
    if isinstance(x, Whole):
        if x.layout.axis in (None, 0) and x.ref.shape[:1] != (1,):
            return _conv_of_stack(walk, op, x, weight)
        x = walk.plain(x)
    at = frame(op, x, kernel)
    return convolve(
        walk.emit,
        x,
        walk.weight(op, weight, "weight"),
        _bias(walk, op),
        stride=at.stride,
        padding=at.padding,
        dilation=at.dilation,
        groups=op.integer("group", 1),
    )


def _conv_of_stack(walk: Walk, op: Operation, x: Whole, weight: Array) -> object:
    """Convolve each of several parts of a sample that the file has on its batch axis.

    The parts become positions of one more spatial axis, along which the kernel is 1 long; each
    sum keeps its terms and their order.
    """
    e, rank = walk.emit, weight.ndim
    if len(x.ref.shape) != rank or rank > 4:
        raise ConversionError(f"a convolution of a stack {list(x.ref.shape)}")
    turn = (1, 0, *range(2, rank))
    channels_first = e.builder.permute(e.fresh("stack"), x.ref, turn, source=e.source)
    at = frame(op, channels_first, weight.shape[2:], skip=2)
    made = convolve(
        e,
        channels_first,
        walk.weight(op, weight[:, :, None], "weight", op.input(1)),
        _bias(walk, op),
        stride=(1, *at.stride),
        padding=((0, 0), *at.padding),
        dilation=(1, *at.dilation),
        groups=op.integer("group", 1),
    )
    back = e.builder.permute(e.fresh("stacked"), made, turn, source=e.source)
    return settled(e, replace(x, ref=back))


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
    x = op.input(0)
    ref = x.ref if isinstance(x, Whole) else signal(x, "the first factor")
    given = walk.array(op.input(1), "the second factor")
    # rows are samples, or parts of one
    rows = isinstance(x, Whole) and len(ref.shape) == 2 and x.layout.axis != 1
    if op.integer("transA", 0) or not (rows or len(ref.shape) == 1) or given.ndim != 2:
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
    made = dense(walk.emit, ref, walk.weight(op, weight, "weight", op.input(1)), bias)
    return settled(walk.emit, replace(x, ref=made)) if isinstance(x, Whole) else made


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
    if isinstance(left, Whole) and isinstance(right, np.ndarray) and right.ndim == 2:
        if left.layout.axis == len(left.ref.shape) - 1:
            raise ConversionError("a product along the batch axis")
        made = dense(walk.emit, left.ref, walk.weight(op, right.T, "weight", right), None)
        return settled(walk.emit, replace(left, ref=made))
    if isinstance(left, Ref) and isinstance(right, Ref):
        return matmul(walk.emit, left, right)
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return stacked(walk.emit, *(walk.plain(v) if isinstance(v, Whole) else v
                                    for v in (left, right)))  # fmt: skip
    return _stack(walk, left, right)


def _stack(walk: Walk, left: object, right: object) -> object:
    """Multiply stacks of matrices among whose axes the batch is, folded or not."""
    a, b = walk.whole(left), walk.whole(right)
    rank = max(len(a.ref.shape), len(b.ref.shape))
    layouts = {w.layout.of_rank(len(w.ref.shape), rank) for w in (a, b)}
    layout = layouts.pop()
    if layouts or (layout.axis is not None and layout.axis >= rank - 2):
        raise ConversionError("a product of stacks of matrices whose batch axes do not meet")
    return settled(walk.emit, Whole(matmul(walk.emit, a.ref, b.ref), layout))
