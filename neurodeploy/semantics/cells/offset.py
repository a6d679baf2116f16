"""Firing cells that compare, fire and reset with different amounts."""

from __future__ import annotations

from neurodeploy.errors import SemanticsError
from neurodeploy.semantics.cells.firing import FIRING, FIRING_PARAMS, Firing
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.cells.membrane import MEMBRANE, MEMBRANE_PARAMS, Membrane
from neurodeploy.semantics.cells.same_step import fire_at_once
from neurodeploy.semantics.language import Sym, fire, where
from neurodeploy.semantics.trace import State, cell

__all__ = ["amount_lif", "bounded_if", "normalised_lif", "offset_if"]


@cell("offset_if", params={"offset": 0.0, **FIRING_PARAMS}, states={"v": 0.0})
def offset_if(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    firing: Firing = FIRING,
) -> tuple[Sym, State]:
    """Integrate and fire that compares ``v + offset``: ``v = v + x``, the reset is of ``v``.

    Source: SpikingJelly 2.0.0, ActivationAwareIFNode.
    """
    v = s.v + x
    return fire_at_once(firing, p, v + p.offset, v)


@cell(
    "amount_lif",
    params={"amount": 1.0, **MEMBRANE_PARAMS, **FIRING_PARAMS},
    states={"v": 0.0},
)
def amount_lif(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    membrane: Membrane = MEMBRANE,
    firing: Firing = FIRING,
) -> tuple[Sym, State]:
    """LIF whose reset by subtraction takes ``amount`` instead of the threshold.

    Source: SpikingJelly 2.0.0, DSRIFNode and DSRLIFNode, which fire at a part of what they take,
    and MPBNLIFNode with its norm folded into the threshold.
    """
    v = membrane.charge(p, s.v, x)
    return fire_at_once(firing, p, v, v, amount="amount")


@cell(
    "normalised_lif",
    params={
        "scale": 1.0,
        "shift": 0.0,
        "mean": 0.0,
        "deviation": 1.0,
        "amount": 1.0,
        **MEMBRANE_PARAMS,
        **FIRING_PARAMS,
    },
    states={"v": 0.0},
)
def normalised_lif(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    normalise: str = "membrane",
    membrane: Membrane = MEMBRANE,
    firing: Firing = FIRING,
) -> tuple[Sym, State]:
    """LIF with a batch norm on its membrane, as that is after training.

    ``normalise="membrane"``: the charged membrane becomes ``v * scale + shift`` before it fires.
    ``"residual"``: only a membrane at or below the threshold, after it was compared, becomes
    ``(v - mean) / deviation * scale + shift``. A reset takes ``amount``.

    Source: SpikingJelly 2.0.0, MPBNLIFNode; Guo et al. 2023, "Membrane potential batch
    normalization for spiking neural networks".

    Raises:
        SemanticsError: another normalisation.
    """
    v = membrane.charge(p, s.v, x)
    stored = v
    if normalise == "membrane":
        v = stored = v * p.scale + p.shift
    elif normalise == "residual":
        stored = where(v <= p.threshold, (v - p.mean) / p.deviation * p.scale + p.shift, v)
    else:
        raise SemanticsError(f"normalise={normalise!r}", hint="membrane or residual")
    return fire_at_once(firing, p, v, stored, amount="amount")


@cell(
    "bounded_if",
    params={"scale": 1.0, "most": 1.0, "least": 0.0},
    states={"v": 0.5, "net": 0.0},
)
def bounded_if(p: Leaves, s: Leaves, x: Sym) -> tuple[Sym, State]:
    """Signed integrate and fire whose spikes add up to a number in [least, most].

    ``v = v + x / scale``. A spike ``scale`` at ``v >= 1`` while ``net < most``, and ``-scale`` at
    ``v < 0`` while ``net > least``; each takes its 1 from ``v`` and is counted in ``net``. From
    ``v = 1/2`` on, the sum is the rounded and clipped quotient of a quantised activation.

    Source: SpikingJelly 2.0.0, STBIFNode; You et al. 2024, "SpikeZIP-TF".
    """
    q = s.v + x / p.scale
    up = fire(q, 1.0, strict=False) & (s.net < p.most)
    down = fire(-q, 0.0, strict=True) & (s.net > p.least)
    out = where(up, p.scale, where(down, -p.scale, 0))
    v = where(up, q - 1, where(down, q + 1, q))
    return out, State(v=v, net=where(up, s.net + 1, where(down, s.net - 1, s.net)))
