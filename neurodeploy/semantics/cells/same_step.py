"""A firing step in which what fires, what is compared and what resets are not one membrane."""

from __future__ import annotations

from neurodeploy.errors import SemanticsError
from neurodeploy.semantics.cells.firing import Firing
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.language import Sym, stop_gradient, where
from neurodeploy.semantics.trace import State

__all__ = ["fire_at_once"]


def fire_at_once(
    firing: Firing,
    p: Leaves,
    seen: Sym,
    stored: Sym,
    *,
    amount: str = "threshold",
) -> tuple[Sym, State]:
    """Fire where ``seen`` passes the threshold, and reset ``stored`` in the same step.

    Args:
        firing: Reset, strictness, payload and gradient of the reset.
        p: Parameters of `FIRING_PARAMS`.
        seen: What is compared with ``p.threshold``.
        stored: What the neuron keeps where it does not fire.
        amount: The parameter that a reset by subtraction takes from ``stored``.

    Returns:
        What the cell returns: its output, and the membrane ``v`` after the step.

    Raises:
        SemanticsError: an option that needs the membrane itself.
    """
    plain = Firing(
        reset=firing.reset,
        strict=firing.strict,
        payload=firing.payload,
        detach_reset=firing.detach_reset,
    )
    if firing != plain or firing.signed:
        raise SemanticsError(
            "this cell has reset, strict, detach_reset and the payloads spike and graded alone",
            hint="leave timing, refractory, floor, spikes and lower at their defaults",
        )
    taken: Sym = getattr(p, amount if firing.reset == "subtract" else "threshold")
    event = firing.past(p, seen, p.threshold, spiking=True)
    spike = stop_gradient(event.up) if firing.detach_reset else event.up
    after = stored
    if firing.reset == "value":
        after = where(spike, p.reset_value, stored)
    elif firing.reset == "subtract":
        after = where(spike, stored - taken, stored)
    return firing.emit(p, event), State(v=after)
