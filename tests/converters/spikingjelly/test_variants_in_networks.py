"""Networks with SpikingJelly's variants of the LIF, single and multi step, against eager mode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from oracles import Ledger

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")

from spikingjelly.activation_based import functional, layer, neuron  # noqa: E402
from torch import nn  # noqa: E402

from spiking_nets import events, on_grid, proof, read  # noqa: E402

T, N = 40, 3
# arguments, and whether every bit agrees
KINDS: dict[str, tuple[dict[str, Any], bool]] = {
    "QIFNode": ({}, True),
    "EIFNode": ({}, False),
    "IzhikevichNode": ({"a": 0.2, "b": 0.3}, True),
    "RAFNode": ({}, True),
    "KLIFNode": ({"scale_reset": True}, True),
    "CUBALIFNode": ({}, True),
    "ComplementaryLIFNode": ({}, False),
    "ILIFNode": ({}, True),
    "LIAFNode": ({"act": torch.relu, "threshold_related": False}, True),
    "STBIFNode": ({"q_threshold": 0.5, "level": 8}, True),
    "ActivationAwareIFNode": ({"v_threshold": torch.linspace(0.5, 1.0, 6)}, True),
    "OTTTLIFNode": ({}, True),
    "SLTTLIFNode": ({}, True),
}
CASES = [(n, m) for n in KINDS for m in "sm" if m == "s" or not n.endswith("TTLIFNode")]


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_variant(oracle: Ledger, name: str, mode: str) -> None:
    torch.manual_seed(0)
    arguments, bitwise = KINDS[name]
    net = nn.Sequential(layer.Linear(8, 6), getattr(neuron, name)(**arguments))
    on_grid(net).eval()
    functional.set_step_mode(net, mode)
    x = events((N, T, 8))
    found = proof(read(net, x, time_axis=0) if mode == "m" else read(net, x[:, 0]), x)
    assert found.verdict == "exact" or (not bitwise and found.verdict == "near")
    assert all(n.count_a for n in found.nodes)
    oracle("spikingjelly").record(spiking=True)


@pytest.mark.parametrize("name", ["GatedLIFNode", "DSRIFNode", "DSRLIFNode"])
def test_sequences_of_a_fixed_length(oracle: Ledger, name: str) -> None:
    torch.manual_seed(0)
    np.random.seed(0)
    arguments = {"inplane": 3} if name == "GatedLIFNode" else {"v_threshold": 0.8}
    net = nn.Sequential(
        layer.Conv2d(1, 3, 3, padding=1, step_mode="m"), getattr(neuron, name)(T=T, **arguments)
    )
    x = events((N, T, 1, 5, 5))
    found = proof(read(on_grid(net), x, time_axis=0), x)
    assert found.verdict == "exact"
    assert all(n.count_a for n in found.nodes)
    oracle("spikingjelly").record(spiking=True)
