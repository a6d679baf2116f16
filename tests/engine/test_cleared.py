"""Sums that are added to a state before the cell is computed, and populations of many strips."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurodeploy as nd
from engine_runs import assert_same
from neurodeploy.engine import build
from neurodeploy.engine.plan import Plan
from neurodeploy.engine.source import source
from neurodeploy.ir import BOOL, Graph, GraphBuilder
from oracles import Ledger
from tiers import VERIFY

SOURCES, NEURONS, STEPS = 90, 130, 60
rng = np.random.default_rng


@nd.cell(
    "two_sums",
    params={"keep": 0.9, "drop": 0.25, "threshold": 1.0},
    states={"g": 0.0, "h": 0.0, "v": 0.0},
)
def two_sums(p: Any, s: Any, a: Any, b: Any) -> Any:
    """What arrives is added to two states, each of which is used nowhere else."""
    g, h = s.g + a, b + s.h
    v = p.keep * s.v + g + h
    z = nd.fire(v, p.threshold, strict=True)
    return z, nd.State(g=p.keep * g, h=p.drop * h, v=nd.where(z, v - p.threshold, v))


@nd.cell("state_twice", states={"g": 0.0})
def state_twice(p: Any, s: Any, a: Any) -> Any:
    """The state as it was before is used once more."""
    return nd.fire(s.g + a, 1.0, strict=True), nd.State(g=0.5 * s.g)


@nd.cell("sum_twice", states={"g": 0.0})
def sum_twice(p: Any, s: Any, a: Any) -> Any:
    """What arrives is used once more."""
    g = s.g + a
    return nd.fire(g + 0.5 * a, 1.0, strict=True), nd.State(g=0.5 * g)


@nd.cell("sum_kept", states={"g": 0.0, "last": 0.0})
def sum_kept(p: Any, s: Any, a: Any) -> Any:
    """What arrives is a state after the step."""
    g = s.g + a
    return nd.fire(g, 1.0, strict=True), nd.State(g=0.5 * g, last=a)


@nd.cell("one_sum", states={"g": 0.0})
def one_sum(p: Any, s: Any, a: Any) -> Any:
    """What arrives is added to a state, which is used nowhere else."""
    g = s.g + a
    return nd.fire(g, 1.0, strict=True), nd.State(g=0.5 * g)


class Net:
    """A network in the making."""

    def __init__(self) -> None:
        self.b = GraphBuilder("1ms")
        self.x = self.b.input("x", (SOURCES,), type=BOOL)
        self.draw = rng(4)

    def joined(self, name: str, fed: Any, **more: Any) -> Any:
        sources = int(np.prod(fed.signal.shape))
        count, draw = 6 * sources, self.draw
        weight = draw.normal(0.1, 0.5, count)
        where = draw.integers(0, sources, count), draw.integers(0, NEURONS, count)
        return self.b.synapses(name, fed, (NEURONS,), weight, *where, **more)

    def relayed(self) -> Any:
        """Give spikes that are not those of an input, whose sums might be held."""
        return self.b.cell("first", "lif", self.joined("fed", self.x), params={"beta": 0.8})

    def back(self) -> Any:
        return self.b.ref("cell", shape=(NEURONS,), delay=1)

    def end(self, cell: str, *fed: Any, **more: Any) -> Graph:
        return self.b.output("y", self.b.cell("cell", cell, *fed, **more)).build()


def recurrent() -> Graph:
    n = Net()
    start = {"g": n.draw.normal(0, 0.2, NEURONS), "h": np.float32(-3e-45)}
    fed = [n.joined("on", n.relayed()), n.joined("back", n.back())]
    return n.end("two_sums", *fed, initial=start)


@pytest.mark.parametrize("rate", [0.002, 0.02, 0.3])
def test_states_and_sums(rate: float, oracle: Ledger) -> None:
    cc = oracle("cc")
    graph = recurrent()
    assert Plan(graph).added == {"on": ("cell", "g"), "back": ("cell", "h")}
    engine = build(graph)
    x = {"x": rng(1).random((3, STEPS, SOURCES)) < rate}
    trace = assert_same(graph, engine, x, STEPS)
    assert_same(graph, engine, {"x": x["x"][::-1]}, STEPS - 9, threads=2)
    zeros = np.signbit(trace["cell", "h"][trace["cell", "h"] == 0])
    assert set(zeros) == {True, False}
    # and where nothing but a state is recorded, of which the sums are a part
    only = engine.run(x, STEPS, record=[("cell", "g")])["cell", "g"]
    assert (only == trace["cell", "g"]).all()
    stream = engine.stream([("on", "out"), ("cell", "v")])
    for step in range(STEPS):
        stream.inputs["x"][...] = x["x"][0, step]
        stream.step()
        for key in (("on", "out"), ("cell", "v")):
            assert (stream.held[key] == trace[key][0, step]).all(), (key, step)
    cc.record(spiking=bool(trace["cell", "out"].any()))


def read_by_two() -> Graph:
    n = Net()
    fed = n.joined("on", n.relayed())
    n.b.output("sums", fed)
    return n.end("one_sum", fed)


def late() -> Graph:
    n = Net()
    return n.end("one_sum", n.joined("on", n.relayed()).after(1))


def biased() -> Graph:
    n = Net()
    return n.end("one_sum", n.joined("on", n.relayed(), bias=n.draw.normal(0, 0.1, NEURONS)))


def started() -> Graph:
    n = Net()
    return n.end("one_sum", n.joined("on", n.relayed()), start=5)


def held() -> Graph:
    n = Net()
    return n.end("one_sum", n.joined("on", n.x))


def to_cell(cell: str) -> Graph:
    n = Net()
    return n.end(cell, n.joined("on", n.relayed()))


KEPT = {
    "read by two": read_by_two,
    "late": late,
    "biased": biased,
    "started": started,
    "held": held,
    **{cell: lambda cell=cell: to_cell(cell) for cell in ("state_twice", "sum_twice", "sum_kept")},
}


@pytest.mark.parametrize("name", KEPT)
def test_sums_of_another_use_stay(name: str, oracle: Ledger) -> None:
    cc = oracle("cc")
    graph = KEPT[name]()
    assert "on" not in Plan(graph).added
    x = {"x": rng(1).random((2, STEPS, SOURCES)) < 0.05}
    trace = assert_same(graph, build(graph), x, STEPS)
    cc.record(spiking=bool(trace["cell", "out"].any()))


def test_the_one_use() -> None:
    assert Plan(to_cell("one_sum")).added == {"on": ("cell", "g")}


@pytest.mark.parametrize("neurons", [4000, 4001, 9999] if VERIFY else [4001])
def test_steps_that_go_to_and_fro(neurons: int, oracle: Ledger) -> None:
    """Where the states are larger than a first-level cache, each strip is still made once."""
    cc = oracle("cc")
    b = GraphBuilder("1ms")
    x = b.input("x", (neurons,))
    cell = b.cell("cell", "cuba_lif", x, params={"alpha": 0.8, "beta": 0.9})
    b.output("noisy", b.cell("noise", "poisson", x))
    graph = b.output("y", cell).build()
    assert "t % 2 == 0 ? a :" in source(graph)
    values = rng(1).normal(0.2, 0.5, (2, 9, neurons)).astype(np.float32)
    trace = assert_same(graph, build(graph), {"x": values}, 9, seed=3)
    assert trace["noise", "out"].any()
    cc.record(spiking=bool(trace["cell", "out"].any()))
