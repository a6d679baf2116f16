"""Steps of the weights for groups of inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import neurodeploy as nd
from demo_digits import demo_ann, demo_digits
from edge_runs import EdgeProgram
from engine_runs import assert_equal_traces
from neurodeploy.data import as_samples
from neurodeploy.engine import build
from neurodeploy.errors import QuantizationError, UsageError
from neurodeploy.ir import BOOL, Graph, GraphBuilder
from neurodeploy.quantize import Scheme, grouped
from neurodeploy.quantize.projections import weighted_maps
from neurodeploy.reference import all_outputs, simulate
from neurodeploy.targets.edge.source import edge_unit
from oracles import Ledger

N, T = 4, 12


def network(scale: float = 16) -> Graph:
    """Give a recurrent spiking network whose weights lie on a binary grid: sums are exact."""
    random = np.random.default_rng(0)

    def weights(*shape: int) -> np.ndarray:
        return np.rint(random.normal(size=shape) * scale) / 64

    b = GraphBuilder()
    x = b.input("x", (5, 6, 6), type=BOOL)
    first = b.cell("first", "lif", b.conv("conv", x, weights(7, 5, 3, 3)), params={"beta": 0.75})
    flat = b.reshape("flat", first, (7 * 4 * 4,))
    hidden = b.cell("hidden", "lif", b.dense("fc1", flat, weights(20, 112), weights(20)))
    return b.output("y", b.cell("last", "lif", b.dense("fc2", hidden, weights(4, 20)))).build()


def spikes() -> np.ndarray:
    return np.random.default_rng(1).random((N, T, 5, 6, 6)) < 0.3


@pytest.mark.parametrize("size", [1, 18, 32, 1000])
def test_the_sums_stay(size: int) -> None:
    graph = network()
    made = grouped(graph, size)
    for node in weighted_maps(made):
        weight = made.tensors[node.op.weight].data
        assert weight.shape[1] == 1 or weight[0].size <= size
    keys = [k for k in all_outputs(graph) if k[0] in ("first", "hidden", "last")]
    before, after = (simulate(g, {"x": spikes()}, T, record=keys) for g in (graph, made))
    for key in keys:
        assert np.array_equal(before[key], after[key]), key
    assert before["last", "out"].any()
    assert grouped(graph, 0) == graph
    if size == 1000:
        assert made == graph


def noise(scheme: Scheme) -> float:
    """Give the noise of the last membrane as a share of its size."""
    graph = network()
    made = nd.quantize(graph, data=spikes(), scheme=scheme)
    report = nd.quantization_report(graph, made, spikes())
    return {layer.name: layer for layer in report.layers}["hidden"].different


def test_smaller_groups_cost_less_precision(oracle: Ledger) -> None:
    few, many = (noise(Scheme(weight_bits=3, group=size)) for size in (8, 0))
    assert 0 < few < many
    oracle("cc").record(spiking=True)


def test_one_result_on_every_simulator(tmp_path: Path, oracle: Ledger) -> None:
    digits = demo_digits()
    graph = nd.convert(demo_ann(), data=digits["xtr"][:64], timesteps=3)
    made = nd.quantize(graph, data=digits["xtr"][:64], scheme=Scheme(weight_bits=4, group=72))
    inputs = dict(as_samples(made, digits["xte"][:2]).inputs)
    keys = all_outputs(made)
    due = simulate(made, inputs, 3, record=keys)
    assert_equal_traces(due, build(made).run(inputs, 3, record=keys), "groups of 72")
    found = EdgeProgram(edge_unit(made, "net"), "net", tmp_path).run(inputs, 3)
    for key, values in found.items():
        assert np.array_equal(values.astype(np.int64), due[key].astype(np.int64)), key
    oracle("cc").record(spiking=True)
    oracle("gcc").record(spiking=True)


def test_refusals() -> None:
    with pytest.raises(QuantizationError, match="group is -1"):
        Scheme(group=-1)
    pytest.importorskip("torch", reason="training needs torch")
    from neurodeploy.training import quantization_aware, to_torch

    module = to_torch(network())
    with pytest.raises(UsageError, match="group changes the projections"):
        quantization_aware(module, Scheme(group=8))
    with pytest.raises(UsageError, match="equalise changes the projections"):
        quantization_aware(module, Scheme(equalise=True))
