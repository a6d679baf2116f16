"""norse networks in eager mode against their graphs: spikes and states of every layer."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from oracles import Ledger

torch = pytest.importorskip("torch", reason="torch is not installed")
with warnings.catch_warnings():
    # it compiles functions by TorchScript as it is imported
    warnings.simplefilter("ignore")
    norse = pytest.importorskip("norse.torch", reason="oracle norse: pip install --no-deps norse")

from torch import nn  # noqa: E402

from neurodeploy.converters.torch.load_spiking import SpikingModel  # noqa: E402
from neurodeploy.errors import ConversionError  # noqa: E402
from spiking_nets import events, on_grid, prove_exact, read  # noqa: E402

T, N = 200, 4
SIZES = (20, 32, 10)


def tensors(**values: float) -> dict[str, torch.Tensor]:
    return {k: torch.as_tensor(v) for k, v in values.items()}


LIF = norse.LIFParameters(**tensors(tau_syn_inv=150.0, tau_mem_inv=90.0, v_th=0.4))
SHIFTED = norse.LIFParameters(**tensors(v_leak=-0.2, v_reset=-0.3, v_th=0.3), method="tanh")
IAF = norse.IAFParameters(**tensors(v_reset=-0.25))


def exact(model: SpikingModel, x: Any, oracle: Ledger, *states: str) -> None:
    prove_exact(model, x, *states)
    oracle("norse").record(spiking=True)


def on_grid_too(net: nn.Module) -> nn.Module:
    """Put the weights of recurrent neurons on a grid as well."""
    on_grid(net)
    with torch.no_grad():
        for name, value in net.named_parameters():
            if name.endswith(("input_weights", "recurrent_weights")):
                value.copy_((value * 32).round() / 32)
    return net


def sequential(first: nn.Module, second: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return on_grid_too(
        norse.SequentialState(
            nn.Linear(SIZES[0], SIZES[1]), first, nn.Linear(SIZES[1], SIZES[2]), second
        )
    )


CELLS: dict[str, Any] = {
    "LIF": (lambda: norse.LIFCell(LIF), lambda: norse.LICell(), ("v", "i")),
    "shifted": (lambda: norse.LIFCell(SHIFTED, dt=0.002), lambda: norse.LIFCell(), ("v", "i")),
    "IAF": (lambda: norse.IAFCell(IAF), lambda: norse.IAFCell(), ("v",)),
    "box": (lambda: norse.LIFBoxCell(), lambda: norse.LIBoxCell(), ("v",)),
}


@pytest.mark.parametrize("name", sorted(CELLS))
def test_one_step_a_call(name: str, oracle: Ledger) -> None:
    """The container returns the states of its cells, and takes them at the next call."""
    first, second, states = CELLS[name]
    net = sequential(first(), second())
    x = events((N, T, SIZES[0]), rate=0.5)
    exact(read(net, x[:, 0]), x, oracle, *states)


SEQUENCES: dict[str, Any] = {
    "LIF": (lambda: norse.LIF(LIF), lambda: norse.LI()),
    "recorded": (lambda: norse.LIF(LIF, record_states=True), lambda: norse.LIF(SHIFTED)),
}


@pytest.mark.parametrize("name", sorted(SEQUENCES))
def test_sequences(name: str, oracle: Ledger) -> None:
    torch.manual_seed(0)
    first, second = (make() for make in SEQUENCES[name])
    net = sequential(first, second)
    x = events((N, T, SIZES[0]), rate=0.5)
    model = read(net, x, time_axis=0)
    assert len(model.graph.outputs) == 1
    exact(model, x, oracle, "v", "i")


class Loop(nn.Module):
    """``forward`` loops over time and keeps the states in variables."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states: list[Any] = [None] * len(self.layers)
        rows = []
        for now in x:
            y = now
            for i, layer in enumerate(self.layers):
                y, states[i] = layer(y, states[i])
            rows.append(y)
        return torch.stack(rows)


