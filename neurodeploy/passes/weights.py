r"""Scalings taken into the weights and bias of a Map, in float64.

`input_scaled`: ``M(scale * x + shift) = M'(x)``. `output_scaled`: ``scale * M(x) + shift = M'(x)``.
Both give None where M' is no operation of the same kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from neurodeploy.ir.ops import Conv, ConvTranspose, Dense, MapOp, Synapses
from neurodeploy.ir.rules_map import fan_axes
from neurodeploy.ir.synapse_rows import sources_of
from neurodeploy.ir.types import Signal, Tensor
from neurodeploy.passes.rewire import Draft, rounding_margin
from neurodeploy.passes.scaling import Scaling, uniform_along
from neurodeploy.semantics.linear import apply_map
from neurodeploy.semantics.types import Float

__all__ = ["Weighted", "Weights", "input_scaled", "output_scaled", "store_weights"]

F64Array = npt.NDArray[np.float64]
Weighted = Dense | Conv | ConvTranspose | Synapses
"""The operations that have weights."""


@dataclass(frozen=True, eq=False)
class Weights:
    """Weight and bias in float64; the bias has one axis or the shape of the output."""

    weight: F64Array
    bias: F64Array | None


def input_scaled(
    op: MapOp, given: Scaling, out: Signal, tensors: Mapping[str, Tensor]
) -> Weights | None:
    """Give the weights of a Map that takes ``x`` where it took ``scale * x + shift``.

    The shift becomes a bias. Next to zero padding it is another one at each position, since
    padding is 0 and not ``shift``: the bias then has the shape of the output.

    1. Dense: where the scale varies along its axis only.
    2. Conv, ConvTranspose: where the scale varies along the channels only.
    3. Synapses: any scale, no shift.
    4. Integer weights, all other operations: None.
    """
    if not isinstance(op, Weighted) or not isinstance(tensors[op.weight].type, Float):
        return None
    if isinstance(op, Synapses):
        at = sources_of(tensors[op.starts].data)
        scale = given.scale.reshape(-1)[at]
        return None if given.shifts else _checked(op, _weight(op, tensors) * scale, None, tensors)
    axis = fan_axes(op, given.scale.ndim) if isinstance(op, Dense) else 0
    if not _only_along(given.scale, axis):
        return None
    scale = _vector(given.scale, axis)
    weight = _weight(op, tensors)
    if isinstance(op, Conv):
        grouped = weight.reshape(op.groups, -1, *weight.shape[1:])
        factor = scale.reshape(op.groups, 1, -1, *[1] * (weight.ndim - 2))
        weight = (grouped * factor).reshape(weight.shape)
        axis_of_output = 0
    elif isinstance(op, ConvTranspose):
        weight = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
        axis_of_output = 0
    else:
        weight = weight * scale
        axis_of_output = axis
    bias = None
    if given.shifts:
        doubles = {op.weight: _weight(op, tensors)}
        added = apply_map(
            replace(op, bias=None), [given.shift[None]], out, doubles, np.dtype(np.float64)
        )[0]
        bias = _narrow(added, axis_of_output)
    return _checked(op, weight, _sum(_bias(op, tensors), bias, axis_of_output), tensors)


def output_scaled(
    op: MapOp, wanted: Scaling, out: Signal, tensors: Mapping[str, Tensor]
) -> Weights | None:
    """Give the weights of a Map that sends ``scale * y + shift`` where it sent ``y``.

    1. Dense: where the scale varies along its axis only.
    2. Conv, ConvTranspose: where the scale varies along the channels only.
    3. Synapses: always.
    4. Integer weights, all other operations: None.
    """
    if not isinstance(op, Weighted) or not isinstance(tensors[op.weight].type, Float):
        return None
    weight, old = _weight(op, tensors), _bias(op, tensors)
    if isinstance(op, Synapses):
        flat = wanted.scale.reshape(-1)
        scaled = None if old is None else np.broadcast_to(old, out.shape) * wanted.scale
        shift = wanted.shift if wanted.shifts else None
        weight = weight * flat[tensors[op.target].data]
        return _checked(op, weight, _sum(scaled, shift, len(out.shape) - 1), tensors)
    axis = fan_axes(op, len(out.shape)) if isinstance(op, Dense) else 0
    if not _only_along(wanted.scale, axis):
        return None
    scale = _vector(wanted.scale, axis)
    if isinstance(op, ConvTranspose):
        grouped = weight.reshape(op.groups, -1, *weight.shape[1:])
        factor = scale.reshape(op.groups, 1, -1, *[1] * (weight.ndim - 2))
        weight = (grouped * factor).reshape(weight.shape)
    else:
        weight = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
    bias = None
    if old is not None:
        full = old if old.ndim > 1 else _along(old, axis, len(out.shape))
        bias = _narrow(np.broadcast_to(full * wanted.scale, out.shape), axis)
    shift = _narrow(wanted.shift, axis) if wanted.shifts else None
    return _checked(op, weight, _sum(bias, shift, axis), tensors)


def store_weights(draft: Draft, name: str, op: Weighted, new: Weights) -> tuple[Weighted, float]:
    """Round the weights once, to their type; give the operation and the largest rounding."""
    kind = draft.tensors[op.weight].type
    weight = draft.store(f"{name}.weight", new.weight, kind, owner=name)
    margin = rounding_margin(new.weight, draft.tensors[weight].data)
    bias = None
    if new.bias is not None:
        bias = draft.store(f"{name}.bias", new.bias, kind, owner=name)
        margin = max(margin, rounding_margin(new.bias, draft.tensors[bias].data))
    return replace(op, weight=weight, bias=bias), margin


def _weight(op: Weighted, tensors: Mapping[str, Tensor]) -> F64Array:
    return tensors[op.weight].data.astype(np.float64)


def _bias(op: Weighted, tensors: Mapping[str, Tensor]) -> F64Array | None:
    return None if op.bias is None else tensors[op.bias].data.astype(np.float64)


def _only_along(array: F64Array, axis: int) -> bool:
    return uniform_along(array, [a for a in range(array.ndim) if a != axis])


def _vector(array: F64Array, axis: int) -> F64Array:
    return np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)[:, 0]


def _along(vector: F64Array, axis: int, rank: int) -> F64Array:
    return vector.reshape([-1 if a == axis else 1 for a in range(rank)])


def _narrow(bias: F64Array, axis: int) -> F64Array:
    """Give a bias as one number per channel, if it is that."""
    return _vector(bias, axis) if _only_along(bias, axis) else bias


def _sum(a: F64Array | None, b: F64Array | None, axis: int) -> F64Array | None:
    if a is None or b is None:
        return b if a is None else a
    rank = max(a.ndim, b.ndim)
    wide = [_along(v, axis, rank) if v.ndim < rank else v for v in (a, b)]
    return wide[0] + wide[1]


def _checked(
    op: Weighted, weight: F64Array, bias: F64Array | None, tensors: Mapping[str, Tensor]
) -> Weights | None:
    """Refuse what leaves the range of the stored type."""
    kind = tensors[op.weight].type
    with np.errstate(over="ignore"):
        for values in (weight, bias):
            if values is None or not isinstance(kind, Float):
                continue
            if not np.isfinite(values.astype(kind.dtype)).all():
                return None
    return Weights(weight, bias)
