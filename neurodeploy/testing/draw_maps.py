"""Draws weighted Maps, with every geometry that fits the signal at hand."""

from __future__ import annotations

import numpy as np

from neurodeploy.ir.builder import GraphBuilder, Ref
from neurodeploy.ir.types import BOOL, QType, Signal, Tensor, tensor
from neurodeploy.testing.drawing import Drawing, Recipe

__all__ = ["WEIGHTED", "draw_geometry", "draw_projection", "draw_return", "weights"]

WEIGHTED = ("Dense", "Conv", "ConvTranspose", "Synapses")


def weights(
    draw: Drawing, shape: tuple[int, ...], fan_in: int, *, positive: bool = False
) -> Tensor:
    """Draw weights that keep a sum of ``fan_in`` spikes near 1, most of them excitatory."""
    raw = draw.rng.normal(0.35, 1.0, shape) * (1.6 / np.sqrt(fan_in))
    raw = np.abs(raw) if positive else raw
    if draw.chance(0.3):
        raw = raw * (draw.rng.random(shape) < 0.7)  # pruned
    if draw.integer_weights:
        can = draw.profile.can
        most = 8 if can is None or can.weight_bits is None else can.weight_bits
        bits = most if can is not None or draw.chance(0.5) else draw.whole(2, 16)
        top = 2 ** (bits - 1) - 1
        scale = float(2.0 ** -draw.whole(2, 6)) if draw.chance(0.5) else 0.01
        steps = np.rint(raw / max(1e-9, float(np.abs(raw).max(initial=0))) * top)
        return tensor(np.clip(steps, -top - 1, top), QType(-top - 1, max(top, 1), (scale,)))
    raw = np.clip(draw.on_grid(raw, 2.0**-5), -2, 2)
    return tensor(raw, draw.float_type)


