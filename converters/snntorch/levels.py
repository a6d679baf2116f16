"""The levels of ``snntorch.functional.quant.state_quant``, and the bounds between them.

A state becomes the level at the smallest distance, which is rounded to float32 before distances
are compared. The bound of two levels is the smallest float32 that takes the upper one; it is
found by bisection with the function itself, so that its rounding and its choice between equal
distances are in the bounds. Source: snnTorch 1.0.0, ``functional/quant.py``.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch

from neurodeploy.converters.snntorch.attributes import Attributes

__all__ = ["quantised"]

MAX_LEVELS = 2**12


def quantised(
    found: Attributes,
    cell: str,
    options: dict[str, str | int | bool],
    params: dict[str, torch.Tensor],
) -> str:
    """Give the name of the cell; where it quantises, enter its options and parameters."""
    function = found.module.state_quant
    if not function:
        return cell
    levels = _levels(function)
    if levels is None:
        found.refuse(
            "state_quant is no function of snntorch.functional.quant.state_quant",
            "use one, of at most 12 bits, whose levels ascend",
        )
        return cell
    options["depth"] = len(levels).bit_length() - 1
    params |= {"levels": levels, "bounds": _bounds(function, levels)}
    return f"quantised_{cell}"


def _levels(function: Any) -> torch.Tensor | None:
    """Read the levels that the function was made with."""
    if getattr(function, "__module__", "") != "snntorch.functional.quant":
        return None
    levels = inspect.getclosurevars(function).nonlocals.get("levels")
    if not isinstance(levels, torch.Tensor) or levels.dtype != torch.float32 or levels.ndim != 1:
        return None
    size = len(levels)
    if not 2 <= size <= MAX_LEVELS or size & (size - 1) or not bool((levels.diff() > 0).all()):
        return None
    return levels.detach().clone()


def _bounds(function: Any, levels: torch.Tensor) -> torch.Tensor:
    # as whole numbers in the order of the floats, so that halving the way ends
    low, high = _ordinal(levels[:-1]), _ordinal(levels[1:])
    with torch.no_grad():
        while bool((high - low > 1).any()):
            middle = (low + high) // 2
            upper = function(_float(middle)) >= levels[1:]
            low, high = torch.where(upper, low, middle), torch.where(upper, middle, high)
    return torch.cat([levels[:1], _float(high)])


def _ordinal(values: torch.Tensor) -> torch.Tensor:
    bits = values.view(torch.int32).to(torch.int64)
    return torch.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def _float(ordinals: torch.Tensor) -> torch.Tensor:
    bits = torch.where(ordinals < 0, (-ordinals) | 0x80000000, ordinals)
    # two's complement of the 32 bits
    return torch.where(bits >= 2**31, bits - 2**32, bits).to(torch.int32).view(torch.float32)
