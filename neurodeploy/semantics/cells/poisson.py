"""A source of random spikes."""

from __future__ import annotations

from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.language import Sym, clip, fire, random_bits, shift_right, to_int
from neurodeploy.semantics.trace import cell

__all__ = ["poisson"]

BITS = 24  # a float32 holds every one of these draws


@cell("poisson", params={"gain": 1.0})
def poisson(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Spike with the probability ``clip(gain * x, 0, 1)`` in each step, independently.

    The draw is one of 2**24 equally likely numbers, and the probability is rounded down to their
    step. With ``gain = 1`` values of 0 to 1 become spikes of that rate. A Poisson process of rate
    r has an event in a step of dt with the probability ``1 - exp(-r * dt)``; a step sends one
    spike at most.
    """
    chance = to_int(clip(p.gain * x, 0.0, 1.0) * 2.0**BITS, rounding="floor", lo=0, hi=2**BITS)
    return fire(chance, shift_right(random_bits(x, 0), 32 - BITS, rounding="floor"), strict=True)
