"""LIFs whose states take the nearest of 2**depth levels in each step.

``levels`` holds the levels, ascending. ``bounds`` holds at place i from 1 on the smallest value
that becomes level i, and anything at place 0; so a source's own rule for values between two
levels, and its rounding, are in this table.
"""

from __future__ import annotations

from neurodeploy.errors import SemanticsError, raise_findings
from neurodeploy.semantics.cells.firing import FIRING, Firing, firing_cell
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.cells.membrane import MEMBRANE, MEMBRANE_PARAMS, Membrane
from neurodeploy.semantics.cells.neurons import leaky_step, synapse
from neurodeploy.semantics.cells.options import not_whole
from neurodeploy.semantics.language import Sym, lookup, to_int, where
from neurodeploy.semantics.trace import State

__all__ = ["MAX_DEPTH", "quantised_cuba_lif", "quantised_lif"]

MAX_DEPTH = 16
TABLES: dict[str, float | int | None] = {"levels": None, "bounds": None}


def _nearest(p: Leaves, x: Sym, depth: int) -> Sym:
    """Give the level of ``x`` by a binary search in the bounds."""
    raise_findings(SemanticsError, not_whole("depth", depth, 1, MAX_DEPTH))
    at = to_int(x - x, rounding="zero", lo=0, hi=0)
    for bit in reversed(range(depth)):
        # the places so far are multiples of 2**(bit + 1), so that the sum stays in the table
        higher = at + 2**bit
        at = where(x >= lookup(p.bounds, higher), higher, at)
    return lookup(p.levels, at)


@firing_cell("quantised_lif", params={**TABLES, **MEMBRANE_PARAMS})
def quantised_lif(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    depth: int = 8,
    membrane: Membrane = MEMBRANE,
    firing: Firing = FIRING,
) -> tuple[Sym, State]:
    """LIF whose membrane is put on a level after decay, input and a reset that was due.

    Source: snnTorch 1.0.0, Leaky and Lapicque with ``state_quant``.
    """
    done = leaky_step(p, s, x, membrane, firing, held=lambda v: _nearest(p, v, depth))
    return done.out, State(**done.states)


@firing_cell(
    "quantised_cuba_lif",
    params={"alpha": 0.8, **TABLES, **MEMBRANE_PARAMS},
    states={"i": 0.0},
)
def quantised_cuba_lif(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    depth: int = 8,
    membrane: Membrane = MEMBRANE,
    firing: Firing = FIRING,
) -> tuple[Sym, State]:
    """Current-based LIF, both states on levels; the membrane takes the current as it was before.

    Source: snnTorch 1.0.0, Synaptic with ``state_quant``.
    """
    i = synapse(p, s, x)
    done = leaky_step(p, s, i, membrane, firing, held=lambda v: _nearest(p, v, depth))
    return done.out, State(i=_nearest(p, i, depth), **done.states)
