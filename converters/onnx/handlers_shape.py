"""Operators that move elements without computing."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from neurodeploy.converters.emit import Padded, signal
from neurodeploy.converters.emit_shapes import join, pad, permute, reshape, sample_axis, select
from neurodeploy.converters.onnx.constants import axes_of, positions
from neurodeploy.converters.onnx.table import HANDLERS, Operation
from neurodeploy.converters.onnx.tensors import dtype_of
from neurodeploy.converters.onnx.windows import pairs
from neurodeploy.errors import ConversionError

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
    if dtype_of(op.integer("to", 0)) != walk.emit.float_type.dtype:
        raise ConversionError("a cast to another type", hint="leave it out")
    return op.input(0)


@HANDLERS.handles(("", "Shape"))
def _shape(walk: Walk, op: Operation) -> object:
    full = np.array(walk.full(signal(op.input(0))), np.int64)
    end = op.attribute("end")
    return full[op.integer("start", 0) : None if end is None else int(end)]


@HANDLERS.handles(("", "Flatten"))
def _flatten(walk: Walk, op: Operation) -> object:
    full = walk.full(signal(op.input(0)))
    axis = op.integer("axis", 1)
    axis = axis + len(full) if axis < 0 else axis
    return reshape(walk.emit, op.input(0), (prod(full[:axis]), prod(full[axis:])), walk.batch)


@HANDLERS.handles(("", "Reshape"))
def _reshape(walk: Walk, op: Operation) -> object:
    full = walk.full(signal(op.input(0)))
    target = [int(n) for n in walk.array(op.input(1), "the target of a reshape").reshape(-1)]
    if not op.integer("allowzero", 0):
        target = [full[i] if n == 0 and i < len(full) else n for i, n in enumerate(target)]
    known = prod(n for n in target if n != -1)
    if target.count(-1) == 1 and known and prod(full) % known == 0:
        target = [prod(full) // known if n == -1 else n for n in target]
    return reshape(walk.emit, op.input(0), target, walk.batch)


@HANDLERS.handles(("", "Squeeze"))
def _squeeze(walk: Walk, op: Operation) -> object:
    full = walk.full(signal(op.input(0)))
    axes = axes_of(op, 1)
    gone = [i for i, n in enumerate(full) if n == 1] if axes is None else axes
    if any(not -len(full) <= a < len(full) or full[a] != 1 for a in gone):
        raise ConversionError(f"axes {gone} of {list(full)} are not all of length 1")
    kept = [n for i, n in enumerate(full) if i not in {a % len(full) for a in gone}]
    return reshape(walk.emit, op.input(0), kept, walk.batch)


@HANDLERS.handles(("", "Unsqueeze"))
def _unsqueeze(walk: Walk, op: Operation) -> object:
    full = list(walk.full(signal(op.input(0))))
    axes = axes_of(op, 1) or []
    rank = len(full) + len(axes)
    if any(not -rank <= a < rank for a in axes):
        raise ConversionError(f"axes {axes} of {rank}")
    for axis in sorted(a % rank for a in axes):
        full.insert(axis, 1)
    return reshape(walk.emit, op.input(0), full, walk.batch)


@HANDLERS.handles(("", "Transpose"))
def _transpose(walk: Walk, op: Operation) -> object:
    rank = len(signal(op.input(0)).shape) + 1
    order = op.attribute("perm")
    return permute(walk.emit, op.input(0), order or list(reversed(range(rank))))


@HANDLERS.handles(("", "Concat"))
def _concat(walk: Walk, op: Operation) -> object:
    return join(walk.emit, op.inputs, op.integer("axis", 1))


@HANDLERS.handles(("", "Slice"))
def _slice(walk: Walk, op: Operation) -> object:
    found = signal(op.input(0))
    full = walk.full(found)
    for axis, taken in positions(op, full):
        if taken != range(full[axis]):
            at = sample_axis(axis, len(full), "a slice")
            found = select(walk.emit, found, at, taken)
    return found


@HANDLERS.handles(("", "Gather"))
def _gather(walk: Walk, op: Operation) -> object:
    ref = signal(op.input(0))
    indices = walk.array(op.input(1), "the indices of a selection")
    if indices.ndim > 1 or indices.dtype.kind not in "iu":
        raise ConversionError(f"a selection by indices of shape {list(indices.shape)}")
    axis = sample_axis(op.integer("axis", 0), len(ref.shape) + 1, "a selection")
    return select(walk.emit, ref, axis, indices.reshape(-1).tolist(), drop=indices.ndim == 0)


@HANDLERS.handles(("", "Split"))
def _split(walk: Walk, op: Operation) -> object:
    ref = signal(op.input(0))
    axis = sample_axis(op.integer("axis", 0), len(ref.shape) + 1, "a split")
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
    if op.text("mode", "constant") != "constant":
        raise ConversionError(f"padding of mode {op.text('mode', '')!r}", hint="only zeros")
    x = op.input(0)
    rank = len((x.ref if isinstance(x, Padded) else signal(x)).shape) + 1
    flat = [int(n) for n in walk.array(op.input(1), "the widths of a padding").reshape(-1)]
    axes = list(range(rank))
    if op.input(3) is not None:
        axes = [int(a) % rank for a in walk.array(op.input(3), "the axes of a padding").reshape(-1)]
    if len(flat) != 2 * len(axes):
        raise ConversionError(f"padding by {flat} of {len(axes)} axes")
    widths = dict(zip(axes, pairs(flat), strict=True))
    if widths.get(0, (0, 0)) != (0, 0):
        raise ConversionError("padding of the batch axis")
    value = np.zeros(1) if op.input(2) is None else walk.array(op.input(2), "the value")
    if value.size != 1:
        raise ConversionError(f"padding with {value.size} values")
    return pad(x, [widths.get(i, (0, 0)) for i in range(1, rank)], float(value.item()))
