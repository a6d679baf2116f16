"""Firing cells with a rectified membrane."""

from __future__ import annotations

from neurodeploy.semantics.cells.firing import FIRING, FIRING_PARAMS, Firing, firing_cell
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.cells.membrane import MEMBRANE, MEMBRANE_PARAMS, Membrane
from neurodeploy.semantics.cells.same_step import fire_at_once
from neurodeploy.semantics.language import Sym, where
from neurodeploy.semantics.trace import State, cell

__all__ = ["klif", "rectified", "rectified_lif"]


def rectified(u: Sym) -> Sym:
    """Give ``max(u, 0)``, whose gradient at 0 is 0, as torch has it."""
    return where(u > 0, u, 0)


@cell(
    "klif",
    params={"slope": 1.0, "amount": None, **MEMBRANE_PARAMS, **FIRING_PARAMS},
    states={"v": 0.0},
)
def klif(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    scale_reset: bool = False,
    membrane: Membrane = MEMBRANE,
    firing: Firing = FIRING,
) -> tuple[Sym, State]:
    """LIF that fires by a scaled and rectified membrane: ``v = max(slope * charged, 0)``.

    With ``scale_reset`` the neuron keeps ``v / slope``, from which a spike takes ``amount``, the
    threshold over the slope as its source computes that.

    Source: SpikingJelly 2.0.0, KLIFNode; Jiang and Zhang 2023, "KLIF: an optimized spiking neuron
    unit for tuning surrogate gradient slope and membrane potential".
    """
    v = rectified(p.slope * membrane.charge(p, s.v, x))
    stored = v / p.slope if scale_reset else v
    return fire_at_once(firing, p, v, stored, amount="amount" if scale_reset else "threshold")


@firing_cell("rectified_lif", params={"beta": 0.9, "bias": 0.0})
def rectified_lif(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    firing: Firing = FIRING,
) -> tuple[Sym, State]:
    """LIF without negative membrane: ``v = max((beta * v + bias) + x, 0)``.

    Source: snnTorch 1.0.0, LeakyParallel, a recurrent network of rectifiers with a diagonal matrix.
    """
    done = firing.step(p, s, lambda v: rectified((p.beta * v + p.bias) + x), threshold=p.threshold)
    return done.out, State(**done.states)
