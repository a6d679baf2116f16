"""Firing cells whose membrane has a drive of its own: quadratic, exponential, Izhikevich.

All times are in steps. The quadratic drive grows without bound above ``critical``, so that a
large input can leave the finite numbers where the neuron resets by subtraction.
"""

from __future__ import annotations

from neurodeploy.semantics.cells.firing import FIRING, Firing, firing_cell
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.language import Sym, where
from neurodeploy.semantics.math import exp
from neurodeploy.semantics.trace import State

__all__ = ["exponential_if", "izhikevich", "quadratic_if"]

QUADRATIC: dict[str, float | int | None] = {
    "tau": 2.0,
    "curvature": 1.0,
    "rest": 0.0,
    "critical": 0.8,
}


def _quadratic(p: Leaves, v: Sym, x: Sym) -> Sym:
    return x + (p.curvature * (v - p.rest)) * (v - p.critical)


@firing_cell("qif", params=QUADRATIC)
def quadratic_if(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    firing: Firing = FIRING,
) -> tuple[Sym, State]:
    """Quadratic integrate and fire, by Euler steps.

    ``v = v + (x + curvature * (v - rest) * (v - critical)) / tau``.

    Source: SpikingJelly 2.0.0, QIFNode; Gerstner et al. 2014, "Neuronal Dynamics", section 5.3.
    """
    done = firing.step(p, s, lambda v: v + _quadratic(p, v, x) / p.tau, threshold=p.threshold)
    return done.out, State(**done.states)


@firing_cell("eif", params={"tau": 2.0, "sharpness": 1.0, "rheobase": 0.8, "rest": 0.0})
def exponential_if(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    firing: Firing = FIRING,
) -> tuple[Sym, State]:
    """Exponential integrate and fire, by Euler steps; float32.

    ``v = v + (((x + rest) - v) + sharpness * exp((v - rheobase) / sharpness)) / tau``.

    Source: SpikingJelly 2.0.0, EIFNode; Gerstner et al. 2014, "Neuronal Dynamics", section 5.2.
    """

    def charge(v: Sym) -> Sym:
        drive = p.sharpness * exp((v - p.rheobase) / p.sharpness)
        return v + (((x + p.rest) - v) + drive) / p.tau

    done = firing.step(p, s, charge, threshold=p.threshold)
    return done.out, State(**done.states)


@firing_cell(
    "izhikevich",
    params={
        **QUADRATIC,
        "recovery_tau": 2.0,
        "coupling": 0.0,
        "increment": 0.0,
    },
    states={"w": 0.0},
)
def izhikevich(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    firing: Firing = FIRING,
) -> tuple[Sym, State]:
    """Quadratic integrate and fire with a recovery current.

    ``v = v + ((x + curvature * (v - rest) * (v - critical)) - w) / tau``, then with z 1 where it
    fires, else 0, and the membrane before its reset:
    ``w = (w + (coupling * (v - rest) - w) / recovery_tau) + increment * z``.

    Source: SpikingJelly 2.0.0, IzhikevichNode; Izhikevich 2003, "Simple model of spiking neurons".
    """
    done = firing.step(
        p, s, lambda v: v + (_quadratic(p, v, x) - s.w) / p.tau, threshold=p.threshold
    )
    pull = p.coupling * (done.charged - p.rest) - s.w
    w = (s.w + pull / p.recovery_tau) + where(done.event.up, p.increment, 0)
    return done.out, State(w=w, **done.states)
