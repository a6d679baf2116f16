"""SpikingJelly's neurons of training methods and conversions, as they are in evaluation.

| class | cell | |
| -- | -- | -- |
| OTTTLIFNode, SLTTLIFNode | ``lif`` | the trace exists in training alone |
| DSRIFNode, DSRLIFNode | ``amount_lif`` | fires at alpha * v_threshold, no state of its own |
| STBIFNode | ``bounded_if`` | ``cur_output`` is the output over the scale |
| ActivationAwareIFNode | ``offset_if`` | |

Source: SpikingJelly 2.0.0, ``activation_based/neuron`` and ``_ops``.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from neurodeploy.converters.spikingjelly import neurons
from neurodeploy.converters.spikingjelly.attributes import Attributes
from neurodeploy.converters.torch.cell_spec import CellSpec

__all__ = [
    "activation_aware_if_node",
    "dsr_if_node",
    "dsr_lif_node",
    "online_lif_node",
    "stbif_node",
]

Options = dict[str, str | int | bool]
Params = dict[str, torch.Tensor | float]


def online_lif_node(module: Any) -> CellSpec:
    """OTTTLIFNode, SLTTLIFNode: LIFNode, with a plain step in evaluation."""
    found = Attributes(module)
    if module.training:
        found.refuse("it is in training, where it hands on a trace", "call .eval()")
    found.check()
    return neurons.lif_node(module)


def dsr_if_node(module: Any) -> CellSpec:
    """DSRIFNode: ``v = v + x`` fires ``v_threshold`` at ``alpha * v_threshold``; it starts at 0."""
    found = Attributes(module)
    threshold, fired_at = _dsr(found)
    found.check()
    params: Params = {"threshold": fired_at, "amount": threshold, "amplitude": threshold}
    return CellSpec("amount_lif", params, {"decay": "none", "payload": "graded"}, {})


def dsr_lif_node(module: Any) -> CellSpec:
    """DSRLIFNode: ``v = b * v + (1 - b) * x`` with ``b = exp(-delta_t / tau)``.

    It fires as DSRIFNode does; what it hands on is divided by ``delta_t``.
    """
    found = Attributes(module)
    threshold, fired_at = _dsr(found)
    tau, step = found.number("tau"), found.number("delta_t")
    found.check()
    beta = math.exp(-step / tau)
    params: Params = {
        "beta": beta,
        "gain": 1 - beta,
        "threshold": fired_at,
        "amount": threshold,
        "amplitude": threshold / step,
    }
    options: Options = {"decay": "factor", "decay_input": True, "payload": "graded"}
    origin = (("tau", str(tau)), ("delta_t", str(step)))
    return CellSpec("amount_lif", params, options, {}, {}, origin)


def _dsr(found: Attributes) -> tuple[torch.Tensor, torch.Tensor]:
    module = found.module
    threshold = module.v_threshold.detach().clamp(min=found.number("v_threshold_lower_bound"))
    return threshold, found.number("alpha") * threshold


def stbif_node(module: Any) -> CellSpec:
    """STBIFNode: ``q = q + x / q_threshold``, its spikes adding up to between two bounds."""
    found = Attributes(module)
    params = {
        "scale": module.q_threshold.detach(),
        "most": module.pos_max.detach(),
        "least": module.neg_min.detach(),
    }
    if any(value.ndim for value in params.values()):
        found.refuse("its scale or its bounds are no single numbers")
    found.check()
    return CellSpec("bounded_if", params, {}, {"q": "v", "acc_q": "net"}, {"v": 0.5})


def activation_aware_if_node(module: Any) -> CellSpec:
    """ActivationAwareIFNode: ``v = v + x`` fires at ``v + v_offset >= v_threshold``."""
    found = Attributes(module)
    found.steps()
    params: Params = {}
    for ours, theirs in (("threshold", "v_threshold"), ("offset", "v_offset")):
        value = getattr(module, theirs).detach().to(torch.float32)
        if value.ndim and module.channel_dim >= 0:
            found.refuse(
                f"channel_dim={module.channel_dim} counts from the batch axis",
                "count it from the end, as in -3 for the channels of (N, C, H, W)",
            )
        params[ours] = value.reshape(-1, *[1] * (-module.channel_dim - 1)) if value.ndim else value
    options: Options = {"reset": "subtract"}
    if module.v_reset is not None:
        options["reset"], params["reset_value"] = "value", found.number("v_reset")
    if module.detach_reset:
        options["detach_reset"] = True
    initial = found.initial(v="v")
    found.check()
    return CellSpec("offset_if", params, options, {"v": "v"}, initial)
