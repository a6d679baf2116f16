"""Sums of products of integer codes, exact in integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neurodeploy.converters.emit import Array, Emitter
from neurodeploy.converters.emit_analog import elementwise, unary
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.types import QType, tensor

__all__ = ["code_range", "integer_product", "integer_weight"]


def code_range(kind: np.dtype[Any]) -> tuple[int, int]:
    """Give the smallest and largest code of a type.

    Raises:
        ConversionError: it is no integer of 8 or 16 bits.
    """
    if kind.kind not in "iu" or kind.itemsize > 2:
        raise ConversionError(f"codes of type {kind}", hint="8 and 16 bits are handled")
    info = np.iinfo(kind)
    return int(info.min), int(info.max)


def integer_weight(e: Emitter, name: str, codes: Array, zero: Array) -> str:
    """Store codes of weights, their zero point taken off, as a tensor of integers."""
    values = codes.astype(np.int64) - zero.astype(np.int64)
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    made = tensor(values, QType(low, max(high, low + 1)), name=name)
    final, number = name, 1
    while final in e.builder.tensors and e.builder.tensors[final] != made:
        final, number = f"{name}_{number}", number + 1
    e.builder.tensors[final] = made
    return final


def integer_product(
    e: Emitter,
    x: Ref,
    zero: object,
    codes: tuple[int, int],
    apply: Callable[[Ref], Ref],
) -> Ref:
    """Add a projection of integers between cells that turn codes to integers and sums to floats.

    Args:
        e: The emitter.
        x: Codes, as floats.
        zero: Their zero point, a constant or a signal.
        codes: Smallest and largest code.
        apply: Adds the projection.
    """
    span = codes[1] - codes[0]
    options: dict[str, str | int | bool] = {"low": -span, "high": span}
    whole = elementwise(e, "to_code", x, zero, options=options, part="codes")
    return unary(e, "to_float", apply(whole), part="sum")
