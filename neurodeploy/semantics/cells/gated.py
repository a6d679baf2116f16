"""The gated LIF: learned mixtures of two decays, two inputs and two resets."""

from __future__ import annotations

from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.language import Sym, fire, where
from neurodeploy.semantics.trace import State, cell
from neurodeploy.semantics.types import BOOL

__all__ = ["gated_lif"]


@cell(
    "gated_lif",
    params={
        "decay": 0.8,
        "leak": 0.0,
        "gain": 1.0,
        "kept": 0.5,
        "amount": 0.5,
        "threshold": 1.0,
    },
    states={"v": 0.0, "fired": 0},
    state_types={"fired": BOOL},
)
def gated_lif(p: Leaves, s: Leaves, x: Sym) -> tuple[Sym, State]:
    """Gated LIF: ``h = (decay * v - leak) + gain * x``; the last step's spike resets after it.

    Where it fired in the last step, ``v = (h - kept * (decay * v)) - amount``, else ``v = h``; it
    fires at ``v >= threshold``. With the gates alpha, beta, gamma of the source in 0 to 1:
    ``decay = 1 - alpha * (1 - tau)``, ``leak = (1 - alpha) * linear_decay``,
    ``gain = 1 - beta * (1 - conduct)`` (of each step), ``kept = gamma`` and
    ``amount = (1 - gamma) * v_subreset``.

    Source: SpikingJelly 2.0.0, GatedLIFNode; Yao et al. 2022, "GLIF: a unified gated leaky
    integrate-and-fire neuron for spiking neural networks".
    """
    decayed = p.decay * s.v
    h = (decayed - p.leak) + x * p.gain
    v = where(s.fired, (h - decayed * p.kept) - p.amount, h)
    spike = fire(v, p.threshold, strict=False)
    return spike, State(v=v, fired=spike)
