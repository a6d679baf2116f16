"""The compiled program against the reference, bit by bit, on graphs made by hand.

Those drawn at random are in ``tests/test_engine_equals_reference.py``.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from engine_runs import assert_same
from neurodeploy.engine import build
from neurodeploy.errors import GraphError
from neurodeploy.ir import BOOL, F64, Graph, GraphBuilder, QType, tensor
from neurodeploy.ir.ops import ReduceAxes
from neurodeploy.semantics.cells.firing import PAYLOADS, RESETS, TIMINGS
from oracles import Ledger
from tiers import sample_count

FIRING: dict[str, tuple[Any, ...]] = {
    "reset": RESETS,
    "timing": TIMINGS,
    "strict": (False, True),
    "refractory": (0, 2),
    "payload": PAYLOADS,
    "spikes": (1, 3),
    "floor": (False, True),
}


def _every_choice(cell: str, options: dict[str, tuple[Any, ...]], keep: int) -> Graph:
    """Give a graph with one population for each combination of options that exists."""
    rng = np.random.default_rng(0)
    b = GraphBuilder("1ms")
    x = b.input("x", (5,))
    made = 0
    out = x
    combinations = list(product(*options.values()))
    for at in rng.permutation(len(combinations)):
        chosen = dict(zip(options, combinations[at], strict=True))
        try:
            out = b.cell(f"c{at}", cell, x, params={"threshold": 0.7}, options=chosen)
        except GraphError:  # choices that exclude each other
            continue
        made += 1
        if made == keep:
            break
    assert made > 20
    return b.output("out", out).build()


@pytest.mark.parametrize(
    ("cell", "more", "left_out"),
    [
        ("if", {}, ()),
        ("lif", {"decay": ("factor", "tau", "rate"), "rest": (False, True)}, ()),
        ("cuba_lif", {"decay": ("factor", "none"), "input_gain": (False, True)}, ()),
        ("alif", {"taken": ("adapted", "base")}, ("spikes",)),
    ],
)
def test_every_choice_of_the_firing_cells(
    cell: str, more: dict[str, Any], left_out: tuple[str, ...], oracle: Ledger
) -> None:
    cc = oracle("cc")
    options = {k: v for k, v in FIRING.items() if k not in left_out} | more
    graph = _every_choice(cell, options, sample_count(1000, 40))
    inputs = {"x": np.random.default_rng(1).normal(0.3, 0.6, (3, 30, 5)).astype(np.float32)}
    trace = assert_same(graph, build(graph), inputs, 30)
    fired = [c.name for c in graph.cells if trace[(c.name, "out")].any()]
    cc.record(len(graph.cells), spiking=len(fired))


def test_stateless_cells_and_float64(oracle: Ledger) -> None:
    cc = oracle("cc")
    b = GraphBuilder(float_type=F64)
    x = b.input("x", (3, 4))
    y = b.conv("conv", b.reshape("r", x, (1, 3, 4)), np.arange(36.0).reshape(4, 1, 3, 3) - 11.3,
               padding=1)  # fmt: skip
    y = b.cell("relu", "relu", y)
    y = b.cell("six", "clipped_relu", y, params={"upper": 20.0})
    y = b.cell("leaky", "leaky_relu", y)
    out = b.cell("spike", "threshold", y, params={"threshold": 3.0})
    graph = b.output("out", b.pool("sum", out, 2, mode="sum")).output("y", y).build()
    inputs = {"x": np.random.default_rng(0).normal(size=(5, 3, 4)) * 1e-3}
    assert_same(graph, build(graph), inputs, 4)
    cc.record()


def test_products_in_order(oracle: Ledger) -> None:
    cc = oracle("cc")
    rng = np.random.default_rng(0)
    for equation, left, right, kinds in (
        ("ik,kj->ij", (3, 50), (50, 4), ("f", "f")),
        ("ik,jk->ji", (3, 5), (4, 5), ("b", "f")),
        ("hqc,hkc->hqk", (2, 3, 4), (2, 5, 4), ("b", "b")),
        ("i,j->", (4,), (3,), ("f", "f")),
        ("i,i->i", (4,), (4,), ("q", "b")),
        ("ab,c->ca", (2, 3), (4,), ("q", "q")),
    ):
        b = GraphBuilder()
        types: dict[str, Any] = {"f": None, "b": BOOL, "q": QType(-50, 50)}
        x = b.input("x", left, type=types[kinds[0]])
        y = b.input("y", right, type=types[kinds[1]])
        graph = b.output("out", b.product("p", equation, x, y)).build()
        inputs = {}
        for name, shape, kind in (("x", left, kinds[0]), ("y", right, kinds[1])):
            values: Any = rng.normal(size=(3, 2, *shape)).astype(np.float32)
            if kind == "b":
                values = rng.random((3, 2, *shape)) < 0.5
            elif kind == "q":
                values = rng.integers(-50, 51, (3, 2, *shape))
            inputs[name] = values
        assert_same(graph, build(graph), inputs, 2)
        cc.record()


def test_saturating_and_wrapping_sums(oracle: Ledger) -> None:
    cc = oracle("cc")
    rng = np.random.default_rng(0)
    for declared, low in (
        (QType(0, 500, overflow="saturate"), 0),
        (QType(-128, 127, overflow="wrap"), -90),
        (QType(0, 255, overflow="wrap"), -90),
        (QType(-(2**31), 2**31 - 1, overflow="wrap"), -90),
        (QType(-(2**40), 2**40 - 1, overflow="wrap"), -90),
        (QType(-(2**63), 2**63 - 1, overflow="wrap"), -90),
    ):
        b = GraphBuilder()
        x = b.input("x", (40,), type=QType(0, 2**33) if low else BOOL)
        weight = tensor(rng.integers(low, 91, (19, 40)), QType(-128, 127))
        bias = tensor(rng.integers(0, 9, 19), QType(0, 9))
        y = b.dense("d", x, weight, bias, accumulator=declared)
        graph = b.output("out", y).build()
        values = rng.integers(0, 2**33, (4, 3, 40)) if low else rng.random((4, 3, 40)) < 0.6
        assert_same(graph, build(graph), {"x": values}, 3)
        cc.record()


def test_extremes_reach_infinity_and_nan_alike(oracle: Ledger) -> None:
    cc = oracle("cc")
    b = GraphBuilder()
    x = b.input("x", (2, 6, 6))
    y = b.conv("conv", x, np.full((9, 2, 2, 2), 1e30), padding=1, stride=2)
    y = b.cell("square", "multiply", y, y)
    z = b.dense("mix", y, np.array([[1.0, -1.0, 0, 2], [0, 0, 1e-30, 0], [1, 1, 1, 1]]))
    top = b.max_pool("top", z, (2, 1), padding=((1, 0), (0, 0)))
    more = b.max_pool("more", z, 2, mode="cumulative")
    hot = b.reduce("largest", ReduceAxes("max", (1,)), z)
    v = b.cell("v", "lif", z)
    outs = {"a": top, "b": more, "c": hot, "d": v}
    for name, ref in outs.items():
        b.output(name, ref)
    graph = b.build()
    rng = np.random.default_rng(0)
    values = rng.choice([0, -0.0, 1e9, -3e8, 1e-40, 1e38], (3, 4, 2, 6, 6)).astype(np.float32)
    trace = assert_same(graph, build(graph), {"x": values}, 4)
    assert np.isnan(trace[("mix", "out")]).any()
    assert np.isinf(trace[("square", "out")]).any()
    cc.record()


def test_random_bits_do_not_depend_on_batch_or_thread(oracle: Ledger) -> None:
    from neurodeploy.semantics.language import fire, random_bits
    from neurodeploy.semantics.trace import CellDefinition

    def poisson(p: Any, s: Any, x: Any) -> Any:
        return fire(x, random_bits(x, 0), strict=True)

    cc = oracle("cc")
    b = GraphBuilder()
    x = b.input("rate", (3, 7), type=QType(0, 2**32))
    graph = b.output("out", b.cell("p", CellDefinition("p", poisson), x, stream=3)).build()
    engine = build(graph)
    rate = np.random.default_rng(0).integers(0, 2**32, (9, 3, 7))
    whole = assert_same(graph, engine, {"rate": rate}, 20, threads=2, seed=5, first_sample=2**40)
    part = engine.run({"rate": rate[4:]}, 20, record=[("p", "out")], seed=5, first_sample=2**40 + 4)
    assert (part[("p", "out")] == whole[("p", "out")][4:]).all()
    other = engine.run({"rate": rate}, 20, record=[("p", "out")], seed=6)
    assert (other[("p", "out")] != whole[("p", "out")]).any()
    cc.record(spiking=True)


def test_states_may_be_named_as_rings_and_pools_are(oracle: Ledger) -> None:
    from neurodeploy.semantics.trace import CellDefinition, State

    def function(p: Any, s: Any, x: Any) -> Any:
        return s.line - s.sum, State(history=s.history + x, line=s.history, sum=s.line)

    cc = oracle("cc")
    names = {"history": 0.5, "line": -0.0, "sum": 1.0}
    b = GraphBuilder()
    x = b.input("x", (4,))
    y = b.cell("c", CellDefinition("named", function, states=names), x.after(2))
    z = b.dense("d", b.state(y, "history"), np.eye(4))
    graph = b.output("out", z.after(3)).output("state", b.state(y, "sum")).build()
    inputs = {"x": np.random.default_rng(0).normal(size=(2, 9, 4)).astype(np.float32)}
    assert_same(graph, build(graph), inputs, 9)
    cc.record()


def test_a_delayed_history_holds_what_arrived(oracle: Ledger) -> None:
    cc = oracle("cc")
    b = GraphBuilder()
    x = b.input("x", (3,), type=BOOL)
    y = b.synapses("s", x.after(2, 1), (2,), [1.0, 2.0, 4.0, 8.0], [0, 1, 2, 0], [0, 1, 1, 0],
                   [0, 1, 3, 0])  # fmt: skip
    graph = b.output("out", y).build()
    values = np.random.default_rng(0).random((3, 12, 3)) < 0.5
    assert_same(graph, build(graph), {"x": values}, 12)
    cc.record()
