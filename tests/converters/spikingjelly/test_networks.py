"""SpikingJelly networks in eager mode against their graphs: spikes and states of every layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from oracles import Ledger

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")

from spikingjelly.activation_based import functional, layer, neuron  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402, N812

from neurodeploy.differences import Comparison  # noqa: E402
from neurodeploy.errors import ConversionError  # noqa: E402
from spiking_nets import events, on_grid, proof, read  # noqa: E402

T, N = 200, 4


def node(reset: float | None = None, threshold: float = 1.0) -> Any:
    return neuron.IFNode(v_threshold=threshold, v_reset=reset)


def norms(module: nn.Module, *, grid: bool) -> nn.Module:
    """Give batch norms the statistics of a trained network; with ``grid``, ones that are exact.

    torch multiplies and adds in one rounding where the processor can, so that only a scale and
    a shift on a binary grid give the same bits anywhere.
    """
    draw = np.random.default_rng(7)

    def values(low: float, high: float, size: int) -> torch.Tensor:
        numbers = draw.uniform(low, high, size)
        numbers = np.round(numbers * 16) / 16 if grid else numbers
        return torch.from_numpy(numbers.astype(np.float32))

    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            size = norm.num_features
            norm.running_mean.copy_(values(-0.5, 0.5, size))
            variance = torch.full((size,), 0.25 - norm.eps) if grid else values(0.5, 1.5, size)
            norm.running_var.copy_(variance)
            with torch.no_grad():
                norm.weight.copy_(values(0.5, 1.5, size))
                norm.bias.copy_(values(-0.5, 0.5, size))
    return module


def exact(found: Comparison, oracle: Ledger) -> None:
    assert found.verdict == "exact", [n for n in found.nodes if n.first]
    assert all(n.count_a for n in found.nodes), [n for n in found.nodes if not n.count_a]
    oracle("spikingjelly").record(spiking=True)


class ConvNet(nn.Module):
    """Average, sum and max pool, batch norm, depthwise and 3 x 5 kernels, a flatten."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.conv1, self.bn1, self.sn1 = (
            layer.Conv2d(1, 8, 3, padding=1),
            layer.BatchNorm2d(8),
            node(),
        )
        self.pool1 = layer.MaxPool2d(2)
        self.conv2 = layer.Conv2d(8, 8, (3, 5), padding=(1, 2), groups=8)
        self.sn2 = neuron.LIFNode(tau=2.0, v_threshold=0.5, decay_input=False)
        self.pool2 = layer.AvgPool2d(2)
        self.conv3, self.sn3 = layer.Conv2d(8, 12, 1), node(reset=0.0)
        self.flat, self.fc = layer.Flatten(), layer.Linear(48, 10)
        self.sn4 = neuron.ParametricLIFNode(init_tau=2.0, v_threshold=0.5)
        functional.set_step_mode(self, mode)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool1(self.sn1(self.bn1(self.conv1(x))))
        x = self.pool2(self.sn2(self.conv2(x)))
        x = self.sn3(self.conv3(x))
        out: torch.Tensor = self.sn4(self.fc(self.flat(x)))
        return out


@pytest.mark.parametrize("mode", ["s", "m"])
def test_convolutional(mode: str, oracle: Ledger) -> None:
    torch.manual_seed(0)
    net = norms(on_grid(ConvNet(mode)), grid=True)
    x = (np.random.default_rng(0).integers(0, 17, (N, T, 1, 8, 8)) / 16).astype(np.float32)
    model = read(net, x, time_axis=0) if mode == "m" else read(net, x[:, 0])
    exact(proof(model, x), oracle)


def test_batch_norm_off_the_grid(oracle: Ledger) -> None:
    """It differs in its rounding alone, which the float64 shadow knows."""
    torch.manual_seed(0)
    net = norms(on_grid(ConvNet("m")), grid=False)
    x = (np.random.default_rng(0).integers(0, 17, (N, 50, 1, 8, 8)) / 16).astype(np.float32)
    found = proof(read(net, x, time_axis=0), x)
    assert found.equal
    oracle("spikingjelly").record(spiking=all(n.count_a for n in found.nodes))


class Blocks(nn.Module):
    """Integer-valued residual sums, a concatenation, a layer used twice, two inputs and outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.stem_sn = layer.Conv2d(2, 6, 3, padding=1), node()
        self.conv, self.sn1, self.sn2 = layer.Conv2d(6, 6, 3, padding=1, bias=False), node(), node()
        self.side, self.side_sn = layer.Linear(5, 6), node()
        self.head, self.head_sn = layer.Linear(12, 4), node()
        functional.set_step_mode(self, "m")

    def forward(self, x: torch.Tensor, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = self.stem_sn(self.stem(x))
        h = h + self.sn1(self.conv(h))
        h = h + self.sn2(self.conv(h))
        # a sum pool: an average that is divided by nothing
        pooled = F.avg_pool2d(h.flatten(0, 1), 6, divisor_override=1)
        pooled = pooled.view(h.shape[0], h.shape[1], 6)
        side = self.side_sn(self.side(z))
        return self.head_sn(self.head(torch.cat([pooled, side], dim=2))), side


def test_residual(oracle: Ledger) -> None:
    from neurodeploy.comparison import compare
    from neurodeploy.converters.torch.load import spiking_model

    torch.manual_seed(1)
    net = on_grid(Blocks(), gain=2.0)
    x, z = events((N, T, 2, 6, 6)), events((N, T, 5), seed=1)
    model = spiking_model(net, (x[:2, :5], z[:2, :5]), time_axis=0)
    assert [n.name for n in model.graph.inputs] == ["x", "z"]
    assert len(model.graph.outputs) == 2
    weights = [name for name in model.graph.tensors if name.startswith("conv.")]
    assert weights == ["conv.weight"]
    exact(compare(model.side(), model.graph, {"x": x, "z": z}), oracle)


class Direct(nn.Module):
    """A static image, repeated by the network itself and averaged over time at its end."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.net = nn.Sequential(
            layer.Conv2d(1, 4, 3, padding=1), node(), layer.MaxPool2d(2), layer.Flatten(),
            layer.Linear(64, 10), node(),
        )  # fmt: skip
        functional.set_step_mode(self, "m")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.net(x.unsqueeze(0).repeat(self.steps, 1, 1, 1, 1)).mean(0)
        return out


