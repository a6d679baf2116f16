"""What a float value of a program becomes while its integer form is not decided yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import QuantizationError
from neurodeploy.semantics.language import Sym

__all__ = ["Choice", "Fixed", "Plain", "Static", "Value", "over_branches"]


@dataclass(frozen=True, eq=False)
class Static:
    """A parameter, a constant, or an expression of them.

    Attributes:
        value: Its value in float64.
        name: The parameter that it is, or what it was computed from; empty for a constant.
    """

    value: npt.NDArray[np.float64] | npt.NDArray[Any]
    name: str = ""


@dataclass(frozen=True)
class Fixed:
    """A membrane or a current, as a whole number of units."""

    sym: Sym


@dataclass(frozen=True)
class Plain:
    """A condition, or a number that was an integer before."""

    sym: Sym


@dataclass(frozen=True)
class Choice:
    """One of two parameters, by a condition; either may be a choice again."""

    condition: Sym
    a: Value
    b: Value


Value = Static | Fixed | Plain | Choice


def over_branches(value: Value, function: Callable[[Static], Value]) -> Value:
    """Apply a function to every parameter of a choice.

    Raises:
        QuantizationError: it is neither a parameter nor a choice of them.
    """
    if isinstance(value, Static):
        return function(value)
    if isinstance(value, Choice):
        a, b = over_branches(value.a, function), over_branches(value.b, function)
        return Choice(value.condition, a, b)
    raise QuantizationError("a condition stands where a parameter is due")
