"""What reads rates where spikes arrive."""

from __future__ import annotations

from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.language import Sym, step_index, to_float
from neurodeploy.semantics.trace import State, cell

__all__ = ["running_mean"]


@cell("running_mean", states={"total": 0.0})
def running_mean(p: Leaves, s: Leaves, x: Sym) -> tuple[Sym, State]:
    """Mean of all that has arrived so far: ``total' = total + x``, ``total' / (t + 1)``.

    At the last of T steps it is the mean over the steps: the rate that a function which is not
    linear has to see.
    """
    total = s.total + x
    return total / to_float(step_index(x) + 1), State(total=total)
