r"""What becomes of ``scale * x + shift`` behind an operation on ``x``.

For an operation L, `carried` gives the scale and shift with
``L(scale * x + shift) = scale' * L(x) + shift'``. Everything is float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.ir.nodes import Map, Node, Reduce
from neurodeploy.ir.ops import Concat, Gather, MaxPool, Permute, Pool, ReduceAxes, Reshape
from neurodeploy.ir.types import Signal, Tensor
from neurodeploy.semantics.linear import apply_map
from neurodeploy.semantics.reduce import apply_axes

__all__ = ["Scaling", "carried", "compact", "identity", "uniform_along"]

F64Array = npt.NDArray[np.float64]
_F64 = np.dtype(np.float64)


@dataclass(frozen=True, eq=False)
class Scaling:
    """``scale * x + shift``, elementwise; both arrays have the shape of ``x`` (one sample)."""

    scale: F64Array
    shift: F64Array

    @property
    def shifts(self) -> bool:
        """The shift is not 0 everywhere."""
        return bool(self.shift.any())


def identity(shape: tuple[int, ...]) -> Scaling:
    """Give the scaling that changes nothing."""
    return Scaling(np.ones(shape), np.zeros(shape))


def uniform_along(array: npt.NDArray[Any], axes: Sequence[int]) -> bool:
    """Say whether an array has one value along ``axes``."""
    index = tuple(slice(0, 1) if a in axes else slice(None) for a in range(array.ndim))
    return bool((array == array[index]).all())


def compact(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Keep one position of each axis along which nothing changes: channel granularity.

    >>> compact(np.array([[1.0, 1.0], [2.0, 2.0]])).shape
    (2, 1)
    """
    for axis in range(array.ndim):
        if uniform_along(array, (axis,)):
            array = array.take([0], axis=axis)
    return array.reshape(()) if array.size == 1 else array


def carried(
    node: Node, arrived: Sequence[Scaling], out: Signal, tensors: Mapping[str, Tensor]
) -> Scaling | None:
    """Give the scaling behind ``node`` for those of its inputs, or None if there is none.

    1. Reshape, permute, gather, concat: the same elements in other places.
    2. Sum and average pools, sum and mean along axes: where the scale is one number in each
       window; the shift is what the pool makes of it, padding included.
    3. Max pools and maxima: where scale and shift are one number in each window, and the scale
       is positive; a cumulative one takes no shift.
    4. Everything else: None. (What has weights takes the scaling in: `weights`.)
    """
    if isinstance(node, Map) and isinstance(node.op, Reshape | Permute | Gather | Concat):
        places = {name: t.data for name, t in tensors.items()}
        moved = [
            apply_map(node.op, [part[None] for part in parts], out, places, _F64)[0]
            for parts in ([s.scale for s in arrived], [s.shift for s in arrived])
        ]
        return Scaling(moved[0], moved[1])
    given = arrived[0]
    if isinstance(node, Map) and isinstance(node.op, Pool):
        if not uniform_along(given.scale, range(1, given.scale.ndim)):
            return None
        shift = apply_map(node.op, [given.shift[None]], out, {}, _F64)[0]
        return Scaling(_spread(given.scale, out.shape), shift)
    if not isinstance(node, Reduce):
        return None
    op = node.op
    if isinstance(op, MaxPool):
        if not _monotone(given, range(1, given.scale.ndim)):
            return None
        if op.mode == "cumulative" and given.shifts:
            return None
        return Scaling(_spread(given.scale, out.shape), _spread(given.shift, out.shape))
    if isinstance(op, ReduceAxes):
        return _along_axes(op, given, out)
    return None


def _along_axes(op: ReduceAxes, given: Scaling, out: Signal) -> Scaling | None:
    if not uniform_along(given.scale, op.axes):
        return None
    if op.function == "max" and not _monotone(given, op.axes):
        return None
    scale = given.scale[tuple(0 if a in op.axes else slice(None) for a in range(given.scale.ndim))]
    shift = apply_axes(op, given.shift[None], out, _F64)[0]
    return Scaling(scale.reshape(out.shape), shift)


def _monotone(given: Scaling, axes: Sequence[int]) -> bool:
    flat = uniform_along(given.scale, axes) and uniform_along(given.shift, axes)
    return flat and bool((given.scale > 0).all())


def _spread(channels: F64Array, shape: tuple[int, ...]) -> F64Array:
    """Give what is one number per channel in another spatial shape."""
    first = channels.reshape(channels.shape[0], -1)[:, 0]
    return np.broadcast_to(first.reshape(-1, *[1] * (len(shape) - 1)), shape)
