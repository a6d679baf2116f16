"""Single synapses in rows: those of one source lie together, as in compressed sparse rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import GraphError
from neurodeploy.ir.types import Tensor

__all__ = ["SynapseRows", "row_starts", "sorted_synapses", "sources_of"]

Array = npt.NDArray[Any]
Weights = npt.ArrayLike | Tensor | str


@dataclass(frozen=True)
class SynapseRows:
    """Synapses sorted by source.

    Attributes:
        weight: Their weights, or the name of a tensor.
        starts: (sources + 1,), see `row_starts`.
        target: Flat target index of each.
        delay: Delay of each in steps; None for none.
    """

    weight: Weights
    starts: Array
    target: Array
    delay: Array | None


def sorted_synapses(
    weight: Weights,
    source: npt.ArrayLike,
    target: npt.ArrayLike,
    delay: npt.ArrayLike | None,
    sources: int,
) -> SynapseRows:
    """Sort synapses by source, and keep the given order within one.

    Raises:
        GraphError: lists of several lengths, sources that are no indices below ``sources``, or
            weights given by name that would have to be sorted.
    """
    at, to = np.asarray(source), np.asarray(target)
    late = None if delay is None else np.asarray(delay)
    for what, found in (("targets", to), ("delays", late)):
        if found is not None and found.shape != at.shape:
            raise GraphError(f"{at.size} sources and {found.size} {what} are not of one length")
    if at.ndim != 1 or (at.size and (at.dtype.kind not in "iuf" or (at != np.rint(at)).any())):
        raise GraphError(f"{at.dtype} sources of shape {list(at.shape)} where integers are due")
    if at.size and (at.min() < 0 or at.max() >= sources):
        raise GraphError(f"a source leaves 0 to {sources - 1}")
    starts = row_starts(at, sources)
    if (at[1:] >= at[:-1]).all():
        return SynapseRows(weight, starts, to, late)
    if isinstance(weight, str):
        raise GraphError(f"the tensor {weight!r} is not sorted by source", hint="sort the synapses")
    order = np.argsort(at, kind="stable")
    return SynapseRows(
        _picked(weight, order), starts, to[order], None if late is None else late[order]
    )


def _picked(weight: npt.ArrayLike | Tensor, order: Array) -> npt.ArrayLike | Tensor:
    values = weight.data if isinstance(weight, Tensor) else np.asarray(weight)
    if values.shape != order.shape:
        raise GraphError(f"{order.size} sources and {values.size} weights are not of one length")
    if not isinstance(weight, Tensor):
        return values[order]
    picked = values[order]
    picked.setflags(write=False)
    return Tensor(picked, weight.type)


def row_starts(source: npt.ArrayLike, sources: int) -> Array:
    """Give where the synapses of each source begin in a list that is sorted by source.

    >>> row_starts([0, 0, 2], 3).tolist()
    [0, 2, 2, 3]

    Args:
        source: Source of each synapse, each below ``sources``.
        sources: Number of sources.

    Returns:
        (sources + 1,): those of source i are ``starts[i]`` to ``starts[i + 1]``.
    """
    count = np.bincount(np.asarray(source, np.int64), minlength=sources)
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(count)])


def sources_of(starts: Array) -> Array:
    """Give the flat source index of each synapse.

    >>> sources_of(np.array([0, 2, 2, 3])).tolist()
    [0, 0, 2]

    Args:
        starts: As of `row_starts`.
    """
    count: Array = np.diff(starts.astype(np.int64))
    return np.repeat(np.arange(count.size), count)
