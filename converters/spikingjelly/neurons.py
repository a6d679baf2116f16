"""SpikingJelly's integrate-and-fire neurons and LIFs as cells; for all, ``v`` is the membrane.

| class | cell | decay |
| -- | -- | -- |
| IFNode, SimpleIFNode, HalfThresholdIFNode, TernaryIFNode | ``if`` | |
| LIFNode, SimpleLIFNode, TernaryLIFNode | ``lif`` | ``tau``, to ``v_reset`` or 0 |
| ParametricLIFNode | ``lif`` | ``rate`` = sigmoid(w), to ``v_reset`` or 0 |
| CUBALIFNode | ``cuba_lif`` | ``alpha`` = c_decay, ``beta`` = v_decay |
| NonSpikingIFNode, NonSpikingLIFNode | ``li`` | none; ``tau`` with ``decay_input`` |

Source: SpikingJelly 2.0.0, ``activation_based/functional/neuron.py`` and ``_ops``.
"""

from __future__ import annotations

from typing import Any

import torch

from neurodeploy.converters.spikingjelly.attributes import Attributes
from neurodeploy.converters.torch.cell_spec import CellSpec

__all__ = [
    "cuba_lif_node",
    "if_node",
    "lif_node",
    "non_spiking_if_node",
    "non_spiking_lif_node",
    "parametric_lif_node",
    "ternary_if_node",
    "ternary_lif_node",
]

Options = dict[str, str | int | bool]
Params = dict[str, torch.Tensor | float]


def if_node(module: Any, **more: str | int | bool) -> CellSpec:
    """IFNode, SimpleIFNode, HalfThresholdIFNode: ``v = v + x``; fires at ``v >= v_threshold``.

    HalfThresholdIFNode starts at half its threshold and resets by subtraction.
    """
    found = Attributes(module)
    found.steps()
    options, params = found.reset()
    initial = found.initial(v="v")
    found.check()
    return CellSpec("if", params, {**options, **more}, {"v": "v"}, initial)


def lif_node(module: Any, **more: str | int | bool) -> CellSpec:
    """LIFNode, SimpleLIFNode: ``v + (x - (v - r)) / tau`` or ``v - (v - r) / tau + x``.

    ``r`` is ``v_reset``, or 0 where that is None. SimpleLIFNode starts at the number 0.0, so that
    its first ``r / tau`` is rounded once less; that may move the last bit of ``v``.
    """
    found = Attributes(module)
    found.steps()
    return _leaky(found, {"decay": "tau", **more}, {"tau": found.number("tau")})


def parametric_lif_node(module: Any) -> CellSpec:
    """ParametricLIFNode: a LIF with ``1 / tau = sigmoid(w)``, multiplied instead of divided."""
    found = Attributes(module)
    found.steps()
    rate = module.w.detach().sigmoid()
    return _leaky(found, {"decay": "rate"}, {"rate": rate}, (("w", str(module.w.item())),))


def _leaky(
    found: Attributes,
    options: Options,
    params: Params,
    origin: tuple[tuple[str, str], ...] = (),
) -> CellSpec:
    reset, thresholds = found.reset()
    rest = found.rest()
    if found.module.v_reset is None and type(found.module).__name__ == "SimpleLIFNode":
        found.refuse("v_reset is None, at which its forward fails", "use LIFNode")
    if rest:
        options, params = {**options, "rest": True}, {**params, "rest": rest}
    initial = found.initial(v="v")
    found.check()
    options = {**options, "decay_input": bool(found.module.decay_input), **reset}
    return CellSpec("lif", {**params, **thresholds}, options, {"v": "v"}, initial, origin)


def ternary_if_node(module: Any) -> CellSpec:
    """TernaryIFNode: also fires -1 at ``v <= -v_threshold``, its reset adding the threshold."""
    return if_node(module, payload="signed")


def ternary_lif_node(module: Any) -> CellSpec:
    """TernaryLIFNode: LIFNode that also fires -1 at ``v <= -v_threshold``."""
    return lif_node(module, payload="signed")


def cuba_lif_node(module: Any) -> CellSpec:
    """CUBALIFNode: ``c = c_decay * c + x``, ``v = v_decay * v + c``; it decays to 0."""
    found = Attributes(module)
    found.steps()
    options, thresholds = found.reset()
    params = {"alpha": found.number("c_decay"), "beta": found.number("v_decay"), **thresholds}
    initial = found.initial(v="v", i="c")
    found.check()
    return CellSpec("cuba_lif", params, options, {"v": "v", "c": "i"}, initial)


def non_spiking_if_node(module: Any) -> CellSpec:
    """NonSpikingIFNode: ``v = v + x``, read as a value; ``decode`` is the front end's.

    Like NonSpikingLIFNode it starts at 0 in each call.
    """
    return CellSpec("li", {}, {"decay": "none"}, {"v": "v"})


def non_spiking_lif_node(module: Any) -> CellSpec:
    """NonSpikingLIFNode: ``v = v + (x - v) / tau``, read as a value."""
    found = Attributes(module)
    tau = found.number("tau")
    found.check()
    return CellSpec("li", {"tau": tau}, {"decay": "tau", "decay_input": True}, {"v": "v"})
