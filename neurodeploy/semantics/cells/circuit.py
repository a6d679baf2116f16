"""The leaky neuron as an electric circuit, and a neuron that fires at changes."""

from __future__ import annotations

from neurodeploy.semantics.cells.firing import FIRING, Firing, firing_cell
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.language import Sym, absolute, fire
from neurodeploy.semantics.trace import State, cell

__all__ = ["delta_lif", "lapicque"]


@firing_cell("lapicque", params={"resistance": 1.0, "gain": 0.2, "step": 1.0, "beta": 0.8})
def lapicque(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    firing: Firing = FIRING,
) -> tuple[Sym, State]:
    """Leaky neuron of a resistor and a capacitor, by Euler steps.

    ``v = ((x * resistance) * gain) * step + beta * v``, with ``gain = 1 / (R C)`` and
    ``beta = 1 - step / (R C)``. With a resistance and a step of 1 it is the cell ``lif``.

    Source: snnTorch 1.0.0, Lapicque.
    """
    done = firing.step(
        p,
        s,
        lambda v: ((x * p.resistance) * p.gain) * p.step + p.beta * v,
        threshold=p.threshold,
    )
    return done.out, State(**done.states)


@cell("delta_lif", params={"beta": 0.9, "threshold": 1.0}, states={"v": 0.0})
def delta_lif(p: Leaves, s: Leaves, x: Sym, *, strict: bool = True) -> tuple[Sym, State]:
    """Leaky integrator that fires where it changes: ``|v' - v| > threshold``, without a reset.

    Source: snnTorch 1.0.0, DeltaLeaky.
    """
    v = p.beta * s.v + x
    return fire(absolute(v - s.v), p.threshold, strict=strict), State(v=v)
