"""Activations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neurodeploy.converters.emit import signal
from neurodeploy.converters.emit_algebra import clip, relu
from neurodeploy.converters.emit_analog import leaky_relu, unary
from neurodeploy.converters.onnx.table import HANDLERS, Handler, Operation
from neurodeploy.errors import ConversionError

if TYPE_CHECKING:
    from neurodeploy.converters.onnx.walk import Walk

__all__: list[str] = []

# operator: cell that computes it, without attributes
PLAIN = {
    "Erf": "erf",
    "HardSwish": "hard_swish",
    "Mish": "mish",
    "Sigmoid": "sigmoid",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Tanh": "tanh",
}


def _plain(cell: str) -> Handler:
    return lambda walk, op: unary(walk.emit, cell, op.input(0))


for _operator, _cell in PLAIN.items():
    HANDLERS.handles(("", _operator))(_plain(_cell))


@HANDLERS.handles(("", "Relu"))
def _relu(walk: Walk, op: Operation) -> object:
    return relu(walk.emit, op.input(0))


@HANDLERS.handles(("", "Clip"))
def _clip(walk: Walk, op: Operation) -> object:
    limits = [None if op.input(i) is None else walk.array(op.input(i), "a limit") for i in (1, 2)]
    return clip(walk.emit, op.input(0), *limits)


@HANDLERS.handles(("", "LeakyRelu"))
def _leaky(walk: Walk, op: Operation) -> object:
    return leaky_relu(walk.emit, op.input(0), op.number("alpha", 0.01))


@HANDLERS.handles(("", "PRelu"))
def _prelu(walk: Walk, op: Operation) -> object:
    return leaky_relu(walk.emit, op.input(0), walk.array(op.input(1), "the slope"))


@HANDLERS.handles(("", "Elu"))
def _elu(walk: Walk, op: Operation) -> object:
    return unary(walk.emit, "elu", op.input(0), {"alpha": op.number("alpha", 1.0)})


@HANDLERS.handles(("", "Selu"))
def _selu(walk: Walk, op: Operation) -> object:
    params = {"alpha": op.number("alpha", 1.67326319), "gamma": op.number("gamma", 1.05070102)}
    return unary(walk.emit, "selu", op.input(0), params)


@HANDLERS.handles(("", "Celu"))
def _celu(walk: Walk, op: Operation) -> object:
    """``max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))``, as ``alpha * elu(x / alpha)``."""
    e, alpha = walk.emit, op.number("alpha", 1.0)
    if not alpha > 0:
        raise ConversionError(f"alpha = {alpha}", hint="a positive number")
    x = signal(op.input(0))
    if alpha == 1:
        return unary(e, "elu", x)
    inner = unary(e, "scale", x, {"scale": np.float64(1) / alpha}, part="inner")
    return unary(e, "scale", unary(e, "elu", inner, part="elu"), {"scale": np.float64(alpha)})


@HANDLERS.handles(("", "HardSigmoid"))
def _hard_sigmoid(walk: Walk, op: Operation) -> object:
    params = {"slope": op.number("alpha", 0.2), "shift": op.number("beta", 0.5)}
    return unary(walk.emit, "hard_sigmoid", op.input(0), params)


@HANDLERS.handles(("", "Gelu"), ("com.microsoft", "Gelu"))
def _gelu(walk: Walk, op: Operation) -> object:
    options = {"approximate": op.text("approximate", "none")}
    return unary(walk.emit, "gelu", op.input(0), options=options)
