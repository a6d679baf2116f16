"""Reads the layers of a netx file without believing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import ConversionError, DataError, FileFormatError, Finding
from neurodeploy.hdf5 import import_h5py, member

__all__ = ["Layer", "read_layers"]

Array = npt.NDArray[Any]
# bytes that one byte of deflate can unpack to, and room for small data sets kept in headers
MAX_RATIO, SMALL = 1032, 1 << 20
MOST_LAYERS = 4096


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer as the file has it.

    Attributes:
        number: Its place.
        kind: ``input``, ``conv``, ``flatten``, ``dense``, ``dense_rec``, or another word.
        values: Its data sets, by name.
        neuron: Those of its neurons; ``type`` is a word.
    """

    number: int
    kind: str
    values: Mapping[str, Array]
    neuron: Mapping[str, Array | str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its path in the file."""
        return f"layer/{self.number}"


def read_layers(path: Path, most: int | None = None) -> list[Layer]:
    """Read the layers of a file, at most so many.

    Raises:
        FileFormatError: the file is damaged or of another kind.
        ConversionError: a layer is none.
        MissingDependencyError: h5py is not installed.
    """
    h5py = import_h5py("a netx file")
    try:
        budget = _Budget(MAX_RATIO * path.stat().st_size + SMALL)
        with h5py.File(path, "r") as file:
            layers = member(file, "layer", h5py.Group, "a netx file has the group 'layer'")
            count = len(layers)
            if count > MOST_LAYERS or set(layers) != {str(i) for i in range(count)}:
                raise FileFormatError(Finding(f"{count} layers, not numbered from 0 on", "layer"))
            return [
                _layer(member(layers, str(i), h5py.Group), i, budget)
                for i in range(count if most is None else min(count, most))
            ]
    except (DataError, OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        # what h5py says of a damaged file is of these kinds
        raise FileFormatError(f"{str(path)!r} is no netx file: {error}") from error


@dataclass
class _Budget:
    """Bytes that the file may still claim: what its size can unpack to, all data sets together."""

    left: int


def _layer(group: Any, number: int, budget: _Budget) -> Layer:
    h5py = import_h5py("a netx file")
    values: dict[str, Array] = {}
    neuron: dict[str, Array | str] = {}
    for name in group:
        if name == "neuron":
            inside = member(group, name, h5py.Group)
            for key in inside:
                value = _values(member(inside, key, h5py.Dataset), f"layer/{number}/neuron", budget)
                neuron[key] = _word(value) if value.dtype.kind in "OS" else value
        elif isinstance(group.get(name, getclass=True), type) and issubclass(
            group.get(name, getclass=True), h5py.Group
        ):
            found = Finding(f"has a group {name!r}", f"layer/{number}", hint="complex weights")
            raise ConversionError(found)
        else:
            values[name] = _values(member(group, name, h5py.Dataset), f"layer/{number}", budget)
    if "type" not in values:
        raise FileFormatError(Finding("has no 'type'", f"layer/{number}"))
    return Layer(number, _word(values.pop("type")), values, neuron)


def _values(dataset: Any, where: str, budget: _Budget) -> Array:
    budget.left -= dataset.size * dataset.dtype.itemsize
    if budget.left < 0:
        text = f"claims {dataset.size} values, more than the file can hold"
        raise FileFormatError(Finding(text, where))
    values = np.asarray(dataset[()])
    if values.dtype.kind not in "biufOS":
        raise FileFormatError(Finding(f"holds values of type {values.dtype}", where))
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise FileFormatError(Finding("holds values that are not finite", where))
    return values


def _word(values: Array) -> str:
    first = values.reshape(-1)[0] if values.size else b""
    text = first.decode("ascii", "replace") if isinstance(first, bytes) else str(first)
    return text if text.isprintable() and len(text) < 100 else "?"
