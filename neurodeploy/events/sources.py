"""Recognises events in what people pass: mappings, structured arrays, pairs, data sets."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from neurodeploy.arrays import to_numpy
from neurodeploy.errors import DataError, Finding
from neurodeploy.events.files import SUFFIXES, read_events
from neurodeploy.events.record import Events

__all__ = [
    "OneByOne",
    "event_data",
    "events_of_mapping",
    "events_of_samples",
    "is_data_set",
    "is_event_mapping",
    "items_of",
    "one_by_one",
]

Array = npt.NDArray[Any]
FIELDS = ("t", "x", "y", "p")


def event_data(data: object) -> tuple[Events | None, object]:
    """Give the events in ``data``, or None and the data, with nothing drawn from it lost.

    Args:
        data: Anything that is accepted as samples. An iterator is looked into, so it is given
            back with its first item in front.

    Raises:
        DataError: these are events, and something is wrong with them.
    """
    if isinstance(data, Events):
        return data, data
    if isinstance(data, str | os.PathLike):
        if Path(data).suffix.lower() in SUFFIXES:
            return read_events(data), data
        return None, data
    if isinstance(data, Mapping):
        return (events_of_mapping(data), data) if is_event_mapping(data) else (None, data)
    if _is_structured(data):
        return events_of_samples([data]), data
    if isinstance(data, list | tuple):
        events = bool(data) and _is_event_item(data[0])
        return (events_of_samples(data), data) if events else (None, data)
    items = items_of(data)
    if items is None:
        return None, data
    iterator = iter(items)
    begin = list(islice(iterator, 1))
    whole = chain(begin, iterator)
    if begin and _is_event_item(begin[0]):
        return events_of_samples(whole), data
    return None, one_by_one(whole) if is_data_set(data) else whole


def is_event_mapping(data: Mapping[Any, object]) -> bool:
    """Say whether a mapping holds ``events`` and ``offsets``."""
    return "events" in data and "offsets" in data


def items_of(data: object) -> Iterable[object] | None:
    """Give what a loader, list or data set holds one after another; None where it is an array.

    A data set of torch or tonic has items and a length, and needs not know how to iterate.
    """
    kept = (Mapping, str, bytes, os.PathLike)
    if isinstance(data, kept) or hasattr(data, "__array__") or hasattr(data, "detach"):
        return None
    if isinstance(data, Iterable):
        return cast("Iterable[object]", data)
    if is_data_set(data):
        held: Any = data
        return (held[i] for i in range(len(held)))
    return None


def is_data_set(data: object) -> bool:
    """Say whether this has items and a length, and does not iterate: one of torch's data sets."""
    if isinstance(data, Iterable | type) or hasattr(data, "__array__"):
        return False
    return hasattr(data, "__getitem__") and hasattr(data, "__len__")


def events_of_mapping(data: Mapping[Any, object]) -> Events:
    """Give the events of a mapping or ``.npz`` file.

    Args:
        data: ``events``, structured (fields t, x, optional y and p) or of shape (M, 4) with the
            columns t, x, y, p; ``offsets`` (N + 1); ``t_unit``, by default microseconds;
            ``y`` labels (N,); ``shape`` of a frame, such as (2, 34, 34).

    Raises:
        DataError: everything that is wrong with them.
    """
    known = {"events", "offsets", "t_unit", "y", "shape"}
    if set(data) - known:
        strangers = sorted(map(str, set(data) - known))
        raise DataError(f"arrays beside events and offsets: {strangers}", hint=f"{sorted(known)}")
    events = np.asarray(data["events"])
    if events.dtype.names is None:
        if events.ndim != 2 or events.shape[1] != 4:
            raise DataError(
                Finding(
                    f"is {events.dtype} of shape {list(events.shape)}",
                    node="events",
                    hint="(M, 4), columns t, x, y, p; or structured with fields t, x, y, p",
                )
            )
        columns: dict[str, Array | None] = {n: events[:, i] for i, n in enumerate(FIELDS)}
    else:
        columns = _fields(events, "events")
    return Events(
        **cast("dict[str, Any]", columns),
        offsets=cast(Any, data["offsets"]),
        unit=_text(data.get("t_unit", "us")),
        labels=None if data.get("y") is None else np.asarray(data["y"]),
        shape=_shape(data.get("shape")),
    )


