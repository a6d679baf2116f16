"""The firing cells: IF, LIF, current-based LIF, and LIF with an adaptive threshold.

Their options are the fields of `Firing` (`neurodeploy.semantics.cells.firing`) and, but for IF,
of `Membrane` (`neurodeploy.semantics.cells.membrane`); all times are in steps.
"""

from __future__ import annotations

from collections.abc import Callable

from neurodeploy.errors import Finding, SemanticsError, raise_findings
from neurodeploy.semantics.cells.firing import FIRING, Event, Fired, Firing, firing_cell
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.cells.membrane import MEMBRANE, MEMBRANE_PARAMS, Membrane
from neurodeploy.semantics.cells.options import not_bool
from neurodeploy.semantics.language import Sym, where
from neurodeploy.semantics.trace import State
from neurodeploy.semantics.types import BOOL

__all__ = ["adaptive_lif", "cuba_lif", "integrate_and_fire", "leaky_step", "lif", "synapse"]


@firing_cell("if")
def integrate_and_fire(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    firing: Firing = FIRING,
) -> tuple[Sym, State]:
    """Integrate and fire: ``v = v + x``, then spike and reset.

    Source: SpikingJelly's IFNode and TernaryIFNode; snnTorch's Leaky with beta 1.
    """
    done = firing.step(p, s, lambda v: v + x, threshold=p.threshold)
    return done.out, State(**done.states)


def leaky_step(
    p: Leaves,
    s: Leaves,
    drive: Sym,
    membrane: Membrane,
    firing: Firing,
    *,
    held: Callable[[Sym], Sym] | None = None,
) -> Fired:
    """Give the step of a membrane that decays, takes ``drive`` and fires at its threshold.

    ``held`` is that of `Firing.step`.
    """
    return firing.step(
        p, s, lambda v: membrane.charge(p, v, drive), threshold=p.threshold, held=held
    )


@firing_cell("lif", params=MEMBRANE_PARAMS)
def lif(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    membrane: Membrane = MEMBRANE,
    firing: Firing = FIRING,
) -> tuple[Sym, State]:
    """Leaky integrate and fire: ``v = beta * v + x`` or another decay, then spike and reset.

    Source: snnTorch's Leaky and RLeaky (``factor``), SpikingJelly's LIFNode (``tau``) and
    ParametricLIFNode (``rate``).
    """
    done = leaky_step(p, s, x, membrane, firing)
    return done.out, State(**done.states)


def synapse(p: Leaves, s: Leaves, x: Sym, *, input_gain: bool = False) -> Sym:
    """Give the synaptic current ``i = alpha * i + x``, or ``... + input_gain * x``.

    Raises:
        SemanticsError: the option is no bool.
    """
    raise_findings(SemanticsError, not_bool(input_gain=input_gain))
    return p.alpha * s.i + (p.input_gain * x if input_gain else x)


@firing_cell(
    "cuba_lif",
    params={"alpha": 0.8, "input_gain": 1.0, **MEMBRANE_PARAMS},
    states={"i": 0.0},
)
def cuba_lif(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    input_gain: bool = False,
    membrane: Membrane = MEMBRANE,
    firing: Firing = FIRING,
) -> tuple[Sym, State]:
    """Current-based LIF: ``i = alpha * i + x``, then a LIF driven by the new ``i``.

    The current decays and takes its input in refractory steps as well; a reset leaves it alone.
    A membrane driven by the current of the last step is this cell behind an edge of delay 1.

    Source: snnTorch's Synaptic and RSynaptic, SpikingJelly's CUBALIFNode, NIR's CubaLIF.
    """
    i = synapse(p, s, x, input_gain=input_gain)
    done = leaky_step(p, s, i, membrane, firing)
    return done.out, State(i=i, **done.states)


@firing_cell(
    "alif",
    params={
        "rho": 0.95,
        "increment": 1.0,
        "adaptation": 0.1,
        **MEMBRANE_PARAMS,
    },
    states={"a": 0.0, "fired": 0},
    state_types={"fired": BOOL},
)
def adaptive_lif(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    taken: str = "adapted",
    membrane: Membrane = MEMBRANE,
    firing: Firing = FIRING,
) -> tuple[Sym, State]:
    """LIF whose threshold rises with each spike and falls back.

    ``A = threshold + adaptation * a`` with ``a`` as the last step left it; the LIF fires at
    ``A``; then ``a = rho * a + z * increment`` with z 1 where it fired, else 0, also in
    refractory steps.

    A reset by subtraction takes ``A`` (``taken="adapted"``) or the parameter ``threshold``
    (``"base"``), both of the step in which it happens. With ``timing`` ``next_before`` or
    ``next_after``, the last step's spike is the state ``fired``.

    Source: Bellec et al. 2018, "Long short-term memory and learning-to-learn in networks of
    spiking neurons" (increment 1 - rho, next_after, adapted); Bellec et al. 2020, "A solution
    to the learning dilemma for recurrent networks of spiking neurons" (increment 1, base).
    """
    _check_adaptive(firing, taken)
    threshold = p.threshold + p.adaptation * s.a
    due = None
    if firing.timing != "same":
        due = Event(s.fired).detached() if firing.detach_reset else Event(s.fired)
    done = firing.step(
        p,
        s,
        lambda v: membrane.charge(p, v, x),
        threshold=threshold,
        amount=threshold if taken == "adapted" else p.threshold,
        due=due,
    )
    spike = done.event.up
    a = p.rho * s.a + where(spike, p.increment, 0)
    fired = {} if due is None else {"fired": spike}
    return done.out, State(a=a, **fired, **done.states)


def _check_adaptive(firing: Firing, taken: str) -> None:
    found = []
    if taken not in ("adapted", "base"):
        found.append(Finding(f"taken {taken!r} is unknown", hint="adapted or base"))
    if taken == "base" and firing.reset != "subtract":
        found.append(Finding("taken='base' needs reset='subtract'"))
    if firing.signed:
        found.append(
            Finding("an adaptive threshold has no negative spikes", hint="spike or graded")
        )
    if firing.spikes > 1:
        found.append(Finding("an adaptive threshold has one spike per step at most"))
    if firing.timing.startswith("corrected"):
        found.append(Finding("an adaptive threshold cannot have a corrected reset"))
    raise_findings(SemanticsError, found)
