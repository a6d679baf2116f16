"""The reference: time, delays, initial values, starts, random bits, the float64 shadow."""

from __future__ import annotations

import numpy as np
import pytest

from neurodeploy.errors import GraphError
from neurodeploy.ir import BOOL, GraphBuilder, QType, tensor
from neurodeploy.reference import Stepper, all_outputs, simulate
from neurodeploy.semantics.language import declare, fire, random_bits, saturate, where
from neurodeploy.semantics.trace import CellDefinition, State

F = np.float32


def leaky(p, s, x):
    v = p.beta * s.v + x
    spike = fire(v, p.threshold, strict=False)
    return spike, State(v=where(spike, v - p.threshold, v))


LEAKY = CellDefinition("t_leaky", leaky, {"beta": 0.9, "threshold": 1.0}, {"v": 0.0})
ADD = CellDefinition("t_add", lambda p, s, a, b: a + b)


def test_recurrence_with_bias_equals_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    w, bias = rng.normal(size=(4, 4)).astype(F), rng.normal(size=4).astype(F)
    x = rng.normal(size=(3, 30, 4)).astype(F)
    b = GraphBuilder()
    back = b.dense("rec", b.ref("lif", shape=(4,), delay=2), w, bias)
    total = b.cell("sum", ADD, b.input("x", (4,)), back)
    spikes = b.cell("lif", LEAKY, total, params={"beta": [0.5, 0.6, 0.7, 0.8]})
    graph = b.output("out", spikes).build()
    trace = simulate(graph, {"x": x}, 30, record=all_outputs(graph))
    beta = np.array([0.5, 0.6, 0.7, 0.8], F)
    fired = 0
    for n in range(3):
        v = np.zeros(4, F)
        history = [np.zeros(4, bool), np.zeros(4, bool)]
        for t in range(30):
            for j in range(4):
                current = F(0)
                for i in range(4):
                    current = F(current + F(w[j, i] * F(history[-2][i])))
                current = F(current + bias[j])
                v[j] = F(F(beta[j] * v[j]) + F(x[n, t, j] + current))
            spike = v >= 1
            v = np.where(spike, v - F(1), v)
            history.append(spike)
            fired += int(spike.sum())
            assert np.array_equal(trace[("lif", "out")][n, t], spike)
            assert np.array_equal(trace[("lif", "v")][n, t], v)
    assert fired > 50


def test_an_edge_gives_its_initial_value_until_the_first_arrives() -> None:
    b = GraphBuilder()
    x = b.input("x", (2,))
    y = b.reshape("r", x.after(3, initial=7.5), (2, 1))
    graph = b.output("out", y).build()
    data = np.arange(12, dtype=F).reshape(1, 6, 2)
    got = simulate(graph, {"x": data}, 6, record=[("out", "out")])[("out", "out")][0, :, :, 0]
    assert got[:3].tolist() == [[7.5, 7.5]] * 3
    assert np.array_equal(got[3:], data[0, :3])


def test_a_cell_is_inert_before_its_start() -> None:
    b = GraphBuilder()
    cell = b.cell("c", LEAKY, b.input("x", (1,)), initial={"v": 0.25}, start=4)
    graph = b.output("out", cell).build()
    trace = simulate(graph, {"x": np.full((1, 1), 0.6, F)}, 6, record=all_outputs(graph))
    assert not trace[("c", "out")][0, :4].any()
    assert (trace[("c", "v")][0, :4] == 0.25).all()
    assert trace[("c", "v")][0, 4, 0] == F(F(0.9) * F(0.25)) + F(0.6)


def test_parameters_may_change_with_time() -> None:
    b = GraphBuilder()
    beta = np.array([[0.5], [0.25], [0.0]])
    cell = b.cell("c", LEAKY, b.input("x", (1,)), params={"beta": beta}, timed=["beta"])
    graph = b.output("out", cell).build()
    trace = simulate(graph, {"x": np.full((1, 1), 0.5, F)}, 3, record=[("c", "v")])
    assert trace[("c", "v")][0, :, 0].tolist() == [0.5, 0.625, 0.5]


