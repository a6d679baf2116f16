"""Where the batch is in a value of the file, when it is not simply in front.

A graph computes one sample, and a plain value of the file, (N, a, b), is a signal (a, b). An LSTM
wants (T, N, a), attention folds the heads into the batch, (N * heads, a, b), and some files have
no batch at all. Such a value is a `Whole`: a signal in the shape that the file has for N = 1, and
the place of N among its axes. Operators that keep the samples apart move that place along;
nothing is refused before a value is needed in its plain form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from neurodeploy.converters.emit import Emitter, signal
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref

__all__ = ["Layout", "Whole", "full_shape", "plain", "reshaped", "settled", "transposed", "whole"]


@dataclass(frozen=True)
class Layout:
    """The place of the batch: axis ``axis`` is ``before * N * after`` long.

    Attributes:
        axis: The axis; None where the file computes one sample, without a batch.
        before: Length that is folded into the axis in front of the batch.
        after: Length that is folded into it behind.
        lone: The file has one value for the whole batch; here it is one for each sample.
    """

    axis: int | None
    before: int = 1
    after: int = 1
    lone: bool = False

    @property
    def simple(self) -> bool:
        """Whether the batch is an axis of its own, or there is none."""
        return self.before == self.after == 1

    def of_rank(self, rank: int, wanted: int) -> Layout:
        """Give the layout after axes of length 1 were put in front of ``rank`` axes."""
        axis = None if self.axis is None else self.axis + wanted - rank
        return Layout(axis, self.before, self.after, self.lone)


@dataclass(frozen=True)
class Whole:
    """A signal in the full shape of the file for a batch of one."""

    ref: Ref
    layout: Layout


def _reshape(e: Emitter, ref: Ref, shape: Sequence[int]) -> Ref:
    if tuple(shape) == ref.shape:
        return ref
    return e.builder.reshape(e.fresh("reshape"), ref, tuple(shape), source=e.source)


def whole(e: Emitter, value: object, batch: int) -> Whole:
    """Give a value in its full shape."""
    if isinstance(value, Whole):
        return value
    ref = signal(value)
    return Whole(_reshape(e, ref, (1, *ref.shape)), Layout(None if batch == 1 else 0))


def plain(e: Emitter, value: object) -> Ref:
    """Give a value as a signal of one sample.

    Raises:
        ConversionError: the batch is not the first axis.
    """
    if not isinstance(value, Whole):
        return signal(value)
    shape, at = value.ref.shape, value.layout
    if at.axis not in (None, 0) or not at.simple or not shape or shape[0] != 1:
        raise ConversionError(
            f"a value of shape {list(shape)} for one sample does not have its batch axis in front",
            hint="the first axis is the batch; each sample must be computed by itself",
        )
    return _reshape(e, value.ref, shape[1:])


def settled(e: Emitter, value: Whole) -> Ref | Whole:
    """Give a value in its plain form if it has one."""
    shape, at = value.ref.shape, value.layout
    if at.axis in (None, 0) and at.simple and not at.lone and shape and shape[0] == 1:
        return plain(e, value)
    return value


def full_shape(value: Ref | Whole, batch: int) -> tuple[int, ...]:
    """Give the shape that the file has for a value."""
    if isinstance(value, Ref):
        return (batch, *value.shape)
    shape, axis = list(value.ref.shape), value.layout.axis
    if axis is not None:
        shape[axis] *= batch
    return tuple(shape)


def reshaped(e: Emitter, value: Whole, target: Sequence[int], batch: int) -> Ref | Whole:
    """Give a value in another shape; elements keep their order, and so the batch its place.

    Raises:
        ConversionError: the batch does not stay within one axis.
    """
    now, at = full_shape(value, batch), value.layout
    if prod(now) != prod(target) or min(target, default=1) < 1:
        raise ConversionError(f"a reshape of {list(now)} to {list(target)}")
    if at.axis is None:
        return settled(e, Whole(_reshape(e, value.ref, target), at))
    outer = prod(now[: at.axis]) * at.before
    for axis, length in enumerate(target):
        front, folded = prod(target[:axis]), length // batch
        if length % batch or not folded:
            continue
        if outer % front or folded % (outer // front):
            break
        before = outer // front
        shape = [*target[:axis], folded, *target[axis + 1 :]]
        layout = Layout(axis, before, folded // before)
        return settled(e, Whole(_reshape(e, value.ref, shape), layout))
    raise ConversionError(
        f"a reshape of {list(now)} to {list(target)} moves the batch axis",
        hint="keep the batch in front: x.flatten(1), x.view(x.shape[0], ...)",
    )


def transposed(e: Emitter, value: Whole, order: Sequence[int]) -> Ref | Whole:
    """Give a value with its axes in another order.

    Raises:
        ConversionError: the order names other axes than there are.
    """
    rank = len(value.ref.shape)
    if sorted(order) != list(range(rank)):
        raise ConversionError(f"a permutation {list(order)} of {rank} axes")
    at = value.layout
    axis = None if at.axis is None else list(order).index(at.axis)
    moved = value.ref
    # axes of length 1 move without a permutation
    if [a for a in order if moved.shape[a] > 1] != [a for a in range(rank) if moved.shape[a] > 1]:
        moved = e.builder.permute(e.fresh(), moved, tuple(order), source=e.source)
    else:
        moved = _reshape(e, moved, [moved.shape[a] for a in order])
    return settled(e, Whole(moved, Layout(axis, at.before, at.after)))
