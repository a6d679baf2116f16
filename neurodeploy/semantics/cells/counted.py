"""A LIF that counts its spikes, with a synapse that decays last and a floor below the reset."""

from __future__ import annotations

from neurodeploy.errors import Finding, SemanticsError, raise_findings
from neurodeploy.semantics.cells.firing import MAX_SPIKES
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.cells.membrane import MEMBRANE, MEMBRANE_PARAMS, Membrane
from neurodeploy.semantics.cells.options import not_bool, not_whole
from neurodeploy.semantics.cells.rectified import rectified
from neurodeploy.semantics.language import Sym, fire, floor, minimum, where
from neurodeploy.semantics.trace import State, cell

__all__ = ["counted_lif", "shifted_li"]


def _above(v: Sym, least: Sym) -> Sym:
    """Give ``max(v - least, 0) + least``, which rounds ``v`` where ``max(v, least)`` would not."""
    return rectified(v - least) + least


@cell(
    "counted_lif",
    params={
        "alpha": 0.8,
        "threshold": 1.0,
        "amount": 1.0,
        "floor": 0.0,
        **MEMBRANE_PARAMS,
    },
    states={"i": 0.0, "v": 0.0},
)
def counted_lif(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    synapse: bool = False,
    counted: bool = True,
    spikes: int = MAX_SPIKES,
    reset: str = "subtract",
    held: bool = False,
    membrane: Membrane = MEMBRANE,
) -> tuple[Sym, State]:
    """LIF that emits ``k = min(floor(v / threshold), spikes)``, one value a step.

    With ``synapse``, ``i = alpha * (i + x)`` drives the membrane: what arrives decays in the step
    in which it arrives. The reset takes ``k * amount`` (``subtract``) or sets the membrane to 0
    (``zero``). With ``held``, the membrane is then ``max(v - floor, 0) + floor``. Without
    ``counted``, it fires one spike at most.

    Source: sinabs 3.1.3, ``layers/functional/lif.py`` with MultiSpike, MaxSpike and SingleSpike.

    Raises:
        SemanticsError: the options are out of range.
    """
    _check(synapse, counted, spikes, reset, held)
    i = p.alpha * (s.i + x) if synapse else x
    v = membrane.charge(p, s.v, i)
    fired = fire(v, p.threshold, strict=False)
    count = minimum(floor(v / p.threshold), spikes) if counted else None
    if reset == "zero":
        after = where(fired, 0, v)
    else:
        after = where(fired, v - (p.amount if count is None else count * p.amount), v)
    if held:
        after = _above(after, p.floor)
    out = fired if count is None else where(fired, count, 0)
    return out, State(v=after, **({"i": i} if synapse else {}))


def _check(synapse: object, counted: object, spikes: object, reset: object, held: object) -> None:
    found = not_bool(synapse=synapse, counted=counted, held=held)
    found += not_whole("spikes", spikes, 1, MAX_SPIKES)
    if reset not in ("subtract", "zero"):
        found.append(Finding(f"reset {reset!r} is unknown", hint="subtract or zero"))
    raise_findings(SemanticsError, found)


@cell("shifted_li", params={"floor": 0.0, **MEMBRANE_PARAMS}, states={"v": 0.0})
def shifted_li(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    membrane: Membrane = MEMBRANE,
) -> tuple[Sym, State]:
    """Leaky integrator that keeps ``max(v - floor, 0) + floor``; the output is ``v`` before that.

    Source: sinabs 3.1.3, ExpLeak with ``min_v_mem``.
    """
    v = membrane.charge(p, s.v, x)
    return v, State(v=_above(v, p.floor))
