"""Convolutions and dense layers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from neurodeploy.converters.emit import Layer, Padded, signal
from neurodeploy.converters.emit_algebra import affine, dense
from neurodeploy.converters.emit_norms import softmax
from neurodeploy.converters.emit_products import matmul, stacked
from neurodeploy.converters.emit_windows import (
    Pads,
    convolve,
    convolve_transposed,
    same_padding,
    spread,
)
from neurodeploy.converters.torch.table import HANDLERS, Arguments
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref

if TYPE_CHECKING:
    from neurodeploy.converters.torch.walk import Walk

__all__: list[str] = []


def _bias(walk: Walk, value: object) -> str | None:
    return None if value is None else walk.weight(value, "bias")


@HANDLERS.handles("conv1d", "conv2d", "conv3d", "convolution")
def _conv(walk: Walk, a: Arguments) -> object:
    if a.get("transposed"):
        return _conv_transpose(walk, {**a, "output_padding": a["output_padding"]})
    kernel = tuple(walk.array(a["weight"], "the weight").shape[2:])
    rank = len(kernel)
    stride, dilation = spread(a["stride"], rank), spread(a["dilation"], rank)
    return convolve(
        walk.emit,
        a["input"],
        walk.weight(a["weight"], "weight"),
        _bias(walk, a["bias"]),
        stride=stride,
        padding=_padding(a, kernel, stride, dilation),
        dilation=dilation,
        groups=int(a["groups"]),
    )


def _padding(
    a: Arguments, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> Pads:
    padding: Any = a["padding"]
    if padding == "valid":
        return tuple((0, 0) for _ in kernel)
    if padding == "same":
        x = a["input"]
        ref = x.ref if isinstance(x, Padded) else signal(x)
        return same_padding(ref.shape[1:], kernel, stride, dilation)
    return tuple((n, n) for n in spread(padding, len(kernel)))


@HANDLERS.handles("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def _conv_transpose(walk: Walk, a: Arguments) -> object:
    rank = walk.array(a["weight"], "the weight").ndim - 2
    return convolve_transposed(
        walk.emit,
        a["input"],
        walk.weight(a["weight"], "weight"),
        _bias(walk, a["bias"]),
        stride=spread(a["stride"], rank),
        padding=tuple((n, n) for n in spread(a["padding"], rank)),
        dilation=spread(a["dilation"], rank),
        extra=spread(a["output_padding"], rank),
        groups=int(a["groups"]),
    )


@HANDLERS.handles("linear")
def _linear(walk: Walk, a: Arguments) -> object:
    weight = walk.weight(a["weight"], "weight")
    return dense(walk.emit, a["input"], weight, _bias(walk, a["bias"]))


@HANDLERS.handles("addmm")
def _addmm(walk: Walk, a: Arguments) -> object:
    bias, matrix = a["self"], a["mat2"]
    if not isinstance(bias, torch.Tensor) or not isinstance(matrix, torch.Tensor):
        raise ConversionError("a product of two signals", hint="one factor must be a parameter")
    if a["beta"] != 1:
        bias = bias * a["beta"]
    if a["alpha"] != 1:
        matrix = matrix * a["alpha"]
    bias = bias.reshape(-1).expand(matrix.shape[1])
    return dense(walk.emit, a["mat1"], walk.weight(matrix.t(), "weight"), walk.weight(bias, "bias"))


@HANDLERS.handles("mm", "matmul", "bmm")
def _matmul(walk: Walk, a: Arguments) -> object:
    left, right = a["self"], a.get("other", a.get("mat2"))
    if isinstance(left, Ref) and isinstance(right, torch.Tensor) and right.ndim == 2:
        return dense(walk.emit, left, walk.weight(right.t(), "weight"), None)
    if isinstance(left, torch.Tensor) and left.ndim == 2 and isinstance(right, Ref):
        # (out, in) times (N, in, k): along the last axis but one of each sample
        if len(right.shape) < 2:
            raise ConversionError("a product from the left mixes the samples of a batch")
        return dense(walk.emit, right, walk.weight(left, "weight"), None, axis=-2)
    if isinstance(left, Ref) and isinstance(right, Ref):
        return matmul(walk.emit, left, right)
    factors = [walk.array(f, "a factor") if isinstance(f, torch.Tensor) else f
               for f in (left, right)]  # fmt: skip
    return stacked(walk.emit, *factors)


@HANDLERS.handles("scaled_dot_product_attention")
def _attention(walk: Walk, a: Arguments) -> object:
    """``softmax(query @ key^T * scale) @ value``, by default with scale 1 / sqrt(width)."""
    e, query, key = walk.emit, signal(a["query"]), signal(a["key"])
    if a["attn_mask"] is not None or a["is_causal"] or a["enable_gqa"] or a["dropout_p"]:
        raise ConversionError("attention with a mask, dropout or grouped heads")
    rank = len(key.shape)
    turn = (*range(rank - 2), rank - 1, rank - 2)
    turned = e.builder.permute(e.fresh("key"), key, turn, source=e.source)
    scale = 1 / math.sqrt(query.shape[-1]) if a["scale"] is None else float(a["scale"])
    with e.at(Layer(f"{e.layer.name}.scores", e.source)):
        scores = affine(e, matmul(e, query, turned), np.asarray(scale), None)
        weights = softmax(e, scores, (rank - 1,))
    return matmul(e, weights, a["value"])
