"""snnTorch's spiking LSTMs in eager mode against their graphs."""

from __future__ import annotations

import numpy as np
import pytest

from oracles import Ledger

torch = pytest.importorskip("torch", reason="torch is not installed")
snntorch = pytest.importorskip("snntorch", reason="snntorch is not installed")

from torch import nn  # noqa: E402

from neurodeploy.errors import ConversionError  # noqa: E402
from spiking_nets import events, proof, read  # noqa: E402


class Dense(nn.Module):
    """A loop over time, states in variables."""

    def __init__(self, reset: str) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 12)
        self.slstm1 = snntorch.SLSTM(12, 12, reset_mechanism=reset, threshold=0.15)
        self.slstm2 = snntorch.SLSTM(12, 12, reset_mechanism=reset, threshold=0.05)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        syn1, mem1 = self.slstm1.init_slstm()
        syn2, mem2 = self.slstm2.init_slstm()
        spikes = []
        for now in x:
            spk1, syn1, mem1 = self.slstm1(self.fc(now), syn1, mem1)
            spk2, syn2, mem2 = self.slstm2(spk1, syn2, mem2)
            spikes.append(spk2)
        return torch.stack(spikes)


@pytest.mark.parametrize("reset", ["none", "subtract", "zero"])
def test_dense(reset: str, oracle: Ledger) -> None:
    torch.manual_seed(0)
    x = events((4, 200, 6))
    found = proof(read(Dense(reset), x, time_axis=0), x)
    assert found.equal, found
    assert {"slstm1", "slstm2"} <= {n.name for n in found.nodes}
    oracle("snntorch").record(spiking=all(n.count_a for n in found.nodes))


@pytest.mark.parametrize("reset", ["none", "subtract"])
def test_convolutional(reset: str, oracle: Ledger) -> None:
    torch.manual_seed(1)
    net = nn.Sequential(
        snntorch.SConv2dLSTM(2, 3, 3, reset_mechanism=reset, threshold=0.1, init_hidden=True),
        nn.Flatten(),
        nn.Linear(75, 4),
        snntorch.Leaky(beta=0.8, init_hidden=True),
    )
    x = (np.random.default_rng(0).integers(0, 17, (4, 60, 2, 5, 5)) / 16).astype(np.float32)
    found = proof(read(net, x[:, 0]), x)
    assert found.equal, found
    oracle("snntorch").record(spiking=all(n.count_a for n in found.nodes if n.name != "2"))


def test_sizes_that_clear_the_state_are_refused() -> None:
    """With two sizes snnTorch sets its states to zero in front of every step."""
    net = nn.Sequential(snntorch.SLSTM(6, 12, init_hidden=True))
    with pytest.raises(ConversionError, match="hidden_size"):
        read(net, events((4, 6)))
