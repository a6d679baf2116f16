"""Cells without a state: activations of analog networks, and the bare threshold."""

from __future__ import annotations

from neurodeploy.errors import SemanticsError
from neurodeploy.semantics.cells.firing import FIRING_PARAMS, Firing
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.language import Sym, maximum, minimum, where
from neurodeploy.semantics.trace import cell

__all__ = ["clipped_relu", "leaky_relu", "relu", "threshold"]


@cell("relu")
def relu(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Rectifier: ``max(x, 0)``."""
    return maximum(x, 0)


@cell("clipped_relu", params={"upper": 6.0})
def clipped_relu(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Rectifier with a ceiling: ``min(max(x, 0), upper)``; the default is ReLU6."""
    return minimum(maximum(x, 0), p.upper)


@cell("leaky_relu", params={"slope": 0.01})
def leaky_relu(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Rectifier with a slope: ``x`` where it is above 0, else ``slope * x``."""
    return where(x > 0, x, p.slope * x)


@cell("threshold", params={n: FIRING_PARAMS[n] for n in ("threshold", "amplitude", "lower")})
def threshold(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    strict: bool = False,
    spikes: int = 1,
    payload: str = "spike",
    lower: bool = False,
) -> Sym:
    """Spike where the input is past the threshold; nothing is remembered.

    ``spikes``, ``payload`` and ``lower`` are those of `neurodeploy.semantics.cells.firing`
    (``signed_net`` needs a memory and is refused). With ``spikes`` n it is the quantised
    activation ``amplitude * clip(floor(x / threshold), 0, n)``.

    Source: NIR's Threshold, with ``strict=True``.

    Raises:
        SemanticsError: an unknown option, or a payload that needs a memory.
    """
    if payload == "signed_net":
        raise SemanticsError("a threshold has no memory for signed_net", hint="use signed")
    firing = Firing(strict=strict, spikes=spikes, payload=payload, lower=lower)
    event = firing.past(p, x, p.threshold, spiking=True)
    return firing.emit(p, event)
