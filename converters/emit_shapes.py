"""Operations that move elements: reshape, permute, select, join. None may touch the batch axis."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from neurodeploy.converters.emit import Emitter, Padded, signal
from neurodeploy.converters.emit_analog import constant, elementwise
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.ops import Pool, Window

__all__ = [
    "expand",
    "join",
    "pad",
    "padded",
    "permute",
    "reshape",
    "sample_axes",
    "sample_axis",
    "select",
    "solid",
]

Pads = Sequence[tuple[int, int]]

# positions that a selection may list; a file may claim any length
LARGEST = 1 << 24


def sample_axis(axis: int, rank: int, what: str) -> int:
    """Turn an axis of a batch of ``rank`` axes into one of a sample.

    Raises:
        ConversionError: it is the batch axis, or there is none such.
    """
    if not -rank <= axis < rank:
        raise ConversionError(f"{what} along axis {axis} of {rank}")
    if axis % rank == 0:
        raise ConversionError(
            f"{what} along the batch axis: samples would mix",
            hint="the first axis is the batch; each sample must be computed by itself",
        )
    return axis % rank - 1


def sample_axes(axes: Sequence[int], ref: Ref, what: str) -> tuple[int, ...]:
    """Turn axes of a batch of ``ref`` into axes of a sample."""
    return tuple(sample_axis(int(a), len(ref.shape) + 1, what) for a in axes)


def reshape(e: Emitter, x: object, shape: Sequence[int], batch: int) -> Ref:
    """Add a reshape to ``shape``, which has the batch of ``batch`` samples in front.

    Raises:
        ConversionError: the batch axis is not kept.
    """
    ref = signal(x, "the operand of a reshape")
    if not shape or shape[0] != batch or prod(shape[1:]) != ref.signal.size:
        raise ConversionError(
            f"a reshape of {batch} samples {list(ref.shape)} to {list(shape)} moves the batch axis",
            hint="keep the batch in front: x.flatten(1), x.view(x.shape[0], ...)",
        )
    if tuple(shape[1:]) == ref.shape:
        return ref
    return e.builder.reshape(e.fresh(), ref, tuple(shape[1:]), source=e.source)


def permute(e: Emitter, x: object, axes: Sequence[int]) -> Ref:
    """Add a permutation of the axes of a batch.

    Raises:
        ConversionError: the batch axis does not stay in front.
    """
    ref = signal(x, "the operand of a permutation")
    rank = len(ref.shape) + 1
    order = [int(a) % rank for a in axes]
    if sorted(order) != list(range(rank)):
        raise ConversionError(f"a permutation {list(axes)} of {rank} axes")
    if order[0] != 0:
        raise ConversionError(
            f"a permutation {list(axes)} moves the batch axis",
            hint="the first axis is the batch; leave it there",
        )
    inner = tuple(a - 1 for a in order[1:])
    if inner == tuple(range(rank - 1)):
        return ref
    return e.builder.permute(e.fresh(), ref, inner, source=e.source)


def select(e: Emitter, x: object, axis: int, indices: Sequence[int], *, drop: bool = False) -> Ref:
    """Add a selection of ``indices`` along an axis of a sample; ``drop`` removes that axis."""
    ref = signal(x, "the operand of a selection")
    length = ref.shape[axis]
    if not 0 < len(indices) <= LARGEST:
        raise ConversionError(f"a selection of {len(indices)} positions")
    if any(not -length <= i < length for i in indices):
        raise ConversionError(f"a selection outside the {length} positions of axis {axis}")
    at = [i % length for i in indices]
    found = ref
    if at != list(range(length)):
        found = e.builder.gather(e.fresh(), ref, np.array(at), axis=axis, source=e.source)
    if not drop:
        return found
    shape = (*found.shape[:axis], *found.shape[axis + 1 :])
    return e.builder.reshape(e.fresh("reshape"), found, shape, source=e.source)


def expand(e: Emitter, x: object, shape: Sequence[int]) -> Ref:
    """Add the repetition of axes of length 1, and of new axes in front, up to ``shape``.

    Raises:
        ConversionError: the shape is not one that the signal broadcasts to.
    """
    ref = signal(x, "the operand of an expansion")
    wide = (*[1] * (len(shape) - len(ref.shape)), *ref.shape)
    if len(wide) != len(shape) or any(a not in (1, b) for a, b in zip(wide, shape, strict=True)):
        raise ConversionError(f"samples {list(ref.shape)} do not expand to {list(shape)}")
    if prod(shape) > LARGEST:
        raise ConversionError(f"an expansion to {list(shape)}", hint="it is too large")
    found = ref
    if wide != ref.shape:
        found = e.builder.reshape(e.fresh("rank"), ref, wide, source=e.source)
    for axis, length in enumerate(shape):
        if wide[axis] != length:
            found = select(e, found, axis, [0] * length)
    return found


def join(e: Emitter, parts: Sequence[object], axis: int) -> Ref:
    """Add a concatenation along an axis of a sample; constants take part."""
    shape = list(next(p.shape for p in parts if isinstance(p, Ref)))
    refs = []
    for value in parts:
        if isinstance(value, np.ndarray):
            # in front is the batch: one row for all samples, however often it is repeated
            batched = value.ndim == len(shape) + 1
            if batched and (value != value[:1]).any():
                raise ConversionError("a constant that differs from sample to sample")
            array = value[0] if batched else value
            whole = list(shape)
            if array.ndim != len(shape):
                raise ConversionError(f"a constant {list(value.shape)} joins samples {shape}")
            whole[axis] = array.shape[axis]
            refs.append(constant(e, np.broadcast_to(array, whole)))
        else:
            refs.append(signal(value, "a part of a concatenation"))
    if len(refs) == 1:
        return refs[0]
    return e.builder.concat(e.fresh(), *refs, axis=axis, source=e.source)


def pad(x: object, pads: Pads, value: float) -> Ref | Padded:
    """Keep zero padding, for each axis of a sample, for the window that follows.

    Raises:
        ConversionError: it is not of zeros, or cuts away.
    """
    if value != 0:
        raise ConversionError(f"padding with {value}", hint="only zeros are handled")
    if min((n for pair in pads for n in pair), default=0) < 0:
        raise ConversionError("negative padding", hint="cut by a slice instead")
    inner = x.ref if isinstance(x, Padded) else signal(x, "the operand of a padding")
    before = x.pads if isinstance(x, Padded) else tuple((0, 0) for _ in inner.shape)
    both = tuple((a + c, b + d) for (a, b), (c, d) in zip(before, pads, strict=True))
    return Padded(inner, both) if any(map(any, both)) else inner


def solid(e: Emitter, x: object) -> Ref:
    """Give a signal; zero padding that no window takes in becomes a node of its own.

    A sum over windows of one position, with padding, puts zeros around and changes nothing else.
    """
    if not isinstance(x, Padded):
        return signal(x)
    found = x.ref
    for axis, (low, high) in enumerate(x.pads):
        if (low, high) == (0, 0):
            continue
        shape = found.shape
        inner = (prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :]))
        out = (*shape[:axis], low + shape[axis] + high, *shape[axis + 1 :])
        window = Window((1, 1), (1, 1), ((low, high), (0, 0)), (1, 1))
        rows = e.builder.reshape(e.fresh("rows"), found, inner, source=e.source)
        padded = e.builder.map(e.fresh("pad"), Pool(window, "sum"), rows, source=e.source)
        found = e.builder.reshape(e.fresh("padded"), padded, out, source=e.source)
    return found


def padded(e: Emitter, x: object, pads: Pads, mode: str, value: float) -> Ref | Padded:
    """Add padding of any mode: by a constant, by mirroring, or by the border repeated.

    Zeros wait for the window that follows; a constant c is added to zeros around ``x - c``.
    """
    if mode == "constant" and value == 0:
        return pad(x, pads, 0)
    ref = solid(e, x)
    if mode == "constant":
        if not np.isfinite(value):
            raise ConversionError(f"padding with {value}")
        inside = np.pad(np.ones(ref.shape), pads)
        return elementwise(e, "where", inside, solid(e, pad(ref, pads, 0)), np.float64(value))
    for axis, (low, high) in enumerate(pads):
        n = ref.shape[axis]
        if min(low, high) < 0 or (mode == "reflect" and max(low, high) >= n):
            raise ConversionError(f"padding {mode} by {[low, high]} of {n} positions")
        at = np.arange(-low, n + high)
        if mode == "reflect":
            at = np.abs(at)
            at = np.where(at >= n, 2 * (n - 1) - at, at)
        elif mode == "edge":
            at = at.clip(0, n - 1)
        elif mode == "wrap":
            at %= n
        else:
            raise ConversionError(f"padding of mode {mode!r}", hint="constant, reflect, edge, wrap")
        ref = select(e, ref, axis, at.tolist())
    return ref
