"""A graph as JSON: the header of the file, and the text that its content hash is taken of."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import cast

from neurodeploy.errors import FileFormatError, Finding, GraphError, raise_findings
from neurodeploy.ir.graph import Change, Graph
from neurodeploy.ir.nodes import Cell, Edge, Input, Map, Output, Product, Reduce
from neurodeploy.ir.strict_json import Json, dump, shown
from neurodeploy.ir.structure import Found, decode, encode
from neurodeploy.ir.types import NumType, Tensor

__all__ = [
    "Header",
    "Network",
    "content_digest",
    "graph_from_header",
    "graph_header",
    "read_header",
]

AnyNode = Input | Output | Map | Cell | Reduce | Product
MAX_DT = 400  # characters; the smallest double is a fraction with 324 digits


@dataclass(frozen=True)
class Network:
    """The fields of a graph that are neither tensors nor its record."""

    nodes: tuple[AnyNode, ...]
    edges: tuple[Edge, ...]
    dt: str | None
    timesteps: int | None
    metadata: tuple[tuple[str, str], ...] = field(compare=False)


@dataclass(frozen=True)
class Header:
    """Everything of a graph but the values of its tensors."""

    opset: int
    graph: Network
    changes: tuple[Change, ...]
    tensors: tuple[tuple[str, NumType], ...]


def _network(graph: Graph) -> Network:
    dt = None if graph.dt is None else f"{graph.dt.numerator}/{graph.dt.denominator}"
    if dt is not None and len(dt) > MAX_DT:
        raise GraphError(f"dt is a fraction of {len(dt)} digits", hint="give it as text: 0.1ms")
    nodes = cast(tuple[AnyNode, ...], graph.nodes)  # encode refuses a class outside the families
    return Network(nodes, graph.edges, dt, graph.timesteps, graph.metadata)


def content_digest(graph: Graph) -> str:
    """Give the SHA-256 of what a graph is, in hexadecimal.

    It is taken of the canonical JSON of nodes, edges, dt, timesteps and opset, and of the name
    and digest of each tensor. Sources, provenance, a cell's definition and options, changes and
    metadata are no content. An initial value counts by its number: 0, 0.0 and False are equal.

    Raises:
        GraphError: a field of a node or an edge is not of its declared type.
    """
    network = _network(graph)
    network = replace(network, edges=tuple(_by_value(e) for e in network.edges))
    content: Json = {
        "opset": graph.opset,
        "graph": encode(network, Network, "graph", content=True),
        "tensors": {name: t.digest for name, t in graph.tensors.items()},
    }
    return hashlib.sha256(dump(content).encode()).hexdigest()


def _by_value(edge: Edge) -> Edge:
    value = edge.initial
    if isinstance(value, str) or value != value or value in (float("inf"), float("-inf")):
        return edge
    whole = int(value)
    return replace(edge, initial=whole if whole == value else float(value))


def graph_header(graph: Graph) -> dict[str, Json]:
    """Give everything of a graph but the values of its tensors, as JSON.

    Raises:
        GraphError: a field is not of its declared type, or a name is no valid Unicode.
    """
    types = tuple((name, t.type) for name, t in graph.tensors.items())
    header = Header(graph.opset, _network(graph), graph.changes, types)
    return cast(dict[str, Json], encode(header, Header))


def read_header(data: Json) -> Header:
    """Read what `graph_header` gave.

    Raises:
        FileFormatError: all findings, each with the JSON path of what is wrong.
    """
    found = Found()
    header = decode(data, Header, "", found)
    raise_findings(FileFormatError, found)
    return cast(Header, header)


def graph_from_header(header: Header, tensors: Mapping[str, Tensor]) -> Graph:
    """Put a graph together from its header and its tensors; it is checked like any other.

    Raises:
        FileFormatError: all rules that the graph breaks.
    """
    try:
        return Graph(
            nodes=header.graph.nodes,
            edges=header.graph.edges,
            tensors=tensors,
            dt=_fraction(header.graph.dt),
            timesteps=header.graph.timesteps,
            opset=header.opset,
            changes=header.changes,
            metadata=header.graph.metadata,
        )
    except GraphError as error:
        raise FileFormatError(error.findings) from error


def _fraction(text: str | None) -> Fraction | None:
    if text is None:
        return None
    if len(text) <= MAX_DT and re.fullmatch(r"[0-9]+/[1-9][0-9]*", text, re.ASCII):
        value = Fraction(text)
        if text == f"{value.numerator}/{value.denominator}":
            return value
    message = f"{shown(text)} is no fraction in lowest terms"
    raise FileFormatError(Finding(message, node="graph.dt"))
