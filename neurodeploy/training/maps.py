r"""Maps in torch: torch's own kernels for floats, exact integers.

Float sums of Dense, Conv and ConvTranspose come from torch's kernels and so in another order
than the reference's: equal where every partial sum is exact, else close. (On a GPU, torch may
round factors to TF32: ``torch.backends.cudnn.allow_tf32 = False`` forbids it.) Pools add in the
reference's order and are equal to it. Tensors are (N, \*shape); a spike is a bool tensor, or a
float tensor of 0 and 1 that carries a gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import singledispatch
from itertools import chain

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own convention
from torch import Tensor

from neurodeploy.errors import InternalError
from neurodeploy.ir.ops import (
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Gather,
    MapOp,
    Permute,
    Pool,
    Reshape,
    Window,
)
from neurodeploy.ir.rules_map import fan_axes
from neurodeploy.ir.types import QType, Signal, expression_type
from neurodeploy.semantics.linear import pool_divisor, taps, window_slices
from neurodeploy.semantics.torch_autograd import hard
from neurodeploy.semantics.torch_eval import torch_dtype
from neurodeploy.training.integer_maps import (
    integer_conv,
    integer_conv_transpose,
    integer_dense,
    reach,
)

__all__ = ["apply_map", "as_number", "finish_sum", "padded"]

Tensors = Mapping[str, Tensor]
Pads = Sequence[tuple[int, int]]
_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_CONV_TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def apply_map(op: MapOp, arrived: Sequence[Tensor], out: Signal, tensors: Tensors) -> Tensor:
    r"""Compute a Map without history at one step.

    Args:
        op: The operation.
        arrived: Its inputs, (N, \*shape) each.
        out: The signal that it sends.
        tensors: Weights and indices.
    """
    return _apply(op, arrived, out, tensors)


def as_number(x: Tensor, out: Signal) -> Tensor:
    """Bring what arrives to the type in which ``out`` is computed; a spike counts 1."""
    dtype = torch_dtype(expression_type(out.type))
    if dtype == torch.int64 and x.is_floating_point():
        x = hard(x)  # integers carry no gradient
    return x.to(dtype)


def finish_sum(total: Tensor, bias: Tensor | None, axis: int, out: Signal) -> Tensor:
    """Add the bias last, then wrap or saturate an integer sum to its declared type."""
    if bias is not None:
        if bias.ndim == 1 and tuple(bias.shape) != out.shape:
            shape = [1] * len(out.shape)
            shape[axis] = bias.numel()
            bias = bias.reshape(shape)
        total = total + bias
    kind = out.type
    if isinstance(kind, QType) and kind.overflow == "wrap" and kind.bits < 64:
        half = 2 ** (kind.bits - 1) if kind.lo < 0 else 0
        total = torch.bitwise_and(total + half, 2**kind.bits - 1) - half
    elif isinstance(kind, QType) and kind.overflow == "saturate":
        total = total.clamp(kind.lo, kind.hi)
    return total


def padded(x: Tensor, pads: Pads, value: float | int | bool = 0) -> Tensor:
    """Put ``value`` before and after each spatial axis."""
    if not any(chain.from_iterable(pads)):
        return x
    return F.pad(x, list(chain.from_iterable(reversed(pads))), value=value)


def _bias(op: Dense | Conv | ConvTranspose, tensors: Tensors) -> Tensor | None:
    return tensors[op.bias] if op.bias else None


@singledispatch
def _apply(op: MapOp, arrived: Sequence[Tensor], out: Signal, tensors: Tensors) -> Tensor:
    raise InternalError(f"no torch rule computes {type(op).__name__}")


@_apply.register
def _dense(op: Dense, arrived: Sequence[Tensor], out: Signal, tensors: Tensors) -> Tensor:
    axis = fan_axes(op, len(out.shape))
    x = as_number(arrived[0], out).movedim(axis + 1, -1)
    weight = tensors[op.weight]
    total = F.linear(x, weight) if x.is_floating_point() else integer_dense(x, weight)
    return finish_sum(total.movedim(-1, axis + 1), _bias(op, tensors), axis, out)


@_apply.register
def _conv(op: Conv, arrived: Sequence[Tensor], out: Signal, tensors: Tensors) -> Tensor:
    x, weight, w = as_number(arrived[0], out), tensors[op.weight], op.window
    if x.is_floating_point():
        kernel = _CONV[len(w.kernel)]
        even = all(lo == hi for lo, hi in w.padding)
        pads = [lo for lo, _ in w.padding] if even else [0] * len(w.padding)
        x = x if even else padded(x, w.padding)
        total = kernel(x, weight, None, list(w.stride), pads, list(w.dilation), op.groups)
    else:
        total = integer_conv(padded(x, w.padding), weight, op, out.shape[1:])
    return finish_sum(total, _bias(op, tensors), 0, out)


@_apply.register
def _conv_transpose(
    op: ConvTranspose, arrived: Sequence[Tensor], out: Signal, tensors: Tensors
) -> Tensor:
    x, weight, w = as_number(arrived[0], out), tensors[op.weight], op.window
    if x.is_floating_point():
        kernel = _CONV_TRANSPOSE[len(w.kernel)]
        total = kernel(x, weight, None, list(w.stride), 0, 0, op.groups, list(w.dilation))
    else:
        total = integer_conv_transpose(x, weight, op)
    reached = reach(w, tuple(x.shape[2:]))
    missing = [
        (0, max(0, lo + n - r))
        for n, r, (lo, _) in zip(out.shape[1:], reached, w.padding, strict=True)
    ]
    cut = (slice(lo, lo + n) for n, (lo, _) in zip(out.shape[1:], w.padding, strict=True))
    total = padded(total, missing)[(slice(None), slice(None), *cut)]
    return finish_sum(total, _bias(op, tensors), 0, out)


def windows(x: Tensor, window: Window, out: tuple[int, ...]) -> list[Tensor]:
    """Give, for each tap of a padded input, what all outputs read there."""
    return [x[(slice(None), slice(None), *window_slices(window, tap, out))] for tap in taps(window)]


@_apply.register
def _pool(op: Pool, arrived: Sequence[Tensor], out: Signal, tensors: Tensors) -> Tensor:
    x = padded(as_number(arrived[0], out), op.window.padding)
    seen = windows(x, op.window, out.shape[1:])
    total = seen[0]
    for term in seen[1:]:
        total = total + term
    if op.mode == "sum":
        return total
    divisor = torch.from_numpy(pool_divisor(op, tuple(arrived[0].shape[2:]), out.shape[1:]).copy())
    return total / divisor.to(device=total.device, dtype=total.dtype)


@_apply.register
def _reshape(op: Reshape, arrived: Sequence[Tensor], out: Signal, tensors: Tensors) -> Tensor:
    return arrived[0].reshape(-1, *op.shape)


@_apply.register
def _permute(op: Permute, arrived: Sequence[Tensor], out: Signal, tensors: Tensors) -> Tensor:
    return arrived[0].permute(0, *(a + 1 for a in op.axes))


@_apply.register
def _concat(op: Concat, arrived: Sequence[Tensor], out: Signal, tensors: Tensors) -> Tensor:
    kind = arrived[0].dtype
    for x in arrived[1:]:  # some spikes may carry a gradient, others not
        kind = torch.promote_types(kind, x.dtype)
    return torch.cat([x.to(kind) for x in arrived], dim=op.axis + 1)


@_apply.register
def _gather(op: Gather, arrived: Sequence[Tensor], out: Signal, tensors: Tensors) -> Tensor:
    return arrived[0].index_select(op.axis + 1, tensors[op.indices])
