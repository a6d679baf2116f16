"""A converted network equals SpikingJelly's neurons between torch's layers, state by state."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurodeploy.converters.ann_to_snn import Threshold, spiking_graph
from neurodeploy.ir import Graph, GraphBuilder
from neurodeploy.passes.fold_batch_norm import fold_batch_norm
from neurodeploy.reference import simulate

STEPS = 24
RNG = np.random.default_rng(12)


def grid(*shape: int, steps: int = 8) -> Any:
    """Give numbers on a binary grid, of which every partial sum is exact."""
    return RNG.integers(-steps, steps + 1, shape) / steps


def power(channels: int) -> Any:
    return 2.0 ** RNG.integers(-1, 2, channels)


def network() -> tuple[Graph, dict[str, Any]]:
    w: dict[str, Any] = {
        "conv1": grid(4, 2, 3, 3),
        "conv2": grid(4, 4, 3, 3),
        "fc": grid(3, 64),
        "bias1": grid(4),
        "scale": power(4) * RNG.choice([-1, 1], 4),
        "shift": grid(4),
    }
    b = GraphBuilder()
    x = b.conv("conv1", b.input("x", (2, 8, 8)), w["conv1"], w["bias1"], padding=1)
    params = {"scale": w["scale"].reshape(-1, 1, 1), "shift": w["shift"].reshape(-1, 1, 1)}
    x = b.cell("act1", "relu", b.cell("bn", "affine", x, params=params))
    x = b.max_pool("pool", x, 2)
    x = b.cell("sum", "add", b.conv("conv2", x, w["conv2"], padding=1), x)
    x = b.flatten("flat", b.cell("act2", "relu", x))
    return b.output("out", b.dense("fc", x, w["fc"])).build(), w


def test_spikes_and_membranes(oracle: Any) -> None:
    jelly = oracle("spikingjelly")
    layers = oracle("torch")
    torch = layers.module
    from spikingjelly.activation_based import neuron

    graph, w = network()
    h = {"act1": power(4), "act2": power(4)}
    chosen = {n: Threshold(v, "given", np.zeros(4, bool), 0.0, 0.0) for n, v in h.items()}
    snn = spiking_graph(fold_batch_norm(graph), chosen, STEPS)
    images = np.abs(grid(6, 2, 8, 8)).astype(np.float32)
    keys = [(n, o) for n in h for o in ("out", "v")] + [("pool", "out"), ("out", "out")]
    trace = simulate(snn, {"x": images}, STEPS, record=keys)

    tensors = {k: torch.tensor(v, dtype=torch.float64) for k, v in w.items()}
    wide = {n: torch.tensor(v).reshape(1, -1, 1, 1) for n, v in h.items()}
    # SpikingJelly has one threshold a layer: membranes are told in units of the threshold
    cells = {n: neuron.IFNode(v_threshold=1.0, v_reset=None) for n in h}
    for cell in cells.values():
        cell.double()
        cell.v = 0.5
    x = torch.tensor(images, dtype=torch.float64)
    sums: Any = 0
    pooled: Any = 0
    for step in range(STEPS):
        y = torch.nn.functional.conv2d(x, tensors["conv1"], tensors["bias1"], padding=1)
        y = y * tensors["scale"].reshape(-1, 1, 1) + tensors["shift"].reshape(-1, 1, 1)
        first = cells["act1"](y / wide["act1"])
        sums = sums + first * wide["act1"]
        total = torch.nn.functional.max_pool2d(sums, 2)
        sent, pooled = total - pooled, total
        y = torch.nn.functional.conv2d(sent, tensors["conv2"], padding=1) + sent
        second = cells["act2"](y / wide["act2"])
        out = (second * wide["act2"]).flatten(1) @ tensors["fc"].T
        expected = {
            ("act1", "out"): first.bool(),
            ("act1", "v"): cells["act1"].v * wide["act1"],
            ("pool", "out"): sent > 0,
            ("act2", "out"): second.bool(),
            ("act2", "v"): cells["act2"].v * wide["act2"],
            ("out", "out"): out,
        }
        for key, value in expected.items():
            np.testing.assert_array_equal(trace[key][:, step], value.numpy(), err_msg=str(key))
    rates = [trace[(n, "out")].mean() for n in h]
    assert min(rates) > 0.05
    jelly.record(spiking=True)
    layers.record(spiking=True)
