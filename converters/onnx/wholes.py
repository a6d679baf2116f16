"""Runs handlers on values whose batch is not in front (`neurodeploy.converters.onnx.layout`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from neurodeploy.converters.emit import Padded
from neurodeploy.converters.emit_shapes import solid
from neurodeploy.converters.onnx.layout import Layout, Whole, settled, whole
from neurodeploy.converters.onnx.table import Handler, Operation
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref

if TYPE_CHECKING:
    from neurodeploy.converters.onnx.walk import Walk

__all__ = ["ALONG", "ELEMENTWISE", "LAYOUT", "handle_whole", "one_row"]

# operators whose handlers take a Whole as it is, and say where its batch goes
LAYOUT = frozenset({
    "Conv", "ConvInteger", "DynamicQuantizeLinear", "Expand", "Flatten", "GRU", "Gemm",
    "Identity", "LSTM", "MatMul", "MatMulInteger", "RNN", "Reshape", "Shape", "Size", "Squeeze",
    "Transpose", "Unsqueeze",
})  # fmt: skip
# operators that compute along axes and leave the batch where it is; axes by `Walk.axis`
ALONG = frozenset({
    "Concat", "Gather", "LayerNormalization", "LogSoftmax", "Pad", "ReduceL2", "ReduceMax",
    "ReduceMean", "ReduceMin", "ReduceSum", "ReduceSumSquare", "Slice", "Softmax", "Split", "Tile",
    "QuantizeLinear", "DequantizeLinear",
})  # fmt: skip
# operators that compute element by element, by numpy's broadcasting
ELEMENTWISE = frozenset({
    "Abs", "Add", "And", "Cast", "Ceil", "Celu", "Clip", "Div", "Dropout", "Elu", "Equal", "Erf",
    "Exp", "Floor", "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "LeakyRelu",
    "Less", "LessOrEqual", "Log", "Max", "Min", "Mish", "Mul", "Neg", "Not", "Or", "PRelu", "Pow",
    "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Softplus", "Softsign", "Sqrt", "Sub", "Sum",
    "Tanh", "Where",
})  # fmt: skip


def handle_whole(walk: Walk, handler: Handler, op: Operation) -> object:
    """Run a handler of `ALONG` or `ELEMENTWISE` on values in their full shapes.

    Raises:
        ConversionError: the operands have their batches in different places, or a constant
            differs from sample to sample.
    """
    e = walk.emit
    given = {
        i: whole(e, v, walk.batch) for i, v in enumerate(op.inputs) if isinstance(v, Ref | Whole)
    }
    rank = max(len(w.ref.shape) for w in given.values())
    if op.node.op_type in ELEMENTWISE:
        rank = max([rank, *(v.ndim for v in op.inputs if isinstance(v, np.ndarray))])
    layouts = {w.layout.of_rank(len(w.ref.shape), rank) for w in given.values()}
    # one value for each sample goes with any layout
    bound = {found for found in layouts if not found.lone} or layouts
    if len(bound) > 1:
        raise ConversionError("the operands have their batch on different axes")
    layout = bound.pop()
    if op.node.op_type in ELEMENTWISE:
        _refuse_varying(op.inputs, layout, rank)
    operands = [_of_rank(walk, given[i].ref, rank) if i in given else v
                for i, v in enumerate(op.inputs)]  # fmt: skip
    with walk.seen_as(layout):
        made = handler(walk, replace(op, inputs=operands))
    if isinstance(made, tuple):
        return tuple(_back(walk, m, layout, rank) for m in made)
    return _back(walk, made, layout, rank)


def one_row(value: object, batch: int) -> object:
    """Give a constant that has the same row for each sample of the batch with one row."""
    if not isinstance(value, np.ndarray) or batch not in value.shape:
        return value
    axis = value.shape.index(batch)
    first = value.take([0], axis=axis)
    return first if value.strides[axis] == 0 or (value == first).all() else value


def _of_rank(walk: Walk, ref: Ref, rank: int) -> Ref:
    if len(ref.shape) == rank:
        return ref
    shape = (*[1] * (rank - len(ref.shape)), *ref.shape)
    return walk.emit.builder.reshape(walk.emit.fresh("rank"), ref, shape, source=walk.emit.source)


def _refuse_varying(operands: Sequence[object], layout: Layout, rank: int) -> None:
    for value in operands:
        if layout.axis is None or not isinstance(value, np.ndarray):
            continue
        axis = layout.axis - (rank - value.ndim)
        # where axes are folded around the batch, even a constant of one length per fold is odd
        if axis >= 0 and value.shape[axis] != 1:
            raise ConversionError(
                f"a constant of shape {list(value.shape)} would differ from sample to sample"
            )


def _back(walk: Walk, made: object, layout: Layout, rank: int) -> object:
    if isinstance(made, Padded):
        made = solid(walk.emit, made)
    if not isinstance(made, Ref):
        return made
    dropped = walk.dropped
    if layout.axis is None or not dropped:
        return settled(walk.emit, Whole(made, layout))
    axis = layout.axis - sum(a < layout.axis for a in dropped)
    return settled(walk.emit, Whole(made, Layout(axis, layout.before, layout.after)))
