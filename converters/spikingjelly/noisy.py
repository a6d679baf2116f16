"""SpikingJelly's noisy neurons, as they are with ``is_training=False``.

They start anew in each call of T steps. Source: SpikingJelly 2.0.0,
``activation_based/neuron/noisy.py``.
"""

from __future__ import annotations

from typing import Any

from neurodeploy.converters.spikingjelly.attributes import Attributes
from neurodeploy.converters.torch.cell_spec import CellSpec

__all__ = ["noisy_cuba_lif_node", "noisy_non_spiking_if_node"]


def noisy_cuba_lif_node(module: Any) -> CellSpec:
    """NoisyCUBALIFNode without noise: CUBALIFNode."""
    found = _noiseless(module)
    found.steps()
    if module.v_reset is None:
        found.refuse("v_reset is None, at which its forward fails", "use CUBALIFNode")
    params = found.numbers(alpha="c_decay", beta="v_decay", threshold="v_threshold")
    reset = 0.0 if module.v_reset is None else found.number("v_reset")
    found.check()
    initial = {"v": reset} if reset else {}
    states, origin = {"v": "v", "c": "i"}, (("steps", str(module.T)),)
    params["reset_value"] = reset
    return CellSpec("cuba_lif", params, {"reset": "value"}, states, initial, origin)


def noisy_non_spiking_if_node(module: Any) -> CellSpec:
    """NoisyNonSpikingIFNode without noise: ``v = v + x``; ``decode`` is the front end's."""
    _noiseless(module).check()
    return CellSpec("li", {}, {"decay": "none"}, {"v": "v"}, {}, (("steps", str(module.T)),))


def _noiseless(module: Any) -> Attributes:
    found = Attributes(module)
    if module.is_training:
        found.refuse("it adds noise", "set is_training=False: .eval() does not")
    return found
