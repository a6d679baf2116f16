"""Tiles of steps: any division of a run into tiles gives the reference's bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import workloads
from engine_runs import assert_same
from neurodeploy.engine import build, plan
from neurodeploy.engine.plan import Plan
from neurodeploy.ir import BOOL, Graph, GraphBuilder
from neurodeploy.testing.random_graphs import random_graph
from oracles import Ledger
from tiers import sample_count

RNG = np.random.default_rng(0)


def _weights(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return RNG.normal(0.1, 0.5, shape).astype(np.float32)


def _blocks(graph: Graph) -> list[tuple[str, ...]]:
    return [b.nodes for b in Plan(graph).blocks]


def test_dense_projections_stand_alone_and_the_rest_together() -> None:
    b = GraphBuilder()
    x = b.input("x", (1, 6, 6), type=BOOL)
    h = b.cell("a", "lif", b.pool("p", b.conv("c", x, _weights(2, 1, 3, 3)), 2))
    y = b.cell("z", "lif", b.dense("d", b.flatten("f", h), _weights(3, 8)))
    graph = b.output("y", y).build()
    assert _blocks(graph) == [("c", "p", "a"), ("d",), ("z",)]
    assert [b.tiled for b in Plan(graph).blocks] == [False, True, False]


def test_a_recurrence_runs_step_by_step_and_what_feeds_it_does_not() -> None:
    graph = workloads.w3(workloads.DATA / "none").graph
    assert sorted(_blocks(graph)) == [("in",), ("o",), ("out",), ("rec", "h")]


def test_who_reads_a_state_runs_in_the_same_step() -> None:
    b = GraphBuilder()
    x = b.input("x", (4,), type=BOOL)
    h = b.cell("a", "lif", b.dense("d", x, _weights(5, 4)))
    v = b.dense("e", b.state(h, "v"), _weights(3, 5))
    graph = b.output("y", b.cell("z", "lif", v)).build()
    assert _blocks(graph) == [("d",), ("a", "e", "z")]


def test_a_delay_forward_divides_nothing() -> None:
    b = GraphBuilder()
    x = b.input("x", (4,), type=BOOL)
    h = b.cell("a", "lif", b.dense("d", x, _weights(5, 4)))
    late = b.dense("e", h.after(3), _weights(5, 5))
    y = b.cell("z", "lif", b.dense("g", b.cell("k", "lif", late), _weights(3, 5)))
    graph = b.output("y", y).build()
    assert _blocks(graph) == [("d",), ("a", "e", "k"), ("g",), ("z",)]


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_random_graphs_in_tiles_of_few_steps(
    steps: int, oracle: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    cc = oracle("cc")
    monkeypatch.setattr(plan, "TILE_STEPS", steps)
    for seed in range(1000, 1000 + sample_count(40, 3)):
        case = random_graph(np.random.default_rng(seed))
        trace = assert_same(
            case.graph, build(case.graph), case.inputs, case.timesteps, what=f"graph {seed}"
        )
        cc.record(spiking=any(v.dtype == bool and v.any() for v in trace.values()))


def test_lists_that_do_not_hold_a_whole_tile(
    oracle: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    cc = oracle("cc")
    monkeypatch.setattr("neurodeploy.engine.emit_dense.LIST_BYTES", 3 * 4 * 70)
    b = GraphBuilder()
    x = b.input("x", (70,), type=BOOL)
    h = b.cell("a", "lif", b.dense("d", x, _weights(130, 70) / 8))
    graph = b.output("y", b.cell("z", "lif", b.dense("e", h, _weights(17, 130) / 9))).build()
    for rate in (0.0, 0.1, 1.0):
        inputs = {"x": RNG.random((2, 100, 70)) < rate}
        trace = assert_same(graph, build(graph), inputs, 100)
        cc.record(spiking=bool(trace["z", "out"].any()))


@pytest.mark.parametrize("make", [workloads.w1, workloads.w3, workloads.w4])
def test_workloads(make: Any, oracle: Ledger) -> None:
    cc = oracle("cc")
    work = make()
    engine = build(work.graph)
    inputs = {"x": work.x[: sample_count(16, 2)]}
    trace = assert_same(work.graph, engine, inputs, work.steps)
    for cell in work.graph.cells:
        assert trace[cell.name, "out"].any()
    if work.counts is not None:
        every = engine.run({"x": work.x}, work.steps, record=[(work.population, "out")])
        assert (every[work.population, "out"].sum(axis=1) == work.counts).all()
    cc.record(spiking=True)
