"""Cells whose current takes its input, drives the membrane, and decays last.

norse integrates by Euler's method: what arrives in a step acts at once, and the current that the
next step starts from is ``(i + x) - fade * (i + x)``.
"""

from __future__ import annotations

from neurodeploy.semantics.cells.firing import FIRING, Firing, firing_cell
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.cells.membrane import MEMBRANE, MEMBRANE_PARAMS, Membrane
from neurodeploy.semantics.cells.neurons import leaky_step
from neurodeploy.semantics.language import Sym
from neurodeploy.semantics.trace import State, cell

__all__ = ["jump_li", "jump_lif", "recurrent_jump_lif"]

_PARAMS: dict[str, float | int | None] = {"fade": 0.2, **MEMBRANE_PARAMS}


def _faded(p: Leaves, j: Sym) -> Sym:
    return j - p.fade * j


def _jump_lif(
    p: Leaves, s: Leaves, j: Sym, membrane: Membrane, firing: Firing
) -> tuple[Sym, State]:
    done = leaky_step(p, s, j, membrane, firing)
    return done.out, State(i=_faded(p, j), **done.states)


@firing_cell("jump_lif", params=_PARAMS, states={"i": 0.0})
def jump_lif(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    membrane: Membrane = MEMBRANE,
    firing: Firing = FIRING,
) -> tuple[Sym, State]:
    """LIF driven by ``j = i + x``; then ``i = j - fade * j``.

    Source: norse 1.1.0, ``functional/lif.py``, lif_feed_forward_step.
    """
    return _jump_lif(p, s, s.i + x, membrane, firing)


@firing_cell("recurrent_jump_lif", params=_PARAMS, states={"i": 0.0})
def recurrent_jump_lif(
    p: Leaves,
    s: Leaves,
    x: Sym,
    feedback: Sym,
    *,
    membrane: Membrane = MEMBRANE,
    firing: Firing = FIRING,
) -> tuple[Sym, State]:
    """LIF driven by ``j = (i + x) + feedback``; then ``i = j - fade * j``.

    Source: norse 1.1.0, ``functional/lif.py``, lif_step, whose maps are nodes of their own.
    """
    return _jump_lif(p, s, (s.i + x) + feedback, membrane, firing)


@cell("jump_li", params=_PARAMS, states={"i": 0.0, "v": 0.0})
def jump_li(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    membrane: Membrane = MEMBRANE,
) -> tuple[Sym, State]:
    """Leaky integrator of ``j = i + x``; then ``i = j - fade * j``. The output is ``v``.

    Source: norse 1.1.0, ``functional/leaky_integrator.py``, li_feed_forward_step.
    """
    j = s.i + x
    v = membrane.charge(p, s.v, j)
    return v, State(i=_faded(p, j), v=v)