class Lifted(nn.Module):
    """``Lift`` loops over time by itself, for layers with and without a state."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.sn = norse.Lift(nn.Linear(20, 16)), norse.Lift(norse.LIFCell(LIF))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spikes, _ = self.sn(self.fc(x))
        out: torch.Tensor = spikes
        return out


def test_lifted(oracle: Ledger) -> None:
    torch.manual_seed(4)
    x = events((N, T, 20), rate=0.5)
    exact(read(on_grid(Lifted()), x, time_axis=0), x, oracle, "v", "i")


def recurrent(kind: str) -> list[nn.Module]:
    torch.manual_seed(1)
    return [
        getattr(norse, kind)(20, 24, p=LIF),
        getattr(norse, kind)(24, 10, p=SHIFTED, autapses=True),
    ]


def test_recurrent_in_a_loop(oracle: Ledger) -> None:
    net = on_grid_too(Loop(*recurrent("LIFRecurrentCell")))
    x = events((N, T, 20))
    exact(read(net, x, time_axis=0), x, oracle, "v", "i")


@pytest.mark.parametrize("stepped", [False, True])
def test_recurrent(stepped: bool, oracle: Ledger) -> None:
    layers = recurrent("LIFRecurrentCell" if stepped else "LIFRecurrent")
    net = on_grid_too(norse.SequentialState(*layers))
    x = events((N, T, 20))
    model = read(net, x[:, 0]) if stepped else read(net, x, time_axis=0)
    exact(model, x, oracle, "v", "i")


def test_parameters_of_each_neuron(oracle: Ledger) -> None:
    torch.manual_seed(2)
    p = norse.LIFParameters(
        tau_mem_inv=50 + 100 * torch.rand(32), tau_syn_inv=50 + 200 * torch.rand(32),
        v_th=torch.tensor(0.3),
    )  # fmt: skip
    x = events((N, T, SIZES[0]), rate=0.5)
    exact(read(sequential(norse.LIFCell(p), norse.LICell()), x[:, 0]), x, oracle, "v", "i")


def test_convolutional(oracle: Ledger) -> None:
    torch.manual_seed(3)
    net = norse.SequentialState(
        nn.Conv2d(2, 4, 3, padding=1), norse.LIFCell(LIF), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(64, 10), norse.LICell(),
    )  # fmt: skip
    x = events((N, T, 2, 8, 8))
    exact(read(on_grid(net, gain=2.0), x[:, 0]), x, oracle, "v", "i")


def test_a_neuron_right_behind_another(oracle: Ledger) -> None:
    torch.manual_seed(5)
    net = norse.SequentialState(nn.Linear(20, 10), norse.LIFCell(LIF), norse.LICell())
    x = events((N, T, 20), rate=0.5)
    exact(read(on_grid(net), x[:, 0]), x, oracle, "v", "i")


def test_everything_refused_is_named_at_once() -> None:
    net = norse.SequentialState(
        norse.LIFAdExCell(),
        norse.LIFBoxCell(norse.LIFBoxParameters(v_leak=torch.tensor(0.1))),
        norse.LIFRefracCell(),
        norse.LILinearCell(4, 4),
        norse.PoissonEncoder(4),
    )
    with pytest.raises(ConversionError) as caught:
        read(net, events((N, 4)))
    found = {f.node: f.message for f in caught.value.findings}
    assert sorted(found) == ["0", "1", "2", "3", "4"]
    assert "exponential" in found["0"]
    assert "v_leak is not 0" in found["1"]


class Forgetful(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.sn = nn.Linear(8, 8), norse.LIFCell()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.sn(self.fc(x))[0]
        return out


def test_a_state_that_is_lost_is_refused() -> None:
    with pytest.raises(ConversionError, match=r"sn.*starts from a new state in each call"):
        read(Forgetful(), events((N, 8)))


def test_a_state_that_is_changed_is_refused() -> None:
    class Changed(Loop):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            state, rows = None, []
            for now in x:
                out, state = self.layers[0](now, state)
                state = state._replace(v=state.v * 0.5)
                rows.append(out)
            return torch.stack(rows)

    with pytest.raises(ConversionError, match="changed between two steps"):
        read(Changed(norse.LIFCell()), events((N, 5, 8)), time_axis=0)


def test_the_module_is_left_as_it_was() -> None:
    net = sequential(norse.LIF(LIF), norse.LI()).train()
    functions = [dict(vars(m)) for m in net.modules()]
    read(net, events((N, 5, SIZES[0])), time_axis=0)
    assert [sorted(vars(m)) for m in net.modules()] == [sorted(f) for f in functions]
    assert net.training
