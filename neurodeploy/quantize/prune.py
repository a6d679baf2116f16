"""Sets the smallest weights of a graph to 0."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import QuantizationError
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.types import Tensor, tensor
from neurodeploy.passes.rewire import Draft
from neurodeploy.quantize.projections import channel_axis, weighted_maps
from neurodeploy.quantize.scheme import Structure
from neurodeploy.semantics.types import Float

__all__ = ["pruned"]

Array = npt.NDArray[Any]


def pruned(graph: Graph, share: float, structure: Structure = "none") -> Graph:
    """Set a share of each projection's weights to 0.

    ``none``: the weights of least magnitude. ``channel``: all weights into the output channels of
    least root mean square; the channels stay, so that shapes do.

    Args:
        graph: A float graph.
        share: Share of the weights, or of the channels, of each projection; 0 to below 1.
        structure: Which weights go together.

    Raises:
        QuantizationError: the share is out of its range.
    """
    if not 0 <= share < 1:
        raise QuantizationError(f"prune is {share!r}", hint="a share from 0 to below 1")
    draft = Draft(graph, "prune")
    for node in weighted_maps(graph):
        held = graph.tensors[node.op.weight]
        if not share or not isinstance(held.type, Float):
            continue
        axis = channel_axis(node.op)
        if structure == "channel" and axis is not None:
            gone = _weakest_channels(held.data, axis, share)
        else:
            gone = _smallest(held.data, share)
        if not gone.any():
            continue
        values = np.where(gone, 0, held.data)
        draft.tensors[node.op.weight] = _made(values, held, node.op.weight)
        lost = float(np.square(held.data[gone]).sum() / np.square(held.data).sum())
        draft.note(
            node.name,
            f"{int(gone.sum())} of {gone.size} weights set to 0",
            f"bounded: {lost:.2%} of the weights' energy",
            "the channels of least weight" if structure == "channel" else "the smallest weights",
        )
    return draft.finish()


def _made(values: Array, held: Tensor, name: str) -> Tensor:
    return tensor(values, held.type, name=name)


def _smallest(weight: Array, share: float) -> npt.NDArray[np.bool_]:
    size = np.abs(weight).reshape(-1)
    gone = np.zeros(size.size, np.bool_)
    gone[np.argsort(size, kind="stable")[: int(share * size.size)]] = True
    return gone.reshape(weight.shape)


def _weakest_channels(weight: Array, axis: int, share: float) -> npt.NDArray[np.bool_]:
    rows = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)
    order = np.argsort(np.square(rows.astype(np.float64)).mean(axis=1), kind="stable")
    channels = np.zeros(rows.shape[0], np.bool_)
    channels[order[: int(share * rows.shape[0])]] = True
    shape = [1] * weight.ndim
    shape[axis] = -1
    return np.broadcast_to(channels.reshape(shape), weight.shape).copy()
