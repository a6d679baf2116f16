"""Loihi's sigma-delta neurons as integer cells, bit for bit as lava-nc 0.10.0 has them.

They send differences: what arrives is summed up to the signal, the activation of the signal is
sent where it has moved by the threshold or more since it was last sent. Lava keeps on in 32 bits
where a state leaves its 24; here it is held, as a state of 24 bits has to end somewhere.

Source: lava-nc 0.10.0, lava/proc/sdn/models.py and process.py (without the models that came later).
"""

from __future__ import annotations

from neurodeploy.errors import Finding, SemanticsError, raise_findings
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.language import (
    Sym,
    absolute,
    maximum,
    saturate,
    shift_left,
    shift_right,
    where,
)
from neurodeploy.semantics.trace import State, cell
from neurodeploy.semantics.types import Int, Type
from neurodeploy.targets.loihi.cells import HALF, STATE, range_findings

__all__ = ["loihi_delta", "loihi_sigma", "loihi_sigma_delta"]

_SENDING = {"act": 0, "residue": 0, "error": 0}
_SENDING_TYPES: dict[str, Type] = dict.fromkeys(_SENDING, STATE)
POSITIVE = Int(0, STATE.hi)
MESSAGES = Int(-HALF, HALF - 1)  # sums of graded spikes, 24 bits


def _held(x: Sym) -> Sym:
    return saturate(x, STATE.lo, STATE.hi)


def _summed(s: Leaves, a: Sym) -> Sym:
    raise_findings(SemanticsError, range_findings("input", a, MESSAGES))
    return _held(s.sigma + a)


def _exponents(**given: int) -> list[Finding]:
    return [
        Finding(f"{name} is {n}", value=n, hint="0 to 7")
        for name, n in given.items()
        if not 0 <= n <= 7
    ]


def _sent(p: Leaves, s: Leaves, act: Sym, cumulative: bool) -> tuple[Sym, dict[str, Sym]]:
    """Give what is sent, at the states' scale, and the states."""
    delta = act - s.act + s.residue
    error = _held(s.error + delta) if cumulative else s.error
    out = where(absolute(error if cumulative else delta) >= p.threshold, delta, 0)
    if cumulative:
        error = where(absolute(out) > 0, 0, error)
    return out, {"act": act, "residue": _held(delta - out), "error": error}


@cell("loihi_sigma", states={"sigma": 0}, state_types={"sigma": STATE})
def loihi_sigma(p: Leaves, s: Leaves, a: Sym) -> tuple[Sym, State]:
    """The running sum of what arrives: ``sigma = hold(sigma + a)``, sent as it is.

    Raises:
        SemanticsError: the type of the input leaves 24 bits.
    """
    sigma = _summed(s, a)
    return sigma, State(sigma=sigma)


@cell("loihi_delta", params={"threshold": 1}, states=_SENDING, state_types=_SENDING_TYPES)
def loihi_delta(
    p: Leaves,
    s: Leaves,
    a: Sym,
    *,
    cumulative: bool = False,
    spike_exp: int = 0,
    state_exp: int = 0,
) -> tuple[Sym, State]:
    """Send differences of what arrives, at ``2**(spike_exp + state_exp)`` times its scale.

    ``delta = act - act_before + residue`` is sent where its size, or with ``cumulative`` that of
    its sum since it was last sent, reaches the threshold; what is not sent is the next residue.
    The threshold stands at the states' scale; what is sent is ``2**state_exp`` times coarser than
    the states, cut downwards.

    Raises:
        SemanticsError: the type of the input or of the threshold leaves 24 bits, or an option.
    """
    raise_findings(
        SemanticsError,
        [
            *_exponents(spike_exp=spike_exp, state_exp=state_exp),
            *range_findings("threshold", p.threshold, POSITIVE),
        ],
    )
    act = shift_left(a, spike_exp + state_exp)
    raise_findings(SemanticsError, range_findings("input", act, STATE))
    out, states = _sent(p, s, act, cumulative)
    return _coarser(out, state_exp), State(**states)


@cell(
    "loihi_sigma_delta",
    params={"threshold": 1, "bias": 0},
    states={"sigma": 0, **_SENDING},
    state_types={"sigma": STATE, **_SENDING_TYPES},
)
def loihi_sigma_delta(
    p: Leaves,
    s: Leaves,
    a: Sym,
    *,
    activation: str = "relu",
    cumulative: bool = False,
    state_exp: int = 0,
) -> tuple[Sym, State]:
    """Sum up what arrives, apply ReLU or nothing to the sum and a bias, and send differences.

    ``sigma = hold(sigma + a)``, ``act = relu(sigma + bias)``; then as `loihi_delta`. Bias and
    threshold stand at the states' scale.

    Raises:
        SemanticsError: the type of the input or of a parameter leaves 24 bits, or an option.
    """
    found = [
        *_exponents(state_exp=state_exp),
        *range_findings("threshold", p.threshold, POSITIVE),
        *range_findings("bias", p.bias, STATE),
    ]
    if activation not in ("relu", "unit"):
        found.append(Finding(f"activation is {activation!r}", hint="relu or unit"))
    raise_findings(SemanticsError, found)
    sigma = _summed(s, a)
    act = _held(sigma + p.bias)
    if activation == "relu":
        act = maximum(act, 0)
    out, states = _sent(p, s, act, cumulative)
    return _coarser(out, state_exp), State(sigma=sigma, **states)


def _coarser(out: Sym, by: int) -> Sym:
    return shift_right(out, by, rounding="floor") if by else out
