r"""Reduces and Products in torch.

Maxima are exact and give their gradient to the first largest value; sums of floats come from
torch's kernels. ``ArgMax`` carries no gradient. Tensors are (N, \*shape).
"""

from __future__ import annotations

import torch
from torch import Tensor

from neurodeploy.ir.ops import ArgMax, ReduceAxes, Window
from neurodeploy.ir.rules_reduce import parse_equation
from neurodeploy.ir.types import Signal
from neurodeploy.semantics.torch_autograd import hard
from neurodeploy.training.maps import as_number, padded, windows

__all__ = ["apply_argmax", "apply_axes", "apply_product", "window_maximum"]


def _lowest(x: Tensor) -> float | int:
    return float("-inf") if x.is_floating_point() else int(torch.iinfo(x.dtype).min)


def window_maximum(x: Tensor, window: Window, out: tuple[int, ...]) -> Tensor:
    """Give the largest value in each window; positions outside never win."""
    if x.dtype == torch.bool:
        counted = window_maximum(x.to(torch.int64), window, out)
        return counted != 0
    seen = windows(padded(x, window.padding, _lowest(x)), window, out)
    best = seen[0]
    for other in seen[1:]:
        best = torch.where(best < other, other, best)
    return best


def apply_axes(op: ReduceAxes, x: Tensor, out: Signal) -> Tensor:
    """Sum, average or maximise along axes."""
    axes = sorted(a + 1 for a in op.axes)
    if op.function != "max":
        total = as_number(x, out).sum(axes)
        if op.function == "mean":
            count = 1
            for a in axes:
                count *= x.shape[a]
            total = total / torch.tensor(count, dtype=total.dtype, device=total.device)
        return total.reshape(-1, *out.shape)
    spikes = x.dtype == torch.bool
    terms = (x.to(torch.int64) if spikes else x).movedim(axes, list(range(len(axes))))
    terms = terms.reshape(-1, *terms.shape[len(axes) :])
    # the first of equal maxima takes the whole gradient, as in the windows
    first = terms.argmax(0, keepdim=True)
    best = terms.gather(0, first).reshape(-1, *out.shape)
    return best != 0 if spikes else best


def apply_argmax(op: ArgMax, x: Tensor) -> Tensor:
    """Mark the first position of the largest value along the axis."""
    axis = op.axis + 1
    values = x.to(torch.int64) if x.dtype == torch.bool else x.detach()
    first = values.argmax(axis, keepdim=True)
    marked = torch.zeros(x.shape, dtype=torch.bool, device=x.device)
    return marked.scatter(axis, first, value=True)


def apply_product(equation: str, x: Tensor, y: Tensor, out: Signal) -> Tensor:
    """Contract two signals; integers by multiplying and adding in int64."""
    a, b, kept = parse_equation(equation)
    first, second = as_number(x, out), as_number(y, out)
    if first.is_floating_point():
        # the sample axis needs a label that the equation cannot have
        return torch.einsum(f"Z{a},Z{b}->Z{kept}", first, second)
    labels = [*kept, *(label for label in dict.fromkeys(a + b) if label not in kept)]
    product = _aligned(first, a, labels) * _aligned(second, b, labels)
    summed = list(range(len(kept) + 1, product.ndim))
    return product.sum(summed) if summed else product


def _aligned(x: Tensor, own: str, labels: list[str]) -> Tensor:
    """Bring the axes of a factor into the order of ``labels``, with ones where it has none."""
    x = hard(x).to(torch.int64) if x.is_floating_point() else x
    present = [label for label in labels if label in own]
    x = x.permute(0, *(own.index(label) + 1 for label in present))
    shape = iter(x.shape[1:])
    return x.reshape(x.shape[0], *(next(shape) if label in own else 1 for label in labels))
