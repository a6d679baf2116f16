"""A LIF in steps of the network: what `quantize` makes of float neurons, before it is a chip's.

Loihi's LIF sets its membrane to 0 and leaves its current alone. A reset by subtraction is had all
the same: the *current* is the membrane, for it is never reset, and each spike comes back to its own
neuron as an inhibition; the membrane forgets, and only passes the current on to the threshold.

Where a loop has more hops than steps, a step of the network takes ``pace`` steps of the chip. A
neuron whose current stays above its threshold would spike in each of them; so an inhibition closes
it behind the one in which it may, and an excitation of what is left of it opens it again.

`lowering` writes these out as LIFs and synapses, with the same states.
"""

from __future__ import annotations

from neurodeploy.errors import SemanticsError, raise_findings
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.language import Sym, constant, fire, shift_left, step_index, where
from neurodeploy.semantics.trace import State, cell
from neurodeploy.semantics.types import BOOL
from neurodeploy.targets.loihi.cells import (
    CURRENT,
    FINER,
    STATE,
    THRESHOLD,
    charged,
    range_findings,
)

__all__ = ["loihi_step_lif"]


@cell(
    "loihi_step_lif",
    params={
        "du": 0,
        "dv": 0,
        "threshold": 10,
        "taken": 0,
        "drive": 0,
        "kick": 0,
        "closing": 0,
        "opening": 0,
    },
    states={"u": 0, "v": 0, "fired": 0},
    state_types={"u": CURRENT, "v": STATE, "fired": BOOL},
)
def loihi_step_lif(
    p: Leaves,
    s: Leaves,
    a: Sym,
    *,
    subtract: bool = False,
    driven: bool = False,
    kicked: bool = False,
    gated: bool = False,
    pace: int = 1,
) -> tuple[Sym, State]:
    """LIF that is driven, inhibits itself, and works once in ``pace`` steps of the chip.

    With ``b = a + drive - taken fired``, and ``+ kick`` in the first step:
    ``u = wrap(cut(u (4095 - du)) + 64 b)``, ``v = hold(cut(v (4096 - dv)) + u)``; a spike where
    ``v > 64 threshold``, which sets v to 0. In ``pace - 1`` steps before, the same without b; where
    the cell is gated, the first of them takes ``closing`` and the last step brings ``opening``.

    Raises:
        SemanticsError: the type of the input or of a parameter leaves Loihi's range; a gate
            without a step between, or a pace below 1.
    """
    found = range_findings("threshold", p.threshold, THRESHOLD)
    raise_findings(SemanticsError, found)
    if pace < 1 or (gated and pace == 1):
        raise SemanticsError(f"a pace of {pace}", hint="from 1 on; from 2 on where it is gated")
    first = step_index(s.u) == 0
    u, v = s.u, s.v
    arriving = a + p.drive if driven else a
    if subtract:
        arriving = arriving - where(s.fired, p.taken, 0)
    if kicked:
        arriving = arriving + where(first, p.kick, 0)
    for step in range(1, pace):
        between = constant(u, 0)
        if gated and step == 1:
            between = where(first, 0, -p.closing)
        u, v = charged(p.du, p.dv, u, v, between)
    if gated:
        arriving = arriving + where(first, 0, p.opening)
    u, v = charged(p.du, p.dv, u, v, arriving)
    spike = fire(v, shift_left(p.threshold, FINER), strict=True)
    kept = {"u": u, "v": where(spike, 0, v)}
    return spike, State(**kept, fired=spike) if subtract else State(**kept)
