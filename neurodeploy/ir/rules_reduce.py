"""Shape, type and kind rules of Reduce and Product."""

from __future__ import annotations

import re

from neurodeploy.errors import GraphError
from neurodeploy.ir.ops import ArgMax, MaxPool, ReduceAxes, ReduceOp
from neurodeploy.ir.rules_map import refuse_empty_windows, summed_kind, window_shape
from neurodeploy.ir.types import BOOL, F32, QType, Signal, num_type_text

__all__ = ["Labels", "parse_equation", "product_signal", "reduce_signal"]

Labels = tuple[str, str, str]


def reduce_signal(op: ReduceOp, x: Signal) -> Signal:
    """Give the signal that a Reduce sends.

    Raises:
        GraphError: the operation does not fit the signal.
    """
    if isinstance(op, MaxPool):
        shape = window_shape(x, x.shape[0] if x.shape else 0, op.window)
        refuse_empty_windows(op.window, x.shape[1:])
        return Signal(shape, x.type, x.kind)
    if isinstance(op, ArgMax):
        if not 0 <= op.axis < len(x.shape):
            raise GraphError(f"axis {op.axis} of a signal of shape {list(x.shape)}")
        return Signal(x.shape, BOOL, "spike")
    axes = op.axes
    if not axes or len(set(axes)) != len(axes) or not set(axes) <= set(range(len(x.shape))):
        raise GraphError(f"axes {list(axes)} of a signal of shape {list(x.shape)}")
    return _reduced(op, x)


def _reduced(op: ReduceAxes, x: Signal) -> Signal:
    shape = tuple(
        1 if i in op.axes else n for i, n in enumerate(x.shape) if op.keepdims or i not in op.axes
    )
    if op.function == "max":
        return Signal(shape, x.type, x.kind)
    kind = x.type
    if x.type == BOOL:
        kind = F32
    elif isinstance(x.type, QType):
        if op.function == "mean":
            raise GraphError("a mean of integers", hint="sum, then divide in a cell")
        if x.type.axis in op.axes:
            raise GraphError("a signal with a scale per channel is summed along the channels")
        size = 1
        for axis in op.axes:
            size *= x.shape[axis]
        kind = QType(min(0, x.type.lo * size), max(0, x.type.hi * size), x.type.scale)
    return Signal(shape, kind, summed_kind(x.kind))


def parse_equation(equation: str) -> Labels:
    """Split an einsum string with two factors into its labels.

    >>> parse_equation("ik,kj->ij")
    ('ik', 'kj', 'ij')

    Raises:
        GraphError: it is not of the form ``ab,bc->ac`` with each label once per factor.
    """
    match = re.fullmatch(r"([a-z]*),([a-z]*)->([a-z]*)", equation)
    if match is None:
        raise GraphError(f"equation {equation[:40]!r} is not of the form 'ik,kj->ij'")
    a, b, out = match.groups()
    if any(len(set(labels)) != len(labels) for labels in (a, b, out)):
        raise GraphError(f"equation {equation!r} repeats a label within one factor")
    if not set(out) <= set(a) | set(b):
        raise GraphError(f"equation {equation!r} gives a label that no factor has")
    return a, b, out


def product_signal(equation: str, x: Signal, y: Signal) -> Signal:
    """Give the signal that a Product sends.

    Two bools give the number of coincidences as float32; else both factors are of one float
    type, or one of them is a bool; or both are integers.

    Raises:
        GraphError: the factors do not fit the equation or each other.
    """
    a, b, out = parse_equation(equation)
    if len(a) != len(x.shape) or len(b) != len(y.shape):
        raise GraphError(f"{equation!r} meets shapes {list(x.shape)} and {list(y.shape)}")
    sizes: dict[str, int] = {}
    for labels, signal in ((a, x), (b, y)):
        for label, n in zip(labels, signal.shape, strict=True):
            if sizes.setdefault(label, n) != n:
                raise GraphError(
                    f"label {label!r} of {equation!r} stands for {sizes[label]} and {n}"
                )
    terms = 1
    for label in set(a + b) - set(out):
        terms *= sizes[label]
    if isinstance(x.type, QType) or isinstance(y.type, QType):
        kind = _integer_product(x, y, terms)
    else:
        floats = {s.type for s in (x, y) if s.type != BOOL}
        if len(floats) > 1:
            raise GraphError(f"{num_type_text(x.type)} times {num_type_text(y.type)}")
        return Signal(tuple(sizes[i] for i in out), floats.pop() if floats else F32, "value")
    return Signal(tuple(sizes[i] for i in out), kind, "value")


def _integer_product(x: Signal, y: Signal, terms: int) -> QType:
    ranges = []
    scale = 1.0
    for s in (x, y):
        if isinstance(s.type, QType):
            if len(s.type.scale) > 1 or s.type.zero_point:
                raise GraphError("a product of integers needs one scale and a zero point of 0")
            ranges.append((s.type.lo, s.type.hi))
            scale *= s.type.scale[0]
        elif s.type == BOOL:
            ranges.append((0, 1))
        else:
            raise GraphError(f"{num_type_text(x.type)} times {num_type_text(y.type)}")
    corners = [p * q for p in ranges[0] for q in ranges[1]]
    return QType(min(0, *corners) * terms, max(0, *corners) * terms, (scale,))
