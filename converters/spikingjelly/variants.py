"""SpikingJelly's variants of the LIF as cells.

| class | cell | parameters |
| -- | -- | -- |
| QIFNode | ``qif`` | curvature = a0, critical = v_c, rest = v_rest, tau |
| EIFNode | ``eif`` | sharpness = delta_T, rheobase = theta_rh, rest = v_rest, tau |
| IzhikevichNode | ``izhikevich`` | as QIFNode; recovery_tau = tau_w, coupling = a, increment = b |
| RAFNode | ``resonate_and_fire`` | decay = exp(b dt), cosine and sine of omega dt |
| KLIFNode | ``klif`` | slope = k; amount = v_threshold / k where it scales the reset |
| ComplementaryLIFNode | ``clif`` | tau |

Source: SpikingJelly 2.0.0, ``activation_based/functional/neuron.py`` and ``_ops``.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from neurodeploy.converters.spikingjelly.attributes import Attributes
from neurodeploy.converters.torch.cell_spec import CellSpec

__all__ = [
    "complementary_lif_node",
    "exponential_if_node",
    "izhikevich_node",
    "klif_node",
    "quadratic_if_node",
    "resonate_node",
]


def _plain(module: Any, cell: str, states: dict[str, str], **names: str) -> CellSpec:
    """Give a cell whose parameters are numbers of the module, with its threshold and reset."""
    found = Attributes(module)
    found.steps()
    options, thresholds = found.reset()
    params = {**found.numbers(**names), **thresholds}
    initial = found.initial(**states)
    found.check()
    return CellSpec(cell, params, options, states, initial)


_QUADRATIC = {"tau": "tau", "curvature": "a0", "rest": "v_rest", "critical": "v_c"}


def quadratic_if_node(module: Any) -> CellSpec:
    """QIFNode: ``v + (x + a0 * (v - v_rest) * (v - v_c)) / tau``."""
    return _plain(module, "qif", {"v": "v"}, **_QUADRATIC)


def exponential_if_node(module: Any) -> CellSpec:
    """EIFNode: ``v + (x + v_rest - v + delta_T * exp((v - theta_rh) / delta_T)) / tau``."""
    names = {"tau": "tau", "sharpness": "delta_T", "rheobase": "theta_rh", "rest": "v_rest"}
    return _plain(module, "eif", {"v": "v"}, **names)


def izhikevich_node(module: Any) -> CellSpec:
    """IzhikevichNode: QIFNode minus ``w``, which decays and grows with each spike by ``b``."""
    adaptive = {"recovery_tau": "tau_w", "coupling": "a", "increment": "b"}
    return _plain(module, "izhikevich", {"v": "v", "w": "w"}, **_QUADRATIC, **adaptive)


def resonate_node(module: Any) -> CellSpec:
    """RAFNode: the decay and the rotation of one step are computed in double precision."""
    found = Attributes(module)
    found.steps()
    options, thresholds = found.reset()
    b, omega, dt = (found.number(name) for name in ("b", "omega", "dt"))
    initial = found.initial(v="v", u="u")
    found.check()
    angle = omega * dt
    turn = {"decay": math.exp(b * dt), "cosine": math.cos(angle), "sine": math.sin(angle)}
    origin = (("b", str(b)), ("omega", str(omega)), ("dt", str(dt)))
    states = {"v": "v", "u": "u"}
    return CellSpec("resonate_and_fire", {**turn, **thresholds}, options, states, initial, origin)


def klif_node(module: Any) -> CellSpec:
    """KLIFNode: a LIF, then ``relu(k * v)``; ``scale_reset`` divides by ``k`` before the reset."""
    found = Attributes(module)
    found.steps()
    options, thresholds = found.reset()
    params: dict[str, torch.Tensor | float] = {
        "slope": module.k.detach(),
        **found.numbers(tau="tau"),
        **thresholds,
    }
    options |= {"decay": "tau", "decay_input": bool(module.decay_input)}
    if found.rest():
        options["rest"], params["rest"] = True, found.rest()
    if module.scale_reset:
        options["scale_reset"] = True
        if options["reset"] == "subtract":
            params["amount"] = module.v_threshold / module.k.detach()
    initial = found.initial(v="v")
    found.check()
    return CellSpec("klif", params, options, {"v": "v"}, initial)


def complementary_lif_node(module: Any) -> CellSpec:
    """ComplementaryLIFNode, as it is in evaluation."""
    found = Attributes(module)
    found.steps()
    params = found.numbers(tau="tau", threshold="v_threshold")
    initial = found.initial(v="v", m="m")
    found.check()
    return CellSpec("clif", params, {}, {"v": "v", "m": "m"}, initial)
