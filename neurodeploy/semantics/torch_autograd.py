"""Operations whose gradient, or whose exact value, torch itself does not have.

A bool tensor has no gradient. A condition that carries one (a spike, or what was made of spikes
by ``& | ~``) is therefore a float tensor that holds exactly 0 and 1.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from neurodeploy.semantics.surrogate import Surrogate

__all__ = ["exact_sqrt", "fire", "hard", "select", "straight_through"]


def hard(condition: Tensor) -> Tensor:
    """Give a condition as a bool tensor, without its gradient."""
    return condition if condition.dtype == torch.bool else condition.detach() != 0


def _wants_gradient(*values: Tensor) -> bool:
    return torch.is_grad_enabled() and any(v.requires_grad for v in values)


def _apply(function: type[torch.autograd.Function], *args: object) -> Tensor:
    return cast(Tensor, function.apply(*args))  # type: ignore[no-untyped-call]


class _Fire(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, v: Tensor, threshold: Tensor, strict: bool, surrogate: Surrogate
    ) -> Tensor:
        ctx.save_for_backward(v, threshold)
        ctx.surrogate = surrogate
        return _passes(v, threshold, strict).to(v.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        v, threshold = ctx.saved_tensors
        step = grad * ctx.surrogate.gradient(v - threshold)
        wants_v, wants_threshold = ctx.needs_input_grad[:2]
        return (
            step.sum_to_size(v.shape) if wants_v else None,
            -step.sum_to_size(threshold.shape) if wants_threshold else None,
            None,
            None,
        )


def _passes(v: Tensor, threshold: Tensor, strict: bool) -> Tensor:
    return v > threshold if strict else v >= threshold


def fire(v: Tensor, threshold: Tensor, *, strict: bool, surrogate: Surrogate) -> Tensor:
    """Give the spikes of a membrane: a condition that carries the surrogate gradient.

    ``d spike / d v = surrogate(v - threshold)``, and the negative of it for the threshold. It is
    a bool tensor where no gradient is wanted.
    """
    if not _wants_gradient(v, threshold):
        return _passes(v, threshold, strict)
    return _apply(_Fire, v, threshold, strict, surrogate)


class _Select(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(condition, a, b)
        return torch.where(condition != 0, a, b)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        condition, a, b = ctx.saved_tensors
        chosen, none = condition != 0, torch.zeros((), dtype=grad.dtype, device=grad.device)
        wants_condition, wants_a, wants_b = ctx.needs_input_grad
        return (
            ((a - b) * grad).sum_to_size(condition.shape).to(condition.dtype)
            if wants_condition
            else None,
            torch.where(chosen, grad, none).sum_to_size(a.shape) if wants_a else None,
            torch.where(chosen, none, grad).sum_to_size(b.shape) if wants_b else None,
        )


def select(condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Give ``a`` where the condition holds, else ``b``, as torch.where does.

    With a condition that carries a gradient, the gradient is that of
    ``condition * a + (1 - condition) * b``, so ``d / d condition = a - b``.
    """
    if a.is_floating_point() and _wants_gradient(condition):
        return _apply(_Select, condition, a, b)
    return torch.where(hard(condition), a, b)


class _Sqrt(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        root = _rounded_sqrt(x)
        ctx.save_for_backward(root)
        return root

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        root: Tensor = ctx.saved_tensors[0]
        return grad / (2 * root)


def _rounded_sqrt(x: Tensor) -> Tensor:
    # on a CPU, torch takes long arrays to a vector library that is off by one unit in some places
    if x.device.type != "cpu":
        return torch.sqrt(x)
    with np.errstate(invalid="ignore"):
        return torch.from_numpy(np.asarray(np.sqrt(x.detach().numpy())))


def exact_sqrt(x: Tensor) -> Tensor:
    """Give the correctly rounded square root; its gradient is ``1 / (2 sqrt(x))``."""
    return _apply(_Sqrt, x)


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, rounded: Tensor) -> Tensor:
        return rounded.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None


def straight_through(x: Tensor, rounded: Tensor) -> Tensor:
    """Give ``rounded`` with the gradient of ``x``."""
    if not _wants_gradient(x):
        return rounded
    return _apply(_StraightThrough, x, rounded.detach())
