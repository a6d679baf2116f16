"""Parses an ONNX file and refuses what is damaged, foreign or incomplete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto, NodeProto, TensorProto

from neurodeploy.errors import (
    ConversionError,
    FileFormatError,
    Finding,
    UsageError,
    raise_findings,
)

__all__ = ["Model", "read_model"]

# The versions whose operators the handlers know. From 21 on these operators gained types only.
OPSETS = (11, 23)
DEFAULT_DOMAINS = ("", "ai.onnx")
# where a file of another kind has which bytes
_MAGIC = {
    (0, b"PK\x03\x04"): "a zip archive (a PyTorch checkpoint, a .pt2 program, or .npz)",
    (0, b"\x80\x02"): "a Python pickle",
    (0, b"\x80\x04"): "a Python pickle",
    (0, b"\x89HDF"): "an HDF5 file",
    (0, b"\x93NUM"): "a .npy array",
    (4, b"TFL3"): "a TensorFlow Lite model",
}


@dataclass(frozen=True)
class Model:
    """A parsed model.

    Attributes:
        proto: The model.
        folder: Where tensors outside the file lie; None if it did not come from a file.
        opset: Version of the default operators.
    """

    proto: ModelProto
    folder: Path | None
    opset: int


def read_model(model: str | os.PathLike[str] | bytes | ModelProto) -> Model:
    """Parse a model and check its frame; no weight is read yet.

    Raises:
        FileFormatError: it cannot be read, or is no ONNX model.
        UsageError: there is no such file.
        ConversionError: its version is not handled.
    """
    folder: Path | None = None
    name = "the model"
    if isinstance(model, ModelProto):
        proto = model
    else:
        if isinstance(model, bytes):
            data = model
        else:
            path = Path(model)
            folder, name = path.parent, str(path)
            data = _bytes(path)
        proto = _parse(data, name)
    if not _all_text(proto):
        raise FileFormatError(Finding("is damaged: it holds text that is no UTF-8", node=name))
    raise_findings(FileFormatError, _frame(proto, name))
    return Model(proto, folder, _opset(proto, name))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(Finding("there is no such file", node=str(path))) from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise FileFormatError(
            Finding(f"cannot be read: {getattr(error, 'strerror', None) or error}", node=str(path))
        ) from error


def _parse(data: bytes, name: str) -> ModelProto:
    if not data:
        raise FileFormatError(Finding("is empty", node=name))
    for (offset, magic), what in _MAGIC.items():
        if data[offset : offset + len(magic)] == magic:
            raise FileFormatError(Finding(f"is {what}, not an ONNX model", node=name))
    try:
        return onnx.load_model_from_string(data)
    except Exception as error:  # the parser raises exceptions of its own package
        raise FileFormatError(
            Finding(
                "is no ONNX model, or is truncated",
                node=name,
                hint="download or export it again",
            )
        ) from error


def _all_text(message: Any) -> bool:
    """Say whether every text in a message is one; protobuf gives others as bytes."""
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING:
            texts = [value] if isinstance(value, str | bytes) else value
            if not all(isinstance(t, str) for t in texts):
                return False
        elif field.type == field.TYPE_MESSAGE:
            inner = [value] if hasattr(value, "ListFields") else value
            if not all(map(_all_text, inner)):
                return False
    return True


def _frame(proto: ModelProto, name: str) -> Iterator[Finding]:
    """Find what every model has; random bytes sometimes parse as an empty one."""
    graph = proto.graph
    if not proto.HasField("graph") or not (graph.node or graph.output):
        yield Finding("holds no graph: it is no ONNX model", node=name)
        return
    if not proto.opset_import:
        yield Finding("names no operator set: it is truncated, or older than ONNX 1.0", node=name)
    if not graph.output:
        yield Finding("the graph has no output", node=name)
    known = {i.name for i in graph.input} | {t.name for t in graph.initializer} | {""}
    known |= {t.values.name for t in graph.sparse_initializer}
    for node in graph.node:
        for value in node.input:
            if value not in known:
                yield Finding(f"reads {value!r}, which nothing before it gives", node=_label(node))
        for value in node.output:
            if value and value in known:
                yield Finding(f"gives {value!r}, which exists already", node=_label(node))
            known.add(value)
    for output in graph.output:
        if output.name not in known:
            yield Finding(f"nothing gives the output {output.name!r}", node=name)


def _label(node: NodeProto) -> str:
    return node.name or f"{node.op_type} of {', '.join(node.output)}"


def _opset(proto: ModelProto, name: str) -> int:
    versions = [o.version for o in proto.opset_import if o.domain in DEFAULT_DOMAINS]
    if not versions:
        raise ConversionError(
            Finding("uses no standard operators, only those of a vendor", node=name)
        )
    version = int(versions[0])
    low, high = OPSETS
    if not low <= version <= high:
        raise ConversionError(
            Finding(
                f"is of opset {version}",
                node=name,
                value=version,
                limit=high if version > high else low,
                hint=f"opsets {low} to {high} are read; export again with one of them, "
                "or use onnx.version_converter",
            )
        )
    return version


def tensors_of(proto: ModelProto) -> Iterator[TensorProto]:
    """Give every tensor of the main graph: initializers and attributes of its nodes."""
    yield from proto.graph.initializer
    for node in proto.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
