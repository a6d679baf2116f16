"""Loihi's current-based LIF neurons as integer cells, bit for bit as lava-nc 0.10.0 has them.

States have 24 bits, decays 12. A product with a decay is cut towards zero by 12 bits, in each state
by itself. Sums of weights and thresholds are 6 bits coarser than states, a bias is not. A current
that leaves its range comes in again at the other end, a membrane is held; the current's range is
(-2**23, 2**23], which is not that of two's complement. A spike is above the threshold, and resets
the membrane alone.

Source: lava-nc 0.10.0, lava/proc/lif/models.py: AbstractPyLifModelFixed, PyLifModelBitAcc,
PyTernLifModelFixed, PyLifResetModelBitAcc.
"""

from __future__ import annotations

from neurodeploy.errors import Finding, SemanticsError, raise_findings
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.language import (
    Sym,
    absolute,
    constant,
    declare,
    fire,
    mod,
    saturate,
    shift_left,
    shift_right,
    step_index,
    where,
)
from neurodeploy.semantics.trace import State, cell
from neurodeploy.semantics.types import Int, Type, type_text

__all__ = [
    "BIAS_EXPONENTS",
    "BIAS_MANTISSA",
    "DECAY",
    "FINER",
    "HALF",
    "STATE",
    "SUM",
    "THRESHOLD",
    "charged",
    "loihi_lif",
    "loihi_lif_reset",
    "loihi_synapse",
    "loihi_ternary_lif",
    "range_findings",
]

HALF = 2**23
UNITY = 2**12
FINER = 6  # bits by which states are finer than sums of weights and thresholds

STATE = Int(-HALF + 1, HALF - 1)
CURRENT = Int(-HALF + 1, HALF)
DECAY = Int(0, UNITY - 1)
THRESHOLD = Int(0, 2**17 - 1)
BIAS_MANTISSA, BIAS_EXPONENTS = Int(-(2**12), 2**12 - 1), Int(0, 7)
BIAS = Int(BIAS_MANTISSA.lo * 2**7, BIAS_MANTISSA.hi * 2**7)
# what one turn brings back into the range of a current, whatever the current was
SUM = Int(-(2 ** (24 - FINER)), 2 ** (24 - FINER))

_LIF = {"du": 0, "dv": 0, "threshold": 10, "bias": 0}
_STATES = {"u": 0, "v": 0}
_TYPES: dict[str, Type] = {"u": CURRENT, "v": STATE}


def range_findings(name: str, x: Sym, range_: Int) -> list[Finding]:
    """Say that the type of an input or of a parameter leaves what Loihi holds."""
    if isinstance(x.type, Int) and range_.holds(x.type):
        return []
    text = f"{name} is {type_text(x.type)}, Loihi holds {type_text(range_)}"
    return [Finding(text, value=type_text(x.type), limit=type_text(range_))]


def _decayed(x: Sym, by: Sym, unity: int) -> Sym:
    """Give ``x * (unity - by) / 4096``, cut towards zero."""
    return shift_right(x * (unity - by), 12, rounding="zero")


def charged(du: Sym, dv: Sym, u: Sym, v: Sym, a: Sym, bias: Sym | None = None) -> tuple[Sym, Sym]:
    """Give current and membrane after the input of a step, before a reset.

    Raises:
        SemanticsError: the type of the input or of a parameter leaves Loihi's range.
    """
    raise_findings(
        SemanticsError,
        [
            *range_findings("input", a, SUM),
            *range_findings("du", du, DECAY),
            *range_findings("dv", dv, DECAY),
            *([] if bias is None else range_findings("bias", bias, BIAS)),
        ],
    )
    # 1 is added to du, so that a current may be forgotten at once; nothing is added to dv
    summed = _decayed(u, du, UNITY - 1) + shift_left(a, FINER)
    turned = where(summed > HALF, summed - 2 * HALF, summed)
    turned = where(turned <= -HALF, summed + 2 * HALF, turned)
    current = declare(turned, CURRENT.lo, CURRENT.hi)
    moved = _decayed(v, dv, UNITY) + current
    moved = moved if bias is None else moved + bias
    return current, saturate(moved, STATE.lo, STATE.hi)


