"""A firing cell that turns: the resonate-and-fire neuron."""

from __future__ import annotations

from neurodeploy.errors import SemanticsError
from neurodeploy.semantics.cells.firing import FIRING, Firing, firing_cell
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.language import Sym
from neurodeploy.semantics.trace import State

__all__ = ["resonate_and_fire"]


@firing_cell(
    "resonate_and_fire",
    params={"decay": 0.8, "cosine": 0.5, "sine": 0.8},
    states={"u": 0.0},
)
def resonate_and_fire(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    firing: Firing = FIRING,
) -> tuple[Sym, State]:
    """Resonate and fire: a damped rotation of (u, v), driven along u, that fires along v.

    ``u = decay * (u * cosine - v * sine) + x`` and ``v = decay * (u * sine + v * cosine)``, both
    of the old values, with ``decay = exp(b dt)`` and the cosine and sine of ``omega dt``. A reset
    is of ``v`` alone.

    Source: SpikingJelly 2.0.0, RAFNode; Izhikevich 2001, "Resonate-and-fire neurons".

    Raises:
        SemanticsError: a reset in the next step, which ``u`` would not have seen.
    """
    if firing.timing != "same":
        raise SemanticsError(f"timing={firing.timing!r} of a resonator", hint="same")
    u = p.decay * (s.u * p.cosine - s.v * p.sine) + x
    done = firing.step(
        p, s, lambda v: p.decay * (s.u * p.sine + v * p.cosine), threshold=p.threshold
    )
    return done.out, State(u=u, **done.states)
