"""Operators that move elements without computing."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from neurodeploy.converters.emit import Padded, signal
from neurodeploy.converters.emit_analog import elementwise, unary
from neurodeploy.converters.emit_shapes import join, padded, select
from neurodeploy.converters.onnx.constants import axes_of, positions
from neurodeploy.converters.onnx.table import HANDLERS, Operation
from neurodeploy.converters.onnx.tensors import dtype_of
from neurodeploy.converters.onnx.windows import pairs
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref

if TYPE_CHECKING:
    from neurodeploy.converters.onnx.walk import Walk

__all__: list[str] = []


@HANDLERS.handles(("", "Identity"))
def _identity(walk: Walk, op: Operation) -> object:
    return op.input(0)


@HANDLERS.handles(("", "Dropout"))
def _dropout(walk: Walk, op: Operation) -> object:
    training = op.input(2)
    if (training is not None and bool(np.any(walk.array(training, "training_mode")))) or (
        op.given(1) and op.node.output[1] in walk.wanted
    ):
        raise ConversionError("dropout that is active", hint="export the model in evaluation mode")
    return op.input(0)


@HANDLERS.handles(("", "Cast"))
def _cast(walk: Walk, op: Operation) -> object:
    """Whole numbers and truth values travel as floats; a cast to them rounds or compares."""
    kind = dtype_of(op.integer("to", 0))
    e, x = walk.emit, op.input(0)
    if kind == e.float_type.dtype or (kind is not None and kind == walk.kind(op, 0)):
        return x
    if kind is not None and kind.kind in "iu":
        whole = walk.kind(op, 0)
        return (
            x
            if whole is not None and whole.kind in "iub"
            else unary(e, "round", x, options={"mode": "zero"})
        )
    if kind is not None and kind.kind == "b":
        return elementwise(e, "where", x, np.float64(1), np.float64(0))
    raise ConversionError("a cast to another type", hint="leave it out")


@HANDLERS.handles(("", "Shape"))
def _shape(walk: Walk, op: Operation) -> object:
    full = np.array(walk.full(op.input(0)), np.int64)
    end = op.attribute("end")
    return full[op.integer("start", 0) : None if end is None else int(end)]


@HANDLERS.handles(("", "Size"))
def _size(walk: Walk, op: Operation) -> object:
    return np.array(prod(walk.full(op.input(0))), np.int64)


@HANDLERS.handles(("", "Flatten"))
def _flatten(walk: Walk, op: Operation) -> object:
    full = walk.full(op.input(0))
    axis = op.integer("axis", 1)
    axis = axis + len(full) if axis < 0 else axis
    return walk.reshape(op.input(0), (prod(full[:axis]), prod(full[axis:])))


@HANDLERS.handles(("", "Reshape"))
def _reshape(walk: Walk, op: Operation) -> object:
    full = walk.full(op.input(0))
    target = [int(n) for n in walk.array(op.input(1), "the target of a reshape").reshape(-1)]
    if not op.integer("allowzero", 0):
        target = [full[i] if n == 0 and i < len(full) else n for i, n in enumerate(target)]
    known = prod(n for n in target if n != -1)
    if target.count(-1) == 1 and known and prod(full) % known == 0:
        target = [prod(full) // known if n == -1 else n for n in target]
    return walk.reshape(op.input(0), target)


@HANDLERS.handles(("", "Squeeze"))
def _squeeze(walk: Walk, op: Operation) -> object:
    full = walk.full(op.input(0))
    axes = axes_of(op, 1)
    gone = [i for i, n in enumerate(full) if n == 1] if axes is None else axes
    if any(not -len(full) <= a < len(full) or full[a] != 1 for a in gone):
        raise ConversionError(f"axes {gone} of {list(full)} are not all of length 1")
    kept = [n for i, n in enumerate(full) if i not in {a % len(full) for a in gone}]
    return walk.reshape(op.input(0), kept)


@HANDLERS.handles(("", "Unsqueeze"))
def _unsqueeze(walk: Walk, op: Operation) -> object:
    full = list(walk.full(op.input(0)))
    axes = axes_of(op, 1) or []
    rank = len(full) + len(axes)
    if any(not -rank <= a < rank for a in axes):
        raise ConversionError(f"axes {axes} of {rank}")
    for axis in sorted(a % rank for a in axes):
        full.insert(axis, 1)
    return walk.reshape(op.input(0), full)


@HANDLERS.handles(("", "Transpose"))
def _transpose(walk: Walk, op: Operation) -> object:
    order = op.attribute("perm") or list(reversed(range(len(walk.full(op.input(0))))))
    return walk.transpose(op.input(0), order)


@HANDLERS.handles(("", "Expand"))
def _expand(walk: Walk, op: Operation) -> object:
    target = [int(n) for n in walk.array(op.input(1), "the target of an expansion").reshape(-1)]
    return walk.expand(op.input(0), target)


@HANDLERS.handles(("", "Tile"))
def _tile(walk: Walk, op: Operation) -> object:
    found = signal(op.input(0))
    counts = [int(n) for n in walk.array(op.input(1), "the counts of a tiling").reshape(-1)]
    if len(counts) != len(walk.full(found)) or min(counts, default=1) < 1:
        raise ConversionError(f"a tiling {counts} of {list(found.shape)}")
    for i, count in enumerate(counts):
        if count > 1:
            axis = walk.axis(i, found, "a tiling")
            found = select(walk.emit, found, axis, list(range(found.shape[axis])) * count)
    return found


@HANDLERS.handles(("", "Concat"))
def _concat(walk: Walk, op: Operation) -> object:
    first = next(v for v in op.inputs if isinstance(v, Ref))
    axis = walk.axis(op.integer("axis", 1), first, "a concatenation")
    return join(walk.emit, op.inputs, axis)


@HANDLERS.handles(("", "Slice"))
def _slice(walk: Walk, op: Operation) -> object:
    found = signal(op.input(0))
    full = walk.full(found)
    for axis, taken in positions(op, full):
        if taken != range(full[axis]):
            at = walk.axis(axis, found, "a slice")
            found = select(walk.emit, found, at, taken)
    return found


@HANDLERS.handles(("", "Gather"))
def _gather(walk: Walk, op: Operation) -> object:
    ref = signal(op.input(0))
    indices = walk.array(op.input(1), "the indices of a selection")
    if indices.ndim > 1 or indices.dtype.kind not in "iu":
        raise ConversionError(f"a selection by indices of shape {list(indices.shape)}")
    axis = walk.axis(op.integer("axis", 0), ref, "a selection")
    walk.dropped = (axis,) if indices.ndim == 0 else ()
    return select(walk.emit, ref, axis, indices.reshape(-1).tolist(), drop=indices.ndim == 0)


@HANDLERS.handles(("", "Split"))
def _split(walk: Walk, op: Operation) -> object:
    ref = signal(op.input(0))
    axis = walk.axis(op.integer("axis", 0), ref, "a split")
    length, count = ref.shape[axis], len(op.node.output)
    sizes = op.attribute("split")
    if sizes is None and op.input(1) is not None:
        sizes = [int(n) for n in walk.array(op.input(1), "the sizes of a split").reshape(-1)]
    if sizes is None:
        each = -(-length // count)
        sizes = [each] * (count - 1) + [length - each * (count - 1)]
    if len(sizes) != count or min(sizes) < 1 or sum(sizes) != length:
        raise ConversionError(f"a split of {length} positions into {sizes}")
    ends = np.cumsum(sizes)
    return tuple(
        select(walk.emit, ref, axis, range(end - size, end))
        for size, end in zip(sizes, ends.tolist(), strict=True)
    )


@HANDLERS.handles(("", "Pad"))
def _pad(walk: Walk, op: Operation) -> object:
    x = op.input(0)
    inner = x.ref if isinstance(x, Padded) else signal(x)
    rank = len(walk.full(inner))
    flat = [int(n) for n in walk.array(op.input(1), "the widths of a padding").reshape(-1)]
    axes = list(range(rank))
    if op.input(3) is not None:
        axes = [int(a) % rank for a in walk.array(op.input(3), "the axes of a padding").reshape(-1)]
    if len(flat) != 2 * len(axes):
        raise ConversionError(f"padding by {flat} of {len(axes)} axes")
    widths = [(0, 0)] * len(inner.shape)
    for axis, pair in zip(axes, pairs(flat), strict=True):
        if pair != (0, 0):
            widths[walk.axis(axis, inner, "padding")] = pair
    value = np.zeros(1) if op.input(2) is None else walk.array(op.input(2), "the value")
    if value.size != 1:
        raise ConversionError(f"padding with {value.size} values")
    return padded(walk.emit, x, widths, op.text("mode", "constant"), float(value.item()))
