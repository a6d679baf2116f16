"""Canonical order, and cycles: refused at once where no delay breaks them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurodeploy.errors import GraphError
from neurodeploy.ir import BOOL, Edge, Graph, GraphBuilder
from neurodeploy.ir.order import smallest_delay
from plain_nodes import OUT, edge, findings, x
from small_graphs import GRAPHS


def ring(length: int, delays: dict[int, int]) -> tuple[list[Any], list[Edge]]:
    """A ring of adders that x enters at n0; the edge into node i has ``delays[i]``."""
    template = GraphBuilder()
    a = template.input("x", (3,))
    template.output("out", template.cell("n0", "add", a, a))
    adder = template.build().cells[0]
    first, second = adder.ports
    nodes: list[Any] = [x()]
    edges = []
    for i in range(length):
        nodes.append(replace(adder, name=f"n{i}"))
        edges.append(edge("x", f"n{i}", first))
        edges.append(edge(f"n{(i - 1) % length}", f"n{i}", second, delay=delays.get(i, 0)))
    return [*nodes, OUT], [*edges, edge("n0", "out")]


def test_a_cycle_without_delay() -> None:
    nodes, edges = ring(4, {})
    ((node, message),) = findings(nodes, edges)
    assert node == "n0"
    assert message == "a cycle without delay runs through n0, n1, n2, n3, out"


@given(length=st.integers(1, 6), at=st.integers(0, 5), delay=st.integers(1, 5))
def test_one_delay_on_a_cycle_is_enough(length: int, at: int, delay: int) -> None:
    nodes, edges = ring(length, {at % length: delay})
    graph = Graph(tuple(nodes), tuple(edges), {})
    place = {n.name: i for i, n in enumerate(graph.nodes)}
    assert all(place[e.source] < place[e.target] for e in graph.edges if e.delay == 0)


def test_a_long_cycle_is_refused_at_once() -> None:
    nodes, edges = ring(3000, {})
    begin = time.perf_counter()
    ((_, message),) = findings(nodes, edges)
    assert time.perf_counter() - begin < 2
    assert len(message) < 200


def looped(delay: list[int] | None, edge_delay: int = 0) -> GraphBuilder:
    b = GraphBuilder()
    a = b.input("x", (2,), type=BOOL)
    back = b.ref("n", shape=(2,), delay=edge_delay)
    s = b.synapses("s", back, (2,), [1.0, 1.0], [0, 1], [1, 0], delay)
    b.output("out", b.cell("n", "lif", b.cell("sum", "add", b.dense("fc", a, np.eye(2)), s)))
    return b


@pytest.mark.parametrize("delay", [None, [0, 3], [0, 0]])
def test_synapses_without_delay_do_not_break_a_cycle(delay: list[int] | None) -> None:
    with pytest.raises(GraphError, match="a cycle without delay"):
        looped(delay).build()
    assert looped(delay, 1).build().signals[("s", "out")].shape == (2,)


def test_the_smallest_delay_of_synapses_counts() -> None:
    graph = looped([1, 4]).build()
    assert smallest_delay(graph.node("s"), graph.tensors) == 1
    assert [n.name for n in graph.nodes].index("s") < len(graph.nodes)


def test_order_does_not_depend_on_how_nodes_came() -> None:
    graph = GRAPHS["conv_net"]()
    for nodes in (graph.nodes[::-1], graph.nodes[3:] + graph.nodes[:3]):
        again = replace(graph, nodes=nodes, edges=graph.edges[::-1])
        assert [n.name for n in again.nodes] == [n.name for n in graph.nodes]
        assert again == graph
