"""SpikingJelly's gated, multi-level and analog LIFs as cells.

| class | cell | parameters |
| -- | -- | -- |
| GatedLIFNode | ``gated_lif`` | its sigmoids; the gain has an axis of time |
| ILIFNode | ``multilevel_lif`` | spikes = max_spike_count |
| LIAFNode | ``analog_lif`` | the activations identity, ReLU and leaky ReLU |

Source: SpikingJelly 2.0.0, ``activation_based/functional/neuron.py`` and ``_ops``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from neurodeploy.converters.spikingjelly.attributes import Attributes
from neurodeploy.converters.torch.cell_spec import CellSpec

__all__ = ["gated_lif_node", "liaf_node", "multilevel_lif_node"]


def gated_lif_node(module: Any) -> CellSpec:
    """GatedLIFNode: parameters per channel of (N, C, H, W), T steps; ``u`` is a second ``v``."""
    found = Attributes(module)
    found.steps()
    initial = found.initial(v="v")
    found.check()

    def gate(value: torch.Tensor) -> torch.Tensor:
        return value.detach().view(-1, 1, 1).sigmoid()

    alpha, beta, gamma = gate(module.alpha), gate(module.beta), gate(module.gamma)
    conduct = torch.stack([gate(step) for step in module.conduct])
    params = {
        "decay": 1 - alpha * (1 - gate(module.tau)),
        "leak": (1 - alpha) * gate(module.linear_decay),
        "gain": 1 - beta * (1 - conduct),
        "kept": gamma,
        "amount": (1 - gamma) * gate(module.v_subreset),
        "threshold": gate(module.v_threshold),
    }
    states, origin = {"v": "v", "u": "v"}, (("steps", str(module.T)),)
    return CellSpec("gated_lif", params, {}, states, initial, origin, timed=("gain",))


def multilevel_lif_node(module: Any) -> CellSpec:
    """ILIFNode: ``v - v / tau + x`` in step mode ``s``, ``(1 - 1 / tau) * v + x`` in ``m``."""
    found = Attributes(module)
    params, options = found.numbers(threshold="v_threshold"), found.reset()[0]
    tau, initial = found.number("tau"), found.initial(v="v")
    surrogate = module.surrogate_function
    if type(surrogate).__name__ != "MultiLevelSpikeCount" or not surrogate.spiking:
        found.refuse("its surrogate function is no spiking MultiLevelSpikeCount")
        spikes = 1.0
    else:
        spikes = float(surrogate.max_spike_count)
        if spikes != int(spikes) or spikes < 1:
            found.refuse(f"max_spike_count is {spikes}", "a whole number from 1 on")
    found.check()
    sequence = module.step_mode == "m"
    decay = {"beta": 1 - 1 / tau} if sequence else {"tau": tau}
    options = {
        "decay": "factor" if sequence else "tau",
        "spikes": int(spikes),
        "detach_reset": bool(module.detach_reset),
    }
    origin = (("tau", str(tau)),)
    return CellSpec("multilevel_lif", {**params, **decay}, options, {"v": "v"}, initial, origin)


_FUNCTIONS: dict[Callable[..., Any], str] = {
    torch.relu: "relu",
    torch.nn.functional.relu: "relu",
    torch.nn.functional.leaky_relu: "leaky_relu",
}


def liaf_node(module: Any) -> CellSpec:
    """LIAFNode: ``act(v)`` or ``act(v - v_threshold)`` before the reset."""
    found = Attributes(module)
    found.steps()
    options, thresholds = found.reset()
    params = {**found.numbers(tau="tau"), **thresholds}
    options |= {"decay": "tau", "decay_input": bool(module.decay_input)}
    if found.rest():
        options["rest"], params["rest"] = True, found.rest()
    act = module.act
    if isinstance(act, nn.LeakyReLU):
        kind, params["slope"] = "leaky_relu", float(act.negative_slope)
    elif type(act) in (nn.ReLU, nn.Identity):
        kind = "relu" if isinstance(act, nn.ReLU) else "identity"
    else:
        kind = _FUNCTIONS.get(act, "") if callable(act) else ""
    if not kind:
        shown = getattr(act, "__name__", type(act).__name__)
        found.refuse(f"act is {shown}", "nn.Identity, nn.ReLU or nn.LeakyReLU")
    options |= {"activation": kind, "above_threshold": bool(module.threshold_related)}
    initial = found.initial(v="v")
    found.check()
    return CellSpec("analog_lif", params, options, {"v": "v"}, initial)
