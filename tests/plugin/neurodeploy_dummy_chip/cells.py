"""The arithmetic of the chip, in the language that the reference, torch and C all run."""

from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.language import Sym, fire, saturate, shift_right, where
from neurodeploy.semantics.trace import State, cell
from neurodeploy.semantics.types import Int

LOWEST, HIGHEST = -(2**15), 2**15 - 1
STATES = {"v": Int(LOWEST, HIGHEST)}


@cell("sixbit_current")
def current(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Current register: the sum of a step, saturated to 16 bits."""
    return saturate(x, LOWEST, HIGHEST)


@cell("sixbit_neuron", params={"threshold": 1, "reset": 0}, states={"v": 0}, state_types=STATES)
def neuron(p: Leaves, s: Leaves, x: Sym, *, shift: int = 0, strict: bool = False) -> object:
    """Membrane of 16 bits that saturates and decays by a shift: ``v - (v >> shift) + x``."""
    kept = s.v - shift_right(s.v, shift, rounding="zero") if shift else s.v
    v = saturate(kept + x, LOWEST, HIGHEST)
    spike = fire(v, p.threshold, strict=strict)
    return spike, State(v=where(spike, p.reset, v))