def test_random_bits_do_not_depend_on_the_batch() -> None:
    def noisy(p, s, x):
        return fire(x, saturate(random_bits(x, 0), 0, 2**31 - 1), strict=True)

    b = GraphBuilder()
    kind = QType(0, 2**31 - 1)
    cell = b.cell("c", CellDefinition("t_noisy", noisy), b.input("x", (5,), type=kind), stream=3)
    graph = b.output("out", cell).build()
    x = np.full((6, 5), 2**30, np.int64)
    key = ("c", "out")
    whole = simulate(graph, {"x": x}, 4, record=[key], seed=9)[key]
    parts = [
        simulate(graph, {"x": x[i : i + 2]}, 4, record=[key], seed=9, first_sample=i)[key]
        for i in (0, 2, 4)
    ]
    assert np.array_equal(whole, np.concatenate(parts))
    assert 0.1 < whole.mean() < 0.9
    assert not np.array_equal(whole, simulate(graph, {"x": x}, 4, record=[key], seed=8)[key])


def test_a_broken_declaration_is_refused_when_it_happens() -> None:
    def liar(p, s, x):
        return declare(x + s.v, 0, 10), State(v=declare(x + s.v, 0, 10))

    b = GraphBuilder()
    definition = CellDefinition("t_liar", liar, states={"v": 0})
    cell = b.cell(
        "c", definition, b.input("x", (1,), type=QType(0, 3)), state_types={"v": QType(0, 10)}
    )
    graph = b.output("out", cell).build()
    with pytest.raises(GraphError, match=r"declared to lie in \[0, 10\] reaches \[12, 12\]"):
        simulate(graph, {"x": np.full((1, 1), 3, np.int64)}, 5, record=[])


def test_the_shadow_takes_the_same_decisions_in_float64() -> None:
    rng = np.random.default_rng(1)
    b = GraphBuilder()
    current = b.dense("fc", b.input("x", (50,), type=BOOL), rng.normal(size=(20, 50)))
    cell = b.cell("c", LEAKY, current, params={"beta": 0.97})
    graph = b.output("out", cell).build()
    x = rng.random((4, 60, 50)) < 0.2
    single = Stepper(graph, 4)
    shadow = Stepper(graph, 4, widen=True, follow=single)
    drift = 0.0
    for t in range(60):
        values = single.step({"x": x[:, t]})
        wide = shadow.step({"x": x[:, t]})
        assert np.array_equal(values[("c", "out")], wide[("c", "out")])
        assert wide[("c", "v")].dtype == np.float64
        drift = max(drift, float(np.abs(values[("c", "v")] - wide[("c", "v")]).max()))
    assert 0 < drift < 1e-3


def test_saturating_and_wrapping_accumulators() -> None:
    w = tensor(np.array([[100, 100, 100]]), QType(0, 127), name="w")
    x = np.ones((1, 3), bool)
    for overflow, low, high, want in (("saturate", 0, 255, 255), ("wrap", 0, 255, 44)):
        b = GraphBuilder()
        kind = QType(low, high, overflow=overflow)
        y = b.dense("d", b.input("x", (3,), type=BOOL), w, accumulator=kind)
        graph = b.output("out", y).build()
        got = simulate(graph, {"x": x}, 1, record=[("out", "out")])[("out", "out")]
        assert got.tolist() == [[[want]]]
    mixed = tensor(np.array([[100, -100, 100]]), QType(-128, 127), name="w")
    b = GraphBuilder()
    with pytest.raises(GraphError, match="depends on its order"):
        b.dense(
            "d",
            b.input("x", (3,), type=BOOL),
            mixed,
            accumulator=QType(-128, 127, overflow="saturate"),
        )
