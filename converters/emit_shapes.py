"""Operations that move elements: reshape, permute, select, join. None may touch the batch axis."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from neurodeploy.converters.emit import Emitter, Padded, signal
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref

__all__ = ["join", "pad", "permute", "reshape", "sample_axes", "sample_axis", "select"]

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


def join(e: Emitter, parts: Sequence[object], axis: int) -> Ref:
    """Add a concatenation along an axis of the batch."""
    refs = [signal(p, "a part of a concatenation") for p in parts]
    at = sample_axis(axis, len(refs[0].shape) + 1, "a concatenation")
    if len(refs) == 1:
        return refs[0]
    return e.builder.concat(e.fresh(), *refs, axis=at, source=e.source)


def pad(x: object, pads: Sequence[tuple[int, int]], value: float) -> Ref | Padded:
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
