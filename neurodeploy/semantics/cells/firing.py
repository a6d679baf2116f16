"""Threshold, spike, reset and refractory time: what all firing cells share.

One step of a firing cell, with ``v`` the stored membrane and ``charge`` its decay and input:

1. A reset that is due from the last step (``timing`` other than ``same``) is applied to ``v``
   before (``*_before``) or after (``*_after``) ``charge``. It is due where the *stored* membrane
   is past the threshold, so that an initial membrane above it is reset first, as in snnTorch.
2. While the neuron is refractory, the membrane is held and what would charge it is lost. A
   neuron with refractory steps is due one reset for each spike, in the first of them.
3. The membrane is held to ``floor`` from below.
4. The neuron fires where the membrane passes ``threshold``, unless it is refractory.
5. ``timing="same"``: the reset follows at once, and the stored membrane is the one after it.

| ``timing`` | reset | source |
| -- | -- | -- |
| ``same`` | in the step of the spike | SpikingJelly, sinabs, norse |
| ``next_before`` | in the next step, before decay and input | snnTorch Leaky, zero |
| ``next_after`` | in the next step, after decay and input (``zero`` loses that input) | snnTorch Leaky, subtract; Synaptic, RLeaky, RSynaptic |
| ``corrected_before``, ``corrected_after`` | as ``next_*``, then, the step's own spike being known, the difference: with r (0 or 1) due and z (0 or 1) fired, ``v - (z - r) * threshold``, or ``v - (z - r) * (v - reset_value)`` | snnTorch ``reset_delay=False`` |

``corrected_*`` equals ``same`` unless a membrane is past its threshold after its reset.
"""  # noqa: E501  # a table

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from neurodeploy.errors import Finding, SemanticsError, raise_findings
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.cells.options import not_bool, not_whole
from neurodeploy.semantics.language import (
    Sym,
    fire,
    floor,
    maximum,
    minimum,
    saturate,
    stop_gradient,
    where,
)
from neurodeploy.semantics.trace import CellFunction, cell
from neurodeploy.semantics.types import Int, Type

__all__ = [
    "FIRING",
    "FIRING_PARAMS",
    "FIRING_STATES",
    "FIRING_STATE_TYPES",
    "PAYLOADS",
    "RESETS",
    "TIMINGS",
    "Event",
    "Fired",
    "Firing",
    "firing_cell",
]

RESETS = ("subtract", "value", "none")
TIMINGS = ("same", "next_before", "next_after", "corrected_before", "corrected_after")
PAYLOADS = ("spike", "graded", "signed", "signed_net")
MAX_REFRACTORY = 65535
MAX_SPIKES = 65535
MAX_NET = 2**31 - 1

FIRING_PARAMS: dict[str, float | int | None] = {
    "threshold": 1.0,
    "reset_value": 0.0,
    "floor": 0.0,
    "amplitude": 1.0,
    "lower": -1.0,
}
FIRING_STATES: dict[str, float | int] = {"v": 0.0, "refractory": 0, "net": 0}
FIRING_STATE_TYPES: dict[str, Type] = {
    "refractory": Int(0, MAX_REFRACTORY),
    "net": Int(0, MAX_NET),
}


def firing_cell(
    name: str,
    *,
    params: Mapping[str, float | int | None] | None = None,
    states: Mapping[str, float | int] | None = None,
    state_types: Mapping[str, Type] | None = None,
) -> Callable[[CellFunction], CellFunction]:
    """Register a cell of one `Firing.step`: what it has of its own, then what that reads."""
    return cell(
        name,
        params={**(params or {}), **FIRING_PARAMS},
        states={**(states or {}), **FIRING_STATES},
        state_types={**(state_types or {}), **FIRING_STATE_TYPES},
    )


@dataclass(frozen=True)
class Event:
    """Where a membrane is past its threshold.

    Attributes:
        up: Past the upper one.
        down: Past the lower one, for signed spikes.
        count: How many spikes that makes, for several in a step.
    """

    up: Sym
    down: Sym | None = None
    count: Sym | None = None

    @property
    def either(self) -> Sym:
        """Past one of the two."""
        return self.up if self.down is None else self.up | self.down

    def only(self, condition: Sym) -> Event:
        """Give the event where the condition holds."""
        down = None if self.down is None else self.down & condition
        return replace(self, up=self.up & condition, down=down)

    def detached(self) -> Event:
        """Give the event without its gradient."""
        down = None if self.down is None else stop_gradient(self.down)
        count = None if self.count is None else stop_gradient(self.count)
        return Event(stop_gradient(self.up), down, count)


