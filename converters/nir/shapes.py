"""Shapes of all signals, inferred by us: nir's own inference ignores groups and rectangles.

nir 1.0.8 types a convolution with groups by ``weight.shape[1]`` alone, a rectangular kernel by
its first length, and refuses parameters that are one number; each has a test here.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from neurodeploy.converters.emit_windows import Pads, same_padding, spread
from neurodeploy.converters.nir.flat import Flat
from neurodeploy.converters.nir.primitives import NEURONS, Array, NirNode
from neurodeploy.errors import ConversionError, Finding
from neurodeploy.ir.ops import Window

__all__ = ["conv_window", "flat_axes", "infer_shapes", "one", "pool_window", "whole"]

Shape = tuple[int, ...]
MAX_ELEMENTS = 1 << 40


def whole(value: object, what: str) -> tuple[int, ...]:
    """Give the whole numbers of a field.

    Raises:
        ConversionError: it holds others.
    """
    array = np.asarray(value)
    whole_ = array.dtype.kind in "iu" or (array.dtype.kind == "f" and _are_whole(array))
    if not whole_ or array.ndim > 1:
        raise ConversionError(f"{what} is {array.tolist()!s:.60}, not whole numbers")
    return tuple(int(n) for n in np.atleast_1d(array))


def _are_whole(array: Array) -> bool:
    return bool((array == np.rint(array)).all() and (np.abs(array) < MAX_ELEMENTS).all())


def one(value: object, what: str) -> int:
    """Give the one whole number of a field.

    Raises:
        ConversionError: it holds another number of them.
    """
    numbers = whole(value, what)
    if len(set(numbers)) != 1:
        raise ConversionError(f"{what} has {len(numbers)} numbers, not one")
    return numbers[0]


def conv_window(node: NirNode, spatial: Sequence[int]) -> Window:
    """Give the window of a convolution over ``spatial`` positions."""
    kernel = node.array("weight").shape[2:]
    rank = len(kernel)
    stride, dilation = (_lengths(node, key, rank) for key in ("stride", "dilation"))
    padding = node.fields["padding"]
    pads: Pads
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ConversionError(f"padding is {padding[:20]!r}, not 'same' or 'valid'")
        if padding == "same" and set(stride) != {1}:
            raise ConversionError("padding 'same' with a stride", hint="torch refuses it as well")
        pads = ((0, 0),) * rank
        if padding == "same":
            pads = same_padding(spatial, kernel, stride, dilation)
    else:
        pads = tuple((n, n) for n in _lengths(node, "padding", rank))
    return Window(kernel, stride, pads, dilation)


def pool_window(node: NirNode) -> Window:
    """Give the window of a pool."""
    kernel, stride, padding = (
        _lengths(node, key, 2) for key in ("kernel_size", "stride", "padding")
    )
    return Window(kernel, stride, tuple((n, n) for n in padding), (1, 1))


def _lengths(node: NirNode, key: str, rank: int) -> tuple[int, ...]:
    numbers = spread(whole(node.fields[key], key), rank)
    if len(numbers) != rank:
        raise ConversionError(f"{key} has {len(numbers)} numbers for {rank} axes")
    return numbers


def flat_axes(node: NirNode, rank: int) -> tuple[int, int]:
    """Give the first and last axis that a Flatten joins."""
    ends = []
    for key, default in (("start_dim", 1), ("end_dim", -1)):
        axis = one(node.fields.get(key, np.asarray(default)), key)
        if not -rank <= axis < rank:
            raise ConversionError(
                f"{key} {axis} of a signal of {rank} axes",
                hint="NIR counts axes without the batch",
            )
        ends.append(axis % rank)
    if ends[0] > ends[1]:
        raise ConversionError(f"joins the axes {ends[0]} to {ends[1]}")
    return ends[0], ends[1]


def infer_shapes(flat: Flat, found: list[Finding]) -> dict[str, Shape]:
    """Give the shape that leaves each node, also around cycles; what stays unknown is a finding."""
    before: dict[str, list[str]] = {name: [] for name in flat.nodes}
    for wire in flat.wires:
        before[wire.target].append(wire.source)
    shapes: dict[str, Shape] = {}
    failed: set[str] = set()
    changed = True
    while changed:
        changed = False
        for name, node in flat.nodes.items():
            if name in shapes or name in failed:
                continue
            arrived = next((shapes[s] for s in before[name] if s in shapes), None)
            try:
                shape = _leaves(node, arrived)
            except ConversionError as error:
                found += [Finding(f.message, node=name, hint=f.hint) for f in error.findings]
                failed.add(name)
                continue
            if shape is not None:
                shapes[name], changed = shape, True
    if not failed:
        found += [
            Finding("its shape cannot be known: no input leads to it", node=name)
            for name in flat.nodes
            if name not in shapes
        ]
    return shapes


def _leaves(node: NirNode, arrived: Shape | None) -> Shape | None:
    kind = node.type
    if kind in ("Input", "Output"):
        shape = whole(node.fields["shape"], "shape") if node.array("shape").size else ()
        if any(n < 1 for n in shape) or prod(shape) > MAX_ELEMENTS:
            raise ConversionError(f"the shape {list(shape)}")
        if kind == "Output" and arrived is not None and arrived != shape:
            raise ConversionError(f"{list(arrived)} arrives, the file declares {list(shape)}")
        return shape
    if kind in ("Affine", "Linear"):
        return _dense(node.array("weight"), arrived)
    if arrived is None:
        return _own(node)
    if kind in NEURONS or kind in ("Scale", "Threshold", "Delay"):
        return _elementwise(node, arrived)
    if kind in ("Conv1d", "Conv2d"):
        return _conv(node, arrived, 1 if kind == "Conv1d" else 2)
    if kind == "Flatten":
        first, last = flat_axes(node, len(arrived))
        return (*arrived[:first], prod(arrived[first : last + 1]), *arrived[last + 1 :])
    if len(arrived) != 3:
        raise ConversionError(f"pools (channels, height, width), and {list(arrived)} arrives")
    return (arrived[0], *_fits(pool_window(node), arrived[1:]))


def _own(node: NirNode) -> Shape | None:
    """Give the shape of a node from its own parameters, where they are no single number."""
    if node.type not in NEURONS and node.type not in ("Scale", "Threshold", "Delay"):
        return None
    shape = _parameters(node)
    return shape if prod(shape) > 1 else None


def _parameters(node: NirNode) -> Shape:
    shapes = [np.shape(v) for v in node.fields.values()]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        text = f"its fields have the shapes {[list(s) for s in shapes]}"
        raise ConversionError(text) from None


def _elementwise(node: NirNode, arrived: Shape) -> Shape:
    shape = _parameters(node)
    try:
        both = np.broadcast_shapes(shape, arrived)
    except ValueError:
        both = ()
    if both != arrived and prod(shape) > 1:
        raise ConversionError(f"its parameters are for {list(shape)}, and {list(arrived)} arrives")
    return arrived


def _dense(weight: Array, arrived: Shape | None) -> Shape:
    if weight.ndim < 2:
        raise ConversionError(f"its weight has the shape {list(weight.shape)}")
    if arrived is not None and (
        not arrived
        or arrived[-1] != weight.shape[-1]
        or (weight.ndim > 2 and arrived[:-1] != weight.shape[:-2])
    ):
        text = f"its weight is {list(weight.shape)}, and {list(arrived)} arrives"
        raise ConversionError(text, hint="is a Flatten missing, or does it start at another axis?")
    front = arrived[:-1] if arrived is not None else weight.shape[:-2]
    return (*front, weight.shape[-2])


def _conv(node: NirNode, arrived: Shape, rank: int) -> Shape:
    weight = node.array("weight")
    groups = one(node.fields["groups"], "groups")
    if weight.ndim != rank + 2 or len(arrived) != rank + 1:
        text = f"its weight is {list(weight.shape)}, and {list(arrived)} arrives"
        raise ConversionError(text)
    if groups < 1 or arrived[0] != weight.shape[1] * groups or weight.shape[0] % groups:
        text = f"{groups} groups of weight {list(weight.shape)} meet {arrived[0]} channels"
        raise ConversionError(text)
    if "input_shape" in node.fields:
        stated = whole(node.fields["input_shape"], "input_shape")
        if stated != arrived[1:]:
            text = f"input_shape is {list(stated)}, and {list(arrived[1:])} arrives"
            raise ConversionError(text)
    return (weight.shape[0], *_fits(conv_window(node, arrived[1:]), arrived[1:]))


def _fits(window: Window, spatial: Shape) -> Shape:
    out = window.output(spatial)
    if prod(max(n, 0) for n in out) > MAX_ELEMENTS:
        raise ConversionError(f"it would send {out} values per channel")
    if min(out) < 1:
        raise ConversionError(f"a window of {list(window.kernel)} does not fit {list(spatial)}")
    return out
