"""norse's neurons as cells; ``v`` is the membrane, ``i`` the current, ``z`` the last spikes.

| class | cell | membrane |
| -- | -- | -- |
| LIF, LIFCell | ``jump_lif`` | ``v + rate * ((v_leak - v) + j)``, ``rate = dt * tau_mem_inv`` |
| LIFRecurrent, LIFRecurrentCell | ``recurrent_jump_lif`` | the same |
| LIFBoxCell | ``lif`` | ``v + rate * (x - v)`` |
| IAF, IAFCell | ``if`` | ``v + x`` |
| LI, LICell | ``jump_li`` | as LIF |
| LIBoxCell | ``li`` | ``v + rate * ((v_leak - v) + x)`` |

All fire at ``v > v_th``. Source: norse 1.1.0, ``torch/functional``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from neurodeploy.converters.torch.attributes import NeuronAttributes
from neurodeploy.converters.torch.cell_spec import CellSpec
from neurodeploy.converters.torch.step_function import step_findings

__all__ = [
    "integrate_and_fire",
    "leaky_box",
    "leaky_integrator",
    "lif",
    "lif_box",
    "recurrent_lif",
]

Options = dict[str, str | int | bool]
Params = dict[str, torch.Tensor | float]
_EULER: Options = {"decay": "rate", "decay_input": True}


class _Attributes(NeuronAttributes):
    """What is read of the named tuple ``p`` of a neuron."""

    way_out = "use float32"

    def __init__(self, module: Any) -> None:
        super().__init__(module, module.p)

    def rate(self, name: str) -> torch.Tensor:
        """Give ``dt / tau`` of a step."""
        return self.tensor(name, self.module.dt * getattr(self.holder, name))

    def euler(self) -> tuple[Options, Params]:
        """Give how the membrane decays, to ``v_leak``."""
        params: Params = {"rate": self.rate("tau_mem_inv")}
        rest = self.tensor("v_leak")
        if not bool((rest != 0).any()):
            return dict(_EULER), params
        return {**_EULER, "rest": True}, {**params, "rest": rest}

    def firing(self) -> tuple[Options, Params]:
        """Give threshold and reset."""
        from norse.torch.functional.threshold import threshold

        function = partial(threshold, method=self.holder.method, alpha=self.holder.alpha)
        self.findings += step_findings(function, strict=True)
        params: Params = {"threshold": self.tensor("v_th"), "reset_value": self.tensor("v_reset")}
        return {"strict": True, "reset": "value"}, params

    def initial(self, name: str) -> dict[str, float]:
        """Give where the membrane starts."""
        value = self.tensor(name)
        if bool((value != value.reshape(-1)[0]).any()):
            self.refuse(f"{name} differs from neuron to neuron, and the membrane starts there")
        first = float(value.reshape(-1)[0])
        return {"v": first} if first else {}


def lif(module: Any, cell: str = "jump_lif") -> CellSpec:
    """LIF, LIFCell."""
    found = _Attributes(module)
    options, params = found.euler()
    more, thresholds = found.firing()
    params |= {"fade": found.rate("tau_syn_inv"), **thresholds}
    start = found.initial("v_leak")
    found.check()
    return CellSpec(cell, params, {**options, **more}, {"v": "v", "i": "i"}, start)


def recurrent_lif(module: Any) -> CellSpec:
    """LIFRecurrent, LIFRecurrentCell: the part that is a cell."""
    return lif(module, "recurrent_jump_lif")


def lif_box(module: Any) -> CellSpec:
    """LIFBoxCell: no current; ``(x + v_leak) - v``, which is the same as a LIF's for 0 alone."""
    found = _Attributes(module)
    options, params = found.euler()
    more, thresholds = found.firing()
    if "rest" in params:
        found.refuse("its v_leak is not 0", "add it to the input instead, and to the membrane")
    reset = getattr(found.holder.reset_method, "__name__", "")
    if reset == "reset_subtract":
        more["reset"] = "subtract"
        thresholds.pop("reset_value")
    elif reset != "reset_value":
        found.refuse(f"reset_method {reset or found.holder.reset_method!r} is not handled")
    found.check()
    return CellSpec("lif", {**params, **thresholds}, {**options, **more}, {"v": "v"})


def integrate_and_fire(module: Any) -> CellSpec:
    """IAF, IAFCell: starts at ``v_reset``."""
    found = _Attributes(module)
    options, params = found.firing()
    start = found.initial("v_reset")
    found.check()
    return CellSpec("if", params, options, {"v": "v"}, start)


def leaky_integrator(module: Any) -> CellSpec:
    """LI, LICell."""
    found = _Attributes(module)
    options, params = found.euler()
    params["fade"] = found.rate("tau_syn_inv")
    start = found.initial("v_leak")
    found.check()
    return CellSpec("jump_li", params, options, {"v": "v", "i": "i"}, start)


def leaky_box(module: Any) -> CellSpec:
    """LIBoxCell."""
    found = _Attributes(module)
    options, params = found.euler()
    start = found.initial("v_leak")
    found.check()
    return CellSpec("li", params, options, {"v": "v"}, start)
