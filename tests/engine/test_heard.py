"""Lists of spikes that several projections and records share: made once, read where they hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine_runs import assert_same
from neurodeploy.engine import build, plan
from neurodeploy.engine.plan import Plan
from neurodeploy.ir import BOOL, Graph, GraphBuilder
from oracles import Ledger

SOURCES, NEURONS, STEPS = 90, 130, 60
rng = np.random.default_rng


class Net:
    """A network in the making: an input, and synapses drawn from a seed."""

    def __init__(self) -> None:
        self.b = GraphBuilder("1ms")
        self.x = self.b.input("x", (SOURCES,), type=BOOL)
        self.draw = rng(4)

    def back(self, delay: int, initial: Any = 0) -> Any:
        return self.b.ref("cell", shape=(NEURONS,), delay=delay, initial=initial)

    def joined(self, name: str, fed: Any, late: tuple[int, int] | None = None, **more: Any) -> Any:
        sources = int(np.prod(fed.signal.shape))
        count, draw = 5 * sources, self.draw
        delay = None if late is None else draw.integers(late[0], late[1] + 1, count)
        weight = draw.normal(0.1, 0.5, count)
        source, target = draw.integers(0, sources, count), draw.integers(0, NEURONS, count)
        return self.b.synapses(name, fed, (NEURONS,), weight, source, target, delay, **more)

    def cell(self, *fed: Any) -> Any:
        total = fed[0]
        for number, more in enumerate(fed[1:]):
            total = self.b.cell(f"sum{number}", "add", total, more)
        return self.b.cell("cell", "lif", total, params={"beta": 0.9})

    def end(self, last: Any) -> Graph:
        return self.b.output("y", last).build()


def both_ways() -> Graph:
    """Read in the same step and one later, with and without a bias, and two steps later."""
    n = Net()
    bias = n.draw.normal(0.0, 0.1, NEURONS)
    first = [n.joined("in1", n.x), n.joined("in2", n.x, bias=bias)]
    again = [n.joined("r1", n.back(1)), n.joined("r2", n.back(1), bias=bias)]
    cell = n.cell(*first, *again, n.joined("two", n.back(2)))
    return n.end(n.b.cell("z", "lif", n.joined("on", cell), params={"beta": 0.8}))


def rings() -> Graph:
    """Delayed synapses: those that send at the end of a step look for spikes a step later."""
    n = Net()
    fed = [n.joined("in", n.x, (0, 4)), n.joined("sent", n.back(0), (1, 9))]
    return n.end(
        n.cell(*fed, n.joined("later", n.back(1), (2, 5)), n.joined("r", n.back(1), (0, 3)))
    )


def spikes_before_the_first_step() -> Graph:
    """An edge that starts with spikes keeps its line; one without may share a list."""
    n = Net()
    fed = [n.joined("in", n.x), n.joined("on", n.back(1, True)), n.joined("off", n.back(1))]
    return n.end(n.cell(*fed))


def another_block() -> Graph:
    """A dense projection between: readers in several blocks of nodes, each with its own list."""
    n = Net()
    cell = n.cell(n.joined("in", n.x))
    dense = n.b.dense("d", cell, n.draw.normal(0.0, 0.3, (NEURONS, NEURONS)))
    more = n.b.cell("more", "add", dense, n.joined("s", cell))
    z = n.b.cell("z", "lif", n.b.cell("all", "add", more, n.joined("i", n.x)))
    return n.end(n.b.cell("w", "lif", n.joined("late", z.after(1))))


def reshaped() -> Graph:
    """A signal of two axes, read flat."""
    n = Net()
    total = n.b.cell("sum", "add", n.joined("in", n.x), n.joined("r", n.back(1)))
    cell = n.b.cell("cell", "lif", total)
    flat = n.b.flatten("flat", n.b.reshape("grid", cell, (13, 10)))
    return n.end(n.joined("s", flat))


def sums_heard_late() -> Graph:
    """Sums that a delayed edge or delayed synapses read once more: spikes may not clear them."""
    n = Net()
    cell = n.cell(n.joined("in", n.x))
    one, two = (n.joined(name, cell.after(delay)) for name, delay in (("one", 0), ("two", 1)))
    z = n.b.cell("z", "lif", n.b.cell("both", "add", one.after(1), two.after(2)))
    late = n.joined("late", n.b.cell("half", "scale", two, params={"scale": 0.5}).after(1))
    third = n.joined("third", one, (0, 3))
    sums = n.b.cell("w", "add", late, third)
    return n.end(n.b.cell("end", "add", sums, n.joined("last", z)))


CASES = [
    both_ways,
    rings,
    spikes_before_the_first_step,
    another_block,
    reshaped,
    sums_heard_late,
]


@pytest.mark.parametrize("tile", [1, 7, 64])
@pytest.mark.parametrize("make", CASES)
def test_states_lists_and_chunks(
    make: Callable[[], Graph], tile: int, oracle: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    cc = oracle("cc")
    monkeypatch.setattr(plan, "TILE_STEPS", tile)
    graph = make()
    engine = build(graph)
    x = {"x": rng(1).random((3, STEPS, SOURCES)) < 0.06}
    trace = assert_same(graph, engine, x, STEPS)
    # again in the same memory, with other samples: no spike is left of those before
    assert_same(graph, engine, {"x": x["x"][::-1]}, STEPS - 9)
    keys = [key for key in trace if graph.signals[key].type == BOOL]
    found = engine.spikes(x, STEPS, record=keys)
    for key in keys:
        assert (found[key].raster() == trace[key]).all(), key
    for chunk in engine.chunks(x, STEPS, steps=11, record=keys, spikes=keys):
        for key in keys:
            part = trace[key][chunk.sample, chunk.first : chunk.first + 11]
            assert (chunk.trace[key][0] == part).all(), key
            assert (chunk.spikes[key].raster()[0] == part).all(), key
    stream = engine.stream(keys)
    for step in range(STEPS):
        stream.inputs["x"][...] = x["x"][0, step]
        stream.step()
        for key in keys:
            assert (stream.held[key] == trace[key][0, step]).all(), (key, step)
    cc.record(spiking=bool(trace["cell", "out"].any()))


def test_who_shares() -> None:
    def found(graph: Graph) -> list[tuple[str, bool, tuple[str, ...]]]:
        return sorted((made.signal[0], made.late, made.readers) for made in Plan(graph).heard)

    # what an input alone drives may be held, and looks for spikes once
    assert found(both_ways()) == [("cell", False, ("on",)), ("cell", True, ("r1", "r2"))]
    kept = [("cell", False, ("sent",)), ("cell", True, ("r",)), ("x", False, ("in",))]
    assert found(rings()) == kept
    assert found(spikes_before_the_first_step()) == [("cell", True, ("off",))]
    assert found(another_block()) == [("cell", False, ("s",)), ("z", True, ("late",))]
    assert found(reshaped()) == [("cell", False, ("s",)), ("cell", True, ("r",))]
    assert {s.owner for s in Plan(both_ways()).states if s.role == "line"} == {"two.in"}
    assert {s.owner for s in Plan(rings()).states if s.role == "line"} == {"later.in"}
