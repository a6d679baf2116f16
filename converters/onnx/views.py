"""What handlers ask about shapes and axes, wherever a value has its batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from neurodeploy.converters.emit import Emitter, Padded, signal
from neurodeploy.converters.emit_shapes import expand, permute, reshape, sample_axis
from neurodeploy.converters.onnx.layout import (
    Layout,
    Whole,
    full_shape,
    plain,
    reshaped,
    settled,
    transposed,
    whole,
)
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref

__all__ = ["Views"]


class Views(ABC):
    """The base of the walk: shapes, axes and forms of values.

    A handler sees signals without the batch, or, while ``view`` is set, in the full shape of the
    file for one sample; it asks `axis` and `full` and need not know which.
    """

    emit: Emitter
    view: Layout | None = None
    # axes that the handler at hand removed
    dropped: tuple[int, ...] = ()

    @property
    @abstractmethod
    def batch(self) -> int:
        """Samples of a batch: what the file says, or a number that nothing else equals."""

    @contextmanager
    def seen_as(self, layout: Layout) -> Iterator[None]:
        """Show signals in their full shapes, with the batch as ``layout`` says."""
        self.view = layout
        try:
            yield
        finally:
            self.view = None

    def full(self, value: object) -> tuple[int, ...]:
        """Give the shape of a signal as the file sees it, with its batch."""
        if isinstance(value, Padded):
            value = value.ref
        if isinstance(value, Ref) and self.view is not None:
            value = Whole(value, self.view)
        if not isinstance(value, Whole):
            value = signal(value)
        return full_shape(value, self.batch)

    def axis(self, axis: int, ref: Ref, what: str) -> int:
        """Turn an axis of the file into one of the signal that a handler sees.

        Raises:
            ConversionError: it is the batch axis, or there is none such.
        """
        rank = len(ref.shape)
        if self.view is None:
            return sample_axis(axis, rank + 1, what)
        if not -rank <= axis < rank:
            raise ConversionError(f"{what} along axis {axis} of {rank}")
        if axis % rank == self.view.axis:
            raise ConversionError(f"{what} along the batch axis: samples would mix")
        return axis % rank

    def plain(self, value: object) -> Ref:
        """Give a value as a signal of one sample (`neurodeploy.converters.onnx.layout.plain`)."""
        return plain(self.emit, value)

    def whole(self, value: object) -> Whole:
        """Give a value in its full shape (`neurodeploy.converters.onnx.layout.whole`)."""
        return whole(self.emit, value, self.batch)

    def reshape(self, value: object, target: Sequence[int]) -> object:
        """Add a reshape to ``target``, the batch included."""
        if isinstance(value, Ref):
            at_front = bool(target) and target[0] == self.batch
            if at_front or (len(value.shape) == 0 and not target):
                return reshape(self.emit, value, target, self.batch)
        return reshaped(self.emit, self.whole(value), target, self.batch)

    def transpose(self, value: object, order: Sequence[int]) -> object:
        """Add a permutation of the axes, the batch included."""
        rank = len(self.full(value))
        given = [int(a) % rank for a in order]
        if isinstance(value, Ref) and given[:1] == [0]:
            return permute(self.emit, value, given)
        return transposed(self.emit, self.whole(value), given)

    def expand(self, value: object, target: Sequence[int]) -> object:
        """Add the broadcast to ``target``, the batch included."""
        now = self.full(value)
        rank = max(len(now), len(target))
        wide = [1] * (rank - len(now)) + list(now)
        goal = [1] * (rank - len(target)) + list(target)
        goal = [a if b == 1 else b for a, b in zip(wide, goal, strict=True)]
        held = self.whole(value)
        layout = held.layout.of_rank(len(now), rank)
        if layout.axis is not None:
            if goal[layout.axis] != wide[layout.axis]:
                raise ConversionError(f"an expansion of {list(now)} along the batch axis")
            goal[layout.axis] //= self.batch
        return settled(self.emit, Whole(expand(self.emit, held.ref, goal), layout))
