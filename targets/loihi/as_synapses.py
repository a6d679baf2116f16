"""Writes a weighted sum as single synapses, which alone have delays and any shape in Lava."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.ir.ops import Conv, Dense, Synapses
from neurodeploy.ir.synapse_rows import sources_of
from neurodeploy.passes.rewire import Draft
from neurodeploy.semantics.linear import taps

__all__ = ["Rows", "rows_of_map"]

Array = npt.NDArray[Any]


class Rows:
    """Synapses as lists: from which source, to which target, of which weight and delay."""

    def __init__(self, source: Array, target: Array, weight: Array, delay: Array | None) -> None:
        order = np.lexsort((target, source))
        self.source, self.target = source[order], target[order]
        self.weight = weight[order]
        self.delay = None if delay is None else delay[order]

    def starts(self, sources: int) -> Array:
        """Give where the synapses of each source begin, and the number of all."""
        counts = np.bincount(self.source, minlength=sources)
        return np.concatenate([[0], np.cumsum(counts)])


def rows_of_map(
    op: Dense | Conv | Synapses,
    draft: Draft,
    read: tuple[int, ...],
    made: tuple[int, ...],
    weight: Array | None = None,
) -> Rows:
    """Give the synapses of a weighted sum; weights of 0 are none.

    Args:
        op: The operation.
        draft: Where its tensors are.
        read: Shape of what it reads.
        made: Shape of what it sends.
        weight: Other values in the place of its weights.
    """
    if weight is None:
        weight = draft.tensors[op.weight].data.astype(np.int64)
    if isinstance(op, Dense):
        return _dense(op, weight, read, made)
    if isinstance(op, Conv):
        return _conv(op, weight, read, made)
    delay = None if op.delay is None else draft.tensors[op.delay].data.astype(np.int64)
    source = sources_of(draft.tensors[op.starts].data)
    return Rows(source, draft.tensors[op.target].data.astype(np.int64), weight, delay)


def _dense(op: Dense, weight: Array, read: tuple[int, ...], made: tuple[int, ...]) -> Rows:
    axis = op.axis % len(read)
    begin = np.moveaxis(np.arange(int(np.prod(read))).reshape(read), axis, -1)
    end = np.moveaxis(np.arange(int(np.prod(made))).reshape(made), axis, -1)
    begin, end = begin.reshape(-1, read[axis]), end.reshape(-1, made[axis])
    target, source = np.nonzero(weight)
    along = len(begin)
    return Rows(
        begin[:, source].reshape(-1),
        end[:, target].reshape(-1),
        np.tile(weight[target, source], along),
        None,
    )


def _conv(op: Conv, weight: Array, read: tuple[int, ...], made: tuple[int, ...]) -> Rows:
    """Walk over the taps: at each, every position of the output reads one of the input."""
    window = op.window
    places = np.arange(int(np.prod(read[1:]))).reshape(read[1:])
    outputs = np.arange(int(np.prod(made[1:]))).reshape(made[1:])
    size, many = places.size, outputs.size
    each_in, each_out = read[0] // op.groups, made[0] // op.groups
    channels = np.arange(made[0])
    parts: list[tuple[Array, Array, Array]] = []
    for tap in taps(window):
        axes = []
        for axis, t in enumerate(tap):
            at = np.arange(made[1 + axis]) * window.stride[axis] + t * window.dilation[axis]
            axes.append(at - window.padding[axis][0])
        inside = np.ones(made[1:], bool)
        grid = np.meshgrid(*axes, indexing="ij")
        for at, n in zip(grid, read[1:], strict=True):
            inside &= (at >= 0) & (at < n)
        reads = places[tuple(np.where(inside, at, 0) for at in grid)][inside]
        gives = outputs[inside]
        for i in range(each_in):
            source = channels // each_out * each_in + i
            value = weight[(channels, i, *tap)]
            parts.append(
                (
                    (source[:, None] * size + reads).reshape(-1),
                    (channels[:, None] * many + gives).reshape(-1),
                    np.repeat(value, len(reads)),
                )
            )
    source, target, value = (np.concatenate(p) for p in zip(*parts, strict=True))
    kept = value != 0
    return Rows(source[kept], target[kept], value[kept], None)
