r"""Gathers samples out of mappings, files, lists, loaders, data sets and events.

Everything becomes arrays by input, labels, and the steps that each sample lasts; whether they fit
the graph is for `neurodeploy.data` to check.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from neurodeploy.arrays import to_numpy
from neurodeploy.errors import DataError
from neurodeploy.events import Events, event_data, events_of_mapping, to_frames
from neurodeploy.events.sources import OneByOne, is_event_mapping
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Input
from neurodeploy.ir.types import BOOL, QType
from neurodeploy.npz import load_npz

__all__ = ["Gathered", "gather"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Gathered:
    """Samples that were found, unchecked.

    Attributes:
        arrays: By input.
        labels: Labels, or None.
        lengths: (N,) steps that each sample lasts; None where all last as long as the arrays.
        layout: Layout of the arrays; what was binned from events is batch first.
    """

    arrays: dict[str, Array]
    labels: object
    lengths: object
    layout: str


def gather(
    graph: Graph,
    data: object,
    layout: str,
    *,
    timesteps: int | None = None,
    dt: Fraction | None = None,
    limit: int | None = None,
) -> Gathered:
    """Find the samples in ``data``.

    Args:
        graph: The graph whose inputs are fed.
        data: Samples in any accepted form.
        layout: ``NT`` or ``TN``.
        timesteps: T of a run; events are binned into as many steps.
        dt: Duration of a step in seconds, where it is not the graph's.
        limit: Bin the events of the first ``limit`` samples only.

    Raises:
        DataError: there are none, or events that do not fit.
    """
    first = graph.inputs[0].name
    names = {n.name for n in graph.inputs}
    # names of inputs come before those of the file format
    events, data = (None, data) if _is_named(data, names) else event_data(data)
    if events is None and isinstance(data, str | os.PathLike):
        data = load_npz(data)
        if not _is_named(data, names) and is_event_mapping(data):
            events = events_of_mapping(data)
    if events is not None:
        return _binned(graph, events, timesteps, dt or graph.dt, limit)
    if isinstance(data, Mapping):
        if "events" in data and "events" not in names:
            raise DataError(
                "events without offsets", hint="offsets (N + 1): sample i ends at offsets[i + 1]"
            )
        arrays = {str(k): to_numpy(v) for k, v in data.items()}
        y, lengths = (None if k in names else arrays.pop(k, None) for k in ("y", "lengths"))
        if "x" in arrays and "x" not in names and len(names) == 1:
            arrays[first] = arrays.pop("x")
        return Gathered(arrays, y, lengths, layout)
    if isinstance(data, np.ndarray) or hasattr(data, "detach") or hasattr(data, "__array__"):
        return Gathered({first: to_numpy(data)}, None, None, layout)
    if isinstance(data, list | tuple) and data and not _is_batch(graph, data[0]):
        return Gathered({first: to_numpy(data)}, None, None, layout)
    if isinstance(data, Iterable):
        layout = "NT" if isinstance(data, OneByOne) else layout
        return _from_batches(graph, cast("Iterable[object]", data), layout)
    raise DataError(
        f"a {type(data).__name__} holds no samples",
        hint="an array, a mapping of input names to arrays, an .npz, .h5 or .aedat4 path, events, "
        "or batches (x, y)",
    )


def _is_named(data: object, names: set[str]) -> bool:
    return isinstance(data, Mapping) and {"events", "offsets"} <= names


def _binned(
    graph: Graph,
    events: Events,
    timesteps: int | None,
    dt: Fraction | None,
    limit: int | None,
) -> Gathered:
    node = graph.inputs[0]
    if len(graph.inputs) > 1:
        raise DataError(
            "events feed one input; the graph has several", hint="a mapping of arrays by input"
        )
    if limit is not None and limit < events.count:
        events = events.first(limit)
    binary = node.type == BOOL or node.kind == "spike"
    dtype = np.dtype(np.int64) if isinstance(node.type, QType) else node.type.dtype
    frames, lengths = to_frames(events, node.shape, dt, timesteps, binary=binary, dtype=dtype)
    return Gathered({node.name: frames}, events.labels, lengths, "NT")


def _is_batch(graph: Graph, item: object) -> bool:
    """Tell a batch, or a pair (x, y), from a sample written as numbers or as an array."""
    if isinstance(item, list | tuple):
        return any(hasattr(part, "shape") for part in item)
    return hasattr(item, "shape") and np.ndim(to_numpy(item)) > len(graph.inputs[0].shape)


def _from_batches(graph: Graph, batches: Iterable[object], layout: str) -> Gathered:
    node = graph.inputs[0]
    if len(graph.inputs) > 1:
        raise DataError("batches feed one input; the graph has several", hint="pass a mapping")
    xs: list[Array] = []
    ys: list[Array] = []
    for batch in batches:
        given, y = _x_and_y(node, batch)
        x = to_numpy(given)
        if layout == "TN" and x.ndim == len(node.shape) + 2:
            x = np.moveaxis(x, 0, 1)
        xs.append(x)
        if y is not None:
            ys.append(np.atleast_1d(to_numpy(y)))
    if not xs:
        raise DataError("the iterable gave no batch")
    timed = int(xs[0].ndim == len(node.shape) + 2)
    shapes = {x.shape[1 + timed :] for x in xs}
    if len({x.ndim for x in xs}) > 1 or xs[0].ndim == 0 or len(shapes) > 1:
        found = [list(s) for s in dict.fromkeys(x.shape for x in xs)]
        raise DataError(f"the batches do not go together: shapes {found}")
    if len({y.ndim for y in ys}) > 1:
        raise DataError("the labels of the batches do not go together")
    labels = np.concatenate(ys) if ys else None
    lengths = None
    if xs[0].ndim == len(node.shape) + 2:
        longest = max(x.shape[1] for x in xs)
        if any(x.shape[1] != longest for x in xs):
            lengths = np.concatenate([np.full(x.shape[0], x.shape[1], np.int64) for x in xs])
            xs = [_silenced(x, longest) for x in xs]
    return Gathered({node.name: np.concatenate(xs)}, labels, lengths, "NT")


def _x_and_y(node: Input, batch: object) -> tuple[object, object]:
    """Give the samples and the labels of a batch, None where it has no labels."""
    if isinstance(batch, list | tuple):
        if len(batch) == 2:
            return batch[0], batch[1]
        # a loader of one tensor wraps each batch into a list, which is no axis of the data
        alone = len(batch) == 1 and hasattr(batch[0], "shape")
        if alone and np.ndim(to_numpy(batch[0])) > len(node.shape):
            return batch[0], None
    return batch, None


def _silenced(x: Array, steps: int) -> Array:
    """Pad a batch to ``steps`` with silence."""
    pad = [(0, 0), (0, steps - x.shape[1]), *[(0, 0)] * (x.ndim - 2)]
    return np.pad(x, pad)
