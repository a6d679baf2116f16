"""How rows of weights lie in memory, and how one of them is added to the sums of its targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.engine.text import loop

__all__ = ["Rows", "in_nibbles", "in_quads", "plain_rows"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Rows:
    """A form of rows; each begins at a multiple of their unit.

    Attributes:
        stored: C type of the array.
        arrange: Gives the array from the weights in their flat order.
        per_element: Weights in one element of the array.
        add: Gives the statements that add ``n`` weights, from the pointer ``from`` on, to the
            sums from ``to`` on; where numbers arrive, times ``f``.
    """

    stored: str
    arrange: Callable[[Array], Array]
    add: Callable[[int | str], list[str]]
    per_element: int = 1

    def at(self, name: str, place: str) -> str:
        """Give the address of the weight at a flat place, as C."""
        return (
            f"{name} + {place}"
            if self.per_element == 1
            else (f"{name} + ({place}) / {self.per_element}")
        )


def plain_rows(stored: str, kind: str, *, factor: bool) -> Rows:
    """Give rows that lie as they are.

    Args:
        stored: C type of the weights.
        kind: C type of the sums.
        factor: Numbers arrive, so that weights are multiplied.
    """
    body = ["to[r] += from[r];"]
    if factor:
        body = [f"const {kind} p = from[r] * f;", "to[r] += p;"]
    return Rows(stored, lambda values: values, lambda count: loop("r", count, body))


def in_quads(values: Array) -> Array:
    """Swap the middle two of each four values: what one instruction adds then lies together.

    >>> in_quads(np.arange(8)).tolist()
    [0, 2, 1, 3, 4, 6, 5, 7]
    """
    fours: Array = np.ascontiguousarray(values).reshape(-1, 4)[:, [0, 2, 1, 3]]
    return fours.reshape(values.shape)


def in_nibbles(values: Array) -> Array:
    """Pack two values of -8 to 7 into a byte, the first one low.

    >>> in_nibbles(np.array([1, -1, 7, -8])).tolist()
    [241, 135]
    """
    pairs = np.ascontiguousarray(values).reshape(-1, 2) & 15
    packed: Array = (pairs[:, 0] | (pairs[:, 1] << 4)).astype(np.uint8)
    return packed
