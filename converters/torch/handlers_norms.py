"""Softmax and norms that compute their statistics from the sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurodeploy.converters.emit import Array, signal
from neurodeploy.converters.emit_norms import group_norm, log_softmax, normalised, softmax
from neurodeploy.converters.emit_shapes import sample_axis
from neurodeploy.converters.torch.table import HANDLERS, Arguments
from neurodeploy.errors import ConversionError

if TYPE_CHECKING:
    from neurodeploy.converters.torch.walk import Walk

__all__: list[str] = []


def _axis(a: Arguments) -> int:
    return sample_axis(int(a["dim"]), len(signal(a["self"]).shape) + 1, "a softmax")


@HANDLERS.handles("softmax", "_softmax")
def _softmax(walk: Walk, a: Arguments) -> object:
    return softmax(walk.emit, a["self"], (_axis(a),))


@HANDLERS.handles("log_softmax", "_log_softmax")
def _log_softmax(walk: Walk, a: Arguments) -> object:
    return log_softmax(walk.emit, a["self"], (_axis(a),))


def _given(walk: Walk, value: object, what: str) -> Array | None:
    return None if value is None else walk.array(value, what)


@HANDLERS.handles("layer_norm")
def _layer_norm(walk: Walk, a: Arguments) -> object:
    ref = signal(a["input"])
    rank, count = len(ref.shape), len(a["normalized_shape"])
    if count > rank:
        raise ConversionError("a layer norm over the batch axis")
    scale, shift = _given(walk, a["weight"], "the scale"), _given(walk, a["bias"], "the shift")
    axes = range(rank - count, rank)
    return normalised(walk.emit, ref, axes, float(a["eps"]), scale, shift)


@HANDLERS.handles("native_layer_norm")
def _native_layer_norm(walk: Walk, a: Arguments) -> object:
    return _layer_norm(walk, a), None, None


@HANDLERS.handles("group_norm")
def _group_norm(walk: Walk, a: Arguments) -> object:
    groups = int(a["num_groups"] if "num_groups" in a else a["group"])
    scale, shift = _given(walk, a["weight"], "the scale"), _given(walk, a["bias"], "the shift")
    return group_norm(walk.emit, a["input"], groups, float(a["eps"]), scale, shift)


@HANDLERS.handles("native_group_norm")
def _native_group_norm(walk: Walk, a: Arguments) -> object:
    return _group_norm(walk, a), None, None


@HANDLERS.handles("instance_norm")
def _instance_norm(walk: Walk, a: Arguments) -> object:
    if not a["use_input_stats"]:
        raise ConversionError("an instance norm with running statistics", hint="use BatchNorm")
    ref = signal(a["input"])
    scale, shift = _given(walk, a["weight"], "the scale"), _given(walk, a["bias"], "the shift")
    groups = ref.shape[0] if ref.shape else 0
    return group_norm(walk.emit, ref, groups, float(a["eps"]), scale, shift)
