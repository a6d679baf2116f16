"""A LIF that hands on its membrane instead of its spikes."""

from __future__ import annotations

from neurodeploy.errors import SemanticsError
from neurodeploy.semantics.cells.firing import FIRING, Firing, firing_cell
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.cells.membrane import MEMBRANE, MEMBRANE_PARAMS, Membrane
from neurodeploy.semantics.cells.neurons import leaky_step
from neurodeploy.semantics.cells.rectified import rectified
from neurodeploy.semantics.language import Sym, where
from neurodeploy.semantics.trace import State

__all__ = ["analog_lif"]


@firing_cell("analog_lif", params={"slope": 0.01, **MEMBRANE_PARAMS})
def analog_lif(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    activation: str = "relu",
    above_threshold: bool = False,
    membrane: Membrane = MEMBRANE,
    firing: Firing = FIRING,
) -> tuple[Sym, State]:
    """Leaky integrate and analog fire: the output is a function of the charged membrane.

    The spike is not sent, it only resets. ``activation`` is ``identity``, ``relu`` or
    ``leaky_relu`` (with the parameter ``slope``), of the membrane before the reset, or with
    ``above_threshold`` of what it is above the threshold.

    Source: SpikingJelly 2.0.0, LIAFNode; Wu et al. 2021, "LIAF-Net: leaky integrate and analog fire
    network for lightweight and efficient spatiotemporal information processing".

    Raises:
        SemanticsError: an unknown activation, or a payload, which this output cannot carry.
    """
    if firing.payload != "spike":
        raise SemanticsError(f"payload={firing.payload!r} of an analog output", hint="spike")
    done = leaky_step(p, s, x, membrane, firing)
    u = done.charged - p.threshold if above_threshold else done.charged
    return _activated(p, u, activation), State(**done.states)


def _activated(p: Leaves, u: Sym, activation: str) -> Sym:
    if activation == "identity":
        return u
    if activation == "relu":
        return rectified(u)
    if activation == "leaky_relu":
        return where(u > 0, u, p.slope * u)
    raise SemanticsError(
        f"activation {activation!r} is unknown", hint="identity, relu or leaky_relu"
    )
