"""When each part of a network works on a chip where every hop takes a step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from float_snns import random_float_snn
from neurodeploy.errors import CapabilityError
from neurodeploy.ir import Graph, GraphBuilder
from neurodeploy.ir.nodes import Cell, Node
from neurodeploy.ir.types import BOOL
from neurodeploy.passes.retime import hop_starts, least_pace


def neurons(node: Node) -> int:
    return int(isinstance(node, Cell) and bool(node.states))


def ring(hops: int, delay: int) -> Graph:
    b = GraphBuilder()
    x = b.input("x", (2,), type=BOOL)
    back = b.dense("back", b.ref(f"n{hops - 1}", shape=(2,), delay=delay), np.eye(2))
    at = b.cell("add", "add", b.dense("w", x, np.eye(2)), back)
    for hop in range(hops):
        fed = at if not hop else b.dense(f"w{hop}", at, np.eye(2))
        at = b.cell(f"n{hop}", "if", fed, params={"threshold": 1.0})
    b.output("out", at)
    return b.build()


@given(st.integers(1, 9), st.integers(1, 9))
def test_the_pace_is_hops_by_delay(hops: int, delay: int) -> None:
    graph = ring(hops, delay)
    pace = least_pace(graph, neurons)
    assert pace == -(-hops // delay)
    starts = hop_starts(graph, neurons, pace)
    assert starts is not None
    assert [starts[f"n{h}"] for h in range(hops)] == list(range(1, hops + 1))


@given(st.integers(0, 200), st.sampled_from(["dense", "image", "loops"]))
def test_everything_arrives_in_time(seed: int, kind: str) -> None:
    graph = random_float_snn(seed, kind).graph
    pace = least_pace(graph, neurons)
    assert pace == 1 or hop_starts(graph, neurons, pace - 1) is None
    starts = hop_starts(graph, neurons, pace)
    assert starts is not None
    for node in graph.nodes:
        for edge in graph.edges_into[node.name]:
            arrives = starts[edge.source] - pace * edge.delay + neurons(node)
            assert starts[node.name] >= arrives
    assert min(starts[n.name] for n in graph.nodes if neurons(n)) >= 1


def test_outputs_are_read_together() -> None:
    b = GraphBuilder()
    x = b.input("x", (2,), type=BOOL)
    at, made = x, []
    for name in ("a", "b", "c"):
        at = b.cell(name, "if", b.dense(f"{name}.w", at, np.eye(2)), params={"threshold": 1.0})
        made.append(at)
    for ref in made:
        b.output(f"{ref.node}.out", ref)
    starts = hop_starts(b.build(), neurons, 1)
    assert starts is not None
    assert [starts[n] for n in "abc"] == [1, 2, 3]
    assert [starts[f"{n}.out"] for n in "abc"] == [3, 3, 3]


def test_no_node_works_before_the_first_step() -> None:
    b = GraphBuilder()
    x = b.input("x", (2,), type=BOOL)
    fed = b.dense("w", x.after(7), np.eye(2))
    b.output("out", b.cell("n", "if", fed, params={"threshold": 1.0}))
    starts = hop_starts(b.build(), neurons, 1)
    assert starts is not None
    assert (starts["n"], starts["out"]) == (1, 1)


def test_an_output_that_is_read_late_is_not_read_early() -> None:
    b = GraphBuilder()
    x = b.input("x", (2,), type=BOOL)
    n = b.cell("n", "if", b.dense("w", x, np.eye(2)), params={"threshold": 1.0})
    b.output("out", n.after(3))
    starts = hop_starts(b.build(), neurons, 1)
    assert starts is not None
    assert (starts["n"], starts["out"]) == (1, 1)


def test_a_loop_that_is_too_long_is_refused() -> None:
    with pytest.raises(CapabilityError, match="more than 32 hops"):
        least_pace(ring(33, 1), neurons)
