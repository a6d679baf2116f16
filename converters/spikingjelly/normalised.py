"""SpikingJelly's LIF with a batch norm on its membrane.

After training, batch norm is ``v * scale + shift`` with ``scale = gamma / sqrt(var + eps)`` and
``shift = beta - mean * scale``. torch fuses the product with the sum on most processors, so that
the membranes agree within a few units in the last place, not in every bit.

Source: SpikingJelly 2.0.0, ``activation_based/neuron/mpbn.py``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from neurodeploy.converters.spikingjelly.attributes import Attributes
from neurodeploy.converters.torch.cell_spec import CellSpec

__all__ = ["mpbn_lif_node"]

Params = dict[str, torch.Tensor | float]


def mpbn_lif_node(module: Any) -> CellSpec:
    """MPBNLIFNode in evaluation: LIFNode whose charged membrane passes a batch norm."""
    found = Attributes(module)
    found.steps()
    if module.training:
        found.refuse("it is in training, where it measures the batch", "call .eval()")
    norm = module.vbn
    if module.fold_bn:
        found.refuse(
            "its batch norm is folded into a threshold whose rank depends on the input",
            "convert the module as it was before re_parameterize_v_threshold()",
        )
    if module.learnable_vth and isinstance(norm, nn.Identity):
        found.refuse("its learned threshold has a rank that depends on the input", "use mpbn=True")
    found.check()
    options, thresholds = found.reset()
    params: Params = {"tau": found.number("tau"), **thresholds}
    options |= {"decay": "tau", "decay_input": bool(module.decay_input)}
    if found.rest():
        options["rest"], params["rest"] = True, found.rest()
    initial = found.initial(v="v")
    if isinstance(norm, nn.Identity):
        found.check()
        return CellSpec("lif", params, options, {"v": "v"}, initial)
    if norm.running_mean is None:
        found.refuse("its batch norm keeps no statistics", "track_running_stats=True")
    found.check()
    rank = 2 if isinstance(norm, nn.BatchNorm2d) else 0

    def channel(value: torch.Tensor) -> torch.Tensor:
        return value.detach().reshape(-1, *[1] * rank)

    scale = torch.rsqrt(norm.running_var + norm.eps)
    if norm.affine:
        scale = norm.weight.detach() * scale
    # rounded once, as the fused operation of torch rounds
    shift = -norm.running_mean.double() * scale.double()
    if norm.affine:
        shift = norm.bias.detach() + shift
    params |= {"scale": channel(scale), "shift": channel(shift.float())}
    if module.learnable_vth:
        params["threshold"] = channel(torch.exp(module.a.detach()))
    if options["reset"] == "subtract":
        params["amount"] = found.number("v_threshold")
    found.check()
    return CellSpec("normalised_lif", params, options, {"v": "v"}, initial)
