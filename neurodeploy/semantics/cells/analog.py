"""Smooth and piecewise linear activations of analog networks; none has a state.

Exponentials come from `neurodeploy.semantics.math`, so that all evaluators agree in every bit;
those cells are for float32. Sources of the formulas: the operator specifications of ONNX
(opset 20) and the documentation of ``torch.nn``, which agree where both know the function.
"""

from __future__ import annotations

import math

from neurodeploy.errors import SemanticsError
from neurodeploy.semantics import math as exact
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.language import Sym, absolute, maximum, minimum, where
from neurodeploy.semantics.language import clip as held
from neurodeploy.semantics.trace import cell

__all__ = [
    "clip",
    "elu",
    "erf",
    "gelu",
    "hard_sigmoid",
    "hard_swish",
    "mish",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "softsign",
    "tanh",
]

ROOT_HALF = math.sqrt(0.5)
ROOT_TWO_OVER_PI = math.sqrt(2 / math.pi)
GELU_CUBE = 0.044715
# Klambauer et al. 2017, "Self-Normalizing Neural Networks": the fixed point (0, 1)
SELU_ALPHA, SELU_GAMMA = 1.6732632423543772, 1.0507009873554805


@cell("sigmoid")
def sigmoid(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Logistic function: ``1 / (1 + exp(-x))``."""
    return exact.sigmoid(x)


@cell("tanh")
def tanh(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Hyperbolic tangent."""
    return exact.tanh(x)


@cell("erf")
def erf(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Error function."""
    return exact.erf(x)


@cell("gelu")
def gelu(p: Leaves, s: Leaves, x: Sym, *, approximate: str = "none") -> Sym:
    """Gaussian error linear unit: ``x / 2 * (1 + erf(x / sqrt(2)))``.

    With ``approximate="tanh"``: ``x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))``.

    Source: Hendrycks and Gimpel 2016, "Gaussian Error Linear Units".

    Raises:
        SemanticsError: an unknown approximation.
    """
    half = x * 0.5
    if approximate == "none":
        return half * (1 + exact.erf(x * ROOT_HALF))
    if approximate == "tanh":
        return half * (1 + exact.tanh((x + x * x * x * GELU_CUBE) * ROOT_TWO_OVER_PI))
    raise SemanticsError(f"approximate={approximate!r}", hint="none or tanh")


@cell("silu")
def silu(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Sigmoid linear unit, also called swish: ``x * sigmoid(x)``."""
    return x * exact.sigmoid(x)


@cell("mish")
def mish(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Mish: ``x * tanh(softplus(x))``."""
    return x * exact.tanh(exact.softplus(x))


@cell("hard_sigmoid", params={"slope": 1 / 6, "shift": 0.5})
def hard_sigmoid(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Piecewise linear sigmoid: ``min(max(slope * x + shift, 0), 1)``; torch's slope is 1/6."""
    return held(x * p.slope + p.shift, 0, 1)


@cell("hard_swish")
def hard_swish(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Piecewise swish: ``x * min(max(x / 6 + 1/2, 0), 1)``."""
    return x * held(x * (1 / 6) + 0.5, 0, 1)


def _elu(p: Leaves, x: Sym) -> Sym:
    return where(x > 0, x, p.alpha * (exact.exp(minimum(x, 0)) - 1))


@cell("elu", params={"alpha": 1.0})
def elu(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Exponential linear unit: ``x`` where it is above 0, else ``alpha * (exp(x) - 1)``.

    Near 0 the difference has the rounding error of 1, about 6e-8.
    """
    return _elu(p, x)


@cell("selu", params={"alpha": SELU_ALPHA, "gamma": SELU_GAMMA})
def selu(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Self-normalizing unit: ``gamma * elu(x)``, with its own ``alpha``."""
    return p.gamma * _elu(p, x)


@cell("softplus", params={"beta": 1.0})
def softplus(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Smooth rectifier: ``log(1 + exp(beta * x)) / beta``."""
    return exact.softplus(x * p.beta) / p.beta


@cell("softsign")
def softsign(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Softsign: ``x / (1 + |x|)``."""
    return x / (1 + absolute(x))


@cell("clip", params={"lower": -1.0, "upper": 1.0})
def clip(p: Leaves, s: Leaves, x: Sym, *, low: bool = True, high: bool = True) -> Sym:
    """Clip: ``min(max(x, lower), upper)``; ``low`` and ``high`` say which limits there are.

    Raises:
        SemanticsError: neither limit is there.
    """
    if not low and not high:
        raise SemanticsError("a clip without a limit")
    value = maximum(x, p.lower) if low else x
    return minimum(value, p.upper) if high else value
