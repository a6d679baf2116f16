"""sinabs' neurons as cells; ``v_mem`` is the membrane ``v``, ``i_syn`` the current ``i``.

| class | without synapse and floor | with one of them, or counted with a reset to 0 |
| -- | -- | -- |
| IAF | ``if`` | ``counted_lif``, decay ``none`` |
| LIF | ``lif`` | ``counted_lif`` |
| ExpLeak | ``li`` | ``shifted_li`` |
| ALIF | ``alif`` | refused |

All leave one value per step: the number of spikes for MultiSpike and MaxSpike. A floor
(``min_v_mem``) is computed below the reset as ``relu(v - floor) + floor``, which rounds. A
recurrent layer is the same cell behind an addition (`neurodeploy.converters.sinabs.leaves`).

Source: sinabs 3.1.3, ``layers/functional/lif.py`` and ``layers/functional/alif.py``.
"""

from __future__ import annotations

from typing import Any

import torch

from neurodeploy.converters.sinabs.attributes import Attributes
from neurodeploy.converters.torch.cell_spec import CellSpec

__all__ = ["adaptive_lif", "exp_leak", "integrate_and_fire", "lif"]

Options = dict[str, str | int | bool]
Params = dict[str, torch.Tensor | float]


def integrate_and_fire(module: Any) -> CellSpec:
    """IAF: ``v = v + x``."""
    found = Attributes(module)
    return _firing(found, "if", {}, {})


def lif(module: Any) -> CellSpec:
    """LIF: ``v = alpha * v + x``, or ``alpha * v + (1 - alpha) * x`` with ``norm_input``."""
    found = Attributes(module)
    options, params = _decay(found)
    return _firing(found, "lif", options, params)


def _decay(found: Attributes) -> tuple[Options, Params]:
    """Give decay and weight of the input, as the module computes them."""
    alpha = found.module.alpha_mem_calculated.detach()
    options: Options = {"decay": "factor"}
    params: Params = {"beta": found.tensor("alpha_mem", alpha)}
    if found.module.norm_input:
        options["decay_input"] = True
        params["gain"] = found.tensor("1 - alpha_mem", 1 - alpha)
    return options, params


def _firing(found: Attributes, cell: str, options: Options, params: Params) -> CellSpec:
    module = found.module
    spikes, (reset, amount) = found.spikes(), found.reset()
    params = {**params, "threshold": found.threshold()}
    floor, synapse = found.optional("min_v_mem"), module.alpha_syn_calculated
    states = {"v_mem": "v"}
    plain = floor is None and synapse is None and amount is None
    if plain and (reset == "subtract" or spikes is None):
        options = {**options, "reset": "subtract" if reset == "subtract" else "value"}
        if spikes is not None:
            options |= {"payload": "graded"}
            # one spike at most, still a number
            options |= {"spikes": spikes} if spikes > 1 else {}
        found.check()
        return CellSpec(cell, params, options, states)
    if cell == "if":
        options = {"decay": "none"}
    options = {**options, "counted": spikes is not None, "reset": reset}
    if spikes is not None:
        options["spikes"] = spikes
    if reset == "subtract":
        params["amount"] = params["threshold"] if amount is None else amount
    if floor is not None:
        options["held"], params["floor"] = True, floor
    if synapse is not None:
        options["synapse"], params["alpha"] = True, found.tensor("alpha_syn", synapse)
        states["i_syn"] = "i"
    found.check()
    return CellSpec("counted_lif", params, options, states)


def exp_leak(module: Any) -> CellSpec:
    """ExpLeak: ``v = alpha * v + x``, read as a value, before the floor."""
    found = Attributes(module)
    options, params = _decay(found)
    floor = found.optional("min_v_mem")
    found.check()
    if floor is None:
        return CellSpec("li", params, options, {"v_mem": "v"})
    return CellSpec("shifted_li", {**params, "floor": floor}, options, {"v_mem": "v"})


def adaptive_lif(module: Any) -> CellSpec:
    """ALIF: fires at ``b0 + adapt_scale * b``; ``b = rho * b + (1 - rho) * spikes``."""
    found = Attributes(module)
    options, params = _decay(found)
    if found.spikes() is not None:
        found.refuse("its threshold adapts and its spikes are counted", "spike_fn=SingleSpike")
    reset, amount = found.reset()
    if amount is not None:
        found.refuse("its reset subtracts a value of its own", "MembraneSubtract()")
    if found.optional("min_v_mem") is not None:
        found.refuse("its membrane has a floor, min_v_mem", "leave min_v_mem out")
    if found.module.alpha_syn_calculated is not None:
        found.refuse("its input has a synapse, tau_syn", "put an ExpLeak in front")
    rho = found.module.alpha_adapt_calculated.detach()
    params |= {
        "threshold": found.tensor("b0"),
        "adaptation": found.tensor("adapt_scale"),
        "rho": found.tensor("alpha_adapt", rho),
        "increment": found.tensor("1 - alpha_adapt", 1 - rho),
    }
    options["reset"] = "subtract" if reset == "subtract" else "value"
    found.check()
    return CellSpec("alif", params, options, {"v_mem": "v", "b": "a"})