@cell("loihi_lif", params=_LIF, states=_STATES, state_types=_TYPES)
def loihi_lif(p: Leaves, s: Leaves, a: Sym) -> tuple[Sym, State]:
    """Current-based LIF.

    ``u = wrap(cut(u (4095 - du)) + 64 a)``, ``v = hold(cut(v (4096 - dv)) + u + bias)``; a spike
    where ``v > 64 threshold``, which sets v to 0. ``bias`` is mantissa times 2 to the exponent.

    Raises:
        SemanticsError: the type of the input or of a parameter leaves Loihi's range.
    """
    raise_findings(SemanticsError, range_findings("threshold", p.threshold, THRESHOLD))
    u, v = charged(p.du, p.dv, s.u, s.v, a, p.bias)
    spike = fire(v, shift_left(p.threshold, FINER), strict=True)
    return spike, State(u=u, v=where(spike, 0, v))


@cell("loihi_lif_reset", params=_LIF, states=_STATES, state_types=_TYPES)
def loihi_lif_reset(
    p: Leaves, s: Leaves, a: Sym, *, interval: int = 1, offset: int = 0
) -> tuple[Sym, State]:
    """The same; both states start anew, before the input, in steps n with n % interval == offset.

    Steps count from 1, as Lava's do.

    Raises:
        SemanticsError: as `loihi_lif`; or an interval below 1, or an offset outside of it.
    """
    found = range_findings("threshold", p.threshold, THRESHOLD)
    if interval < 1 or not 0 <= offset < interval:
        text = f"interval {interval} and offset {offset}"
        found.append(Finding(text, hint="an interval from 1 on, an offset from 0 to interval - 1"))
    raise_findings(SemanticsError, found)
    anew = mod(step_index(s.u) + 1, interval) == offset
    u, v = charged(p.du, p.dv, where(anew, 0, s.u), where(anew, 0, s.v), a, p.bias)
    spike = fire(v, shift_left(p.threshold, FINER), strict=True)
    return spike, State(u=u, v=where(spike, 0, v))


@cell(
    "loihi_ternary_lif",
    params={"du": 0, "dv": 0, "upper": 10, "lower": -10, "bias": 0},
    states=_STATES,
    state_types=_TYPES,
)
def loihi_ternary_lif(p: Leaves, s: Leaves, a: Sym) -> tuple[Sym, State]:
    """LIF that sends 1 above an upper threshold and -1 below a lower one; both reset v.

    Raises:
        SemanticsError: as `loihi_lif`.
    """
    signed = Int(-THRESHOLD.hi, THRESHOLD.hi)
    found = [*range_findings("upper", p.upper, signed), *range_findings("lower", p.lower, signed)]
    raise_findings(SemanticsError, found)
    u, v = charged(p.du, p.dv, s.u, s.v, a, p.bias)
    high = fire(v, shift_left(p.upper, FINER), strict=True)
    low = fire(shift_left(p.lower, FINER), v, strict=True)
    # where thresholds cross, both may hold: Lava adds them up
    one = constant(v, 1)
    out = where(high, one, 0) - where(low, one, 0)
    return out, State(u=u, v=where(absolute(out) > 0, 0, v))


@cell("loihi_synapse")
def loihi_synapse(p: Leaves, s: Leaves, a: Sym, *, exponent: int = 0) -> Sym:
    """The weighted sum of one connection, times 2 to its weight exponent, cut downwards.

    The sum is cut as a whole: a negative exponent loses no bits of a single weight.

    Source: lava-nc 0.10.0, lava/proc/dense/models.py: AbstractPyDenseModelBitAcc.

    Raises:
        SemanticsError: an exponent that Loihi does not have.
    """
    if not -8 <= exponent <= 7:
        raise SemanticsError(f"a weight exponent of {exponent}", hint="from -8 to 7")
    if exponent < 0:
        return shift_right(a, -exponent, rounding="floor")
    return shift_left(a, exponent)
