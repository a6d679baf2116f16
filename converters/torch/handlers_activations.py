"""Activations and elementary functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from neurodeploy.converters.emit import signal
from neurodeploy.converters.emit_algebra import clip, multiply, relu
from neurodeploy.converters.emit_analog import binary, leaky_relu, power, unary
from neurodeploy.converters.emit_shapes import sample_axis, select
from neurodeploy.converters.torch.table import HANDLERS, Arguments, Handler
from neurodeploy.errors import ConversionError

if TYPE_CHECKING:
    from neurodeploy.converters.torch.walk import Walk

__all__: list[str] = []

Options = dict[str, str | int | bool]
# operator: cell that computes it, and the cell's option
PLAIN: dict[str, tuple[str, Options]] = {
    "abs": ("abs", {}),
    "ceil": ("round", {"mode": "ceil"}),
    "erf": ("erf", {}),
    "exp": ("exp", {}),
    "floor": ("round", {"mode": "floor"}),
    "hardsigmoid": ("hard_sigmoid", {}),
    "hardswish": ("hard_swish", {}),
    "log": ("log", {}),
    "mish": ("mish", {}),
    "reciprocal": ("reciprocal", {}),
    "round": ("round", {"mode": "nearest_even"}),
    "selu": ("selu", {}),
    "sigmoid": ("sigmoid", {}),
    "silu": ("silu", {}),
    "softsign": ("softsign", {}),
    "sqrt": ("sqrt", {}),
    "tanh": ("tanh", {}),
    "trunc": ("round", {"mode": "zero"}),
}


def _plain(cell: str, options: Options) -> Handler:
    def handler(walk: Walk, a: Arguments) -> object:
        if a.get("decimals"):
            raise ConversionError("a rounding to decimals")
        return unary(walk.emit, cell, a["self"], options=options)

    return handler


for _operator, _given in PLAIN.items():
    HANDLERS.handles(_operator)(_plain(*_given))


@HANDLERS.handles("relu")
def _relu(walk: Walk, a: Arguments) -> object:
    return relu(walk.emit, a["self"])


@HANDLERS.handles("relu6")
def _relu6(walk: Walk, a: Arguments) -> object:
    return clip(walk.emit, a["self"], 0, 6)


def _limit(walk: Walk, value: object) -> object:
    return walk.array(value, "a limit") if isinstance(value, torch.Tensor) else value


@HANDLERS.handles("clamp", "clip")
def _clamp(walk: Walk, a: Arguments) -> object:
    return clip(walk.emit, a["self"], _limit(walk, a["min"]), _limit(walk, a["max"]))


@HANDLERS.handles("clamp_min")
def _clamp_min(walk: Walk, a: Arguments) -> object:
    return clip(walk.emit, a["self"], _limit(walk, a["min"]), None)


@HANDLERS.handles("clamp_max")
def _clamp_max(walk: Walk, a: Arguments) -> object:
    return clip(walk.emit, a["self"], None, _limit(walk, a["max"]))


@HANDLERS.handles("hardtanh")
def _hardtanh(walk: Walk, a: Arguments) -> object:
    return clip(walk.emit, a["self"], a["min_val"], a["max_val"])


@HANDLERS.handles("threshold")
def _threshold(walk: Walk, a: Arguments) -> object:
    if a["threshold"] != 0 or a["value"] != 0:
        raise ConversionError("a threshold other than 0", hint="use ReLU")
    return relu(walk.emit, a["self"])


@HANDLERS.handles("leaky_relu")
def _leaky(walk: Walk, a: Arguments) -> object:
    return leaky_relu(walk.emit, a["self"], float(a["negative_slope"]))


@HANDLERS.handles("prelu", "_prelu_kernel")
def _prelu(walk: Walk, a: Arguments) -> object:
    ref = signal(a["self"])
    slope = walk.array(a["weight"], "the slope")
    # one for each channel, which is the first axis of a sample
    if slope.ndim == 1 and len(ref.shape) > 0:
        slope = slope.reshape(-1, *[1] * (len(ref.shape) - 1))
    return leaky_relu(walk.emit, ref, slope)


@HANDLERS.handles("gelu")
def _gelu(walk: Walk, a: Arguments) -> object:
    return unary(walk.emit, "gelu", a["self"], options={"approximate": str(a["approximate"])})


@HANDLERS.handles("elu")
def _elu(walk: Walk, a: Arguments) -> object:
    if a["input_scale"] != 1:
        raise ConversionError("an ELU with input_scale", hint="use ELU or SELU")
    if a["scale"] != 1:
        return unary(walk.emit, "selu", a["self"], {"alpha": a["alpha"], "gamma": a["scale"]})
    return unary(walk.emit, "elu", a["self"], {"alpha": float(a["alpha"])})


@HANDLERS.handles("celu")
def _celu(walk: Walk, a: Arguments) -> object:
    """``alpha * elu(x / alpha)``."""
    e, alpha = walk.emit, np.float64(a["alpha"])
    inner = unary(e, "scale", a["self"], {"scale": 1 / alpha}, part="inner")
    return unary(e, "scale", unary(e, "elu", inner, part="elu"), {"scale": alpha})


@HANDLERS.handles("softplus")
def _softplus(walk: Walk, a: Arguments) -> object:
    """Torch gives x itself above ``threshold / beta``; the difference is below exp(-threshold)."""
    if a["threshold"] < 15:
        raise ConversionError(f"a softplus that is cut at {a['threshold']}", hint="threshold=20")
    return unary(walk.emit, "softplus", a["self"], {"beta": float(a["beta"])})


@HANDLERS.handles("pow")
def _pow(walk: Walk, a: Arguments) -> object:
    exponent = a["exponent"]
    if isinstance(exponent, torch.Tensor):
        exponent = walk.array(exponent, "the exponent")
    return power(walk.emit, a["self"], exponent)


@HANDLERS.handles("square")
def _square(walk: Walk, a: Arguments) -> object:
    return power(walk.emit, a["self"], 2)


@HANDLERS.handles("rsqrt")
def _rsqrt(walk: Walk, a: Arguments) -> object:
    root = unary(walk.emit, "sqrt", a["self"], part="sqrt")
    return unary(walk.emit, "reciprocal", root)


@HANDLERS.handles("maximum", "minimum")
def _extreme(walk: Walk, a: Arguments) -> object:
    cell = "minimum" if walk.node.name.startswith("minimum") else "maximum"
    given = (_limit(walk, a[k]) for k in ("self", "other"))
    return binary(walk.emit, cell, *given)


@HANDLERS.handles("glu")
def _glu(walk: Walk, a: Arguments) -> object:
    """First half of the channels times the sigmoid of the second half."""
    e, ref = walk.emit, signal(a["self"])
    axis = sample_axis(a["dim"], len(ref.shape) + 1, "a GLU")
    half = ref.shape[axis] // 2
    first = select(e, ref, axis, range(half))
    second = select(e, ref, axis, range(half, 2 * half))
    return multiply(e, first, unary(e, "sigmoid", second, part="gate"))
