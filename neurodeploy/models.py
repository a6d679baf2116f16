"""Finds out what a model is and hands it to the front end that reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from neurodeploy.arrays import to_numpy
from neurodeploy.converters import find_converter
from neurodeploy.converters.callable_model import build_model, is_callable_spec
from neurodeploy.errors import DataError, Finding, UsageError
from neurodeploy.events import Events, event_data, events_of_mapping, to_frames
from neurodeploy.events.sources import OneByOne, is_event_mapping
from neurodeploy.ir.duration import parse_duration
from neurodeploy.ir.file import load_graph
from neurodeploy.ir.graph import Graph
from neurodeploy.npz import load_npz

if TYPE_CHECKING:
    from neurodeploy.training.graph_module import GraphModule

__all__ = ["first_samples", "read_model"]

EXAMPLE_SAMPLES = 8


def read_model(
    model: object,
    *,
    example: object = None,
    weights: str | None = None,
    dt: object = None,
    **options: Any,
) -> Graph:
    """Read whatever `neurodeploy.api.load` takes.

    Args:
        model: A graph, a path, ``module:callable``, or an object that a front end reads.
        example: Samples in any form with a first batch; the first few are used.
        weights: File of weights for a model that code builds.
        dt: Duration of a step.
        **options: What is handed on to the front end, where it is not None.
    """
    seconds = parse_duration(dt)  # type: ignore[arg-type]
    given = {k: v for k, v in options.items() if v is not None}
    layout = given.pop("layout", "NT")
    if layout not in ("NT", "TN"):
        raise UsageError(f"there is no layout {layout!r}", hint="NT: batch first; TN: time first")
    if isinstance(model, Graph):
        _refuse(given | ({"weights": weights} if weights else {}), "a graph")
        return _timed(model, seconds)
    if hasattr(model, "named_modules") and isinstance(getattr(model, "graph", None), Graph):
        _refuse(given | ({"weights": weights} if weights else {}), "a module of to_torch")
        from neurodeploy.training import from_torch

        trained = cast("GraphModule", model)
        return _timed(from_torch(trained, trained.graph), seconds)
    if isinstance(model, str | os.PathLike):
        text = str(model)
        if text.lower().endswith(".nd"):
            _refuse(given | ({"weights": weights} if weights else {}), "an .nd file")
            return _timed(load_graph(Path(text)), seconds)
        if os.path.exists(text) and not os.path.isfile(text):  # a pipe would be waited for
            raise UsageError(Finding("this is no regular file", node=text))
        if is_callable_spec(text) and not os.path.exists(text):
            model = build_model(text, weights=weights)
            weights = None
    if weights is not None:
        if not hasattr(model, "load_state_dict"):
            raise UsageError(f"weights {weights!r} given with a model that holds its own")
        from neurodeploy.converters.weights import load_weights

        model = load_weights(cast(Any, model), weights)
    front_end = find_converter(model)
    samples = first_samples(
        example,
        layout,
        timed=given.get("time_axis") is not None,
        dt=seconds,
        needed=bool(front_end.classes),
    )
    if samples is not None and front_end.classes:
        given["example"] = samples
    return front_end.read(model, dt=seconds, **given)


def _timed(graph: Graph, seconds: Fraction | None) -> Graph:
    return graph if seconds is None else replace(graph, dt=seconds)


def _refuse(given: Mapping[str, Any], what: str) -> None:
    if given:
        raise UsageError(f"{', '.join(sorted(given))} given with {what}, which needs none of it")


def _first(value: object, layout: str, timed: bool) -> npt.NDArray[Any]:
    r"""Give the first samples of an array; numpy's float64 becomes float32, as in every run.

    A model that takes a sequence is shown (N, T, \*input). Every other one makes one step, so
    time-first data gives its first step.
    """
    array = to_numpy(value)
    first = 2 if layout == "TN" else 1  # axes that stand before the shape of an input
    if array.ndim < first or 0 in array.shape[:first]:
        raise DataError(
            Finding(f"an example of shape {list(array.shape)} holds no sample", node="example")
        )
    if layout == "TN":
        array = array.swapaxes(0, 1) if timed and array.ndim > 1 else array[0]
    array = array[:EXAMPLE_SAMPLES]
    return array.astype(np.float32) if array.dtype == np.float64 else array


def first_samples(
    example: object,
    layout: str,
    *,
    timed: bool,
    like: Graph | None = None,
    dt: Fraction | None = None,
    needed: bool = True,
) -> object:
    """Give the first samples of an example in any form: an array, or one for each input.

    Args:
        example: Samples, or None.
        layout: ``NT`` or ``TN``.
        timed: Whether the model takes a sequence.
        like: A graph of the model, which tells shape and step that events are binned into;
            without it both must be known otherwise.
        dt: Duration of a step in seconds.
        needed: Whether the model must be shown samples; events without a shape are passed over
            where it need not.
    """
    if example is None:
        return None
    events, example = event_data(example)
    if events is None and isinstance(example, str | os.PathLike):
        example = load_npz(example)
        if is_event_mapping(example):
            events = events_of_mapping(example)
    if events is not None:
        return _first_frames(events, timed, like, dt) if needed else None
    if isinstance(example, OneByOne):
        layout = "NT"
    if isinstance(example, Mapping):
        arrays = [_first(v, layout, timed) for k, v in example.items() if k not in ("y", "lengths")]
        if not arrays:
            raise DataError("the example holds no samples")
        return arrays[0] if len(arrays) == 1 else tuple(arrays)
    if isinstance(example, np.ndarray) or hasattr(example, "detach"):
        return _first(example, layout, timed)
    if isinstance(example, tuple):
        return tuple(_first(v, layout, timed) for v in example)
    if hasattr(example, "__iter__"):
        batch = next(iter(example), None)
        if batch is None:
            raise DataError("the example gave no batch")
        x = batch[0] if isinstance(batch, list | tuple) and len(batch) == 2 else batch
        return _first(x, layout, timed)
    raise DataError(f"a {type(example).__name__} holds no samples")


def _first_frames(
    events: Events, timed: bool, like: Graph | None, dt: Fraction | None
) -> npt.NDArray[Any]:
    """Bin the first samples; a model of one step is shown the fullest step of each.

    Raises:
        DataError: nothing says which shape a frame has, or how long a step lasts.
    """
    shape = events.shape if like is None else like.inputs[0].shape
    if shape is None:
        raise DataError(
            "events show a model no input: they do not say which shape a frame has",
            hint="--input-shape 2,34,34 at `convert`, example=zeros of shape (1, *input) of load, "
            "or an array `shape` in the .npz file",
        )
    few = events.first(min(EXAMPLE_SAMPLES, events.count))
    step = dt or (None if like is None else like.dt)
    frames, _ = to_frames(few, shape, step, binary=False)
    if timed:
        return frames
    fullest = frames.reshape(*frames.shape[:2], -1).sum(axis=2).argmax(axis=1)
    found: npt.NDArray[Any] = frames[np.arange(frames.shape[0]), fullest]
    return found
