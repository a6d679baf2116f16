"""Reads the HDF5 of a ``.nir`` file without believing it.

Nothing is allocated by the file's word: a data set may claim no more numbers than its stored
bytes can unpack to, links lead nowhere else, and depth and count of nodes are bounded.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neurodeploy.converters.nir.primitives import NirNode, Value
from neurodeploy.errors import FileFormatError, Finding, MissingDependencyError, UsageError
from neurodeploy.ir.strict_json import shown
from neurodeploy.memory import require_bytes

if TYPE_CHECKING:
    import h5py

__all__ = ["NirFile", "read_nir", "require_h5py"]

MAGIC = b"\x89HDF\r\n\x1a\n"
MAX_DEPTH = 16
MAX_OBJECTS = 200_000
MAX_AXES = 32
# bytes that one byte of deflate can unpack to, and room for small data sets kept in headers
MAX_RATIO, SMALL = 1032, 1 << 20
VERSIONS = ("0.", "1.")


@dataclass(frozen=True)
class NirFile:
    """A file as it was read.

    Attributes:
        version: Version of the nir package that wrote it; empty where it does not say.
        graph: Its top node.
    """

    version: str
    graph: NirNode


def require_h5py() -> Any:
    """Give the module h5py.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingDependencyError(
            f"NIR files need h5py: {error}", hint="pip install 'neurodeploy[nir]'"
        ) from error
    return h5py


def read_nir(path: Path) -> NirFile:
    """Read the tree of a file; its fields are not looked at yet.

    Raises:
        UsageError: there is no such file.
        FileFormatError: it is damaged, or no NIR file.
    """
    h5 = require_h5py()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(Finding(error.strerror or "cannot be read", node=str(path))) from error
    if not data.startswith(MAGIC):
        raise FileFormatError(Finding("is no HDF5 file, as .nir files are", node=str(path)))
    try:
        with h5.File(io.BytesIO(data), "r") as file:
            return _Reader(len(data)).file(file)
    except FileFormatError as error:
        raise FileFormatError(
            Finding(f.message, node=f"{path.name}: {f.node}" if f.node else path.name, hint=f.hint)
            for f in error.findings
        ) from error
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, UnicodeError) as error:
        text = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise FileFormatError(Finding(f"is damaged: {text}", node=str(path))) from error
    except (MemoryError, RecursionError):
        raise FileFormatError(Finding("is too large or too deep", node=str(path))) from None


@dataclass
class _Reader:
    """One pass over a file, and how much of it was seen."""

    size: int
    seen: int = 0
    total: int = 0
    places: list[str] = field(default_factory=list)

    def file(self, file: h5py.File) -> NirFile:
        version = ""
        if "version" in file:
            found = self._value(self._member(file, "version"), "version")
            version = found if isinstance(found, str) else shown(str(found))
            if not version.startswith(VERSIONS):
                raise FileFormatError(
                    Finding(
                        f"was written by nir {shown(version)}",
                        node="version",
                        hint="this reader knows nir 0 and 1",
                    )
                )
        if "node" not in file:
            raise FileFormatError("holds no NIR graph: it has no /node")
        return NirFile(version, self._node(self._member(file, "node"), "node", 0))

    def _member(self, group: h5py.Group, key: str) -> Any:
        """Give a member that lies in this file and is counted."""
        h5 = require_h5py()
        self.seen += 1
        if self.seen > MAX_OBJECTS:
            raise FileFormatError(f"has more than {MAX_OBJECTS} groups and data sets")
        link = group.get(key, getlink=True)
        if not isinstance(link, h5.HardLink):
            raise FileFormatError(Finding("is a link to another place", node=shown(key)))
        return group[key]

    def _group(self, value: Any, place: str) -> Any:
        if not isinstance(value, require_h5py().Group):
            raise FileFormatError(Finding("is no group", node=place))
        return value

    def _node(self, group: Any, place: str, depth: int) -> NirNode:
        self._group(group, place)
        if depth > MAX_DEPTH:
            raise FileFormatError(Finding(f"is nested deeper than {MAX_DEPTH} levels", node=place))
        fields: dict[str, Value] = {}
        nodes: dict[str, NirNode] = {}
        metadata: dict[str, Value] = {}
        edges: tuple[tuple[str, str], ...] = ()
        kind = ""
        for key in sorted(group):
            member = self._member(group, key)
            where = f"{place}.{key}"
            if key == "type":
                found = self._value(member, where)
                kind = found if isinstance(found, str) else str(found)
            elif key == "metadata":
                metadata = dict(self._metadata(self._group(member, where), where, 0))
            elif key == "nodes":
                for name in sorted(self._group(member, where)):
                    inner = self._member(member, name)
                    nodes[name] = self._node(inner, f"{where}.{name}", depth + 1)
            elif key == "edges":
                edges = self._edges(member, where)
            else:
                fields[key] = self._value(member, where)
        if not kind:
            raise FileFormatError(Finding("has no type", node=place))
        return NirNode(kind, fields, nodes, edges, metadata)

    def _metadata(self, group: Any, place: str, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise FileFormatError(Finding(f"is nested deeper than {MAX_DEPTH} levels", node=place))
        for key in sorted(group):
            member = self._member(group, key)
            if isinstance(member, require_h5py().Group):
                for name, value in self._metadata(member, f"{place}.{key}", depth + 1):
                    yield f"{key}.{name}", value
            else:
                yield key, self._value(member, f"{place}.{key}")

    def _value(self, data: Any, place: str) -> Value:
        """Read one data set, after its claim was compared with what is stored."""
        h5 = require_h5py()
        if not isinstance(data, h5.Dataset):
            raise FileFormatError(Finding("is no data set", node=place))
        if data.shape is None:
            raise FileFormatError(Finding("is empty", node=place))
        if data.is_virtual or data.external:
            raise FileFormatError(Finding("keeps its numbers in another file", node=place))
        if len(data.shape) > MAX_AXES:
            raise FileFormatError(Finding(f"has {len(data.shape)} axes", node=place))
        claim = int(np.prod([int(n) for n in data.shape], dtype=object)) * data.dtype.itemsize
        self.total += claim
        stored = int(data.id.get_storage_size())
        if claim > SMALL + stored * MAX_RATIO or stored > self.size:
            raise FileFormatError(Finding(f"claims {claim} bytes and stores {stored}", node=place))
        require_bytes(self.total, "a NIR file")
        value = data[()]
        if isinstance(value, bytes):
            return value.decode("utf-8")
        if isinstance(value, str):
            return value
        return np.asarray(value)

    def _edges(self, data: Any, place: str) -> tuple[tuple[str, str], ...]:
        pairs = self._value(data, place)
        if isinstance(pairs, np.ndarray) and pairs.size == 0:
            return ()
        if isinstance(pairs, str) or pairs.ndim != 2 or pairs.shape[1] != 2:
            raise FileFormatError(Finding("is no list of pairs", node=place))
        return tuple((_text(a), _text(b)) for a, b in pairs.tolist())


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, str):
        return value
    raise FileFormatError(Finding("an edge is no pair of names", node="edges"))
