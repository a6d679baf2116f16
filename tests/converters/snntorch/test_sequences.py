"""snnTorch's layers over whole sequences in eager mode against their graphs."""

from __future__ import annotations

from typing import Any

import pytest

from oracles import Ledger

torch = pytest.importorskip("torch", reason="torch is not installed")
snntorch = pytest.importorskip("snntorch", reason="snntorch is not installed")

from torch import nn  # noqa: E402

from spiking_nets import events, on_grid, proof, read  # noqa: E402


class Parallel(nn.Module):
    """The network of LeakyParallel's docstring: two such layers."""

    def __init__(self) -> None:
        super().__init__()
        self.lif1 = snntorch.LeakyParallel(input_size=12, hidden_size=20, threshold=0.3)
        self.lif2 = snntorch.LeakyParallel(
            input_size=20, hidden_size=6, beta=0.5, learn_beta=True, threshold=0.2
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.lif2(self.lif1(x))
        return out


def test_parallel(oracle: Ledger) -> None:
    torch.manual_seed(0)
    x = events((4, 200, 12))
    found = proof(read(Parallel(), x, time_axis=0), x)
    assert found.equal, found
    assert {"lif1", "lif2"} <= {n.name for n in found.nodes}
    oracle("snntorch").record(spiking=all(n.count_a for n in found.nodes))


class Mixed(nn.Module):
    """Integrators over the sequence, with and without spikes."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(12, 16)
        self.state = snntorch.StateLeaky(beta=0.9, channels=16, output=True)
        self.linear = snntorch.LinearLeaky(beta=0.8, in_features=16, out_features=5)

    def forward(self, x: torch.Tensor) -> Any:
        spikes, membrane = self.state(self.fc(x))
        return self.linear(spikes), membrane


def test_state_and_linear(oracle: Ledger) -> None:
    torch.manual_seed(1)
    x = events((4, 60, 12))
    found = proof(read(on_grid(Mixed()), x, time_axis=0), x)
    assert found.equal, found
    oracle("snntorch").record(spiking=all(n.count_a for n in found.nodes))
