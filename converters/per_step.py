"""Constants that each step has of its own: a leading axis of time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["PerStep", "over_steps", "row_of"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class PerStep:
    """Values of a parameter at each step.

    Attributes:
        rows: (T, ...); step t uses row t.
    """

    rows: Array


def row_of(value: Array | PerStep) -> Array:
    """Give the values of one step, for their shape and type."""
    return value.rows[0] if isinstance(value, PerStep) else value


def over_steps(function: Callable[..., Array], *values: object) -> Array | PerStep:
    """Compute with constants; at each step, where one of them has values for each.

    >>> over_steps(lambda a, b: a - b, PerStep(np.array([[1.0], [2.0]])), np.ones(1)).rows
    array([[0.],
           [1.]])
    """
    lengths = [len(v.rows) for v in values if isinstance(v, PerStep)]
    if not lengths:
        return function(*values)
    return PerStep(
        np.stack(
            [
                function(*(v.rows[t] if isinstance(v, PerStep) else v for v in values))
                for t in range(lengths[0])
            ]
        )
    )
