"""Upsampling, and moves between channels and positions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from neurodeploy.converters.emit import Array, Emitter, signal
from neurodeploy.converters.emit_shapes import select
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.ops import Dense

__all__ = ["Sampling", "depth_to_space", "resize", "space_to_depth"]


@dataclass(frozen=True)
class Sampling:
    """How a position of the output finds its source, in the words of ONNX's Resize.

    Attributes:
        mode: ``nearest``, ``linear`` or ``cubic``.
        coordinates: ``half_pixel``, ``pytorch_half_pixel``, ``align_corners``, ``asymmetric``.
        nearest: ``round_prefer_floor``, ``round_prefer_ceil``, ``floor`` or ``ceil``.
        cubic: Coefficient a of the cubic kernel.
    """

    mode: str = "nearest"
    coordinates: str = "half_pixel"
    nearest: str = "round_prefer_floor"
    cubic: float = -0.75


def _sources(n: int, size: int, scale: float, how: Sampling) -> Array:
    """Give where each output position lies among ``n`` input positions.

    Source: the operator specification of ONNX's Resize, ``coordinate_transformation_mode``.
    """
    at = np.arange(size, dtype=np.float64)
    if how.coordinates == "asymmetric":
        return at / scale
    if how.coordinates == "align_corners":
        return at * (n - 1) / (size - 1) if size > 1 else np.zeros(size)
    if how.coordinates == "half_pixel":
        return (at + 0.5) / scale - 0.5
    if how.coordinates == "pytorch_half_pixel":
        return (at + 0.5) / scale - 0.5 if size > 1 else np.zeros(size)
    raise ConversionError(
        f"coordinates {how.coordinates!r}",
        hint="half_pixel, pytorch_half_pixel, align_corners or asymmetric",
    )


def _nearest(at: Array, n: int, rule: str) -> list[int]:
    rounded: dict[str, Callable[[Array], Array]] = {
        "floor": np.floor,
        "ceil": np.ceil,
        "round_prefer_floor": lambda v: np.ceil(v - 0.5),
        "round_prefer_ceil": lambda v: np.floor(v + 0.5),
    }
    if rule not in rounded:
        raise ConversionError(f"nearest_mode {rule!r}", hint=", ".join(rounded))
    found: list[int] = np.clip(rounded[rule](at), 0, n - 1).astype(int).tolist()
    return found


def _cubic(d: Array, a: float) -> Array:
    """Give the weight of a source at the distance ``d``, at most 2.

    Source: Keys 1981, "Cubic convolution interpolation for digital image processing".
    """
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    return np.where(d <= 1, near, ((a * d - 5 * a) * d + 8 * a) * d - 4 * a)


def _matrix(at: Array, n: int, how: Sampling) -> Array:
    """Give the weights (size, n) of a linear or cubic interpolation; borders are repeated."""
    low = np.floor(at)
    part = at - low
    if how.mode == "linear":
        taps = {0: 1 - part, 1: part}
    else:
        taps = {k: _cubic(np.abs(part - k), how.cubic) for k in (-1, 0, 1, 2)}
    matrix = np.zeros((len(at), n))
    for offset, weight in taps.items():
        source = np.clip(low + offset, 0, n - 1).astype(int)
        np.add.at(matrix, (np.arange(len(at)), source), weight)
    return matrix


def resize(
    e: Emitter,
    x: object,
    sizes: Sequence[int],
    scales: Sequence[float | None],
    how: Sampling,
) -> Ref:
    """Add a resize of the axes of a sample.

    Args:
        e: The emitter.
        x: The signal.
        sizes: Length of each axis afterwards.
        scales: Scale of each axis; None for the quotient of the lengths.
        how: How sources are found.

    Raises:
        ConversionError: an unknown mode, or a length below 1.
    """
    found = signal(x, "the operand of a resize")
    if how.mode not in ("nearest", "linear", "cubic"):
        raise ConversionError(f"a resize of mode {how.mode!r}", hint="nearest, linear or cubic")
    if len(sizes) != len(found.shape) or min(sizes) < 1 or math.prod(sizes) > 1 << 26:
        raise ConversionError(f"a resize of samples {list(found.shape)} to {list(sizes)}")
    for axis, (size, scale) in enumerate(zip(sizes, scales, strict=True)):
        n = found.shape[axis]
        factor = size / n if scale is None else float(scale)
        if (size == n and factor == 1) or not factor > 0:
            continue
        at = _sources(n, size, factor, how)
        if how.mode == "nearest":
            found = select(e, found, axis, _nearest(at, n, how.nearest))
            continue
        weight = e.weight(f"{e.layer.name}.axis{axis}", _matrix(at, n, how))
        found = e.builder.map(e.fresh(), Dense(weight, None, axis), found, source=e.source)
    return found


def _blocks(e: Emitter, x: object, shape: Sequence[int], order: Sequence[int]) -> Ref:
    b, source = e.builder, e.source
    ref = b.reshape(e.fresh("blocks"), signal(x), tuple(shape), source=source)
    return b.permute(e.fresh("moved"), ref, tuple(order), source=source)


def depth_to_space(e: Emitter, x: object, block: int, *, columns: bool) -> Ref:
    """Add the move of channels into blocks of positions.

    ``columns``: the channels of one block lie together (ONNX's CRD, torch's pixel_shuffle), else
    they are the slowest (DCR).

    Raises:
        ConversionError: no image, or channels that do not divide.
    """
    ref = signal(x)
    if len(ref.shape) != 3 or block < 1 or ref.shape[0] % (block * block):
        raise ConversionError(f"blocks of {block} by {block} from samples {list(ref.shape)}")
    c, h, w = ref.shape
    depth = c // (block * block)
    if columns:
        moved = _blocks(e, ref, (depth, block, block, h, w), (0, 3, 1, 4, 2))
    else:
        moved = _blocks(e, ref, (block, block, depth, h, w), (2, 3, 0, 4, 1))
    shape = (depth, h * block, w * block)
    return e.builder.reshape(e.fresh(), moved, shape, source=e.source)


def space_to_depth(e: Emitter, x: object, block: int, *, columns: bool) -> Ref:
    """Add the move of blocks of positions into channels; ``columns`` as `depth_to_space`.

    Raises:
        ConversionError: no image, or positions that do not divide.
    """
    ref = signal(x)
    if len(ref.shape) != 3 or block < 1 or any(n % block for n in ref.shape[1:]):
        raise ConversionError(f"blocks of {block} by {block} in samples {list(ref.shape)}")
    c, h, w = ref.shape
    order = (0, 2, 4, 1, 3) if columns else (2, 4, 0, 1, 3)
    moved = _blocks(e, ref, (c, h // block, block, w // block, block), order)
    shape = (c * block * block, h // block, w // block)
    return e.builder.reshape(e.fresh(), moved, shape, source=e.source)
