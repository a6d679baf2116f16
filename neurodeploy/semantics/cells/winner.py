"""Winner takes all: of the spikes of a layer, the one at the largest membrane."""

from __future__ import annotations

from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.language import Sym
from neurodeploy.semantics.trace import cell

__all__ = ["winner"]


@cell("winner")
def winner(p: Leaves, s: Leaves, spike: Sym, first: Sym) -> Sym:
    """Spike of the neuron that is also the first of its layer: ``spike & first``.

    ``first`` is the one-hot argmax (a Reduce) of membrane minus threshold.

    Source: snnTorch 1.0.0, ``inhibition=True``.
    """
    return spike & first