def events_of_samples(items: Iterable[object]) -> Events:
    """Join samples, each a structured array or a pair of one and its label, t in microseconds.

    Raises:
        DataError: a sample is something else, or has other fields or no label as others do.
    """
    samples: list[dict[str, Array | None]] = []
    labels: list[object] = []
    for i, item in enumerate(items):
        events, label = _pair(item)
        if not _is_structured(events):
            raise DataError(f"sample {i} is a {type(events).__name__}, others hold events")
        samples.append(_fields(cast(Array, events), f"sample {i}"))
        if label is not None:
            labels.append(label)
        elif labels:
            raise DataError(f"sample {i} has no label, others have one")
        if label is not None and len(labels) != i + 1:
            raise DataError(f"sample {i} has a label, others have none")
    columns: dict[str, Array | None] = {}
    for name in FIELDS:
        parts = [s[name] for s in samples]
        there = [p for p in parts if p is not None]
        if there and len(there) != len(parts):
            lacks = next(i for i, p in enumerate(parts) if p is None)
            raise DataError(f"sample {lacks} has no field {name!r}, others have one")
        columns[name] = np.concatenate(there) if there else None
    sizes = [cast(Array, s["t"]).size for s in samples]
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Events(**cast("dict[str, Any]", columns), offsets=offsets, labels=_labels(labels))


def _is_structured(value: object) -> bool:
    # data sets of tonic state the dtype of their events as if they were arrays themselves
    names = value.dtype.names if isinstance(value, np.ndarray) else None
    return names is not None and {"t", "x"} <= set(names)


def _pair(item: object) -> tuple[object, object]:
    if isinstance(item, Sequence) and len(item) == 2:
        return item[0], item[1]
    return item, None


class OneByOne(list[object]):
    """Batches of one sample each, batch first whatever the layout of other data."""


def one_by_one(items: Iterable[object]) -> list[object]:
    """Give the samples of a data set as batches of one; events as they are."""
    drawn = list(items)
    if drawn and _is_event_item(drawn[0]):
        return drawn
    return OneByOne(_batch_of_one(item) for item in drawn)


def _batch_of_one(item: object) -> object:
    x, label = _pair(item)
    x = to_numpy(x)[None]
    return x if label is None else (x, np.atleast_1d(to_numpy(label)))


def _is_event_item(item: object) -> bool:
    return _is_structured(_pair(item)[0])


def _fields(events: Array, node: str) -> dict[str, Array | None]:
    names = events.dtype.names or ()
    lacking = [n for n in ("t", "x") if n not in names]
    strange = [n for n in names if n not in FIELDS]
    if lacking or strange or events.ndim != 1:
        raise DataError(
            Finding(
                f"events of shape {list(events.shape)} with fields {list(names)}",
                node=node,
                hint="one axis; fields t and x, and where there are such y and p",
            )
        )
    return {name: events[name] if name in names else None for name in FIELDS}


def _labels(labels: list[object]) -> Array | None:
    if not labels:
        return None
    found = [to_numpy(label) for label in labels]
    if any(label.size != 1 for label in found):
        bad = next(i for i, label in enumerate(found) if label.size != 1)
        raise DataError(f"the label of sample {bad} has shape {list(found[bad].shape)}")
    return np.array([label.reshape(()) for label in found])


def _text(value: object) -> str:
    found = np.asarray(value)
    if found.size != 1 or found.dtype.kind not in "US":
        raise DataError(
            Finding(f"is {found.dtype} of shape {list(found.shape)}", node="t_unit", hint="'us'")
        )
    item = found.reshape(()).item()
    return item.decode("ascii", "replace") if isinstance(item, bytes) else str(item)


def _shape(value: object) -> tuple[int, ...] | None:
    if value is None:
        return None
    found = np.asarray(value)
    if found.ndim != 1 or not 1 <= found.size <= 3 or found.dtype.kind not in "iu":
        raise DataError(
            Finding(f"is {found.dtype} of shape {list(found.shape)}", node="shape", hint="(2, 34)")
        )
    if (found < 1).any():
        raise DataError(Finding(f"is {found.tolist()}", node="shape", hint="sizes of at least 1"))
    return tuple(int(n) for n in found)
