"""Sums, products and batch norm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from neurodeploy.converters.emit import Array
from neurodeploy.converters.emit_algebra import (
    add,
    batch_norm,
    divide,
    multiply,
    negate,
    subtract,
)
from neurodeploy.converters.per_step import PerStep
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
    if isinstance(value, PerStep):
        return PerStep(value.rows * factor)
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


def _values(walk: Walk, value: Any, what: str) -> Array | PerStep:
    return value if isinstance(value, PerStep) else walk.array(value, what)


def _given(walk: Walk, value: Any, what: str) -> Array | PerStep | None:
    return None if value is None else _values(walk, value, what)


@HANDLERS.handles("batch_norm")
def _batch_norm(walk: Walk, a: Arguments) -> object:
    if a.get("training") or a["running_mean"] is None or a["running_var"] is None:
        return _no_statistics(walk, a)
    return batch_norm(
        walk.emit,
        a["input"],
        _values(walk, a["running_mean"], "the mean"),
        _values(walk, a["running_var"], "the variance"),
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
