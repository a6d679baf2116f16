"""Uniform (linear) quantisation, as ONNX writes it; codes are whole numbers in floats.

Codes of at most 16 bits are exact in float32. Products of them are summed in integers: `to_code`
makes those, and ``to_float`` brings the sum back. Source: the operator specifications of ONNX,
QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear and QLinearConv.
"""

from __future__ import annotations

from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.language import Sym, clip, maximum, minimum, rint, to_int, where
from neurodeploy.semantics.trace import cell

__all__ = [
    "dequantize",
    "dynamic_scale",
    "dynamic_zero",
    "quantize",
    "requantize",
    "to_code",
]


@cell("quantize")
def quantize(
    p: Leaves, s: Leaves, x: Sym, scale: Sym, zero: Sym, *, low: int = 0, high: int = 255
) -> Sym:
    """Code of a number: ``clip(rint(x / scale) + zero, low, high)``, ties to even."""
    return clip(rint(x / scale) + zero, low, high)


@cell("dequantize")
def dequantize(p: Leaves, s: Leaves, x: Sym, scale: Sym, zero: Sym) -> Sym:
    """Number of a code: ``(x - zero) * scale``."""
    return (x - zero) * scale


@cell("requantize")
def requantize(
    p: Leaves, s: Leaves, x: Sym, multiplier: Sym, zero: Sym, *, low: int = 0, high: int = 255
) -> Sym:
    """Code of a sum of products of codes: ``clip(rint(x * multiplier) + zero, low, high)``."""
    return clip(rint(x * multiplier) + zero, low, high)


@cell("to_code")
def to_code(p: Leaves, s: Leaves, x: Sym, zero: Sym, *, low: int = -255, high: int = 255) -> Sym:
    """Integer of a code, its zero point taken off: ``x - zero`` within ``[low, high]``."""
    return to_int(x - zero, rounding="nearest_even", lo=low, hi=high)


@cell("dynamic_scale")
def dynamic_scale(p: Leaves, s: Leaves, low: Sym, high: Sym) -> Sym:
    """Scale of 8 bits for values from ``low`` to ``high``, and 0.

    ``(max(high, 0) - min(low, 0)) / 255``; 1 where all values are 0.
    """
    span = maximum(high, 0) - minimum(low, 0)
    return where(span == 0, 1, span / 255)


@cell("dynamic_zero")
def dynamic_zero(p: Leaves, s: Leaves, low: Sym, scale: Sym) -> Sym:
    """Zero point that goes with `dynamic_scale`: ``rint(clip(-min(low, 0) / scale, 0, 255))``."""
    return rint(clip(-minimum(low, 0) / scale, 0, 255))
