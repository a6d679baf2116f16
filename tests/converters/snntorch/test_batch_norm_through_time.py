"""Batch norm through time: each step has statistics and scales of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from oracles import Ledger

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("snntorch", reason="snntorch is not installed")

import neurodeploy as nd  # noqa: E402
from neurodeploy.errors import ConversionError, DataError  # noqa: E402
from neurodeploy.reference import simulate  # noqa: E402
from spiking_nets import events, proof, read  # noqa: E402

Array = npt.NDArray[Any]
STEPS, N = 12, 4


class Network(torch.nn.Module):
    """A convolution and a dense layer, each with a norm for every step, and a gain per step."""

    def __init__(self, channels: int, loops: bool = False) -> None:
        import snntorch
        from snntorch._layers.bntt import BatchNormTT1d, BatchNormTT2d

        super().__init__()
        self.loops = loops
        self.conv = torch.nn.Conv2d(1, channels, 3, bias=False)
        self.norms = BatchNormTT2d(channels, STEPS)
        self.lif1 = snntorch.Leaky(beta=0.75)
        self.fc = torch.nn.Linear(16 * channels, 12)
        self.more = BatchNormTT1d(12, STEPS)
        self.gain = torch.nn.Parameter(torch.ones(STEPS, 12))
        self.shift = torch.nn.Parameter(torch.zeros(STEPS))
        self.lif2 = snntorch.Leaky(beta=0.5)

    def forward(self, x: Any) -> Any:
        first, second = self.lif1.reset_mem(), self.lif2.reset_mem()
        spikes, membranes = [], []
        for t in range(STEPS if self.loops else len(x)):
            now = x if self.loops else x[t]
            out, first = self.lif1(self.norms[t](self.conv(now)), first)
            current = self.more[t](self.fc(out.flatten(1))) * self.gain[t] + self.shift[t]
            out, second = self.lif2(current, second)
            spikes.append(out)
            membranes.append(second)
        return torch.stack(spikes), torch.stack(membranes)


def drawn(net: Any, seed: int = 0) -> Any:
    """Give every parameter and statistic of each step a value of its own.

    On a binary grid, for torch fuses the product and the sum of a batch norm.
    """
    random = np.random.default_rng(seed)
    with torch.no_grad():
        for name, value in [*net.named_parameters(), *net.named_buffers()]:
            shape = tuple(value.shape)
            if name.endswith("running_var"):
                rows = random.choice([0.25, 1.0, 4.0], shape)
            elif name.endswith("running_mean"):
                rows = random.integers(-8, 9, shape) / 16
            elif name.split(".")[0] in ("conv", "fc"):
                rows = random.integers(-24, 33, shape) / 64
            elif name == "shift":
                rows = random.integers(-4, 5, shape) / 16
            elif name == "gain" or name.endswith("weight"):
                rows = random.integers(8, 25, shape) / 16
            else:
                continue
            value.copy_(torch.from_numpy(np.asarray(rows, np.float32)))
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            layer.eps = 0.0
    return net.eval()


def loop(module: Any, x: Array) -> Any:
    return read(module, x, time_axis=0)


@pytest.mark.parametrize("seed", range(4))
def test_sequence(seed: int, oracle: Ledger) -> None:
    net = drawn(Network(3), seed)
    x = events((N, STEPS, 1, 6, 6))
    model = loop(net, x)
    assert {"norms", "more"} <= {n.name for n in model.graph.nodes}
    found = proof(model, x)
    assert found.verdict == "exact"
    assert {"lif1", "lif2"} <= {n.name for n in found.nodes}
    oracle("snntorch").record(spiking=all(n.count_a for n in found.nodes))


def test_static_input(oracle: Ledger) -> None:
    net = drawn(Network(2, loops=True))
    x = (np.random.default_rng(0).integers(0, 33, (N, 1, 6, 6)) / 32).astype(np.float32)
    found = proof(read(net, x, steps=STEPS), x, timesteps=STEPS)
    assert found.verdict == "exact"
    oracle("snntorch").record(spiking=all(n.count_a for n in found.nodes))


def test_compiled_and_as_torch(oracle: Ledger, tmp_path: Path) -> None:
    """The rows of each step reach the compiled program and the trainable module."""
    from neurodeploy.training import to_torch

    x = events((N, STEPS, 1, 6, 6))
    graph = loop(drawn(Network(2)), x).graph
    assert nd.compare(graph, nd.compile(graph, "cpu", out=tmp_path / "net"), x).verdict == "exact"
    assert nd.compare(graph, to_torch(graph), x).verdict in ("exact", "near")
    oracle("cc").record(spiking=True)


def test_each_step_reads_its_own_row() -> None:
    """A row that changes changes that step, and none before it."""
    net = drawn(Network(2))
    x = events((N, STEPS, 1, 6, 6))
    before = simulate(loop(net, x).graph, {"x": x}, STEPS, record=[("lif2", "v")])[("lif2", "v")]
    with torch.no_grad():
        net.gain[7] *= 2
    after = simulate(loop(net, x).graph, {"x": x}, STEPS, record=[("lif2", "v")])[("lif2", "v")]
    assert np.array_equal(before[:, :7], after[:, :7])
    assert (before[:, 7] != after[:, 7]).any()


def test_more_steps_than_parameters_are_refused(tmp_path: Path) -> None:
    x = events((N, STEPS, 1, 6, 6))
    graph = loop(drawn(Network(2)), x[:, :10]).graph
    with pytest.raises(DataError, match="values for 10 steps, 12 are to be run"):
        nd.compile(graph, "cpu", out=tmp_path / "net").run(x)


class Stepped(torch.nn.Module):
    """Counts its own steps: which of its norms a call takes is not known."""

    def __init__(self) -> None:
        import snntorch
        from snntorch._layers.bntt import BatchNormTT1d

        super().__init__()
        self.norms = BatchNormTT1d(8, STEPS)
        self.lif = snntorch.Leaky(beta=0.75, init_hidden=True)
        self.step = 0

    def forward(self, x: Any) -> Any:
        self.step = (self.step + 1) % STEPS
        return self.lif(self.norms[self.step](x))


class Weights(torch.nn.Module):
    """A projection of its own at each step."""

    def __init__(self) -> None:
        import snntorch

        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(8, 8) for _ in range(STEPS))
        self.lif = snntorch.Leaky(beta=0.75)

    def forward(self, x: Any) -> Any:
        membrane, spikes = self.lif.reset_mem(), []
        for layer, now in zip(self.layers, x, strict=False):
            out, membrane = self.lif(layer(now), membrane)
            spikes.append(out)
        return torch.stack(spikes)


def test_what_cannot_differ_from_step_to_step_is_refused() -> None:
    with pytest.raises(ConversionError, match="layers: linear: each step has a weight of its own"):
        loop(Weights(), events((N, STEPS, 8)))
    with pytest.raises(ConversionError, match="forward sets step"):
        read(drawn(Stepped()), events((N, 8)))
