"""snnTorch networks in eager mode against their graphs: spikes and states of every layer."""

from __future__ import annotations

import warnings
from itertools import product
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from oracles import Ledger

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("snntorch", reason="snntorch is not installed")

from neurodeploy.differences import Comparison  # noqa: E402
from neurodeploy.errors import ConversionError  # noqa: E402
from spiking_nets import Sequence, Static, Stepped, events, on_grid, proof, read  # noqa: E402

T, N = 200, 4
SIZES = (20, 32, 10)
RESETS = ("subtract", "zero", "none")


def snn() -> ModuleType:
    import snntorch

    return snntorch


def neuron(kind: str, size: int, per_neuron: bool, **options: Any) -> Any:
    """Make a neuron with parameters of its own for each cell, or one for all."""
    draw = torch.Generator().manual_seed(size)

    def parameter(low: float, high: float) -> Any:
        values = low + (high - low) * torch.rand(size if per_neuron else 1, generator=draw)
        return values if per_neuron else float(values)

    options = {"beta": parameter(0.6, 0.95), "threshold": parameter(0.7, 1.4), **options}
    if kind.endswith("Synaptic"):
        options["alpha"] = parameter(0.4, 0.9)
    if kind.startswith("R"):
        options["linear_features"] = size
    return getattr(snn(), kind)(**options)


# the spiking layers of Sequence and Static, and of Stepped
LAYERS = ("lif1", "lif2", "net.1", "net.3")


def exact(found: Comparison, oracle: Ledger) -> None:
    assert found.verdict == "exact", [n for n in found.nodes if n.first]
    fired = {n.name: n.count_a for n in found.nodes if n.name in LAYERS}
    assert len(fired) == 2, sorted(n.name for n in found.nodes)
    assert all(fired.values()), fired
    oracle("snntorch").record(spiking=True)


KINDS = ("Leaky", "RLeaky", "Synaptic", "RSynaptic")
CASES = [
    case
    for case in product(KINDS, RESETS, (True, False), (True, False))
    if not (case[0] == "RSynaptic" and not case[2])
]


@pytest.mark.parametrize(("kind", "reset", "delay", "per_neuron"), CASES)
def test_sequence(kind: str, reset: str, delay: bool, per_neuron: bool, oracle: Ledger) -> None:
    torch.manual_seed(1)
    made = [
        neuron(kind, size, per_neuron, reset_mechanism=reset, reset_delay=delay)
        for size in SIZES[1:]
    ]
    net = on_grid(Sequence(made[0], made[1], SIZES))
    x = events((N, T, SIZES[0]))
    found = proof(read(net, x, time_axis=0), x)
    compared = {n.name for n in found.nodes}
    assert {"lif1", "lif2", "out0", "out1"} <= compared
    exact(found, oracle)


@pytest.mark.parametrize(
    ("kind", "reset", "delay"), list(product(KINDS[:3], RESETS, (True, False)))
)
def test_stepped(kind: str, reset: str, delay: bool, oracle: Ledger) -> None:
    torch.manual_seed(2)
    made = [
        neuron(kind, size, True, reset_mechanism=reset, reset_delay=delay, init_hidden=True)
        for size in SIZES[1:]
    ]
    net = on_grid(Stepped(made[0], made[1], SIZES))
    x = events((N, T, SIZES[0]))
    exact(proof(read(net, x[:, 0]), x), oracle)


def test_static(oracle: Ledger) -> None:
    torch.manual_seed(3)
    made = [neuron("Leaky", size, True) for size in SIZES[1:]]
    net = on_grid(Static(made[0], made[1], SIZES, 25))
    x = (np.random.default_rng(0).integers(0, 33, (N, SIZES[0])) / 32).astype(np.float32)
    exact(proof(read(net, x, steps=25), x, timesteps=25), oracle)


def test_rsynaptic_without_delay_is_refused() -> None:
    made = [neuron("RSynaptic", n, False, reset_delay=False) for n in SIZES[1:]]
    with pytest.raises(ConversionError, match="reset_delay"):
        read(Sequence(made[0], made[1], SIZES), events((N, 5, SIZES[0])), time_axis=0)


def one_to_one(size: int) -> Any:
    return snn().RLeaky(beta=0.8, V=torch.linspace(-0.5, 0.5, size), all_to_all=False)


def test_one_to_one_recurrence(oracle: Ledger) -> None:
    torch.manual_seed(4)
    net = on_grid(Sequence(one_to_one(SIZES[1]), one_to_one(SIZES[2]), SIZES))
    x = events((N, T, SIZES[0]))
    exact(proof(read(net, x, time_axis=0), x), oracle)


@pytest.mark.parametrize("changed", ["lif1.beta", "lif1.threshold", "lif2.threshold", "fc2.weight"])
def test_mutations_are_seen(changed: str) -> None:
    """A graph that differs in one parameter is told apart: the comparison can fail."""
    torch.manual_seed(5)
    net = on_grid(Sequence(neuron("Leaky", 32, False), neuron("Leaky", 10, False), SIZES))
    x = events((N, 50, SIZES[0]))
    model = read(net, x, time_axis=0)
    with torch.no_grad():
        net.state_dict()[changed].mul_(0.9)
    assert proof(model, x).verdict == "differs"


@pytest.mark.parametrize("kind", ["Leaky", "Synaptic"])
def test_inhibition(kind: str, oracle: Ledger) -> None:
    torch.manual_seed(6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # snnTorch warns of it
        made = [
            neuron(kind, size, True, init_hidden=True, inhibition=size == SIZES[1])
            for size in SIZES[1:]
        ]
    net = on_grid(Stepped(made[0], made[1], SIZES))
    x = events((N, T, SIZES[0]))
    exact(proof(read(net, x[:, 0]), x), oracle)
