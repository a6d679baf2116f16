"""Resize, and moves between channels and positions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from neurodeploy.converters.emit import signal
from neurodeploy.converters.emit_resize import Sampling, depth_to_space, resize, space_to_depth
from neurodeploy.converters.onnx.table import HANDLERS, Operation
from neurodeploy.errors import ConversionError

if TYPE_CHECKING:
    from neurodeploy.converters.onnx.walk import Walk

__all__: list[str] = []


@HANDLERS.handles(("", "Resize"))
def _resize(walk: Walk, op: Operation) -> object:
    ref = signal(op.input(0))
    rank = len(ref.shape) + 1
    axes = op.attribute("axes") or list(range(rank))
    if op.integer("antialias", 0) or op.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise ConversionError("a resize with antialias or an aspect ratio policy")
    if op.integer("exclude_outside", 0):
        raise ConversionError("a resize with exclude_outside")
    full = [walk.batch, *ref.shape]
    sizes, scales = list(full), [1.0] * rank
    for position in (3, 2):
        operand = op.input(position)
        if operand is None or walk.array(operand, "the size of a resize").size == 0:
            continue
        values = walk.array(operand, "the size of a resize").reshape(-1)
        if len(values) != len(axes):
            raise ConversionError(f"a resize by {values.tolist()} of {len(axes)} axes")
        for axis, value in zip(axes, values.tolist(), strict=True):
            if position == 3:
                sizes[axis % rank] = int(value)
            else:
                scales[axis % rank] = float(value)
                sizes[axis % rank] = math.floor(full[axis % rank] * float(np.float32(value)))
        break
    else:
        raise ConversionError("a resize without sizes and scales")
    if sizes[0] != walk.batch:
        raise ConversionError("a resize of the batch axis")
    factors = [None if op.input(3) is not None and s == 1.0 else s for s in scales]
    how = Sampling(
        op.text("mode", "nearest"),
        op.text("coordinate_transformation_mode", "half_pixel"),
        op.text("nearest_mode", "round_prefer_floor"),
        op.number("cubic_coeff_a", -0.75),
    )
    return resize(walk.emit, ref, sizes[1:], factors[1:], how)


def _mode(op: Operation) -> bool:
    mode = op.text("mode", "DCR")
    if mode not in ("DCR", "CRD"):
        raise ConversionError(f"mode {mode!r}", hint="DCR or CRD")
    return mode == "CRD"


@HANDLERS.handles(("", "DepthToSpace"))
def _depth_to_space(walk: Walk, op: Operation) -> object:
    block = op.integer("blocksize", 0)
    return depth_to_space(walk.emit, op.input(0), block, columns=_mode(op))


@HANDLERS.handles(("", "SpaceToDepth"))
def _space_to_depth(walk: Walk, op: Operation) -> object:
    return space_to_depth(walk.emit, op.input(0), op.integer("blocksize", 0), columns=False)
