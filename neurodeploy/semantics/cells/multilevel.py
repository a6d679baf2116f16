"""A LIF that emits the nearest whole number of spikes."""

from __future__ import annotations

from neurodeploy.errors import SemanticsError, raise_findings
from neurodeploy.semantics.cells.firing import MAX_SPIKES
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.cells.membrane import MEMBRANE, MEMBRANE_PARAMS, Membrane
from neurodeploy.semantics.cells.options import not_bool, not_whole
from neurodeploy.semantics.language import Sym, clip, fire, rint, stop_gradient, where
from neurodeploy.semantics.trace import State, cell

__all__ = ["multilevel_lif"]


@cell(
    "multilevel_lif",
    params={"threshold": 1.0, **MEMBRANE_PARAMS},
    states={"v": 0.0},
)
def multilevel_lif(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    spikes: int = 4,
    detach_reset: bool = False,
    membrane: Membrane = MEMBRANE,
) -> tuple[Sym, State]:
    """LIF whose output is ``k = rint(clip(v / threshold, 0, spikes))``, halves to the even one.

    ``k * threshold`` is subtracted in the same step. The first spike is at more than half the
    threshold; `neurodeploy.semantics.cells.firing` rounds down instead.

    Source: SpikingJelly 2.0.0, ILIFNode; Luo et al. 2024, "Integer-valued training and spike-driven
    inference spiking neural network" (SpikeYOLO).

    Raises:
        SemanticsError: the options are out of range.
    """
    found = not_whole("spikes", spikes, 1, MAX_SPIKES) + not_bool(detach_reset=detach_reset)
    raise_findings(SemanticsError, found)
    h = membrane.charge(p, s.v, x)
    scaled = h / p.threshold
    count = rint(clip(scaled, 0, spikes))
    spike = fire(scaled, 0.5, strict=True)
    taken = stop_gradient(count) if detach_reset else count
    due = stop_gradient(spike) if detach_reset else spike
    return where(spike, count, 0), State(v=where(due, h - taken * p.threshold, h))
