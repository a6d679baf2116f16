"""Runs the analog network on calibration data and keeps what its activations did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.converters.ann_to_snn.check import is_activation
from neurodeploy.converters.ann_to_snn.runner import (
    Inputs,
    MakeRunner,
    Meter,
    batch_size,
    batches,
    count,
)
from neurodeploy.errors import ConversionError, Finding
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell

__all__ = ["Observed", "by_channel", "observe"]

Array = npt.NDArray[Any]
VALUES_PER_LAYER = 1 << 22
VALUES_PER_CHANNEL = (512, 8192)


@dataclass(frozen=True, eq=False)
class Observed:
    """What one activation did on the calibration data.

    Attributes:
        shape: Shape of its output, for one sample.
        maximum: Largest value of each channel, over all data; (channels,).
        values: Some values of each channel, drawn evenly over the data; (channels, drawn).
        upper: Ceiling of each channel; infinite for a plain ReLU.
    """

    shape: tuple[int, ...]
    maximum: Array
    values: Array
    upper: Array


def by_channel(x: Array) -> Array:
    r"""Give values (N, \*shape) as (channels, rest).

    A channel is a position of axis 0 of the shape. In a signal of one axis, each neuron is one.
    """
    return np.moveaxis(x, 1, 0).reshape(x.shape[1], -1) if x.ndim > 1 else x.reshape(1, -1)


def observe(
    graph: Graph, inputs: Inputs, make_runner: MakeRunner, meter: Meter, *, seed: int = 0
) -> dict[str, Observed]:
    """Record every activation on the calibration data, in one pass.

    Of large layers a share of the values is kept, drawn by ``seed``, the maxima of all.

    Raises:
        ConversionError: an activation is not finite.
    """
    cells = [c for c in graph.cells if is_activation(c)]
    samples = count(inputs)
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[Array]] = {c.name: [] for c in cells}
    maxima: dict[str, Array] = {}
    keys = [(c.name, c.outputs[0]) for c in cells]
    run = make_runner(graph)
    for trace in batches(run, inputs, 1, keys, batch_size(graph, 1, keys), meter):
        for cell in cells:
            seen = by_channel(trace[(cell.name, cell.outputs[0])][:, 0])
            top = seen.max(axis=1)
            before = maxima.get(cell.name)
            maxima[cell.name] = top if before is None else np.maximum(before, top)
            batch = trace[(cell.name, cell.outputs[0])].shape[0]
            quota = -(-_wanted(seen.shape[0]) * batch // samples)
            if quota < seen.shape[1]:
                seen = seen[:, np.sort(rng.choice(seen.shape[1], quota, replace=False))]
            drawn[cell.name].append(seen)
    found = [
        Finding("an activation is not finite on the calibration data", c.name, c.source)
        for c in cells
        if not np.isfinite(maxima[c.name]).all()
    ]
    if found:
        raise ConversionError(found)
    return {
        c.name: Observed(
            c.shape,
            maxima[c.name].astype(np.float64),
            np.concatenate(drawn[c.name], axis=1),
            _ceiling(graph, c),
        )
        for c in cells
    }


def _wanted(channels: int) -> int:
    least, most = VALUES_PER_CHANNEL
    return max(least, min(most, VALUES_PER_LAYER // channels))


def _ceiling(graph: Graph, cell: Cell) -> Array:
    channels = cell.shape[0] if cell.shape else 1
    for ref in cell.params:
        if ref.name == "upper":
            upper = np.broadcast_to(graph.tensors[ref.tensor].data, cell.shape)
            return np.asarray(by_channel(upper[None]).min(axis=1), dtype=np.float64)
    return np.full(channels, np.inf)