@dataclass(frozen=True)
class Fired:
    """The outcome of a step.

    Attributes:
        out: The output.
        states: The states of `FIRING_STATES` in use.
        event: Where the neuron fired.
        charged: The membrane at which it fired, before a reset in the same step.
    """

    out: Sym
    states: dict[str, Sym]
    event: Event
    charged: Sym


@dataclass(frozen=True, kw_only=True)
class Firing:
    """The options of a firing cell, and the step that they describe.

    Attributes:
        reset: ``subtract`` the threshold, to the ``value`` of the parameter ``reset_value``, or
            ``none``.
        timing: When the reset happens; see the table of the module.
        strict: Fire at ``v > threshold``, else at ``v >= threshold``.
        refractory: Steps after a spike in which the neuron is silent, its membrane held.
        floor: Hold the membrane to the parameter ``floor`` from below.
        spikes: Largest number of spikes in one step. Above 1, a membrane at k thresholds emits
            ``k = floor(v / threshold)`` of them as the graded spike ``k * amplitude``, and
            ``k * threshold`` is subtracted (sinabs); the threshold must be positive.
        payload: ``spike`` (a bool); ``graded`` (the parameter ``amplitude`` or 0); ``signed``
            (also ``-amplitude`` at ``v <= -threshold``, its reset adding the threshold);
            ``signed_net`` (a negative spike only while more positive than negative ones were
            emitted, so that the sum never falls below 0, as that of a ReLU).
        lower: The negative spike has the parameter ``lower`` as its threshold (``v <= lower``)
            instead of ``-threshold``.
        detach_reset: No gradient flows through the reset.
    """

    reset: str = "subtract"
    timing: str = "same"
    strict: bool = False
    refractory: int = 0
    floor: bool = False
    spikes: int = 1
    payload: str = "spike"
    lower: bool = False
    detach_reset: bool = False

    def __post_init__(self) -> None:
        raise_findings(SemanticsError, [*self._unknown(), *self._senseless()])

    def _unknown(self) -> list[Finding]:
        found = [
            Finding(f"{name} {value!r} is unknown", hint=f"one of {known}")
            for name, value, known in (
                ("reset", self.reset, RESETS),
                ("timing", self.timing, TIMINGS),
                ("payload", self.payload, PAYLOADS),
            )
            if value not in known
        ]
        found += not_bool(
            strict=self.strict,
            floor=self.floor,
            lower=self.lower,
            detach_reset=self.detach_reset,
        )
        found += not_whole("refractory", self.refractory, 0, MAX_REFRACTORY)
        return found + not_whole("spikes", self.spikes, 1, MAX_SPIKES)

    def _senseless(self) -> list[Finding]:
        several = type(self.spikes) is int and self.spikes > 1
        resting = type(self.refractory) is int and self.refractory > 0
        corrected = self.timing in ("corrected_before", "corrected_after")
        clashes = (
            (self.reset == "none" and self.timing != "same", "timing needs a reset"),
            (self.reset == "none" and self.detach_reset is True, "detach_reset needs a reset"),
            (
                several and self.reset != "subtract",
                "several spikes in a step need reset='subtract'",
            ),
            (several and self.strict is True, "several spikes in a step need strict=False"),
            (
                several and self.payload != "graded",
                "several spikes in a step need payload='graded'",
            ),
            (several and corrected, "several spikes in a step cannot have a corrected reset"),
            (self.signed and corrected, "signed spikes cannot have a corrected reset"),
            (resting and corrected, "a refractory neuron cannot have a corrected reset"),
            (
                self.payload == "signed_net" and self.timing != "same",
                "signed_net needs timing='same': its count is of spikes that are reset",
            ),
            (self.lower is True and not self.signed, "lower needs a signed payload"),
        )
        return [Finding(text) for clash, text in clashes if clash]

    @property
    def signed(self) -> bool:
        """Negative spikes exist."""
        return self.payload in ("signed", "signed_net")

    def past(self, p: Leaves, v: Sym, threshold: Sym, *, spiking: bool) -> Event:
        """Give where ``v`` is past the threshold: as spikes, or as plain comparisons."""
        down = None
        if self.signed:
            down = self._passes(-v, -p.lower if self.lower else threshold, spiking)
        count = minimum(floor(v / threshold), self.spikes) if self.spikes > 1 else None
        return Event(self._passes(v, threshold, spiking), down, count)

    def _passes(self, v: Sym, threshold: Sym, spiking: bool) -> Sym:
        if spiking:
            return fire(v, threshold, strict=self.strict)
        return v > threshold if self.strict else v >= threshold

    def emit(self, p: Leaves, event: Event) -> Sym:
        """Give the output: the event itself, or its payload."""
        if self.payload == "spike":
            return event.up
        payload = p.amplitude if event.count is None else event.count * p.amplitude
        if event.down is None:
            return where(event.up, payload, 0)
        return where(event.up, payload, where(event.down, -p.amplitude, 0))

    def after_reset(self, p: Leaves, v: Sym, event: Event, amount: Sym) -> Sym:
        """Give ``v`` after the reset of an event."""
        if self.reset == "value":
            return where(event.either, p.reset_value, v)
        taken = amount if event.count is None else event.count * amount
        below = v if event.down is None else where(event.down, v + amount, v)
        return where(event.up, v - taken, below)

    def step(
        self,
        p: Leaves,
        s: Leaves,
        charge: Callable[[Sym], Sym],
        *,
        threshold: Sym,
        amount: Sym | None = None,
        due: Event | None = None,
        held: Callable[[Sym], Sym] | None = None,
    ) -> Fired:
        """Give one step of a firing cell.

        Args:
            p: Parameters; of `FIRING_PARAMS`, those that the options name are read.
            s: States; of `FIRING_STATES`, those that the options name are read.
            charge: Decay and input of a membrane.
            threshold: Threshold of this step.
            amount: What a subtraction takes; the threshold unless given.
            due: The spike of the last step where the stored membrane does not tell it.
            held: What becomes of the membrane before it fires, as if it were a floor.
        """
        amount = threshold if amount is None else amount
        corrected = self.timing.startswith("corrected")
        if self.timing != "same" and due is None:
            # snnTorch detaches what it resets by: a comparison has no gradient
            spiking = not (corrected or self.detach_reset)
            due = self.past(p, s.v, threshold, spiking=spiking)
        v = self._charged(p, s, charge, due, amount)
        if self.floor:
            v = maximum(v, p.floor)
        if held is not None:
            v = held(v)
        event = self.past(p, v, threshold, spiking=True)
        if self.payload == "signed_net" and event.down is not None:
            event = replace(event, down=event.down & (s.net > 0))
        if self.refractory:
            event = event.only(s.refractory == 0)
        by = event.detached() if self.detach_reset else event
        after = v
        if corrected and due is not None:
            after = self._corrected(p, v, by.up, due.up, amount)
        elif self.timing == "same" and self.reset != "none":
            after = self.after_reset(p, v, by, amount)
        return Fired(self.emit(p, event), {"v": after, **self._counters(s, event)}, event, v)

    def _charged(
        self, p: Leaves, s: Leaves, charge: Callable[[Sym], Sym], due: Event | None, amount: Sym
    ) -> Sym:
        if self.refractory:
            held = s.v
            if due is not None:
                # a held membrane stays past its threshold: only the first silent step resets it
                first = due.only(s.refractory == self.refractory)
                held = self.after_reset(p, s.v, first, amount)
            return where(s.refractory > 0, held, charge(s.v))
        if due is None:
            return charge(s.v)
        if self.timing.endswith("before"):
            return charge(self.after_reset(p, s.v, due, amount))
        return self.after_reset(p, charge(s.v), due, amount)

    def _corrected(self, p: Leaves, v: Sym, fired: Sym, due: Sym, amount: Sym) -> Sym:
        if self.reset == "value":
            return where(
                fired & ~due, p.reset_value, where(due & ~fired, v + (v - p.reset_value), v)
            )
        return where(fired & ~due, v - amount, where(due & ~fired, v + amount, v))

    def _counters(self, s: Leaves, event: Event) -> dict[str, Sym]:
        states: dict[str, Sym] = {}
        if self.refractory:
            waiting = saturate(s.refractory - 1, 0, self.refractory)
            states["refractory"] = where(event.either, self.refractory, waiting)
        if self.payload == "signed_net" and event.down is not None:
            more, fewer = saturate(s.net + 1, 0, MAX_NET), saturate(s.net - 1, 0, MAX_NET)
            states["net"] = where(event.up, more, where(event.down, fewer, s.net))
        return states


FIRING = Firing()
