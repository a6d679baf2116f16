"""Gradients through time of cells read from a framework, against the framework's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cell_runs import drive
from oracles import Ledger
from spec_runs import spec_graph

torch = pytest.importorskip("torch", reason="torch is not installed")

from neurodeploy.converters.snntorch import table as snntorch_table  # noqa: E402
from neurodeploy.converters.spikingjelly import table as jelly_table  # noqa: E402
from neurodeploy.converters.torch.classes import class_name  # noqa: E402
from neurodeploy.training import to_torch  # noqa: E402

STEPS, BATCH, NEURONS = 25, 3, 6


def ours(spec: Any, x: Any, weight: Any) -> tuple[Any, Any]:
    """Give spikes and the gradient of their weighted sum, for x (T, N, neurons)."""
    module = to_torch(spec_graph(spec, x.shape[2:]), surrogate="arctan")
    leaf = x.clone().requires_grad_()
    out = module(leaf.movedim(0, 1)).movedim(1, 0)
    (out * weight).sum().backward()
    return out.detach(), leaf.grad


def agree(found: tuple[Any, Any], due: tuple[Any, Any]) -> None:
    assert torch.equal(found[0], due[0])
    assert due[1].abs().max() > 0.1
    assert torch.allclose(found[1], due[1], rtol=1e-4, atol=1e-5)


def signals(mean: float, spread: float) -> tuple[Any, Any]:
    x = drive(1, STEPS * BATCH, NEURONS, mean=mean, spread=spread)
    weight = np.random.default_rng(2).normal(size=x.shape).astype(np.float32)
    shape = (STEPS, BATCH, NEURONS)
    return torch.from_numpy(x.reshape(shape)), torch.from_numpy(weight.reshape(shape))


@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize(
    ("name", "arguments", "mean", "spread"),
    [
        ("QIFNode", {"tau": 3.1}, 0.8, 1.0),
        ("IzhikevichNode", {"tau": 2.9, "a": 0.3, "b": 0.4}, 1.2, 1.2),
        ("RAFNode", {"b": -0.3, "v_threshold": 0.6}, 0.3, 0.9),
        ("KLIFNode", {"v_reset": None, "scale_reset": True}, 1.3, 2.0),
        ("LIFNode", {"v_reset": None}, 1.3, 2.0),
    ],
)
def test_spikingjelly(
    oracle: Ledger, name: str, arguments: dict[str, Any], mean: float, spread: float, detach: bool
) -> None:
    jelly = oracle("spikingjelly")
    from spikingjelly.activation_based import neuron, surrogate

    step = surrogate.ATan(alpha=2.0)
    node = getattr(neuron, name)(**arguments, surrogate_function=step, detach_reset=detach)
    if name == "KLIFNode":
        with torch.no_grad():
            node.k.fill_(1.3)
    x, weight = signals(mean, spread)
    spec = jelly_table.SPECS[class_name(node)](node)
    leaf = x.clone().requires_grad_()
    out = torch.stack([node(step) for step in leaf])
    (out * weight).sum().backward()
    agree(ours(spec, x, weight), (out.detach(), leaf.grad))
    jelly.record(spiking=True)


@pytest.mark.parametrize("mechanism", ["subtract", "zero", "none"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Leaky", {"beta": 0.8}),
        ("Leaky", {"beta": 0.8, "reset_delay": False}),
        ("Synaptic", {"alpha": 0.6, "beta": 0.8}),
        ("Alpha", {"alpha": 0.9, "beta": 0.7, "threshold": 0.5}),
        ("Lapicque", {"R": 5.1, "C": 0.7}),
    ],
)
def test_snntorch(oracle: Ledger, name: str, options: dict[str, Any], mechanism: str) -> None:
    """snnTorch cuts the gradient of a delayed reset."""
    snn = oracle("snntorch")
    from snntorch import surrogate

    node = getattr(snn.module, name)(
        **options, reset_mechanism=mechanism, spike_grad=surrogate.atan(alpha=2.0)
    )
    x, weight = signals(0.3, 0.6)
    spec = snntorch_table.SPECS[class_name(node)](node)
    leaf = x.clone().requires_grad_()
    states, rows = [torch.zeros(BATCH, NEURONS) for _ in spec.states], []
    for step in leaf:
        spikes, *states = node(step, *states)
        rows.append(spikes)
    out = torch.stack(rows)
    (out * weight).sum().backward()
    agree(ours(spec, x, weight), (out.detach(), leaf.grad))
    snn.record(spiking=True)
