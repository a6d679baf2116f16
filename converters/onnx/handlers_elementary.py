"""Elementary functions, comparisons and choices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neurodeploy.converters.emit import signal
from neurodeploy.converters.emit_algebra import affine, relu
from neurodeploy.converters.emit_analog import binary, elementwise, extreme, power, unary
from neurodeploy.converters.onnx.table import HANDLERS, Handler, Operation
from neurodeploy.errors import ConversionError

if TYPE_CHECKING:
    from neurodeploy.converters.onnx.walk import Walk

__all__: list[str] = []

# operator: cell that computes it, and the cell's option
PLAIN: dict[str, tuple[str, dict[str, str | int | bool]]] = {
    "Abs": ("abs", {}),
    "Ceil": ("round", {"mode": "ceil"}),
    "Exp": ("exp", {}),
    "Floor": ("round", {"mode": "floor"}),
    "Log": ("log", {}),
    "Reciprocal": ("reciprocal", {}),
    "Round": ("round", {"mode": "nearest_even"}),
    "Sqrt": ("sqrt", {}),
}
# operator: relation, and whether the operands change places
COMPARISONS = {
    "Equal": ("equal", False),
    "Greater": ("greater", False),
    "GreaterOrEqual": ("not_less", False),
    "Less": ("greater", True),
    "LessOrEqual": ("not_less", True),
}


def _plain(cell: str, options: dict[str, str | int | bool]) -> Handler:
    return lambda walk, op: unary(walk.emit, cell, op.input(0), options=options)


def _comparison(relation: str, turned: bool) -> Handler:
    def handler(walk: Walk, op: Operation) -> object:
        a, b = op.input(0), op.input(1)
        pair = (b, a) if turned else (a, b)
        return elementwise(walk.emit, "compare", *pair, options={"relation": relation})

    return handler


for _operator, _given in PLAIN.items():
    HANDLERS.handles(("", _operator))(_plain(*_given))
for _operator, _turned in COMPARISONS.items():
    HANDLERS.handles(("", _operator))(_comparison(*_turned))


@HANDLERS.handles(("", "Max"))
def _max(walk: Walk, op: Operation) -> object:
    zeros = [isinstance(v, np.ndarray) and v.size == 1 and not v.any() for v in op.inputs]
    if len(zeros) == 2 and sum(zeros) == 1:
        return relu(walk.emit, op.inputs[zeros.index(False)])
    return extreme(walk.emit, "maximum", list(op.inputs))


@HANDLERS.handles(("", "Min"))
def _min(walk: Walk, op: Operation) -> object:
    return extreme(walk.emit, "minimum", list(op.inputs))


@HANDLERS.handles(("", "Where"))
def _where(walk: Walk, op: Operation) -> object:
    return elementwise(walk.emit, "where", *op.inputs)


@HANDLERS.handles(("", "Not"))
def _not(walk: Walk, op: Operation) -> object:
    return affine(walk.emit, signal(op.input(0)), np.asarray(-1.0), np.asarray(1.0))


@HANDLERS.handles(("", "And"))
def _and(walk: Walk, op: Operation) -> object:
    return binary(walk.emit, "minimum", op.input(0), op.input(1))


@HANDLERS.handles(("", "Or"))
def _or(walk: Walk, op: Operation) -> object:
    return binary(walk.emit, "maximum", op.input(0), op.input(1))


@HANDLERS.handles(("", "Pow"))
def _pow(walk: Walk, op: Operation) -> object:
    exponent = op.input(1)
    if isinstance(exponent, np.ndarray) and exponent.dtype.kind not in "iuf":
        raise ConversionError(f"an exponent of type {exponent.dtype}")
    return power(walk.emit, op.input(0), exponent)
