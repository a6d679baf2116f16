"""What counts as what: the conventions of the bill, each as a case with a hand count."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from neurodeploy.ir import BOOL, F32, Graph, GraphBuilder, QType, tensor
from neurodeploy.ir.ops import ReduceAxes
from neurodeploy.profile import count
from neurodeploy.profile.counts import Counts
from neurodeploy.reference import all_outputs, simulate


def run(graph: Graph, inputs: dict[str, Any], timesteps: int) -> Counts:
    return count(graph, partial(simulate, graph), inputs, timesteps)


def layer_of(x: Any, weight: Any, **kw: Any) -> tuple[int, int]:
    b = GraphBuilder()
    y = b.dense("fc", b.input("x", x.shape[1:]), weight, **kw)
    graph = b.output("out", y).build()
    row = run(graph, {"x": x.astype(np.float32)}, 1).layer("fc").row
    return row.total("acs"), row.total("macs")


def test_conventions_of_a_hand_count() -> None:
    spikes = np.zeros((1, 20))
    spikes[0, :10] = 1
    assert layer_of(spikes, np.ones((10, 20)), bias=np.ones(10)) == (100, 0)
    # pruned synapses do not count: 12 inputs, 10 outputs, 48 of 120 weights left
    weight = np.ones((10, 12))
    weight.ravel()[:72] = 0
    assert layer_of(np.ones((1, 12)), weight) == (48, 0)
    # -1, 0, 1 are accumulated; any other value makes the step of this sample a MAC step
    assert layer_of(np.array([[-1.0, 0.0, 1.0] * 5]), np.ones((6, 15))) == (60, 0)
    assert layer_of(np.array([[0.0, 1.0, 2.0] * 5]), np.ones((6, 15))) == (0, 60)
    # one analog value in a batch of four: only its own sample pays
    batch = np.ones((4, 5))
    batch[2, 0] = 0.25
    assert layer_of(batch, np.ones((3, 5))) == (45, 15)
    # a Dense shared over an axis (batch, time, features)
    assert layer_of(np.ones((1, 3, 9)), np.ones((5, 9))) == (135, 0)


def test_pools_and_products_have_their_own_columns() -> None:
    rng = np.random.default_rng(2)
    b = GraphBuilder()
    x = b.input("x", (2, 4, 4), type=BOOL)
    average = b.pool("avg", x, 2)
    conv = b.conv("conv", average, np.ones((3, 2, 1, 1)))
    largest = b.max_pool("max", x, 2)
    rate = b.max_pool("cumulative", x, 2, mode="cumulative")
    both = b.product("pair", "chw,chw->c", largest, rate)
    mean = b.reduce("mean", ReduceAxes("mean", (1, 2)), conv)
    b.output("a", both)
    graph = b.output("b", mean).build()
    data = rng.random((3, 5, 2, 4, 4)) < 0.2
    trace = simulate(graph, {"x": data}, 5, record=all_outputs(graph))
    counts = run(graph, {"x": data}, 5)
    for n in range(3):
        average_row = counts.layer("avg").row
        assert average_row.pool_ops[n] == data[n].sum() + 5 * 8  # additions, then one division
        assert average_row.synops[n] == 0
        conv_row = counts.layer("conv").row
        assert conv_row.synops[n] == 3 * np.count_nonzero(trace[("avg", "out")][n])
        assert counts.layer("max").row.other_ops[n] == 5 * 8 * 3  # an OR of four spikes
        assert counts.layer("cumulative").row.pool_ops[n] == data[n].sum() + 5 * (8 * 3 + 8)
        pairs = np.logical_and(trace[("max", "out")][n], trace[("cumulative", "out")][n])
        assert counts.layer("pair").row.acs[n] == pairs.sum()
        assert counts.layer("pair").row.dense_ops[n] == 5 * 8
        active = np.count_nonzero(trace[("conv", "out")][n])
        assert counts.layer("mean").row.reduce_ops[n] == active + 5 * 3
    for layer in counts.layers:
        row = layer.row
        parts = ("bias", "pool", "reduce", "residual", "elementwise", "neuron", "other")
        held = sum(getattr(row, f"{p}_ops").sum() for p in parts)
        assert held == sum(int(v.sum()) for v in layer.work.values())


def test_an_analog_network_of_one_step_has_macs() -> None:
    rng = np.random.default_rng(6)
    b = GraphBuilder()
    x = b.input("x", (8,))
    h = b.cell("relu", "relu", b.dense("one", x, rng.normal(size=(6, 8)), rng.normal(size=6)))
    graph = b.output("out", b.dense("two", h, rng.normal(size=(3, 6)))).build()
    data = rng.normal(size=(5, 8)).astype(np.float32)
    data[:, :2] = 0
    counts = run(graph, {"x": data}, 1)
    hidden = simulate(graph, {"x": data}, 1, record=[("relu", "out")])[("relu", "out")]
    assert counts.layer("one").row.macs.tolist() == [36] * 5
    live = np.count_nonzero(hidden.reshape(5, -1), axis=1)
    assert counts.layer("two").row.macs.tolist() == (3 * live).tolist()
    relu = counts.layer("relu")
    assert relu.neurons == 6
    assert relu.row.spikes.sum() == 0
    assert relu.row.activations.tolist() == live.tolist()
    assert relu.row.neuron_updates.sum() == 0
    assert counts.total.total("acs") == 0


def test_bytes_follow_the_width_of_the_types() -> None:
    b = GraphBuilder()
    x = b.input("x", (4,), type=BOOL)
    four = tensor(np.array([[1, -2, 3, 0], [0, 0, 7, -8]]), QType(-8, 7, (0.5,)))
    current = b.cell("f", "to_float", b.dense("fc", x, four))
    graph = b.output("out", b.cell("lif", "lif", current, params={"beta": [0.5, 0.9]})).build()
    counts = run(graph, {"x": np.ones((1, 3, 4), np.bool_)}, 3)
    fc, lif = counts.layer("fc"), counts.layer("lif")
    assert fc.weight_bytes == 4
    assert fc.row.acs.tolist() == [3 * 5]
    assert fc.row.weight_traffic.tolist() == [(3 * 5 * 4 + 7) // 8]
    assert lif.state_bytes == 8
    assert lif.row.state_traffic.tolist() == [3 * 2 * 2 * 4]  # read and written, two neurons
    assert lif.row.weight_traffic.tolist() == [3 * 2 * 4]  # beta per neuron; the scalar stays
    assert graph.tensors["lif.beta"].type == F32
