"""Elementary functions of one, two and three signals; none has a state.

They carry what ONNX and torch write as single operators, and what norms, softmax and
quantisation are composed of (`neurodeploy.converters.emit_norms`). A comparison gives the number
1 or 0: a bool would be a spike, and only ``fire`` makes spikes.
"""

from __future__ import annotations

from neurodeploy.errors import SemanticsError
from neurodeploy.semantics import math as exact
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.language import Sym, absolute, constant, rint
from neurodeploy.semantics.language import floor as floor_of
from neurodeploy.semantics.language import maximum as larger
from neurodeploy.semantics.language import minimum as smaller
from neurodeploy.semantics.language import sqrt as root
from neurodeploy.semantics.language import where as choose
from neurodeploy.semantics.trace import cell

__all__ = [
    "abs_",
    "compare",
    "constant_",
    "divide",
    "exp",
    "inverse_sqrt",
    "log",
    "maximum",
    "minimum",
    "pow_",
    "power",
    "reciprocal",
    "round_",
    "sqrt",
    "subtract",
    "where",
]

LARGEST_POWER = 64


@cell("constant", params={"value": 0.0})
def constant_(p: Leaves, s: Leaves) -> Sym:
    """Constant beside signals: ``value``; it has no input."""
    return p.value


@cell("subtract")
def subtract(p: Leaves, s: Leaves, a: Sym, b: Sym) -> Sym:
    """Difference of two signals: ``a - b``."""
    return a - b


@cell("divide")
def divide(p: Leaves, s: Leaves, a: Sym, b: Sym) -> Sym:
    """Quotient of two signals: ``a / b``, correctly rounded; by 0 it is infinite or NaN."""
    return a / b


@cell("maximum")
def maximum(p: Leaves, s: Leaves, a: Sym, b: Sym) -> Sym:
    """Larger of two signals."""
    return larger(a, b)


@cell("minimum")
def minimum(p: Leaves, s: Leaves, a: Sym, b: Sym) -> Sym:
    """Smaller of two signals."""
    return smaller(a, b)


@cell("where")
def where(p: Leaves, s: Leaves, condition: Sym, a: Sym, b: Sym) -> Sym:
    """Choice: ``a`` where the number ``condition`` is not 0, else ``b``."""
    return choose(condition != 0, a, b)


@cell("compare")
def compare(p: Leaves, s: Leaves, a: Sym, b: Sym, *, relation: str = "equal") -> Sym:
    """Comparison of two signals as the number 1 or 0: ``equal``, ``greater``, ``not_less``.

    Raises:
        SemanticsError: an unknown relation.
    """
    if relation not in ("equal", "greater", "not_less"):
        raise SemanticsError(f"relation={relation!r}", hint="equal, greater or not_less")
    holds = a == b if relation == "equal" else a > b if relation == "greater" else a >= b
    return choose(holds, constant(a, 1), constant(a, 0))


@cell("abs")
def abs_(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Magnitude: ``|x|``."""
    return absolute(x)


@cell("round")
def round_(p: Leaves, s: Leaves, x: Sym, *, mode: str = "nearest_even") -> Sym:
    """Whole number near ``x``: ``nearest_even`` (ties to even), ``floor``, ``ceil`` or ``zero``.

    Raises:
        SemanticsError: an unknown mode.
    """
    if mode == "nearest_even":
        return rint(x)
    if mode == "floor":
        return floor_of(x)
    if mode == "ceil":
        return -floor_of(-x)
    if mode == "zero":
        return choose(x < 0, -floor_of(-x), floor_of(x))
    raise SemanticsError(f"mode={mode!r}", hint="nearest_even, floor, ceil or zero")


@cell("exp")
def exp(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Exponential, saturating (`neurodeploy.semantics.math.exp`)."""
    return exact.exp(x)


@cell("log")
def log(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Natural logarithm; at 0 and below it is -103.27893 (`neurodeploy.semantics.math.log`)."""
    return exact.log(x)


@cell("sqrt")
def sqrt(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Square root, correctly rounded; NaN below 0."""
    return root(x)


@cell("inverse_sqrt", params={"epsilon": 1e-5})
def inverse_sqrt(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Inverse standard deviation of a norm: ``1 / sqrt(x + epsilon)``."""
    return 1 / root(x + p.epsilon)


@cell("reciprocal", params={"numerator": 1.0})
def reciprocal(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Constant over a signal: ``numerator / x``."""
    return p.numerator / x


@cell("power")
def power(p: Leaves, s: Leaves, x: Sym, *, exponent: int = 2) -> Sym:
    """Whole power by repeated squaring (`neurodeploy.semantics.math.power`).

    Raises:
        SemanticsError: an exponent beyond 64.
    """
    if abs(exponent) > LARGEST_POWER:
        raise SemanticsError(f"the power {exponent}", hint=f"at most {LARGEST_POWER}")
    return exact.power(x, exponent)


@cell("pow", params={"exponent": 0.5})
def pow_(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Real power of a positive number: ``exp(exponent * log(x))``; 0 at 0, NaN below.

    Its relative error grows with ``exponent * log(x)``: about 1e-7 times that.
    """
    undefined = (x - x) / (x - x)
    positive = exact.exp(p.exponent * exact.log(x))
    return choose(x > 0, positive, choose(x < 0, undefined, constant(x, 0)))
