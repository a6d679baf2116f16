"""sinabs networks in eager mode against their graphs: spikes and states of every layer."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from oracles import Ledger

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("sinabs", reason="oracle sinabs layers: pip install --no-deps sinabs")

import sinabs.layers as sl  # noqa: E402
from sinabs.activation import (  # noqa: E402
    MaxSpike,
    MembraneReset,
    MembraneSubtract,
    MultiSpike,
    SingleSpike,
)
from sinabs.from_torch import from_model  # noqa: E402
from torch import nn  # noqa: E402

from neurodeploy.converters.torch.load_spiking import SpikingModel  # noqa: E402
from neurodeploy.errors import ConversionError  # noqa: E402
from neurodeploy.ir.nodes import Cell  # noqa: E402
from spiking_nets import events, on_grid, proof, prove_exact, read  # noqa: E402

T, N = 200, 4
SIZES = (20, 32, 10)
SPIKES = {"multi": MultiSpike, "single": SingleSpike, "max": MaxSpike(3), "open": MaxSpike()}
RESETS = {"subtract": MembraneSubtract(), "amount": MembraneSubtract(0.75), "zero": MembraneReset()}


def exact(model: SpikingModel, x: Any, oracle: Ledger, *states: str) -> None:
    prove_exact(model, x, *states)
    oracle("sinabs layers").record(spiking=True)


def chain(first: nn.Module, second: nn.Module) -> nn.Module:
    net = nn.Sequential(nn.Linear(SIZES[0], SIZES[1]), first, nn.Linear(SIZES[1], SIZES[2]), second)
    return on_grid(net)


def pair(kind: Any, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    return chain(kind(**options), kind(**options))


@pytest.mark.parametrize(("spikes", "reset", "least"), list(product(SPIKES, RESETS, (None, -0.5))))
def test_integrate_and_fire(spikes: str, reset: str, least: float | None, oracle: Ledger) -> None:
    net = pair(sl.IAF, spike_fn=SPIKES[spikes], reset_fn=RESETS[reset], min_v_mem=least)
    x = events((N, T, SIZES[0]))
    model = read(net, x, time_axis=1)
    plain = least is None and (reset == "subtract" or (reset == "zero" and spikes == "single"))
    cells = {n.definition for n in model.graph.nodes if isinstance(n, Cell)} - {"spike_scale"}
    assert cells == {"if" if plain else "counted_lif"}
    exact(model, x, oracle, "v")


LEAKS: list[dict[str, Any]] = [
    {},
    {"norm_input": False},
    {"tau_syn": 3.0},
    {"tau_syn": 3.0, "norm_input": False, "min_v_mem": -0.3},
    {"train_alphas": True, "tau_syn": 4.0, "spike_threshold": torch.tensor(0.3)},
    {"spike_fn": SingleSpike, "norm_input": False, "reset_fn": MembraneReset()},
    {"spike_fn": SingleSpike, "norm_input": False, "min_v_mem": -0.3},
    {"reset_fn": MembraneReset(), "tau_syn": 2.0, "norm_input": False},
]


@pytest.mark.parametrize("options", LEAKS)
def test_leaky(options: dict[str, Any], oracle: Ledger) -> None:
    net = pair(sl.LIF, **{"tau_mem": 10.0, "spike_threshold": torch.tensor(0.5), **options})
    x = events((N, T, SIZES[0]))
    exact(read(net, x, time_axis=1), x, oracle, *(["i"] if "tau_syn" in options else []))


def test_parameters_of_each_neuron(oracle: Ledger) -> None:
    torch.manual_seed(3)
    made = [
        sl.LIF(tau_mem=5 + 20 * torch.rand(n), tau_syn=1 + torch.rand(n), norm_input=False)
        for n in SIZES[1:]
    ]
    x = events((N, T, SIZES[0]))
    exact(read(chain(*made), x, time_axis=1), x, oracle, "i", "v")


@pytest.mark.parametrize("least", [None, -0.25])
@pytest.mark.parametrize("normed", [False, True])
def test_leaky_output(least: float | None, normed: bool, oracle: Ledger) -> None:
    torch.manual_seed(4)
    last = sl.ExpLeak(tau_mem=20.0, min_v_mem=least, norm_input=normed)
    x = events((N, T, SIZES[0]))
    exact(read(chain(sl.IAF(), last), x, time_axis=1), x, oracle, "v")


@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_adaptive(reset: str, normed: bool, oracle: Ledger) -> None:
    net = pair(
        sl.ALIF, tau_mem=10.0, tau_adapt=20.0, reset_fn=RESETS[reset], norm_input=normed,
        spike_threshold=torch.tensor(0.25),
    )  # fmt: skip
    x = events((N, T, SIZES[0]))
    exact(read(net, x, time_axis=1), x, oracle, "a", "v")


def recurrent(kind: str, size: int, bias: bool) -> nn.Module:
    back = nn.Linear(size, size, bias=bias)
    more: dict[str, Any] = {"LIFRecurrent": {"tau_mem": 10.0, "tau_syn": 2.0, "norm_input": False}}
    adaptive = {"tau_mem": 10.0, "tau_adapt": 20.0, "norm_input": False}
    more["ALIFRecurrent"] = adaptive
    made: nn.Module = getattr(sl, kind)(rec_connect=back, **more.get(kind, {}))
    return made


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", ["IAFRecurrent", "LIFRecurrent", "ALIFRecurrent"])
def test_recurrent(kind: str, bias: bool, oracle: Ledger) -> None:
    torch.manual_seed(5)
    net = chain(recurrent(kind, SIZES[1], bias), recurrent(kind, SIZES[2], bias))
    with torch.no_grad():
        for name, value in net.named_parameters():
            if "rec_connect" in name:
                # weak, so that the loop does not grow without end
                value.copy_((value / 4 * 32).round() / 32)
    x = events((N, T, SIZES[0]))
    exact(read(net, x, time_axis=1), x, oracle, "v")


@pytest.mark.filterwarnings("ignore:SNNAnalyzer is deprecated")
def test_counted_operations(oracle: Ledger) -> None:
    """The hooks that count are left out, and stay where they are."""
    net = on_grid(from_model(analog(), batch_size=1, synops=True), gain=2.0)
    before = [dict(m._forward_hooks) for m in net.modules()]
    x = events((N, 40, 2, 8, 8))
    exact(read(net, x, time_axis=1), x, oracle, "v")
    assert [dict(m._forward_hooks) for m in net.modules()] == before


def analog() -> nn.Module:
    torch.manual_seed(6)
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1, bias=False), nn.ReLU(), sl.SumPool2d(2),
        nn.Conv2d(6, 8, 3, bias=False), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Dropout(0.5),
        nn.Linear(8, 10), nn.ReLU(),
    )  # fmt: skip


@pytest.mark.parametrize("sizes", [{"batch_size": 1}, {"num_timesteps": 7}])
@pytest.mark.parametrize("inner", [False, True])
def test_from_model(sizes: dict[str, int], inner: bool, oracle: Ledger) -> None:
    """It takes batch and time as one axis, and its layers hold sizes of their own."""
    made = from_model(analog(), add_spiking_output=False, **sizes)
    net = on_grid(made.spiking_model if inner else made, gain=2.0)
    x = events((N, T, 2, 8, 8))
    model = read(net, x, time_axis=1)
    exact(model, x, oracle, "v")
    held = [m for m in net.modules() if isinstance(m, sl.IAFSqueeze)]
    assert held
    assert all(m.batch_size == sizes.get("batch_size", -1) for m in held)


@pytest.mark.parametrize("own", [False, True])
def test_linear_networks_that_squeeze(own: bool, oracle: Ledger) -> None:
    """With and without folding its input itself."""
    torch.manual_seed(7)
    layers = [
        nn.Linear(20, 16), sl.LIFSqueeze(tau_mem=8.0, batch_size=3, norm_input=False),
        nn.Linear(16, 10), sl.ExpLeakSqueeze(tau_mem=8.0, batch_size=3),
    ]  # fmt: skip
    around = [sl.FlattenTime(), *layers, sl.UnflattenTime(batch_size=3)]
    net = on_grid(nn.Sequential(*(around if own else layers)))
    x = events((N, T, 20))
    exact(read(net, x, time_axis=1), x, oracle, "v")


class Branches(nn.Module):
    """Convolutions over each step, two branches that merge, a shift of channels."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.left_sn = sl.Repeat(nn.Conv2d(2, 4, 3, padding=1)), sl.IAF()
        self.right, self.right_sn = sl.Repeat(nn.Conv2d(2, 4, 1)), sl.IAF(min_v_mem=-1.0)
        self.merge, self.pool = sl.Merge(), sl.Repeat(sl.SumPool2d((3, 2)))
        self.fc, self.sn = nn.Linear(4 * 2 * 4, 10), sl.IAF(spike_fn=SingleSpike)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.merge(self.left_sn(self.left(x)), self.right_sn(self.right(x)))
        out: torch.Tensor = self.sn(self.fc(self.pool(y).flatten(2)))
        return out


