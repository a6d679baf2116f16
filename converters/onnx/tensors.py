"""Turns the tensors of a file into arrays; sizes are checked before anything is allocated."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

from neurodeploy.errors import ConversionError, FileFormatError, Finding

__all__ = ["dtype_of", "read_tensor"]

Array = npt.NDArray[Any]


def dtype_of(kind: int) -> np.dtype[Any] | None:
    """Give the numpy type of an ONNX element type; None where numpy has none."""
    try:
        found = helper.tensor_dtype_to_np_dtype(kind)
    except (KeyError, ValueError):
        return None
    return found if found.kind in "biuf" else None


def read_tensor(tensor: TensorProto, folder: Path | None, name: str) -> Array:
    """Give a tensor as an array.

    Raises:
        FileFormatError: its data are missing, of another size than declared, or outside the
            model's folder.
        ConversionError: its type is not handled.
    """
    kind = dtype_of(tensor.data_type)
    if kind is None:
        raise ConversionError(Finding(f"is of ONNX type {_type_name(tensor.data_type)}", node=name))
    shape = tuple(int(n) for n in tensor.dims)
    if any(n < 0 for n in shape):
        raise FileFormatError(Finding(f"has the shape {list(shape)}", node=name))
    size = prod(shape) * kind.itemsize
    if tensor.data_location == TensorProto.EXTERNAL:
        return np.frombuffer(_external(tensor, folder, size, name), _little(kind)).reshape(shape)
    if tensor.HasField("raw_data"):
        if len(tensor.raw_data) != size:
            raise FileFormatError(
                Finding(f"holds {len(tensor.raw_data)} bytes, {size} are due", node=name)
            )
        return np.frombuffer(tensor.raw_data, _little(kind)).reshape(shape).astype(kind)
    try:
        values = numpy_helper.to_array(tensor) if _listed(tensor) == prod(shape) else None
    except (ValueError, TypeError) as error:
        raise FileFormatError(Finding(f"cannot be read: {error}", node=name)) from error
    if values is None:
        raise FileFormatError(
            Finding(f"holds {_listed(tensor)} values, {prod(shape)} are due", node=name)
        )
    return np.asarray(values)


def _little(kind: np.dtype[Any]) -> np.dtype[Any]:
    return kind.newbyteorder("<")


def _listed(tensor: TensorProto) -> int:
    lists = (
        tensor.float_data, tensor.int32_data, tensor.int64_data, tensor.double_data,
        tensor.uint64_data,
    )  # fmt: skip
    return sum(map(len, lists))


def _type_name(kind: int) -> str:
    known: dict[int, str] = {v: k for k, v in TensorProto.DataType.items()}
    return known.get(kind, str(kind))


def _external(tensor: TensorProto, folder: Path | None, size: int, name: str) -> bytes:
    """Read a tensor that lies in a file beside the model, and nowhere else."""
    entries = {e.key: e.value for e in tensor.external_data}
    location = entries.get("location", "")
    if folder is None:
        raise FileFormatError(
            Finding(
                f"its data are in {location!r}, and the model did not come from a file",
                node=name,
                hint="give the path of the model",
            )
        )
    base = folder.resolve()
    path = (base / location).resolve()
    if not location or not path.is_relative_to(base):
        raise FileFormatError(
            Finding(f"its data are in {location!r}, outside the model's folder", node=name)
        )
    if not path.is_file():
        raise FileFormatError(
            Finding(
                f"its data are in {location!r}, which is not there",
                node=name,
                hint="keep the .data file beside the .onnx file",
            )
        )
    offset, length = _number(entries, "offset", 0, name), _number(entries, "length", size, name)
    if length != size or path.stat().st_size < offset + size:
        raise FileFormatError(
            Finding(f"{location!r} does not hold the {size} bytes that are due", node=name)
        )
    with path.open("rb") as file:
        file.seek(offset)
        data: bytes = file.read(size)
    return data


def _number(entries: dict[str, str], key: str, default: int, name: str) -> int:
    text = entries.get(key, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise FileFormatError(Finding(f"{key} of its data is {text[:40]!r}", node=name))
    return int(text)
