r"""Integer Maps in torch, exact: contractions in float64 where it holds every sum, else in int64.

torch has integer kernels for few operations and devices. A float64 matrix product is exact, in
any order, while no partial sum can pass 2**53; where one could, products are added in int64 as
the reference does. Tensors are (N, \*shape).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from neurodeploy.ir.ops import Conv, ConvTranspose, Window
from neurodeploy.semantics.linear import taps, window_slices

__all__ = ["contract", "integer_conv", "integer_conv_transpose", "integer_dense"]

Index = tuple[Any, ...]
EXACT_FLOAT64 = 2.0**53


def contract(x: Tensor, weight: Tensor) -> Tensor:
    """Give the matrix product of int64 tensors, (groups, rows, in) and (groups, in, out).

    Modulo 2**64, as int64 arithmetic of the reference.
    """
    a, b = x.to(torch.float64), weight.to(torch.float64)
    if not x.numel() or not weight.numel():
        return torch.zeros((*x.shape[:2], weight.shape[2]), dtype=torch.int64, device=x.device)
    largest = float(a.abs().max()) * float(b.abs().sum(1).max())
    if largest < EXACT_FLOAT64:
        return torch.bmm(a, b).to(torch.int64)
    total = torch.zeros((*x.shape[:2], weight.shape[2]), dtype=torch.int64, device=x.device)
    for i in range(x.shape[2]):
        total += x[:, :, i : i + 1] * weight[:, i : i + 1, :]
    return total


def integer_dense(x: Tensor, weight: Tensor) -> Tensor:
    """Give the sum over the last axis of ``x``; weight (out, in)."""
    rows = x.reshape(1, -1, x.shape[-1])
    return contract(rows, weight.T[None]).reshape(*x.shape[:-1], weight.shape[0])


def _rows(x: Tensor, groups: int) -> Tensor:
    r"""Bring (N, channels, \*spatial) to (groups, N * positions, channels / groups)."""
    grouped = x.reshape(x.shape[0], groups, x.shape[1] // groups, -1)
    return grouped.permute(1, 0, 3, 2).reshape(groups, -1, x.shape[1] // groups)


def _planes(rows: Tensor, samples: int, spatial: tuple[int, ...]) -> Tensor:
    r"""Bring (groups, N * positions, out) to (N, groups * out, \*spatial)."""
    planes = rows.reshape(rows.shape[0], samples, -1, rows.shape[2]).permute(1, 0, 3, 2)
    return planes.reshape(samples, -1, *spatial)


def integer_conv(x: Tensor, weight: Tensor, op: Conv, spatial: tuple[int, ...]) -> Tensor:
    """Give the convolution of a padded input, added tap by tap."""
    by_group = weight.reshape(op.groups, -1, *weight.shape[1:])
    shape = (x.shape[0], weight.shape[0], *spatial)
    total = torch.zeros(shape, dtype=torch.int64, device=x.device)
    for tap in taps(op.window):
        seen = x[(slice(None), slice(None), *window_slices(op.window, tap, spatial))]
        at: Index = (..., *tap)
        factor = by_group[at].transpose(1, 2)
        total += _planes(contract(_rows(seen, op.groups), factor), x.shape[0], spatial)
    return total


def integer_conv_transpose(x: Tensor, weight: Tensor, op: ConvTranspose) -> Tensor:
    """Give the transposed convolution before it is cropped to its padding."""
    spatial = tuple(x.shape[2:])
    by_group = weight.reshape(op.groups, -1, *weight.shape[1:])
    shape = (x.shape[0], weight.shape[1] * op.groups, *reach(op.window, spatial))
    total = torch.zeros(shape, dtype=torch.int64, device=x.device)
    for tap in taps(op.window):
        at: Index = (..., *tap)
        factor = by_group[at]
        sent = _planes(contract(_rows(x, op.groups), factor), x.shape[0], spatial)
        total[(slice(None), slice(None), *window_slices(op.window, tap, spatial))] += sent
    return total


def reach(window: Window, spatial: tuple[int, ...]) -> tuple[int, ...]:
    """Give the lengths that a transposed convolution of ``spatial`` reaches without padding."""
    return tuple(
        s * (n - 1) + d * (k - 1) + 1
        for n, s, d, k in zip(spatial, window.stride, window.dilation, window.kernel, strict=True)
    )
