"""Every neuron class of SpikingJelly through `load`, single and multi step, soft and hard reset."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cell_runs import drive
from oracles import Ledger

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")

from spikingjelly.activation_based import functional, layer, neuron  # noqa: E402
from torch import nn  # noqa: E402

from spiking_nets import proof, read  # noqa: E402

T, N, SIZE = 200, 4, 12
BOTH: dict[str, Any] = {"v_reset": (None, 0.0)}
# class: arguments, those that take several values as tuples; mean and spread of the drive
CLASSES: dict[str, tuple[dict[str, Any], float, float]] = {
    "IFNode": (BOTH, 0.3, 0.6),
    "SimpleIFNode": (BOTH, 0.3, 0.6),
    "LIFNode": ({**BOTH, "tau": 2.3, "decay_input": (True, False)}, 1.2, 1.6),
    "SimpleLIFNode": ({"v_reset": 0.0, "tau": 2.3, "decay_input": True}, 1.6, 2.0),
    "ParametricLIFNode": ({**BOTH, "init_tau": 2.7, "decay_input": (True, False)}, 1.2, 1.6),
    "CUBALIFNode": ({**BOTH, "c_decay": 0.45, "v_decay": 0.7}, 0.1, 0.5),
    "TernaryIFNode": (BOTH, 0.0, 0.8),
    "TernaryLIFNode": ({**BOTH, "tau": 1.9}, 0.0, 2.5),
    "QIFNode": ({"v_reset": 0.0, "tau": 3.1, "v_c": 0.7, "a0": 0.9}, 0.9, 1.2),
    "EIFNode": ({"v_reset": 0.0, "tau": 3.3, "delta_T": 0.7, "theta_rh": 0.9}, 0.4, 1.4),
    "IzhikevichNode": ({"v_reset": 0.0, "tau": 2.9, "v_c": 0.7, "a": 0.3, "b": 0.4}, 1.4, 1.4),
    "RAFNode": ({**BOTH, "b": -0.3, "omega": 1.1, "dt": 0.7, "v_threshold": 0.6}, 0.3, 0.9),
    "KLIFNode": ({**BOTH, "tau": 2.3, "scale_reset": (True, False)}, 1.3, 2.0),
    "OTTTLIFNode": ({**BOTH, "tau": 2.3}, 0.5, 0.8),
    "SLTTLIFNode": ({**BOTH, "tau": 2.3}, 1.6, 2.0),
    "HalfThresholdIFNode": ({"v_threshold": 0.9}, 0.3, 0.6),
    "ComplementaryLIFNode": ({"tau": 2.3}, 0.6, 0.9),
    "ILIFNode": ({"tau": 1.9, "v_threshold": 0.7}, 0.8, 0.9),
    "STBIFNode": ({"q_threshold": 0.37, "level": 16, "sym": True}, 0.05, 0.8),
    "LIAFNode": ({**BOTH, "act": torch.relu, "threshold_related": False, "tau": 2.3}, 1.6, 2.0),
    "DSRIFNode": ({"v_threshold": 1.3, "alpha": 0.4}, 0.4, 0.6),
}
# their exp is not ours: spikes are the same, states within rounding
ROUNDED = ("EIFNode", "ComplementaryLIFNode")


def cases() -> list[tuple[str, str, dict[str, Any]]]:
    found = []
    for name, (arguments, _, _) in CLASSES.items():
        several = {k: v for k, v in arguments.items() if isinstance(v, tuple)}
        rest = {k: v for k, v in arguments.items() if k not in several}
        combined: list[dict[str, Any]] = [rest]
        for key, values in several.items():
            combined = [{**c, key: v} for c in combined for v in values]
        # DSRIFNode says that it takes single steps, and has no code for them
        modes = ("m",) if name.startswith("DSR") else ("s", "m")
        found += [(name, mode, c) for mode in modes for c in combined]
    return found


@pytest.mark.parametrize(("name", "mode", "arguments"), cases())
def test_class(name: str, mode: str, arguments: dict[str, Any], oracle: Ledger) -> None:
    found = oracle("spikingjelly")
    _, mean, spread = CLASSES[name]
    net = nn.Sequential(layer.Linear(SIZE, SIZE, bias=False), getattr(neuron, name)(**arguments))
    with torch.no_grad():
        net[0].weight.copy_(torch.eye(SIZE))
    functional.set_step_mode(net, mode)
    x = drive(3, T * N, SIZE, mean=mean, spread=spread).reshape(N, T, SIZE)
    model = read(net.eval(), x, time_axis=0) if mode == "m" else read(net.eval(), x[:, 0])
    result = proof(model, x)
    if name in ROUNDED:
        assert result.equal, result
        assert all(n.mismatches == 0 for n in result.nodes)
    else:
        assert result.verdict == "exact", result
    assert np.count_nonzero([n.count_a for n in result.nodes]) == len(result.nodes)
    found.record(spiking=True)


def test_twenty_classes() -> None:
    assert len(CLASSES) >= 20
