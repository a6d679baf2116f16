"""The leaky integrators: membranes that never fire, for outputs that are read as values."""

from __future__ import annotations

from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.cells.membrane import MEMBRANE, MEMBRANE_PARAMS, Membrane
from neurodeploy.semantics.cells.neurons import synapse
from neurodeploy.semantics.language import Sym
from neurodeploy.semantics.trace import State, cell

__all__ = ["cuba_li", "li"]


@cell("li", params=MEMBRANE_PARAMS, states={"v": 0.0})
def li(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    membrane: Membrane = MEMBRANE,
) -> tuple[Sym, State]:
    """Leaky integrator: ``v = beta * v + x`` or another decay; the output is ``v``.

    Source: NIR's LI and, with ``decay="none"``, I; SpikingJelly's NonSpikingLIFNode (``tau``
    with ``decay_input``) and NonSpikingIFNode (``none``); snnTorch's Leaky with reset ``none``.
    """
    v = membrane.charge(p, s.v, x)
    return v, State(v=v)


@cell(
    "cuba_li",
    params={"alpha": 0.8, "input_gain": 1.0, **MEMBRANE_PARAMS},
    states={"i": 0.0, "v": 0.0},
)
def cuba_li(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    input_gain: bool = False,
    membrane: Membrane = MEMBRANE,
) -> tuple[Sym, State]:
    """Current-based leaky integrator: ``i = alpha * i + x``, then a leaky integrator of ``i``.

    Source: NIR's CubaLI; snnTorch's Synaptic with reset ``none``.
    """
    i = synapse(p, s, x, input_gain=input_gain)
    v = membrane.charge(p, s.v, i)
    return v, State(i=i, v=v)
