"""snnTorch's LIF neurons as cells; ``mem`` is the membrane ``v``, ``syn`` the current ``i``.

| class | cell | reset to zero |
| -- | -- | -- |
| Leaky | ``lif`` | before decay and input |
| Synaptic | ``cuba_lif`` | after them |
| RLeaky | ``recurrent_lif`` | after them |
| RSynaptic | ``recurrent_cuba_lif`` | after them |

``beta`` and ``alpha`` are held to 0 and 1. Of a recurrent neuron this is the part that is a
cell: its second input is what the recurrent map makes of the spikes of the last step.

Source: snnTorch 1.0.0, ``_neurons``.
"""

from __future__ import annotations

from typing import Any

from neurodeploy.converters.snntorch.attributes import Attributes
from neurodeploy.converters.torch.cell_spec import CellSpec

__all__ = ["leaky", "recurrent_leaky", "recurrent_synaptic", "synaptic"]


def leaky(module: Any) -> CellSpec:
    """Leaky: ``mem = beta * mem + x``."""
    return _lif(module, "lif", "before")


def recurrent_leaky(module: Any) -> CellSpec:
    """RLeaky: ``mem = (beta * mem + x) + recurrent(spk)``."""
    return _lif(module, "recurrent_lif", "after")


def _lif(module: Any, cell: str, zero: str) -> CellSpec:
    found = Attributes(module)
    options, params = found.firing(zero=zero)
    params = {"beta": found.factor("beta"), **params}
    found.check()
    return CellSpec(cell, params, options, {"mem": "v"})


def synaptic(module: Any) -> CellSpec:
    """Synaptic: ``syn = alpha * syn + x``, then ``mem = beta * mem + syn``."""
    return _cuba(Attributes(module), "cuba_lif", delayed=None)


def recurrent_synaptic(module: Any) -> CellSpec:
    """RSynaptic: ``syn = (alpha * syn + x) + recurrent(spk)``, then ``mem = beta * mem + syn``.

    With ``reset_delay=False`` it computes the correction on a variable that it then drops, so
    that the reset is delayed whatever its user asked for; it fails where it keeps its state
    itself, and at the first step of states from ``init_rsynaptic``. So that is refused.
    """
    found = Attributes(module)
    if not module.reset_delay:
        found.refuse(
            "reset_delay=False: its forward fails, or delays the reset all the same",
            "set reset_delay=True, which is what it computes where it does not fail",
        )
    return _cuba(found, "recurrent_cuba_lif", delayed=True)


def _cuba(found: Attributes, cell: str, *, delayed: bool | None) -> CellSpec:
    options, params = found.firing(zero="after", delayed=delayed)
    params = {"alpha": found.factor("alpha"), "beta": found.factor("beta"), **params}
    found.check()
    return CellSpec(cell, params, options, {"syn": "i", "mem": "v"})
