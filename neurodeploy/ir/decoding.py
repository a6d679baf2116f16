"""Changes how the outputs of a graph are decoded."""

from __future__ import annotations

from dataclasses import replace
from typing import cast, get_args

from neurodeploy.errors import UsageError
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Decode, Node, Output

__all__ = ["check_decoding", "with_decoding"]


def check_decoding(decode: str) -> None:
    """Check the name of a decoding.

    Raises:
        UsageError: there is no such decoding.
    """
    if decode not in get_args(Decode):
        raise UsageError(f"there is no decoding {decode!r}", hint=", ".join(get_args(Decode)))


def with_decoding(graph: Graph, decode: str) -> Graph:
    """Give the graph with every output decoded by ``decode``.

    Raises:
        UsageError: there is no such decoding.
    """
    check_decoding(decode)

    def changed(node: Node) -> Node:
        return replace(node, decode=cast(Decode, decode)) if isinstance(node, Output) else node

    return graph.map_nodes(changed)
