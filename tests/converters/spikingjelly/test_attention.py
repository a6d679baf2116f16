"""SpikingJelly's attention blocks, whose products are of two signals, against eager mode."""

from __future__ import annotations

from typing import Any

import pytest

from oracles import Ledger

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")

from spikingjelly.activation_based import layer  # noqa: E402
from torch import nn  # noqa: E402

from neurodeploy.ir.nodes import Product  # noqa: E402
from spiking_nets import events, on_grid, proof, read  # noqa: E402


def excited(module: nn.Module) -> nn.Module:
    """Make all weights positive and some of them large, so that every population fires."""
    on_grid(module, gain=4.0)
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.Conv1d | nn.Conv2d):
                part.weight.abs_()
    return module


@pytest.mark.parametrize("kind", ["SpikingSelfAttention", "TokenQKAttention", "ChannelQKAttention"])
def test_attention(kind: str, oracle: Ledger) -> None:
    torch.manual_seed(0)
    net: Any = excited(getattr(layer, kind)(dim=16, num_heads=4))
    x = events((2, 60, 16, 6), rate=0.5)
    model = read(net, x, time_axis=0)
    products = [n for n in model.graph.nodes if isinstance(n, Product)]
    assert len(products) == (2 if kind == "SpikingSelfAttention" else 0)
    found = proof(model, x)
    assert found.verdict == "exact", found
    assert all(n.count_a for n in found.nodes), [(n.name, n.count_a) for n in found.nodes]
    oracle("spikingjelly").record(spiking=True)


def test_spike_driven_attention(oracle: Ledger) -> None:
    torch.manual_seed(1)
    net = excited(layer.SpikeDrivenSelfAttention(dim=16, num_heads=4))
    x = 2 * events((2, 60, 16, 2, 3), rate=0.5)  # a 1 would hold its first neuron below 1
    found = proof(read(net, x, time_axis=0), x)
    assert found.verdict == "exact", found
    assert all(n.count_a for n in found.nodes), [(n.name, n.count_a) for n in found.nodes]
    oracle("spikingjelly").record(spiking=True)