def test_static_image(oracle: Ledger) -> None:
    torch.manual_seed(2)
    net = on_grid(Direct(16))
    x = (np.random.default_rng(0).integers(0, 17, (N, 1, 8, 8)) / 16).astype(np.float32)
    model = read(net, x, steps=16)
    assert model.graph.outputs[0].decode == "mean"
    exact(proof(model, x, 16), oracle)


class Looping(nn.Module):
    """The rate is added up in a loop, one step per iteration."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps, self.fc, self.sn = steps, layer.Linear(20, 10), node()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(1)
        for _ in range(self.steps):
            total = total + self.sn(self.fc(x))
        return total / self.steps


def test_running_sum(oracle: Ledger) -> None:
    torch.manual_seed(3)
    x = (np.random.default_rng(0).integers(0, 17, (N, 20)) / 16).astype(np.float32)
    model = read(on_grid(Looping(12)), x, steps=12)
    assert model.graph.outputs[0].decode == "mean"
    exact(proof(model, x, 12), oracle)


class Recurrent(nn.Module):
    """Both recurrent containers, the second with a biased map, and a delay of two steps."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.fc1 = layer.Linear(20, 20, step_mode=mode)
        self.once = layer.ElementWiseRecurrentContainer(node(), torch.sub, step_mode=mode)
        self.late = layer.Delay(2, step_mode=mode)
        self.all = layer.LinearRecurrentContainer(neuron.LIFNode(), 20, 20, step_mode=mode)
        self.fc2, self.out = layer.Linear(20, 5, step_mode=mode), neuron.IFNode(step_mode=mode)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.all(self.late(self.once(self.fc1(x))))
        out: torch.Tensor = self.out(self.fc2(y))
        return out


@pytest.mark.parametrize("mode", ["s", "m"])
def test_recurrent(mode: str, oracle: Ledger) -> None:
    torch.manual_seed(4)
    net = on_grid(Recurrent(mode), gain=6.0)
    x = events((N, T, 20))
    model = read(net, x, time_axis=0) if mode == "m" else read(net, x[:, 0])
    exact(proof(model, x), oracle)


def test_what_crosses_time_is_refused() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.sn = layer.Linear(8, 8), node()
            functional.set_step_mode(self, "m")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.sn(x.cumsum(0)))

    with pytest.raises(ConversionError, match="cumsum"):
        read(Mixed(), events((N, 5, 8)), time_axis=0)


def test_a_layer_called_twice_in_a_step_is_refused() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.sn = node()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.sn(self.sn(x))

    with pytest.raises(ConversionError, match="called 2 times in 1 step"):
        read(Twice(), events((N, 8)))


def test_the_module_is_left_as_it_was() -> None:
    net = Recurrent("s")
    net(torch.rand(2, 20))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    membrane, functions = net.out.v.clone(), [dict(vars(m)) for m in net.modules()]
    read(net, events((N, 20)))
    assert torch.equal(net.out.v, membrane)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert [sorted(vars(m)) for m in net.modules()] == [sorted(f) for f in functions]
    assert net.training


@pytest.mark.parametrize("kind", ["SlidingPSN", "MaskedPSN"])
def test_parallel_neurons_of_the_past(kind: str, oracle: Ledger) -> None:
    torch.manual_seed(5)
    if kind == "SlidingPSN":
        psn = neuron.SlidingPSN(k=3, step_mode="m")
    else:
        psn = neuron.MaskedPSN(k=3, T=12, lambda_init=1.0, step_mode="m")
    with torch.no_grad():
        for p in psn.parameters():
            p.copy_((p * 16).round() / 16)
        psn.bias.fill_(-0.5)
    net = nn.Sequential(layer.Linear(12, 16, step_mode="m"), psn)
    x = events((N, 12, 12))
    found = proof(read(on_grid(net), x, time_axis=0), x)
    exact(found, oracle)


@pytest.mark.parametrize("decode", ["max-mem", "mean-mem", "last_mem"])
def test_integrators_that_decode_themselves(decode: str, oracle: Ledger) -> None:
    torch.manual_seed(6)
    net = nn.Sequential(
        layer.Linear(12, 16, step_mode="m"), neuron.IFNode(step_mode="m"),
        layer.Linear(16, 5, step_mode="m"), neuron.NonSpikingLIFNode(decode=decode),
    )  # fmt: skip
    x = events((N, 40, 12))
    model = read(on_grid(net), x, time_axis=0)
    how = {"max-mem": "max", "mean-mem": "mean", "last_mem": "membrane"}[decode]
    assert model.graph.outputs[0].decode == how
    exact(proof(model, x), oracle)


def test_a_list_over_time_is_refused_by_name() -> None:
    net = nn.Sequential(layer.Linear(12, 5, step_mode="m"), neuron.NonSpikingLIFNode())
    with pytest.raises(ConversionError, match="stack"):
        read(net, events((N, 5, 12)), time_axis=0)
