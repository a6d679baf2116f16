"""SpikingJelly's LIF with a batch norm on its membrane.

After training, batch norm is ``v * scale + shift`` with ``scale = gamma / sqrt(var + eps)`` and
``shift = beta - mean * scale``. torch fuses the product with the sum on most processors: it rounds
once, which no order of two roundings does. From one state, the membranes after a step were at most
two units in the last place apart (of 1, where they are smaller). Folded into the threshold
(``re_parameterize_v_threshold``), the neuron agrees in every bit.

Source: SpikingJelly 2.0.0, ``activation_based/neuron/mpbn.py``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from neurodeploy.converters.spikingjelly.attributes import Attributes
from neurodeploy.converters.torch.cell_spec import CellSpec

__all__ = ["mpbn_lif_node"]


def mpbn_lif_node(module: Any, rank: int | None = None) -> CellSpec:
    """MPBNLIFNode in evaluation: LIFNode whose charged membrane passes a batch norm.

    Args:
        module: The neuron.
        rank: Axes of its layer, 1 or 3; needed where the module does not tell, because its norm
            is folded, or it has none and learned its threshold.
    """
    found = Attributes(module)
    found.steps()
    if module.training:
        found.refuse("it is in training, where it measures the batch", "call .eval()")
    norm, folded = module.vbn, bool(module.fold_bn)
    plain = isinstance(norm, nn.Identity)
    if not plain:
        rank = 3 if isinstance(norm, nn.BatchNorm2d) else 1
        if norm.running_mean is None:
            found.refuse("its batch norm keeps no statistics", "track_running_stats=True")
    elif rank is None and (folded or module.learnable_vth):
        found.refuse(
            "its threshold of each channel has a rank that depends on the input",
            "convert the module with its batch norm, as it was before it was folded",
        )
    if isinstance(module.v_threshold, torch.Tensor):
        found.refuse("its learned threshold was folded", "convert the module as it was before")
    found.check()

    def channel(value: torch.Tensor) -> torch.Tensor:
        return value.detach().reshape(-1, *[1] * ((rank or 1) - 1))

    options, thresholds = found.reset()
    params: dict[str, torch.Tensor | float] = {"tau": found.number("tau"), **thresholds}
    options |= {"decay": "tau", "decay_input": bool(module.decay_input)}
    if found.rest():
        options["rest"], params["rest"] = True, found.rest()
    if module.learnable_vth:
        params["threshold"] = channel(torch.exp(module.a.detach()))
    cell = "lif" if plain and not folded and not module.learnable_vth else "amount_lif"
    if not plain:
        cell = "normalised_lif"
        params |= {k: channel(v) for k, v in _scale(norm).items()}
    elif folded:
        deviation = torch.sqrt(module.sigma2 + module.eps)
        fired_at = (module.v_threshold - module.beta) * deviation / module.gamma + module.mu
        params["threshold"] = channel(fired_at)
        if module.normalize_residual:
            cell, options["normalise"] = "normalised_lif", "residual"
            names = {"mean": module.mu, "deviation": deviation}
            names |= {"scale": module.gamma, "shift": module.beta}
            params |= {k: channel(v) for k, v in names.items()}
    if cell != "lif" and options["reset"] == "subtract":
        params["amount"] = found.number("v_threshold")
    initial = found.initial(v="v")
    found.check()
    return CellSpec(cell, params, options, {"v": "v"}, initial)


def _scale(norm: Any) -> dict[str, torch.Tensor]:
    scale = torch.rsqrt(norm.running_var + norm.eps)
    if norm.affine:
        scale = norm.weight.detach() * scale
    # rounded once, as the fused operation of torch rounds
    shift = -norm.running_mean.double() * scale.double()
    if norm.affine:
        shift = norm.bias.detach() + shift
    return {"scale": scale, "shift": shift.float()}