def _bias(
    draw: Drawing, shape: tuple[int, ...], weight: Tensor, *, positive: bool = False
) -> Tensor | None:
    if not draw.chance(0.5):
        return None
    raw = draw.rng.normal(0.1, 0.3, shape)
    if isinstance(weight.type, QType):
        top = max(1, weight.type.hi // 2)
        steps = np.clip(np.rint(raw * top), 0 if positive else -top, top)
        return tensor(steps, QType(-top, top, weight.type.scale))
    return tensor(draw.on_grid(raw, 2.0**-5), draw.float_type)


def _accumulator(draw: Drawing, x: Ref) -> tuple[QType | None, bool]:
    """Draw a declared type of an integer sum, and whether its addends must be positive."""
    if not draw.integer_weights or draw.profile.can is not None or not draw.chance(0.4):
        return None, False
    if draw.chance(0.5):
        bits = draw.whole(6, 12)
        return QType(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, overflow="wrap"), False
    lowest = x.signal.type.lo if isinstance(x.signal.type, QType) else 0
    if lowest < 0:
        return QType(-(2**30), 2**30), False
    return QType(0, draw.whole(15, 200), overflow="saturate"), True


def draw_projection(draw: Drawing, x: Ref) -> tuple[Recipe, str] | None:
    """Draw a weighted Map that reads ``x``; gives its recipe and the name of its operation."""
    names = [n for n in WEIGHTED if draw.profile.allows("maps", n)]
    if len(x.shape) == 1:
        names = [n for n in names if n in ("Dense", "Synapses")]
    if not names or (draw.profile.grid != "none" and not draw.exact(x)):
        return None
    share = {"Dense": 1.0, "Conv": 3.0, "ConvTranspose": 1.0, "Synapses": 1.0}
    odds = np.array([share[n] for n in names])
    chosen = str(draw.rng.choice(names, p=odds / odds.sum()))
    drawn = {"Dense": _dense, "Conv": _conv, "ConvTranspose": _transpose, "Synapses": _synapses}
    return drawn[chosen](draw, x), chosen


def _dense(draw: Drawing, x: Ref) -> Recipe:
    axis = -1 if draw.chance(0.6) else draw.whole(0, len(x.shape) - 1)
    n, m = x.shape[axis], draw.whole(2, 12)
    if draw.chance(draw.profile.rare * 0.4):
        m = (1, 17, 33, 70)[draw.whole(0, 3)]  # ends beside, and within, the vectors of a machine
    accumulator, positive = _accumulator(draw, x)
    weight = weights(draw, (m, n), n, positive=positive)
    per_neuron = len(x.shape) > 1 and draw.chance(draw.profile.rare)
    at = axis % len(x.shape)
    biased = (*x.shape[:at], m, *x.shape[at + 1 :]) if per_neuron else (m,)
    bias = _bias(draw, biased, weight, positive=positive)
    name = draw.name("dense")

    def recipe(b: GraphBuilder, refs: tuple[Ref, ...]) -> Ref:
        return b.dense(
            name,
            refs[0],
            weight,
            bias,
            axis=axis,
            accumulator=accumulator,
            source=(f"layer.{name}",),
        )

    return recipe


Geometry = tuple[tuple[int, ...], tuple[int, ...], tuple[tuple[int, int], ...], tuple[int, ...]]


def draw_geometry(draw: Drawing, rank: int) -> Geometry:
    """Draw kernel, stride, padding before and after, and dilation."""
    kernel = tuple(draw.whole(1, 3) for _ in range(rank))
    stride = tuple(3 if draw.chance(0.1) else draw.whole(1, 2) for _ in range(rank))
    padding = tuple((draw.whole(0, 1), draw.whole(0, 2)) for _ in range(rank))
    dilation = tuple(2 if draw.chance(0.25) else 1 for _ in range(rank))
    return kernel, stride, padding, dilation


def _groups(draw: Drawing, channels: int) -> int:
    return int(draw.rng.choice([g for g in range(1, channels + 1) if channels % g == 0]))


def _conv(draw: Drawing, x: Ref) -> Recipe:
    kernel, stride, padding, dilation = draw_geometry(draw, len(x.shape) - 1)
    groups = _groups(draw, x.shape[0])
    out = groups * draw.whole(1, 3 if groups == 1 else 2)
    accumulator, positive = _accumulator(draw, x)
    shape = (out, x.shape[0] // groups, *kernel)
    weight = weights(draw, shape, int(np.prod(shape[1:])), positive=positive)
    bias = _bias(draw, (out,), weight, positive=positive)
    name = draw.name("conv")

    def recipe(b: GraphBuilder, refs: tuple[Ref, ...]) -> Ref:
        return b.conv(
            name,
            refs[0],
            weight,
            bias,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            accumulator=accumulator,
            source=(f"layer.{name}",),
        )

    return recipe


def _transpose(draw: Drawing, x: Ref) -> Recipe:
    kernel, stride, padding, dilation = draw_geometry(draw, len(x.shape) - 1)
    extra = tuple(draw.whole(0, s - 1) for s in stride)
    groups = _groups(draw, x.shape[0])
    weight = weights(draw, (x.shape[0], draw.whole(1, 2), *kernel), x.shape[0] // groups)
    bias = _bias(draw, (weight.data.shape[1] * groups,), weight)
    name = draw.name("transpose")

    def recipe(b: GraphBuilder, refs: tuple[Ref, ...]) -> Ref:
        return b.conv_transpose(
            name,
            refs[0],
            weight,
            bias,
            stride=stride,
            padding=padding,
            dilation=dilation,
            extra=extra,
            groups=groups,
            source=(f"layer.{name}",),
        )

    return recipe


def _synapses(
    draw: Drawing, x: Ref, shape: tuple[int, ...] | None = None, least: int = 0
) -> Recipe:
    size = x.signal.size
    out = shape or ((draw.whole(3, 10),) if draw.chance(0.7) else (2, draw.whole(2, 4)))
    targets = int(np.prod(out))
    none = not least and draw.chance(draw.profile.rare * 0.2)
    count = 0 if none else draw.whole(targets, 4 * targets)
    source = draw.rng.integers(0, size, count)
    target = draw.rng.integers(0, targets, count)
    accumulator, positive = (None, False) if shape else _accumulator(draw, x)
    weight = weights(draw, (count,), max(1, count // targets), positive=positive)
    delay = draw.rng.integers(least, 4, count) if least or draw.chance(0.7) else None
    bias = _bias(draw, out, weight, positive=positive)
    name = draw.name("synapses")

    def recipe(b: GraphBuilder, refs: tuple[Ref, ...]) -> Ref:
        return b.synapses(
            name,
            refs[0],
            out,
            weight,
            source,
            target,
            delay,
            bias,
            accumulator=accumulator,
            source=(f"layer.{name}",),
        )

    return recipe


def draw_return(draw: Drawing, shape: tuple[int, ...]) -> tuple[Recipe, int]:
    """Draw the weighted return path of a recurrence, and the delay of the edge that it reads.

    Either the edge that leaves the cell is delayed, or every synapse is.
    """
    size = int(np.prod(shape))
    if draw.profile.allows("maps", "Synapses") and draw.chance(0.3):
        late = draw.chance(0.5)
        back = Ref("", "out", Signal(shape, BOOL, "spike"))
        return _synapses(draw, back, shape, least=0 if late else 1), draw.whole(1, 3) if late else 0
    weight = weights(draw, (size, size), 2 * size)
    bias = _bias(draw, (size,), weight)
    name = draw.name("recurrent")

    def recipe(b: GraphBuilder, refs: tuple[Ref, ...]) -> Ref:
        x = refs[0]
        if len(shape) > 1:
            x = b.flatten(f"{name}.flat", x, source=(f"layer.{name}",))
        y = b.dense(name, x, weight, bias, source=(f"layer.{name}",))
        if len(shape) > 1:
            y = b.reshape(f"{name}.back", y, shape, source=(f"layer.{name}",))
        return y

    return recipe, draw.whole(1, 3)
