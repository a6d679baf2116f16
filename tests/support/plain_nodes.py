"""Nodes and edges written by hand, and what a graph of them is refused for."""

from __future__ import annotations

from typing import Any

import pytest

from neurodeploy.errors import GraphError
from neurodeploy.ir import F32, Edge, Graph
from neurodeploy.ir.nodes import Input, Map, Output
from neurodeploy.ir.ops import Reshape

__all__ = ["OUT", "edge", "findings", "flat", "x"]


def x(name: str = "x", shape: tuple[int, ...] = (3,), **more: Any) -> Input:
    return Input(name=name, shape=shape, **({"type": F32} | more))


def flat(name: str, **more: Any) -> Map:
    return Map(name=name, op=Reshape((3,)), **more)


OUT = Output(name="out")


def findings(nodes: Any, edges: Any, tensors: Any = None, **more: Any) -> list[tuple[str, str]]:
    with pytest.raises(GraphError) as caught:
        Graph(tuple(nodes), tuple(edges), tensors or {}, **more)
    return [(f.node, f.message) for f in caught.value.findings]


def edge(source: str, target: str, port: str = "in", **more: Any) -> Edge:
    return Edge(source, more.pop("output", "out"), target, port, **({"delay": 0} | more))
