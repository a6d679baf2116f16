"""Draws what moves, joins and reduces signals without weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from neurodeploy.ir.builder import GraphBuilder, Ref, window
from neurodeploy.ir.ops import ArgMax, MapOp, Pool, ReduceAxes
from neurodeploy.testing.draw_maps import draw_geometry
from neurodeploy.testing.drawing import Drawing, Recipe

__all__ = ["draw_structure"]

Drawn = tuple[Recipe, tuple[Ref, ...]]


def draw_structure(draw: Drawing, x: Ref) -> Drawn | None:
    """Draw one operation that reads ``x``, and maybe other signals that fit it."""
    maps = {
        "Pool": _pool,
        "Reshape": _reshape,
        "Permute": _permute,
        "Concat": _concat,
        "Gather": _gather,
    }
    reduces = {"MaxPool": _max_pool, "ReduceAxes": _axes, "ArgMax": _argmax}
    able: list[Callable[[Drawing, Ref], Drawn | None]] = [
        f for name, f in maps.items() if draw.profile.allows("maps", name)
    ]
    able += [f for name, f in reduces.items() if draw.profile.allows("reduces", name)]
    if draw.profile.can is None or draw.profile.can.products:
        able.append(_product)
    if not able:
        return None
    return able[draw.whole(0, len(able) - 1)](draw, x)


def _pool(draw: Drawing, x: Ref) -> Drawn | None:
    if len(x.shape) < 2:
        return None
    kernel, stride, padding, dilation = draw_geometry(draw, len(x.shape) - 1)
    at = window(kernel, stride, _inside(kernel, padding, dilation), dilation, rank=len(kernel))
    integer = x.signal.type != draw.float_type and x.signal.kind != "spike"
    mode = "sum" if integer or draw.profile.grid != "none" or draw.chance(0.4) else "average"
    op: MapOp = Pool(at, mode, "valid" if draw.chance(0.3) else "kernel")  # type: ignore[arg-type]
    name = draw.name("pool")
    return lambda b, refs: b.map(name, op, refs[0], source=(f"layer.{name}",)), (x,)


def _max_pool(draw: Drawing, x: Ref) -> Drawn | None:
    if len(x.shape) < 2:
        return None
    kernel, stride, padding, dilation = draw_geometry(draw, len(x.shape) - 1)
    inside = _inside(kernel, padding, dilation)
    cumulative = draw.chance(0.5)
    name = draw.name("maxpool")

    def recipe(b: GraphBuilder, refs: tuple[Ref, ...]) -> Ref:
        return b.max_pool(
            name,
            refs[0],
            kernel,
            stride=stride,
            padding=inside,
            dilation=dilation,
            mode="cumulative" if cumulative else "frame",
            source=(f"layer.{name}",),
        )

    return recipe, (x,)


def _inside(
    kernel: tuple[int, ...], padding: tuple[tuple[int, int], ...], dilation: tuple[int, ...]
) -> tuple[tuple[int, int], ...]:
    """Cut a padding so that every window holds a position that is not padding."""
    reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return tuple((min(lo, r), min(hi, r)) for (lo, hi), r in zip(padding, reach, strict=True))


def _reshape(draw: Drawing, x: Ref) -> Drawn | None:
    size = x.signal.size
    shapes = [(size,), *((a, size // a) for a in range(2, size) if size % a == 0)]
    shape = shapes[0] if draw.chance(0.4) else shapes[draw.whole(0, len(shapes) - 1)]
    name = draw.name("reshape")
    return lambda b, refs: b.reshape(name, refs[0], shape, source=(f"layer.{name}",)), (x,)


def _permute(draw: Drawing, x: Ref) -> Drawn | None:
    if len(x.shape) < 2:
        return None
    axes = tuple(int(a) for a in draw.rng.permutation(len(x.shape)))
    name = draw.name("permute")
    return lambda b, refs: b.permute(name, refs[0], axes, source=(f"layer.{name}",)), (x,)


def _concat(draw: Drawing, x: Ref) -> Drawn | None:
    axis = draw.whole(0, len(x.shape) - 1)

    def rest(r: Ref) -> tuple[int, ...]:
        return (*r.shape[:axis], *r.shape[axis + 1 :])

    able = [
        r
        for r in draw.refs
        if len(r.shape) == len(x.shape) and rest(r) == rest(x) and r.signal.type == x.signal.type
    ]
    joined = tuple(
        draw.late(able[draw.whole(0, len(able) - 1)], 0.1) for _ in range(draw.whole(1, 2))
    )
    name = draw.name("concat")
    return (
        lambda b, refs: b.concat(name, *refs, axis=axis, source=(f"layer.{name}",)),
        (x, *joined),
    )


def _gather(draw: Drawing, x: Ref) -> Drawn | None:
    axis = draw.whole(0, len(x.shape) - 1)
    indices = draw.rng.integers(0, x.shape[axis], draw.whole(2, 6))
    name = draw.name("gather")
    return (
        lambda b, refs: b.gather(name, refs[0], indices, axis=axis, source=(f"layer.{name}",)),
        (x,),
    )


def _axes(draw: Drawing, x: Ref) -> Drawn | None:
    if x.signal.size == 1:
        return None
    rank = len(x.shape)
    axes = tuple(sorted({draw.whole(0, rank - 1) for _ in range(draw.whole(1, rank))}))
    functions = ("sum", "max") if draw.profile.grid != "none" else ("sum", "mean", "max")
    op = ReduceAxes(
        functions[draw.whole(0, len(functions) - 1)],  # type: ignore[arg-type]
        axes,
        keepdims=len(axes) == rank or draw.chance(0.5),
    )
    name = draw.name("axes")
    return lambda b, refs: b.reduce(name, op, refs[0], source=(f"layer.{name}",)), (x,)


def _argmax(draw: Drawing, x: Ref) -> Drawn | None:
    op = ArgMax(draw.whole(0, len(x.shape) - 1))
    name = draw.name("argmax")
    return lambda b, refs: b.reduce(name, op, refs[0], source=(f"layer.{name}",)), (x,)


def _product(draw: Drawing, x: Ref) -> Drawn | None:
    other = draw.refs[draw.whole(0, len(draw.refs) - 1)]
    if draw.profile.grid != "none" and not (draw.exact(x) and draw.exact(other)):
        return None
    a, b = x.shape, other.shape
    options = []
    if len(a) <= 2 and len(b) <= 2:
        left, right = "ij"[: len(a)], "kl"[: len(b)]
        if a == b:
            options += [f"{left},{left}->{left}", f"{left},{left}->{left[0]}"]
        if len(a) == len(b) == 2 and a[1] == b[0]:
            options.append("ik,kj->ij")
        if len(a) == len(b) == 2 and a[1] == b[1]:
            options.append("ik,jk->ij")
        if len(a) == len(b) == 1 and int(np.prod(a + b)) <= 64:
            options.append(f"{left},{right}->{left}{right}")
    elif a == b:
        labels = "ijkl"[: len(a)]
        options.append(f"{labels},{labels}->{labels[::-1][:-1]}")
    if not options:
        return None
    equation = options[draw.whole(0, len(options) - 1)]
    name = draw.name("product")
    return (
        lambda b, refs: b.product(name, equation, refs[0], refs[1], source=(f"layer.{name}",)),
        (x, other),
    )
