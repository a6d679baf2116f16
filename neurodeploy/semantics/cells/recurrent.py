"""Firing cells with a second input for what returns from their own spikes.

A sum of three floats depends on its order, so the feedback is an input of its own instead of
being added to the first one before the cell: ``(beta * v + x) + feedback``.
"""

from __future__ import annotations

from neurodeploy.semantics.cells.firing import FIRING, Firing, firing_cell
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.cells.membrane import MEMBRANE, MEMBRANE_PARAMS, Membrane
from neurodeploy.semantics.cells.neurons import leaky_step, synapse
from neurodeploy.semantics.language import Sym
from neurodeploy.semantics.trace import State

__all__ = ["recurrent_cuba_lif", "recurrent_lif"]


@firing_cell("recurrent_lif", params=MEMBRANE_PARAMS)
def recurrent_lif(
    p: Leaves,
    s: Leaves,
    x: Sym,
    feedback: Sym,
    *,
    membrane: Membrane = MEMBRANE,
    firing: Firing = FIRING,
) -> tuple[Sym, State]:
    """LIF with feedback: ``v = (beta * v + x) + feedback``, then spike and reset.

    Source: snnTorch 1.0.0, RLeaky, where feedback is the recurrent map of the last spikes.
    """
    done = firing.step(p, s, lambda v: membrane.charge(p, v, x) + feedback, threshold=p.threshold)
    return done.out, State(**done.states)


@firing_cell("recurrent_cuba_lif", params={"alpha": 0.8, **MEMBRANE_PARAMS}, states={"i": 0.0})
def recurrent_cuba_lif(
    p: Leaves,
    s: Leaves,
    x: Sym,
    feedback: Sym,
    *,
    membrane: Membrane = MEMBRANE,
    firing: Firing = FIRING,
) -> tuple[Sym, State]:
    """Current-based LIF with feedback: ``i = (alpha * i + x) + feedback`` drives a LIF.

    Source: snnTorch 1.0.0, RSynaptic.
    """
    i = synapse(p, s, x) + feedback
    done = leaky_step(p, s, i, membrane, firing)
    return done.out, State(i=i, **done.states)
