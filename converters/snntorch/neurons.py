"""snnTorch's neurons as cells; ``mem`` is the membrane ``v``, ``syn`` the current ``i``.

| class | cell | reset to zero |
| -- | -- | -- |
| Leaky | ``lif``, with state_quant ``quantised_lif`` | before decay and input |
| Synaptic | ``cuba_lif``, with state_quant ``quantised_cuba_lif`` | after them |
| RLeaky | ``recurrent_lif`` | after them |
| RSynaptic | ``recurrent_cuba_lif`` | after them |
| Lapicque | ``lif``, ``quantised_lif`` or ``lapicque`` | after them |
| Alpha | ``alpha_lif`` | after them |

``beta`` and ``alpha`` are held to 0 and 1. Of a recurrent neuron this is the part that is a
cell: its second input is what the recurrent map makes of the spikes of the last step.

Source: snnTorch 1.0.0, ``_neurons``.
"""

from __future__ import annotations

from typing import Any

import torch

from neurodeploy.converters.snntorch.attributes import Attributes
from neurodeploy.converters.snntorch.levels import quantised
from neurodeploy.converters.torch.cell_spec import CellSpec

__all__ = ["alpha", "lapicque", "leaky", "recurrent_leaky", "recurrent_synaptic", "synaptic"]


def leaky(module: Any) -> CellSpec:
    """Leaky: ``mem = beta * mem + x``."""
    found = Attributes(module)
    options, params = found.firing(zero="before")
    params = {"beta": found.factor("beta"), **params}
    cell = quantised(found, "lif", options, params)
    found.check()
    return CellSpec(cell, params, options, {"mem": "v"})


def recurrent_leaky(module: Any) -> CellSpec:
    """RLeaky: ``mem = (beta * mem + x) + recurrent(spk)``."""
    found = Attributes(module)
    found.unquantised()
    options, params = found.firing(zero="after")
    params = {"beta": found.factor("beta"), **params}
    found.check()
    return CellSpec("recurrent_lif", params, options, {"mem": "v"})


def synaptic(module: Any) -> CellSpec:
    """Synaptic: ``syn = alpha * syn + x``, then ``mem = beta * mem + syn``."""
    found = Attributes(module)
    options, params = found.firing(zero="after")
    params = {"alpha": found.factor("alpha"), "beta": found.factor("beta"), **params}
    cell = quantised(found, "cuba_lif", options, params)
    found.check()
    return CellSpec(cell, params, options, {"syn": "i", "mem": "v"})


def recurrent_synaptic(module: Any) -> CellSpec:
    """RSynaptic: ``syn = (alpha * syn + x) + recurrent(spk)``, then ``mem = beta * mem + syn``.

    With ``reset_delay=False`` it computes the correction on a variable that it then drops, so
    that the reset is delayed whatever its user asked for; it fails where it keeps its state
    itself, and at the first step of states from ``init_rsynaptic``. So that is refused.
    """
    found = Attributes(module)
    found.unquantised()
    if not module.reset_delay:
        found.refuse(
            "reset_delay=False: its forward fails, or delays the reset all the same",
            "set reset_delay=True, which is what it computes where it does not fail",
        )
    options, params = found.firing(zero="after", delayed=True)
    params = {"alpha": found.factor("alpha"), "beta": found.factor("beta"), **params}
    found.check()
    return CellSpec("recurrent_cuba_lif", params, options, {"syn": "i", "mem": "v"})


def lapicque(module: Any) -> CellSpec:
    """Lapicque: ``mem = x * R * (1 / (R C)) * time_step + (1 - time_step / (R C)) * mem``.

    ``beta`` is not used where R and C are given, and gives C where they are not.
    """
    found = Attributes(module)
    options, params = found.firing(zero="after", delayed=True)
    r, c, step = module.R, module.C, module.time_step
    params |= {
        "gain": found.tensor("1 / (R C)", 1 / (r * c)),
        "beta": found.tensor("1 - time_step / (R C)", 1 - step / (r * c)),
    }
    scales = {"resistance": found.tensor("R"), "step": found.tensor("time_step")}
    origin = (("R", str(r.tolist())), ("C", str(c.tolist())), ("time_step", str(step.tolist())))
    if all(bool((value == 1).all()) for value in scales.values()):
        options["decay_input"] = True
        cell = quantised(found, "lif", options, params)
    else:
        found.unquantised()
        cell, params = "lapicque", {**params, **scales}
    found.check()
    return CellSpec(cell, params, options, {"mem": "v"}, {}, origin)


def alpha(module: Any) -> CellSpec:
    """Alpha: two currents, and a membrane that is their weighted sum; the reset is delayed."""
    found = Attributes(module)
    found.unquantised()
    rising, falling = found.factor("alpha"), found.factor("beta")
    options: dict[str, str | int | bool] = {"reset": module.reset_mechanism, "strict": True}
    params = {
        "alpha": rising,
        "beta": falling,
        "gain": torch.log(rising) / (torch.log(falling) - torch.log(rising)) + 1,
        "threshold": found.tensor("threshold"),
    }
    found.graded(options, params)
    found.check()
    states = {"syn_exc": "excitatory", "syn_inh": "inhibitory", "mem": "v"}
    return CellSpec("alpha_lif", params, options, states)
