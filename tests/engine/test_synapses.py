"""Single synapses: listed spikes, rings of later sums, sums that are cleared by their spikes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import workloads
from engine_runs import assert_same
from neurodeploy.engine import build, plan, rings
from neurodeploy.engine.plan import Plan
from neurodeploy.ir import BOOL, Graph, GraphBuilder, QType
from neurodeploy.ir.types import tensor
from oracles import Ledger
from tiers import VERIFY, sample_count

SOURCES, TARGETS, COUNT, STEPS = 300, 70, 900, 90


def _graph(delays: tuple[int, int] | None, *, bias: bool, integer: bool, recurrent: bool) -> Graph:
    rng = np.random.default_rng(3)
    b = GraphBuilder("1ms")
    x = b.input("x", (SOURCES,), type=BOOL)

    def joined(name: str, fed: Any, sources: int, count: int) -> Any:
        weight: Any = rng.normal(0.3, 0.6, count)
        if integer:
            weight = tensor(rng.integers(-3, 5, count), QType(-8, 7))
        late = None if delays is None else rng.integers(delays[0], delays[1] + 1, count)
        extra = rng.normal(0, 0.2, TARGETS) if bias else None
        source, target = rng.integers(0, sources, count), rng.integers(0, TARGETS, count)
        return b.synapses(name, fed, (TARGETS,), weight, source, target, late, extra)

    sums = [joined("s", x, SOURCES, COUNT)]
    if recurrent:
        back = b.ref("cell", shape=(TARGETS,), delay=0 if delays and delays[0] > 0 else 1)
        sums.append(joined("r", back, TARGETS, 200))
    total = b.cell("sum", "add", *sums) if recurrent else sums[0]
    if integer:
        return b.output("y", total).build()
    return b.output("y", b.cell("cell", "lif", total, params={"beta": 0.9})).build()


@pytest.mark.parametrize("rate", [0.003, 0.4] if VERIFY else [0.05])
@pytest.mark.parametrize(("bias", "recurrent"), [(False, False), (False, True), (True, True)])
@pytest.mark.parametrize("delays", [None, (0, 5), (1, 40), (3, 3)])
def test_all_states(
    delays: tuple[int, int] | None, bias: bool, recurrent: bool, rate: float, oracle: Ledger
) -> None:
    cc = oracle("cc")
    graph = _graph(delays, bias=bias, integer=False, recurrent=recurrent)
    x = np.random.default_rng(1).random((3, STEPS, SOURCES)) < rate
    engine = build(graph)
    trace = assert_same(graph, engine, {"x": x}, STEPS)
    # once more in the same memory: nothing is left of the samples before
    assert_same(graph, engine, {"x": x[::-1]}, STEPS - 7)
    cc.record(spiking=bool(trace["cell", "out"].any()))


@pytest.mark.parametrize("delays", [None, (0, 5), (2, 9)])
def test_integers(delays: tuple[int, int] | None, oracle: Ledger) -> None:
    cc = oracle("cc")
    graph = _graph(delays, bias=False, integer=True, recurrent=False)
    x = np.random.default_rng(1).random((2, STEPS, SOURCES)) < 0.05
    trace = assert_same(graph, build(graph), {"x": x}, STEPS)
    assert len(np.unique(trace["y", "out"])) > 5
    cc.record(spiking=True)


@pytest.mark.parametrize("delays", [None, (0, 5), (2, 9)])
@pytest.mark.parametrize("recurrent", [False, True])
def test_a_held_input(delays: tuple[int, int] | None, recurrent: bool, oracle: Ledger) -> None:
    cc = oracle("cc")
    graph = _graph(delays, bias=False, integer=False, recurrent=recurrent)
    x = np.random.default_rng(1).random((3, SOURCES)) < 0.02
    trace = assert_same(graph, build(graph), {"x": x}, STEPS)
    cc.record(spiking=bool(trace["cell", "out"].any()))


def test_a_ring_that_would_be_large_is_a_history(
    oracle: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    cc = oracle("cc")
    graph = _graph((0, 40), bias=False, integer=False, recurrent=False)
    assert [s.name for s in Plan(graph).states if s.role == "history"] == ["ring"]
    monkeypatch.setattr(rings, "RING_BYTES", 1000)
    assert [s.name for s in Plan(graph).states if s.role == "history"] == ["history"]
    x = np.random.default_rng(1).random((2, STEPS, SOURCES)) < 0.02
    assert_same(graph, build(graph), {"x": x}, STEPS)
    cc.record(spiking=True)


def test_sums_that_a_later_block_reads_are_kept(
    oracle: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    cc = oracle("cc")
    monkeypatch.setattr(plan, "TILE_STEPS", 7)
    b = GraphBuilder()
    x = b.input("x", (SOURCES,), type=BOOL)
    rng = np.random.default_rng(0)
    source, target = rng.integers(0, SOURCES, COUNT), rng.integers(0, TARGETS, COUNT)
    y = b.synapses("s", x, (TARGETS,), rng.normal(0, 1, COUNT), source, target)
    z = b.cell("z", "lif", b.dense("d", y, rng.normal(0, 1, (5, TARGETS))))
    graph = b.output("y", z).build()
    assert Plan(graph).cleared == {}
    spikes = rng.random((2, 50, SOURCES)) < 0.02
    trace = assert_same(graph, build(graph), {"x": spikes}, 50)
    cc.record(spiking=bool(trace["z", "out"].any()))


def test_the_network_of_4000_neurons(oracle: Ledger) -> None:
    cc = oracle("cc")
    work = workloads.w5(steps=10_000)
    engine, inputs = build(work.graph), {"x": work.x[:, 0]}
    trace = assert_same(work.graph, engine, inputs, sample_count(400, 100))
    assert trace["cells", "out"].sum() > 50
    every = engine.run(inputs, work.steps, record=[("cells", "out")])["cells", "out"]
    assert 5.5 < every.sum() / 4000 < 6.1  # Hz: the run is one second
    cc.record(spiking=True)
