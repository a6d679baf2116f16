"""Tensors and one text in a safetensors file, read without believing the file.

Layout: 8 bytes with the length of the header, little-endian; the header, which is JSON padded by
spaces; the bytes of the tensors, one behind the other. Source: the format's description in the
README of safetensors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import FileFormatError, Finding, GraphError, raise_findings
from neurodeploy.ir.strict_json import Json, parse, shown
from neurodeploy.ir.structure import MAX_FINDINGS

__all__ = ["MAX_HEADER", "read_container", "write_container"]

Array = npt.NDArray[Any]

KEY = "neurodeploy"
RESERVED = "__metadata__"
MAX_HEADER = 64 << 20  # bytes; more than a hundred times that of the largest graphs in use
MAX_AXES = 32
MAX_ELEMENTS = 2**59  # what numpy can address with 8 bytes each
DTYPES = {
    "BOOL": np.dtype(np.bool_),
    "I8": np.dtype("<i1"),
    "I16": np.dtype("<i2"),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
    "U8": np.dtype("<u1"),
    "U16": np.dtype("<u2"),
    "U32": np.dtype("<u4"),
    "U64": np.dtype("<u8"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
}
FOREIGN = (
    (b"PK\x03\x04", "a zip archive, such as .npz or .pt"),
    (b"\x89HDF\r\n", "an HDF5 file, such as .nir"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x93NUMPY", "a numpy array"),
    (b"\x80\x02", "a pickle"),
)


def write_container(text: str, tensors: Mapping[str, Array]) -> bytes:
    """Give the bytes of a safetensors file that holds ``text`` and ``tensors``.

    Raises:
        GraphError: the header is longer than the reader accepts.
    """
    from safetensors.numpy import save  # a file is not needed to work with graphs

    data: bytes = save({_outer(name): a for name, a in tensors.items()}, metadata={KEY: text})
    length = int.from_bytes(data[:8], "little")
    if length > MAX_HEADER:
        raise GraphError(
            Finding(f"its description takes {length} bytes", value=length, limit=MAX_HEADER)
        )
    return data


def _outer(name: str) -> str:
    """Give the name in the file: the one name that safetensors keeps for itself is moved away."""
    return name + "_" if name.startswith(RESERVED) else name


def _inner(name: str) -> str:
    return name.removesuffix("_") if name.startswith(RESERVED) else name


def read_container(file: BinaryIO, size: int) -> tuple[str, dict[str, Array]]:
    """Read the text and the tensors from a file of ``size`` bytes that may be hostile.

    Nothing is read or allocated by the file's word before it was compared with ``size``.

    Raises:
        FileFormatError: what is wrong, and where.
    """
    head = file.read(16)
    length = int.from_bytes(head[:8], "little")
    limit = min(size - 8, MAX_HEADER)
    if head[8:9] != b"{":
        what = next((what for magic, what in FOREIGN if head.startswith(magic)), "")
        message = f"this is {what}, no graph" if what else "no graph, or a damaged one"
        raise FileFormatError(Finding(message, node=f"{size} bytes"))
    if length > limit:
        message = f"the file says that its header has {length} bytes"
        raise FileFormatError(Finding(message, node=f"{size} bytes", value=length, limit=limit))
    file.seek(8)
    raw = file.read(length)
    header = _header(raw)
    text = _text(header)
    left = size - 8 - length
    places = _places(header, left)
    body = memoryview(file.read(left))
    if len(raw) != length or len(body) != left:
        raise FileFormatError("the file became shorter while it was read")
    return text, {
        _inner(name): np.frombuffer(body[begin:end], dtype).reshape(shape)
        for name, (dtype, shape, begin, end) in places.items()
    }


def _header(raw: bytes) -> dict[str, Json]:
    """Parse the header; refuse it unless it is written in the one way that safetensors writes."""
    try:
        header = parse(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise FileFormatError(f"byte {8 + error.start} of the header is no UTF-8") from None
    # a flipped bit may leave the meaning of the JSON as it was, as \u001b and \u001B do
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":"))
    if not isinstance(header, dict) or text.encode("utf-8") != raw.rstrip(b" "):
        raise FileFormatError("the header is not in its canonical form: it was altered")
    return header


def _text(header: dict[str, Json]) -> str:
    metadata = header.pop(RESERVED, None)
    text = metadata.get(KEY) if isinstance(metadata, dict) and len(metadata) == 1 else None
    if not isinstance(text, str):
        raise FileFormatError(
            "a safetensors file, but no graph: it has no description by neurodeploy",
            hint="weights belong to a model: give the model, and this file as its weights",
        )
    return text


Place = tuple[np.dtype[Any], tuple[int, ...], int, int]


def _places(header: dict[str, Json], left: int) -> dict[str, Place]:
    """Give type, shape, begin and end of each tensor; they tile the ``left`` bytes exactly."""
    places: dict[str, Place] = {}
    found: list[Finding] = []
    for name, entry in header.items():
        place = _place(entry)
        if isinstance(place, str):
            found.append(Finding(place, node=f"tensor {shown(name)}"))
        else:
            places[name] = place
    raise_findings(FileFormatError, found[:MAX_FINDINGS])
    at = 0
    for name, (_, _, begin, end) in sorted(places.items(), key=lambda item: item[1][2:]):
        if begin != at:
            message = f"it begins at byte {begin} of the data, {at} is due"
            raise FileFormatError(Finding(message, node=f"tensor {shown(name)}"))
        at = end
    if at != left:
        raise FileFormatError(
            Finding(
                f"the tensors take {at} bytes, the file has {left} for them: "
                + ("it is truncated" if at > left else "something was appended"),
                value=left,
                limit=at,
            )
        )
    return places


def _place(entry: Json) -> Place | str:
    """Read the place of one tensor, or say what is wrong with it."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        return "its entry has other fields than dtype, shape and data_offsets"
    name, shape, offsets = entry["dtype"], _counts(entry["shape"]), _counts(entry["data_offsets"])
    if not isinstance(name, str) or name not in DTYPES:
        return f"no graph has tensors of type {shown(name)}"
    if shape is None or len(shape) > MAX_AXES:
        return "its shape is no list of lengths"
    if math.prod(max(n, 1) for n in shape) > MAX_ELEMENTS:
        return "its shape has more elements than can be addressed"
    if offsets is None or len(offsets) != 2:
        return "its place is no pair of bytes"
    dtype, (begin, end) = DTYPES[name], offsets
    size = math.prod(shape) * dtype.itemsize
    if end - begin != size:
        return f"its shape takes {size} bytes, its place has {end - begin}"
    return dtype, shape, begin, end


def _counts(value: Json) -> tuple[int, ...] | None:
    if not isinstance(value, list):
        return None
    counts = tuple(n for n in value if type(n) is int and n >= 0)
    return counts if len(counts) == len(value) else None
