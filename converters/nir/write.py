"""Writes the HDF5 of a ``.nir`` file: the same tree gives the same bytes.

Members come in the order of their names, nothing carries a time, and nothing is compressed: the
output of deflate differs between its implementations.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from neurodeploy.converters.nir.hdf5 import require_h5py
from neurodeploy.converters.nir.primitives import NirNode

__all__ = ["NIR_VERSION", "nir_bytes"]

# the layout that is written; nir stores its own version, and reads every version
NIR_VERSION = "1.0.8"


def nir_bytes(tree: NirNode) -> bytes:
    """Give the bytes of a file that holds ``tree``."""
    h5 = require_h5py()
    buffer = io.BytesIO()
    with h5.File(buffer, "w", libver="earliest") as file:
        file.create_dataset("version", data=NIR_VERSION, dtype=h5.string_dtype())
        _node(file.create_group("node"), tree, h5)
    return buffer.getvalue()


def _node(group: Any, node: NirNode, h5: Any) -> None:
    if node.type == "NIRGraph":
        pairs = np.array([list(e) for e in sorted(node.edges)], dtype=object).reshape(-1, 2)
        group.create_dataset("edges", data=pairs, dtype=h5.string_dtype())
        inner = group.create_group("nodes")
        for name, child in sorted(node.nodes.items()):
            _node(inner.create_group(name), child, h5)
    for key, value in sorted(node.fields.items()):
        _value(group, key, value, h5)
    if node.metadata:
        beside = group.create_group("metadata")
        for key, value in sorted(node.metadata.items()):
            _value(beside, key, value, h5)
    group.create_dataset("type", data=node.type, dtype=h5.string_dtype())


def _value(group: Any, key: str, value: object, h5: Any) -> None:
    if isinstance(value, str):
        group.create_dataset(key, data=value, dtype=h5.string_dtype())
    else:
        array = np.asarray(value)
        little = array.astype(array.dtype.newbyteorder("<"), order="C")
        group.create_dataset(key, data=little, track_times=False)
