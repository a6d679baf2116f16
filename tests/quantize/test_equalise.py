"""Cross-layer equalisation: the float network stays the same bit for bit, its integers do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import neurodeploy as nd
from demo_digits import demo_ann, demo_digits
from neurodeploy.errors import QuantizationError
from neurodeploy.ir import F32, Graph, GraphBuilder
from neurodeploy.ir.types import tensor
from neurodeploy.quantize import Scheme, equalised
from neurodeploy.reference import simulate
from oracles import Ledger
from tiers import sample_count

torch = pytest.importorskip("torch", reason="the networks are built in torch")

Array = npt.NDArray[Any]


def network(seed: int) -> Any:
    """Give two convolutions and two dense layers whose channels differ in size a thousandfold."""
    nn, generator = torch.nn, torch.Generator().manual_seed(seed)
    slope = nn.ReLU() if seed % 2 else nn.LeakyReLU(0.1)
    pool = nn.MaxPool2d(2) if seed % 3 else nn.AvgPool2d(2)
    net = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1), slope, pool, nn.Conv2d(6, 8, 3, groups=1 + seed % 2),
        nn.ReLU(), nn.Flatten(), nn.Linear(32, 12), nn.ReLU(), nn.Linear(12, 5),
    ).eval()  # fmt: skip
    with torch.no_grad():
        for layer in net:
            if hasattr(layer, "weight"):
                rows = layer.weight.shape[0]
                size = torch.exp(3.5 * (2 * torch.rand(rows, generator=generator) - 1))
                layer.weight.mul_(size.reshape(-1, *[1] * (layer.weight.ndim - 1)))
                layer.bias.mul_(size)
    return net


def outputs(graph: Graph, x: Array) -> Array:
    key = graph.outputs[0].name, "out"
    return simulate(graph, {graph.inputs[0].name: x}, 1, record=[key])[key]


@pytest.mark.parametrize("seed", range(sample_count(30, 6)))
def test_no_output_changes(seed: int, oracle: Ledger) -> None:
    net = network(seed)
    x = np.random.default_rng(seed).normal(size=(8, 2, 8, 8)).astype(np.float32)
    graph = nd.load(net, example=x)
    made = equalised(graph)
    assert len(made.changes) > len(graph.changes)
    assert np.array_equal(outputs(graph, x), outputs(made, x))
    with torch.no_grad():
        due = net(torch.from_numpy(x)).numpy()
    assert np.allclose(outputs(made, x)[:, 0], due, rtol=1e-4, atol=1e-4 * np.abs(due).max())
    oracle("torch").record()


def spread(graph: Graph) -> float:
    """Give the worst ratio between the largest weights of two channels of a projection."""
    worst = 1.0
    for name in ("0.weight", "3.weight", "6.weight"):
        weight = graph.tensors[name].data
        rows = np.abs(weight).reshape(weight.shape[0], -1).max(axis=1)
        worst = max(worst, float(rows.max() / rows.min()))
    return worst


def test_channels_become_alike() -> None:
    x = np.ones((2, 2, 8, 8), np.float32)
    graph = nd.load(network(1), example=x)
    assert spread(equalised(graph)) < spread(graph) / 3


def unlike(graph: Graph) -> Graph:
    """Make the channels of the digits network unlike; it computes the same but for rounding."""
    size = np.exp(np.random.default_rng(0).uniform(-3, 3, 32))
    factors = {
        "1.scale": size.reshape(-1, 1, 1),
        "1.shift": size.reshape(-1, 1, 1),
        "4.weight": 1 / size.reshape(1, -1, 1, 1),
    }
    changed = {
        name: tensor((graph.tensors[name].data * by).astype(np.float32), F32, name=name)
        for name, by in factors.items()
    }
    return replace(graph, tensors={**graph.tensors, **changed})


def test_one_step_for_all_channels_holds_them(oracle: Ledger) -> None:
    digits = demo_digits()
    graph = unlike(demo_ann())

    def accuracy(made: Graph) -> float:
        found = nd.run(made, digits["xte"], digits["yte"], on="engine").accuracy
        return 100 * (found or 0)

    plain, balanced = (
        accuracy(
            nd.quantize(
                graph, data=digits["xtr"][:256], scheme=Scheme(granularity="tensor", equalise=by)
            )
        )
        for by in (False, True)
    )
    floats = accuracy(graph)
    assert plain < floats - 1.5
    assert balanced >= floats - 0.3
    oracle("cc").record()


def test_what_cannot_be_equalised_is_told() -> None:
    digits = demo_digits()
    snn = nd.convert(demo_ann(), data=digits["xtr"][:64], timesteps=4)
    with pytest.raises(QuantizationError, match="no two projections meet through a rectifier"):
        nd.quantize(snn, data=digits["xtr"][:64], scheme=Scheme(equalise=True))


def test_channels_that_something_else_reads_stay() -> None:
    """The rectifier's output is an output of the network too; and weights used twice stay."""
    random = np.random.default_rng(0)
    b = GraphBuilder()
    weight = random.normal(size=(6, 6)) * np.exp(random.normal(size=(6, 1)))
    hidden = b.cell("hidden", "relu", b.dense("fc1", b.input("x", (6,)), weight))
    b.output("seen", hidden)
    b.output("y", b.dense("fc2", hidden, weight))
    with pytest.raises(QuantizationError, match="no two projections"):
        equalised(b.build())
