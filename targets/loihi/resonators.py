"""Loihi's resonate-and-fire neurons as integer cells, bit for bit as lava-nc 0.10.0 has them.

A product with a decay is cut towards zero by itself; both parts of the state are held to 24 bits.

Source: lava-nc 0.10.0, lava/proc/rf/models.py, rf/process.py, rf_iz/models.py.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import Finding, QuantizationError, SemanticsError, raise_findings
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.language import Sym, fire, saturate, shift_left, shift_right, where
from neurodeploy.semantics.trace import State, cell
from neurodeploy.semantics.types import Int, Type
from neurodeploy.targets.loihi.cells import STATE, SUM, range_findings

__all__ = ["loihi_resonator", "loihi_resonator_reset", "resonator_decays"]

TURN = Int(0, 2**16 - 1)  # Lava holds decays as unsigned numbers of 16 bits
THRESHOLDS = Int(STATE.lo + 1, STATE.hi)  # a reset is to one below
SHORTEST = 4  # steps; the cosine of a shorter period is negative
_PARAMS = {"sine": None, "cosine": None, "threshold": 1}
_STATES = {"re": 0, "im": 0}
_TYPES: dict[str, Type] = {"re": STATE, "im": STATE}


def resonator_decays(
    period: npt.ArrayLike, alpha: npt.ArrayLike, decay_bits: int = 12
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Give the integers of a damped rotation: ``(1 - alpha) {sin, cos}(2 pi / period) 2**bits``.

    They are cut towards zero, as Lava cuts them.

    Args:
        period: Steps of a turn, from 4 on.
        alpha: Share of the state that is lost in a step, 0 to 1.
        decay_bits: Bits behind the point, 1 to 15.

    Raises:
        QuantizationError: a period, a decay or a number of bits that Loihi does not have.
    """
    steps, lost = np.broadcast_arrays(np.asarray(period, np.float64), np.asarray(alpha, np.float64))
    found = []
    # written so that NaN is found as well
    if not (steps >= SHORTEST).all():
        worst = float(steps[~(steps >= SHORTEST)].flat[0])
        hint = "the cosine of a shorter period is negative, and decays have no sign"
        found.append(
            Finding(f"a period of {worst:g} steps", value=worst, limit=SHORTEST, hint=hint)
        )
    if not ((lost >= 0) & (lost <= 1)).all():
        worst = float(lost[~((lost >= 0) & (lost <= 1))].flat[0])
        found.append(Finding(f"alpha is {worst:g}", value=worst, hint="a share, from 0 to 1"))
    if not 1 <= decay_bits <= 15:
        found.append(Finding(f"decays of {decay_bits} bits", value=decay_bits, hint="1 to 15"))
    raise_findings(QuantizationError, found)
    kept = (1 - lost) * 2.0**decay_bits
    sine, cosine = ((turn(2 * np.pi / steps) * kept).astype(np.int64) for turn in (np.sin, np.cos))
    return sine, cosine


def _turned(p: Leaves, s: Leaves, real: Sym, imag: Sym, bits: int, finer: int) -> tuple[Sym, Sym]:
    found = [
        *range_findings("re_in", real, SUM),
        *range_findings("im_in", imag, SUM),
        *range_findings("sine", p.sine, TURN),
        *range_findings("cosine", p.cosine, TURN),
        *range_findings("threshold", p.threshold, THRESHOLDS),
    ]
    if not 1 <= bits <= 15:
        found.append(Finding(f"decay_bits is {bits}", value=bits, hint="1 to 15"))
    if not 0 <= finer <= 7:
        found.append(Finding(f"state_exp is {finer}", value=finer, hint="0 to 7"))
    raise_findings(SemanticsError, found)

    def cut(x: Sym) -> Sym:
        return shift_right(x, bits, rounding="zero")

    re = cut(p.cosine * s.re) - cut(p.sine * s.im) + shift_left(real, finer)
    im = cut(p.sine * s.re) + cut(p.cosine * s.im) + shift_left(imag, finer)
    return saturate(re, STATE.lo, STATE.hi), saturate(im, STATE.lo, STATE.hi)


@cell("loihi_resonator", params=_PARAMS, states=_STATES, state_types=_TYPES)
def loihi_resonator(
    p: Leaves, s: Leaves, re_in: Sym, im_in: Sym, *, decay_bits: int = 12, state_exp: int = 0
) -> tuple[Sym, State]:
    """A resonator that spikes once a turn, where the imaginary part ceases to be negative.

    ``re = hold(cut(cosine re) - cut(sine im) + 2**state_exp re_in)``,
    ``im = hold(cut(sine re) + cut(cosine im) + 2**state_exp im_in)`` of the old values; a spike
    where ``re >= threshold``, ``im >= 0`` and im was below 0. Nothing is reset.

    Raises:
        SemanticsError: the type of an input or of a parameter leaves Loihi's range, or an option.
    """
    re, im = _turned(p, s, re_in, im_in, decay_bits, state_exp)
    spike = fire(re, p.threshold, strict=False) & (im >= 0) & (s.im < 0)
    return spike, State(re=re, im=im)


@cell("loihi_resonator_reset", params=_PARAMS, states=_STATES, state_types=_TYPES)
def loihi_resonator_reset(
    p: Leaves, s: Leaves, re_in: Sym, im_in: Sym, *, decay_bits: int = 12, state_exp: int = 0
) -> tuple[Sym, State]:
    """A resonator that spikes where ``im >= threshold``; then re is 0 and im the threshold less 1.

    Izhikevich's variant; see `loihi_resonator`.

    Raises:
        SemanticsError: as `loihi_resonator`.
    """
    re, im = _turned(p, s, re_in, im_in, decay_bits, state_exp)
    spike = fire(im, p.threshold, strict=False)
    return spike, State(re=where(spike, 0, re), im=where(spike, p.threshold - 1, im))
