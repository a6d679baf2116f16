"""Upsampling and pixel shuffles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from neurodeploy.converters.emit import signal
from neurodeploy.converters.emit_resize import Sampling, depth_to_space, resize, space_to_depth
from neurodeploy.converters.torch.table import HANDLERS, Arguments
from neurodeploy.errors import ConversionError

if TYPE_CHECKING:
    from neurodeploy.converters.torch.walk import Walk

__all__: list[str] = []


def _scales(a: Arguments, rank: int) -> list[float | None]:
    """Give the scales that forward was given; torch uses them rather than the lengths' quotient."""
    given: Sequence[float] | None = a.get("scale_factors")
    if given is not None:
        return [None, *map(float, given)]
    named = ("scales",) if rank == 1 else ("scales_d", "scales_h", "scales_w")[-rank:]
    return [None, *(a.get(n) for n in named)]


def _resized(walk: Walk, a: Arguments, how: Sampling) -> object:
    ref = signal(a["self"] if "self" in a else a["input"])
    sizes = list(walk.shape[1:])
    scales = _scales(a, len(sizes) - 1)
    if how.coordinates == "align_corners":
        scales = [None] * len(sizes)
    return resize(walk.emit, ref, sizes, scales, how)


@HANDLERS.handles("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d")
def _nearest(walk: Walk, a: Arguments) -> object:
    return _resized(walk, a, Sampling("nearest", "asymmetric", "floor"))


@HANDLERS.handles(
    "_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d"
)
def _nearest_exact(walk: Walk, a: Arguments) -> object:
    return _resized(walk, a, Sampling("nearest", "half_pixel", "round_prefer_ceil"))


def _aligned(a: Arguments) -> str:
    return "align_corners" if a["align_corners"] else "half_pixel"


@HANDLERS.handles("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d")
def _linear(walk: Walk, a: Arguments) -> object:
    return _resized(walk, a, Sampling("linear", _aligned(a)))


@HANDLERS.handles("upsample_bicubic2d")
def _cubic(walk: Walk, a: Arguments) -> object:
    return _resized(walk, a, Sampling("cubic", _aligned(a)))


@HANDLERS.handles("pixel_shuffle")
def _pixel_shuffle(walk: Walk, a: Arguments) -> object:
    return depth_to_space(walk.emit, a["self"], int(a["upscale_factor"]), columns=True)


@HANDLERS.handles("pixel_unshuffle")
def _pixel_unshuffle(walk: Walk, a: Arguments) -> object:
    return space_to_depth(walk.emit, a["self"], int(a["downscale_factor"]), columns=True)


@HANDLERS.handles("grid_sampler", "grid_sampler_2d")
def _grid(walk: Walk, a: Arguments) -> object:
    raise ConversionError("sampling at positions that depend on data", hint="use an upsampling")
