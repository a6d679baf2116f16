"""Surrogate gradients: what stands for the derivative of a spike in the backward pass.

A spike is a step of its margin ``u = v - threshold``, whose derivative is 0 or undefined. Each
surrogate is a function of ``u`` and a slope; none of them touches the forward value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from neurodeploy.errors import UsageError

__all__ = ["SURROGATES", "Surrogate", "register_surrogate", "surrogate"]

Derivative = Callable[[Tensor, float], Tensor]


@dataclass(frozen=True)
class Surrogate:
    """A derivative of the spike with respect to its margin.

    Attributes:
        name: Registered name.
        slope: How fast it falls off with the distance from the threshold, per unit of membrane.
        derivative: The function of margin and slope.
    """

    name: str
    slope: float
    derivative: Derivative

    def gradient(self, margin: Tensor) -> Tensor:
        """Give the derivative at each margin ``v - threshold``."""
        return self.derivative(margin, self.slope)


SURROGATES: dict[str, Surrogate] = {}


def register_surrogate(name: str, *, slope: float) -> Callable[[Derivative], Derivative]:
    """Register a derivative under ``name``, with its usual slope.

    Raises:
        UsageError: the name is taken.
    """

    def register(derivative: Derivative) -> Derivative:
        if name in SURROGATES:
            raise UsageError(f"a surrogate named {name!r} is already registered")
        SURROGATES[name] = Surrogate(name, slope, derivative)
        return derivative

    return register


def surrogate(name: str = "fast_sigmoid", slope: float | None = None) -> Surrogate:
    """Give the surrogate ``name``, with another slope if one is given.

    >>> surrogate().slope
    25.0

    Raises:
        UsageError: the name is unknown, or the slope is not positive and finite.
    """
    if name not in SURROGATES:
        raise UsageError(f"no surrogate is named {name!r}", hint=f"one of {sorted(SURROGATES)}")
    found = SURROGATES[name]
    if slope is None:
        return found
    if not 0 < slope < math.inf:
        raise UsageError(f"the slope {slope} of a surrogate is not positive and finite")
    return Surrogate(name, float(slope), found.derivative)


@register_surrogate("fast_sigmoid", slope=25.0)
def fast_sigmoid(margin: Tensor, slope: float) -> Tensor:
    """Give ``1 / (1 + slope |u|)^2``.

    Source: Zenke & Ganguli 2018, doi:10.1162/neco_a_01086; 25 is snnTorch's slope.
    """
    return 1 / (1 + slope * margin.abs()).square()


@register_surrogate("arctan", slope=2.0)
def arctan(margin: Tensor, slope: float) -> Tensor:
    """Give ``(slope / 2) / (1 + (pi / 2 slope u)^2)``.

    Source: Fang et al. 2021, arXiv:2007.05785; 2 is the slope of SpikingJelly and snnTorch.
    """
    return slope / 2 / (1 + (math.pi / 2 * slope * margin).square())


@register_surrogate("triangle", slope=1.0)
def triangle(margin: Tensor, slope: float) -> Tensor:
    """Give ``slope max(0, 1 - slope |u|)``, of area 1.

    Source: Esser et al. 2016, doi:10.1073/pnas.1604850113.
    """
    return slope * (1 - slope * margin.abs()).clamp(min=0)


@register_surrogate("boxcar", slope=1.0)
def boxcar(margin: Tensor, slope: float) -> Tensor:
    """Give ``slope`` where ``|u| < 1 / (2 slope)``, else 0; of area 1.

    Source: Wu et al. 2018, doi:10.3389/fnins.2018.00331, with ``a = 1 / slope``.
    """
    near = margin.abs() < 0.5 / slope
    return torch.where(near, slope, 0.0).to(margin.dtype)


@register_surrogate("straight_through", slope=1.0)
def straight_through(margin: Tensor, slope: float) -> Tensor:
    """Give ``slope`` everywhere.

    Source: Bengio et al. 2013, arXiv:1308.3432.
    """
    return torch.full_like(margin, slope)