def test_layers_without_state(oracle: Ledger) -> None:
    torch.manual_seed(8)
    net = on_grid(Branches(), gain=2.0)
    x = events((N, T, 2, 8, 8))
    exact(read(net, x, time_axis=1), x, oracle, "v")


def test_off_the_grid(oracle: Ledger) -> None:
    """Other sums differ in rounding alone, which the float64 shadow knows."""
    net = from_model(analog(), batch_size=1)
    x = np.random.default_rng(0).random((N, 50, 2, 8, 8)).astype(np.float32)
    found = proof(read(net, x, time_axis=1), x)
    assert found.equal
    oracle("sinabs layers").record(spiking=True)


def test_everything_refused_is_named_at_once() -> None:
    class Own(torch.autograd.Function):
        required_states = ("v_mem",)

    net = nn.Sequential(
        sl.IAF(spike_fn=Own),
        sl.LIF(tau_mem=2.0, reset_fn=MembraneReset(0.5), spike_threshold=torch.tensor(0.0)),
        sl.ALIF(tau_mem=2.0, tau_adapt=3.0, spike_fn=MultiSpike, min_v_mem=-1.0),
        sl.SpikingMaxPooling2dLayer((2, 2)),
        sl.IAFRecurrent(rec_connect=nn.Sequential(nn.Linear(4, 4))),
    )
    with pytest.raises(ConversionError) as caught:
        read(net, events((N, 5, 4)), time_axis=1)
    found = [(f.node, f.message) for f in caught.value.findings]
    expected = [
        ("0", "spike_fn Own"), ("1", "adds its reset_value 0.5"), ("1", "not positive"),
        ("2", "spikes are counted"), ("2", "min_v_mem"), ("3", "without a batch"),
        ("4", "through a Sequential"),
    ]  # fmt: skip
    for node, text in expected:
        assert any(n == node and text in m for n, m in found), (node, text, found)
    assert len(found) == len(expected)


def test_time_on_another_axis_is_refused() -> None:
    with pytest.raises(ConversionError, match="takes a sequence with time on axis 1"):
        read(pair(sl.IAF), events((N, 5, 20)), time_axis=0)
    with pytest.raises(ConversionError, match="is given one step"):
        read(pair(sl.IAF), events((N, 20)))


def test_the_module_is_left_as_it_was() -> None:
    net = pair(sl.ALIF, tau_mem=10.0, tau_adapt=20.0)
    net(torch.rand(2, 5, 20))
    held = [dict(m.named_buffers(recurse=False)) for m in net.modules()]
    before = [{k: v.clone() for k, v in buffers.items()} for buffers in held]
    assert all("v_mem" in before[i + 1] for i in (1, 3))  # behind the chain itself
    reset = net[1].reset_fn
    read(net, events((N, 5, 20)), time_axis=1)
    assert net[1].reset_fn is reset
    assert not net[1].record_states
    for module, buffers in zip(net.modules(), before, strict=True):
        now = dict(module.named_buffers(recurse=False))
        assert all(torch.equal(now[k], v) for k, v in buffers.items())
