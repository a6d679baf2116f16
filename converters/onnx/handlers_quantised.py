"""Quantised models: codes travel as whole numbers in floats, sums of products in integers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from neurodeploy.converters.emit import Layer, layer_name, signal
from neurodeploy.converters.emit_algebra import dense, negate
from neurodeploy.converters.emit_analog import elementwise
from neurodeploy.converters.emit_quantised import code_range, integer_product, integer_weight
from neurodeploy.converters.emit_windows import convolve, reduce_axes
from neurodeploy.converters.onnx.layout import Layout, Whole, settled
from neurodeploy.converters.onnx.table import HANDLERS, Operation
from neurodeploy.converters.onnx.windows import frame
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.types import QType, tensor

if TYPE_CHECKING:
    from neurodeploy.converters.onnx.walk import Walk

__all__: list[str] = []

Options = dict[str, str | int | bool]
ZERO = np.zeros((), np.float32)


def _along(walk: Walk, op: Operation, value: object, ref: Ref) -> object:
    """Give a scale or zero point, one or one per position of an axis, as it meets a sample."""
    if not isinstance(value, np.ndarray) or value.size == 1:
        return value.reshape(()) if isinstance(value, np.ndarray) else value
    if value.ndim != 1 or op.integer("block_size", 0):
        raise ConversionError("a quantisation in blocks")
    axis = walk.axis(op.integer("axis", 1), ref, "a quantisation")
    return value.reshape([-1 if i == axis else 1 for i in range(len(ref.shape))])


def _number(walk: Walk, value: object) -> Any:
    """Give a scale or zero point that may be a signal without axes."""
    if isinstance(value, Whole) and value.ref.shape == ():
        return value.ref
    if isinstance(value, np.ndarray):
        return value.reshape(()) if value.size == 1 else value
    raise ConversionError("a scale or zero point that is no number")


@HANDLERS.handles(("", "QuantizeLinear"))
def _quantize(walk: Walk, op: Operation) -> object:
    ref = signal(op.input(0))
    given = op.input(2)
    kind = given.dtype if isinstance(given, np.ndarray) else np.dtype(np.uint8)
    if op.integer("output_dtype", 0) not in (0, 2, 3):
        raise ConversionError("codes of another type than 8 bits")
    if given is None and op.integer("output_dtype", 0) == 3:
        kind = np.dtype(np.int8)
    low, high = code_range(kind)
    zero = ZERO if given is None else _along(walk, op, given, ref)
    scale = _along(walk, op, op.input(1), ref)
    options: Options = {"low": low, "high": high}
    return elementwise(walk.emit, "quantize", ref, scale, zero, options=options)


@HANDLERS.handles(("", "DequantizeLinear"))
def _dequantize(walk: Walk, op: Operation) -> object:
    ref = signal(op.input(0))
    zero = ZERO if op.input(2) is None else _along(walk, op, op.input(2), ref)
    return elementwise(walk.emit, "dequantize", ref, _along(walk, op, op.input(1), ref), zero)


@HANDLERS.handles(("", "DynamicQuantizeLinear"))
def _dynamic(walk: Walk, op: Operation) -> object:
    """Codes, scale and zero point of one sample; a file for one sample means nothing else."""
    e, x = walk.emit, op.input(0)
    ref = x.ref if isinstance(x, Whole) else signal(x)
    axes = tuple(range(len(ref.shape)))
    flat = e.builder.reshape(e.fresh("flat"), ref, (ref.signal.size,), source=e.source)
    high = reduce_axes(e, flat, "max", (0,), keepdims=False)
    low = reduce_axes(e, negate(e, flat, "negative"), "max", (0,), keepdims=False)
    low = negate(e, low, "low")
    scale = elementwise(e, "dynamic_scale", low, high, part="scale")
    zero = elementwise(e, "dynamic_zero", low, scale, part="zero")
    ones = (1,) * len(axes)
    wide = [e.builder.reshape(e.fresh("wide"), r, ones, source=e.source) if axes else r
            for r in (scale, zero)]  # fmt: skip
    codes: object = elementwise(e, "quantize", ref, *wide, part="codes")
    if isinstance(x, Whole) and isinstance(codes, Ref):
        codes = Whole(codes, x.layout)
    walk.per_sample.append(op.name)
    lone = Layout(None, lone=True)
    return codes, Whole(scale, lone), Whole(zero, lone)


def _weight(walk: Walk, op: Operation, position: int, zero: object, *, matrix: bool) -> str:
    """Store constant codes without their zero point, which is one number or one per output.

    The outputs are the first axis of a kernel and the last one of a ``matrix``, which is turned.
    """
    codes = walk.array(op.input(position), "the weight")
    if codes.dtype.kind not in "iu" or codes.itemsize > 1 or (matrix and codes.ndim != 2):
        raise ConversionError(f"weights of type {codes.dtype} and shape {list(codes.shape)}")
    codes = codes.T if matrix else codes
    offset = np.zeros((), codes.dtype)
    if zero is not None:
        offset = walk.array(zero, "the zero point of the weight")
        shape = (-1, *[1] * (codes.ndim - 1)) if offset.size > 1 else ()
        offset = offset.reshape(shape)
    return integer_weight(walk.emit, f"{layer_name(op.name)}.weight", codes, offset)


def _codes(walk: Walk, op: Operation, zero: object) -> tuple[int, int]:
    """Give the range of the codes that arrive, by their type in the file."""
    kind = zero.dtype if isinstance(zero, np.ndarray) else walk.kind(op, 0)
    return (0, 255) if kind is None else code_range(kind)


def _wide(walk: Walk, value: object, rank: int) -> object:
    """Give a zero point so that it meets a signal of ``rank`` axes."""
    e, found = walk.emit, ZERO if value is None else _number(walk, value)
    if not isinstance(found, Ref):
        return found
    return e.builder.reshape(e.fresh("wide"), found, (1,) * rank, source=e.source)


def _convolved(walk: Walk, op: Operation, weight: int, zero: int, weight_zero: int) -> Ref:
    """Add the sums of a convolution of codes, as whole numbers; operands by position."""
    x = walk.plain(op.input(0))
    codes = walk.array(op.input(weight), "the weight")
    at = frame(op, x, codes.shape[2:])
    name = _weight(walk, op, weight, op.input(weight_zero), matrix=False)
    e = walk.emit
    bias = None
    if op.node.op_type == "QLinearConv" and op.input(8) is not None:
        values = walk.array(op.input(8), "the bias").astype(np.int64)
        span = max(1, int(np.abs(values).max(initial=0)))
        bias = f"{layer_name(op.name)}.bias"
        e.builder.tensors[bias] = tensor(values, QType(-span, span), name=bias)

    def apply(whole: Ref) -> Ref:
        with e.at(Layer(f"{e.layer.name}.product", e.source)):
            return convolve(
                e,
                whole,
                name,
                bias,
                stride=at.stride,
                padding=at.padding,
                dilation=at.dilation,
                groups=op.integer("group", 1),
            )

    given = op.input(zero)
    return integer_product(e, x, _wide(walk, given, len(x.shape)), _codes(walk, op, given), apply)


@HANDLERS.handles(("", "ConvInteger"))
def _conv_integer(walk: Walk, op: Operation) -> object:
    return _convolved(walk, op, weight=1, zero=2, weight_zero=3)


@HANDLERS.handles(("", "MatMulInteger"))
def _matmul_integer(walk: Walk, op: Operation) -> object:
    x = op.input(0)
    ref = x.ref if isinstance(x, Whole) else signal(x)
    if isinstance(x, Whole) and x.layout.axis == len(ref.shape) - 1:
        raise ConversionError("a product along the batch axis")
    made = _projected(walk, op, ref, weight=1, zero=op.input(2), weight_zero=op.input(3))
    return settled(walk.emit, replace(x, ref=made)) if isinstance(x, Whole) else made


def _projected(
    walk: Walk, op: Operation, ref: Ref, weight: int, zero: object, weight_zero: object
) -> Ref:
    """Add the sums of a product of codes with a constant matrix, as whole numbers."""
    e = walk.emit
    name = _weight(walk, op, weight, weight_zero, matrix=True)

    def apply(whole: Ref) -> Ref:
        with e.at(Layer(f"{e.layer.name}.product", e.source)):
            return dense(e, whole, name, None)

    return integer_product(e, ref, _wide(walk, zero, len(ref.shape)), _codes(walk, op, zero), apply)


def _requantised(
    walk: Walk, op: Operation, sums: Ref, scales: tuple[int, int, int], zero: int
) -> Ref:
    """Add codes of sums: ``rint(sum * (x_scale * weight_scale / y_scale)) + zero``."""
    x, w, y = (walk.array(op.input(i), "a scale").astype(np.float32) for i in scales)
    multiplier = (x.reshape(()) * w) / y.reshape(())
    if multiplier.size > 1:
        axis = -1 if op.node.op_type == "QLinearMatMul" else 0
        shape = [1] * len(sums.shape)
        shape[axis] = -1
        multiplier = multiplier.reshape(shape)
    else:
        multiplier = multiplier.reshape(())
    offset = walk.array(op.input(zero), "the zero point of the output")
    low, high = code_range(offset.dtype)
    options: Options = {"low": low, "high": high}
    operands = (sums, multiplier, offset.reshape(()))
    return elementwise(walk.emit, "requantize", *operands, options=options)


@HANDLERS.handles(("", "QLinearConv"))
def _qlinear_conv(walk: Walk, op: Operation) -> object:
    sums = _convolved(walk, op, weight=3, zero=2, weight_zero=5)
    return _requantised(walk, op, sums, scales=(1, 4, 6), zero=7)


@HANDLERS.handles(("", "QLinearMatMul"))
def _qlinear_matmul(walk: Walk, op: Operation) -> object:
    ref = signal(op.input(0))
    sums = _projected(walk, op, ref, weight=3, zero=op.input(2), weight_zero=op.input(5))
    return _requantised(walk, op, sums, scales=(1, 4, 6), zero=7)
