"""The complementary LIF: a reset that grows with how often the neuron has fired."""

from __future__ import annotations

from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.language import Sym, constant, fire, where
from neurodeploy.semantics.math import sigmoid
from neurodeploy.semantics.trace import State, cell

__all__ = ["complementary_lif"]


@cell("clif", params={"tau": 2.0, "threshold": 1.0}, states={"v": 0.0, "m": 0.0})
def complementary_lif(p: Leaves, s: Leaves, x: Sym) -> tuple[Sym, State]:
    """Complementary LIF; float32.

    ``h = (v - v / tau) + x`` fires at ``h >= threshold``, z being 1 or 0. The complementary
    membrane is ``m = m * sigmoid(h / tau) + z``, and ``v = h - z * (threshold + sigmoid(m))``
    with the new ``m``.

    Source: SpikingJelly 2.0.0, ComplementaryLIFNode; Huang et al. 2024, "CLIF: complementary leaky
    integrate-and-fire neuron for spiking neural networks".
    """
    h = (s.v - s.v / p.tau) + x
    spike = fire(h, p.threshold, strict=False)
    m = s.m * sigmoid(h / p.tau) + where(spike, constant(h, 1), 0)
    v = where(spike, h - (p.threshold + sigmoid(m)), h)
    return spike, State(v=v, m=m)
