"""The exact graph inside a NIR file, and whether it may still be believed.

``/node/metadata`` holds the bytes of our ``.nd`` file and a SHA-256 over the NIR nodes as they
were written. Who edits a node and keeps the metadata changes that digest; then the nodes are
read, not the record.
"""

from __future__ import annotations

import hashlib
import logging

import numpy as np

from neurodeploy.converters.nir.primitives import NirNode
from neurodeploy.errors import FileFormatError
from neurodeploy.ir.file import graph_bytes, graph_from_bytes
from neurodeploy.ir.graph import Change, Graph

__all__ = ["DIGEST", "RECORD", "nodes_digest", "record_metadata", "recorded_graph"]

log = logging.getLogger("neurodeploy")
RECORD = "neurodeploy_graph"
DIGEST = "neurodeploy_nodes_sha256"


def nodes_digest(node: NirNode) -> str:
    """Give a SHA-256 over types, fields, nodes and edges; metadata is not part of it."""
    h = hashlib.sha256()
    _feed(h, node)
    return h.hexdigest()


def _feed(h: hashlib._Hash, node: NirNode) -> None:
    def text(value: str) -> None:
        data = value.encode("utf-8", "surrogatepass")
        h.update(f"{len(data)}:".encode() + data)

    text(node.type)
    for key, value in sorted(node.fields.items()):
        text(key)
        if isinstance(value, str):
            text(value)
        else:
            little = np.asarray(value)
            little = little.astype(little.dtype.newbyteorder("<"), order="C")
            text(f"{little.dtype.str}{little.shape}")
            h.update(little.tobytes())
    for source, target in sorted(node.edges):
        text(source)
        text(target)
    for name, inner in sorted(node.nodes.items()):
        text(name)
        _feed(h, inner)
    text("end")


def record_metadata(graph: Graph, tree: NirNode) -> dict[str, np.ndarray | str]:
    """Give what is stored beside the nodes."""
    data = np.frombuffer(graph_bytes(graph), np.uint8)
    return {RECORD: data, DIGEST: nodes_digest(tree)}


def recorded_graph(tree: NirNode) -> tuple[Graph | None, Change | None]:
    """Give the graph that the file holds, or why it is not taken.

    Raises:
        FileFormatError: the nodes are as they were written, and the record is damaged.
    """
    data, digest = tree.metadata.get(RECORD), tree.metadata.get(DIGEST)
    if data is None and digest is None:
        return None, None
    if isinstance(data, np.ndarray) and digest == nodes_digest(tree):
        if data.dtype != np.uint8 or data.ndim != 1:
            raise FileFormatError(f"metadata.{RECORD} is {data.dtype} of {data.ndim} axes")
        return graph_from_bytes(data.tobytes()), None
    what = "the exact record in the file was not taken: its NIR nodes were edited since"
    log.warning("%s", what)
    return None, Change("graph", (), "nir", what, "everything that NIR cannot say", "edited file")
