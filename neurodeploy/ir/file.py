"""The graph's file ``net.nd``: a safetensors file with the tensors and one JSON text.

The JSON holds the name of the format, the opset, the nodes and edges with their sources and
provenance, the changes, the type of each tensor, and a SHA-256 over all of this and every
tensor's name, type, shape and bytes. No pickle, no dates, no paths: the same graph and history
give the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import stat
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import FileFormatError, Finding, GraphError, UsageError, raise_findings
from neurodeploy.ir.codec import Header, graph_from_header, graph_header, read_header
from neurodeploy.ir.container import read_container, write_container
from neurodeploy.ir.graph import OPSET, Graph
from neurodeploy.ir.strict_json import Json, dump, parse, shown
from neurodeploy.ir.types import Tensor, num_type_text, storage_dtype, tensor

__all__ = [
    "FORMAT",
    "UPGRADES",
    "graph_bytes",
    "graph_from_bytes",
    "load_graph",
    "save_graph",
    "write_atomically",
]

FORMAT = "neurodeploy.graph"

Description = dict[str, Json]
Arrays = dict[str, npt.NDArray[Any]]
Upgrade = Callable[[Description, Arrays], tuple[Description, Arrays]]

# opset of a file -> what turns its description and its tensors into those of the next opset
UPGRADES: dict[int, Upgrade] = {}


def graph_bytes(graph: Graph) -> bytes:
    """Give the bytes of the file of a graph; the same for the same graph and history.

    Raises:
        GraphError: a field is not of its declared type, or a name is no valid Unicode.
    """
    arrays: Arrays = {}
    for name, t in graph.tensors.items():
        if t.data.dtype != storage_dtype(t.type):
            message = f"{t.data.dtype} data stand for {num_type_text(t.type)}"
            raise GraphError(Finding(message, node=name, hint="make tensors by tensor()"))
        arrays[name] = np.asarray(t.data, order="C")
    description: Description = {"format": FORMAT, **graph_header(graph)}
    description["digest"] = _digest(description, arrays)
    return write_container(dump(description), arrays)


def graph_from_bytes(data: bytes) -> Graph:
    """Read what `graph_bytes` gave.

    Raises:
        FileFormatError: as for `load_graph`.
    """
    return _graph(*read_container(io.BytesIO(data), len(data)))


def save_graph(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Write ``graph`` to the file ``path``, whole or not at all.

    Raises:
        UsageError: the file cannot be written.
        GraphError: as for `graph_bytes`.
    """
    write_atomically(path, graph_bytes(graph))


def load_graph(path: str | os.PathLike[str]) -> Graph:
    """Read a graph from the file ``path``.

    Raises:
        UsageError: there is no such file, or it cannot be read.
        FileFormatError: the file is damaged, of another kind, or of a newer version; all
            findings, each with the place in the file.
    """
    place = _place(path)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would wait for its other end
            raise UsageError(Finding("this is no regular file", node=place))
        with open(path, "rb") as file:
            text, arrays = read_container(file, os.fstat(file.fileno()).st_size)
        return _graph(text, arrays)
    except FileFormatError as error:
        raise FileFormatError(_within(place, f) for f in error.findings) from error
    except OSError as error:
        raise UsageError(Finding(_reason(error), node=place)) from error
    except RecursionError:
        raise FileFormatError(Finding("its description is nested too deeply", node=place)) from None
    except MemoryError:
        raise FileFormatError(Finding("it does not fit into memory", node=place)) from None


def _within(path: str, finding: Finding) -> Finding:
    return replace(finding, node=f"{path}: {finding.node}" if finding.node else path)


def _graph(text: str, arrays: Arrays) -> Graph:
    parsed = parse(text)
    if not isinstance(parsed, dict) or parsed.get("format") != FORMAT:
        raise FileFormatError(Finding(f"the description is not of the format {FORMAT!r}"))
    if dump(parsed) != text:
        raise FileFormatError("the description is not in its canonical form: it was altered")
    description: Description = dict(parsed)
    opset = description.get("opset")
    if type(opset) is not int or opset < 0:
        raise FileFormatError(Finding("it is no version", node="opset"))
    if opset > OPSET:
        raise FileFormatError(
            Finding(
                f"the file is of opset {opset}, this version of neurodeploy reads up to {OPSET}",
                node="opset",
                hint="pip install --upgrade neurodeploy",
                value=opset,
                limit=OPSET,
            )
        )
    digest = description.pop("digest", None)
    if digest != _digest(description, arrays):
        raise FileFormatError("the digest differs from the content: the file is damaged")
    del description["format"]
    description, arrays = _upgraded(description, arrays, opset)
    header = read_header(description)
    return graph_from_header(header, _tensors(header, arrays))


def _upgraded(description: Description, arrays: Arrays, opset: int) -> tuple[Description, Arrays]:
    for old in range(opset, OPSET):
        if old not in UPGRADES:
            raise FileFormatError(
                Finding(
                    f"the file is of opset {opset}, and there is no reader for opset {old}",
                    node="opset",
                    hint="load and save it with an older version of neurodeploy",
                    value=opset,
                    limit=OPSET,
                )
            )
        description, arrays = UPGRADES[old](description, arrays)
    return description, arrays


def _tensors(header: Header, arrays: Arrays) -> dict[str, Tensor]:
    """Make the tensors, each checked against the type that the header gives it."""
    types = dict(header.tensors)
    found = [
        Finding(f"the tensor {shown(name)} has no {what}", node="tensors")
        for names, what in ((types.keys() - arrays, "data"), (arrays.keys() - types, "type"))
        for name in sorted(names)
    ]
    if len(types) < len(header.tensors):
        found.append(Finding("a tensor is listed twice", node="tensors"))
    tensors: dict[str, Tensor] = {}
    for name in () if found else sorted(types):
        array, kind = arrays[name], types[name]
        label = f"tensor {shown(name)}"
        if array.dtype != storage_dtype(kind):
            found.append(Finding(f"{array.dtype} data of type {num_type_text(kind)}", node=label))
        elif array.dtype == np.bool_ and array.size and array.view(np.uint8).max() > 1:
            found.append(Finding("a byte that is neither 0 nor 1 stands for a bool", node=label))
        else:
            try:
                tensors[name] = tensor(array, kind, name=label)
            except GraphError as error:
                found += error.findings
    raise_findings(FileFormatError, found)
    return tensors


def _digest(description: Mapping[str, Json], arrays: Arrays) -> str:
    """Give the SHA-256 of the description and of each tensor's name, type, shape and bytes."""
    listed: list[Json] = []
    for name, array in sorted(arrays.items()):
        little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
        content = hashlib.sha256(little.reshape(-1).view(np.uint8).data)
        listed.append([name, array.dtype.name, list(array.shape), content.hexdigest()])
    return hashlib.sha256(dump([dict(description), listed]).encode()).hexdigest()


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` to the file ``path``: another reader sees the old file or all of the new one.

    Raises:
        UsageError: the folder does not exist or the file cannot be written; nothing is left.
    """
    place = _place(path)
    try:
        target = Path(os.path.realpath(place))  # a link stays, what it points to is replaced
        if target.exists() and not target.is_file():
            raise UsageError(Finding("this is no regular file", node=place))
        part = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.part")
        try:
            with open(part, "xb") as file:
                file.write(data)
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(Finding(_reason(error), node=place)) from error


def _place(path: str | os.PathLike[str]) -> str:
    place = os.fsdecode(path)
    if not place or "\0" in place:
        raise UsageError(f"{shown(place)} is no name of a file")
    return place


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
