"""Sums, products, activations and batch norm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from neurodeploy.converters.emit import Array, signal
from neurodeploy.converters.emit_algebra import (
    add,
    batch_norm,
    clip,
    divide,
    multiply,
    negate,
    relu,
    subtract,
)
from neurodeploy.converters.torch.table import HANDLERS, Arguments
from neurodeploy.errors import ConversionError

if TYPE_CHECKING:
    from neurodeploy.converters.torch.walk import Walk

__all__: list[str] = []


def _operand(walk: Walk, value: Any) -> Any:
    return walk.array(value, "an operand") if isinstance(value, torch.Tensor) else value


def _pair(walk: Walk, a: Arguments) -> tuple[Any, Any]:
    return _operand(walk, a["self"]), _operand(walk, a["other"])


def _scaled(walk: Walk, value: Any, factor: float) -> Any:
    """Give ``factor * value`` of the operators that scale their second operand."""
    if factor == 1:
        return value
    if isinstance(value, np.ndarray | int | float):
        return value * factor
    with walk.emit.at(type(walk.emit.layer)(f"{walk.emit.layer.name}.alpha", walk.emit.source)):
        return multiply(walk.emit, value, factor)


@HANDLERS.handles("add")
def _add(walk: Walk, a: Arguments) -> object:
    x, y = _pair(walk, a)
    return add(walk.emit, x, _scaled(walk, y, a["alpha"]))


@HANDLERS.handles("sub", "subtract")
def _sub(walk: Walk, a: Arguments) -> object:
    x, y = _pair(walk, a)
    return subtract(walk.emit, x, _scaled(walk, y, a["alpha"]))


@HANDLERS.handles("rsub")
def _rsub(walk: Walk, a: Arguments) -> object:
    x, y = _pair(walk, a)
    return subtract(walk.emit, y, _scaled(walk, x, a["alpha"]))


@HANDLERS.handles("mul", "multiply")
def _mul(walk: Walk, a: Arguments) -> object:
    return multiply(walk.emit, *_pair(walk, a))


@HANDLERS.handles("div", "divide", "true_divide")
def _div(walk: Walk, a: Arguments) -> object:
    if a.get("rounding_mode") is not None:
        raise ConversionError("a division that rounds to integers")
    return divide(walk.emit, *_pair(walk, a))


@HANDLERS.handles("neg", "negative")
def _neg(walk: Walk, a: Arguments) -> object:
    return negate(walk.emit, a["self"])


@HANDLERS.handles("relu")
def _relu(walk: Walk, a: Arguments) -> object:
    return relu(walk.emit, a["self"])


@HANDLERS.handles("relu6")
def _relu6(walk: Walk, a: Arguments) -> object:
    return clip(walk.emit, a["self"], 0, 6)


@HANDLERS.handles("clamp", "clip")
def _clamp(walk: Walk, a: Arguments) -> object:
    return clip(walk.emit, a["self"], _operand(walk, a["min"]), _operand(walk, a["max"]))


@HANDLERS.handles("clamp_min")
def _clamp_min(walk: Walk, a: Arguments) -> object:
    return clip(walk.emit, a["self"], _operand(walk, a["min"]), None)


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
    e = walk.emit
    params = {"slope": float(a["negative_slope"])}
    return e.builder.cell(
        e.fresh(), "leaky_relu", signal(a["self"]), params=params, source=e.source
    )


def _given(walk: Walk, value: Any, what: str) -> Array | None:
    return None if value is None else walk.array(value, what)


@HANDLERS.handles("batch_norm")
def _batch_norm(walk: Walk, a: Arguments) -> object:
    if a.get("training") or a["running_mean"] is None or a["running_var"] is None:
        return _no_statistics(walk, a)
    return batch_norm(
        walk.emit,
        a["input"],
        walk.array(a["running_mean"], "the mean"),
        walk.array(a["running_var"], "the variance"),
        _given(walk, a["weight"], "the weight"),
        _given(walk, a["bias"], "the bias"),
        float(a["eps"]),
    )


@HANDLERS.handles("_native_batch_norm_legit_no_training")
def _native_batch_norm(walk: Walk, a: Arguments) -> object:
    return _batch_norm(walk, a), None, None


@HANDLERS.handles("_native_batch_norm_legit", "native_batch_norm", "_batch_norm_no_update")
def _no_statistics(walk: Walk, a: Arguments) -> object:
    raise ConversionError(
        "a batch norm without running statistics takes them from the batch: samples mix",
        hint="use track_running_stats=True",
    )
