"""Softmax and norms that compute their statistics from the sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from neurodeploy.converters.emit import Array, signal
from neurodeploy.converters.emit_algebra import aligned
from neurodeploy.converters.emit_norms import group_norm, log_softmax, normalised, softmax
from neurodeploy.converters.onnx.table import HANDLERS, Operation
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref

if TYPE_CHECKING:
    from neurodeploy.converters.onnx.walk import Walk

__all__: list[str] = []


def _softmax_axes(walk: Walk, op: Operation, ref: Ref) -> Sequence[int]:
    """Give the axes of a softmax: one of them, but all from one on before opset 13."""
    if walk.opset >= 13:
        return (walk.axis(op.integer("axis", -1), ref, "a softmax"),)
    first = walk.axis(op.integer("axis", 1), ref, "a softmax")
    return range(first, len(ref.shape))


@HANDLERS.handles(("", "Softmax"))
def _softmax(walk: Walk, op: Operation) -> object:
    ref = signal(op.input(0))
    return softmax(walk.emit, ref, _softmax_axes(walk, op, ref))


@HANDLERS.handles(("", "LogSoftmax"))
def _log_softmax(walk: Walk, op: Operation) -> object:
    ref = signal(op.input(0))
    return log_softmax(walk.emit, ref, _softmax_axes(walk, op, ref))


def _factor(walk: Walk, op: Operation, position: int, what: str) -> Array | None:
    return None if op.input(position) is None else walk.array(op.input(position), what)


@HANDLERS.handles(("", "LayerNormalization"))
def _layer_norm(walk: Walk, op: Operation) -> object:
    if any(op.given(i) and op.node.output[i] in walk.wanted for i in (1, 2)):
        raise ConversionError("a layer norm that gives its mean or deviation")
    ref = signal(op.input(0))
    first = walk.axis(op.integer("axis", -1), ref, "a layer norm")
    factors = [_factor(walk, op, 1, "the scale"), _factor(walk, op, 2, "the shift")]
    return normalised(
        walk.emit,
        ref,
        range(first, len(ref.shape)),
        op.number("epsilon", 1e-5),
        *(None if f is None else aligned(f, ref) for f in factors),
    )


@HANDLERS.handles(("", "InstanceNormalization"))
def _instance_norm(walk: Walk, op: Operation) -> object:
    ref = signal(op.input(0))
    scale, shift = _factor(walk, op, 1, "the scale"), _factor(walk, op, 2, "the shift")
    groups = ref.shape[0] if ref.shape else 0
    return group_norm(walk.emit, ref, groups, op.number("epsilon", 1e-5), scale, shift)


@HANDLERS.handles(("", "GroupNormalization"))
def _group_norm(walk: Walk, op: Operation) -> object:
    ref = signal(op.input(0))
    groups = op.integer("num_groups", 0)
    factors = [_factor(walk, op, 1, "the scale"), _factor(walk, op, 2, "the shift")]
    return group_norm(walk.emit, ref, groups, op.number("epsilon", 1e-5), *factors)
