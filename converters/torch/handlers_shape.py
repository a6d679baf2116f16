"""Operators that move elements without computing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from neurodeploy.converters.emit import Padded, signal
from neurodeploy.converters.emit_shapes import (
    expand,
    join,
    padded,
    permute,
    reshape,
    sample_axis,
    select,
)
from neurodeploy.converters.torch.table import HANDLERS, Arguments
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref

if TYPE_CHECKING:
    from neurodeploy.converters.torch.walk import Walk

__all__: list[str] = []


@HANDLERS.handles(
    "_unsafe_view", "flatten", "reshape", "squeeze", "unflatten", "unsqueeze", "view",
    "_reshape_copy", "view_copy", "squeeze_copy", "unsqueeze_copy",
)  # fmt: skip
def _reshape(walk: Walk, a: Arguments) -> object:
    return reshape(walk.emit, a["self"], walk.shape, walk.batch)


@HANDLERS.handles(
    "alias", "clone", "contiguous", "detach", "dropout", "feature_dropout", "lift_fresh_copy",
    "native_dropout", "alias_copy", "detach_copy", "alpha_dropout",
)  # fmt: skip
def _same(walk: Walk, a: Arguments) -> object:
    if a.get("train"):
        raise ConversionError("dropout that is active in evaluation mode", hint="drop it")
    x = a.get("self", a.get("input"))
    return (x, None) if walk.node.name.startswith("native_dropout") else x


@HANDLERS.handles("_to_copy", "to", "type_as")
def _to(walk: Walk, a: Arguments) -> object:
    before = walk.node.all_input_nodes[0].meta["val"].dtype
    after = walk.node.meta["val"].dtype
    if before != after:
        raise ConversionError(f"a cast from {before} to {after}", hint="leave it out")
    return a["self"]


@HANDLERS.handles("expand")
def _expand(walk: Walk, a: Arguments) -> object:
    if len(walk.shape) != len(signal(a["self"]).shape) + 1 or walk.shape[0] != walk.batch:
        raise ConversionError("a signal is repeated along new axes in front of the batch")
    return expand(walk.emit, a["self"], walk.shape[1:])


@HANDLERS.handles("repeat")
def _repeat(walk: Walk, a: Arguments) -> object:
    found, counts = signal(a["self"]), [int(n) for n in a["repeats"]]
    if len(counts) != len(found.shape) + 1 or counts[0] != 1:
        raise ConversionError(f"a repetition {counts} of the batch or along new axes")
    for axis, count in enumerate(counts[1:]):
        if count > 1:
            found = select(walk.emit, found, axis, list(range(found.shape[axis])) * count)
    return found


@HANDLERS.handles("permute", "permute_copy")
def _permute(walk: Walk, a: Arguments) -> object:
    return permute(walk.emit, a["self"], a["dims"])


@HANDLERS.handles("transpose", "transpose_copy")
def _transpose(walk: Walk, a: Arguments) -> object:
    order = list(range(len(signal(a["self"]).shape) + 1))
    i, j = a["dim0"], a["dim1"]
    order[i], order[j] = order[j], order[i]
    return permute(walk.emit, a["self"], order)


@HANDLERS.handles("t")
def _t(walk: Walk, a: Arguments) -> object:
    return permute(walk.emit, a["self"], (1, 0) if len(signal(a["self"]).shape) == 1 else (0,))


@HANDLERS.handles("cat")
def _cat(walk: Walk, a: Arguments) -> object:
    parts = [walk.array(t, "a part") if isinstance(t, torch.Tensor) else t for t in a["tensors"]]
    rank = len(next(p for p in parts if isinstance(p, Ref)).shape) + 1
    return join(walk.emit, parts, sample_axis(a["dim"], rank, "a concatenation"))


@HANDLERS.handles("slice", "slice_copy")
def _slice(walk: Walk, a: Arguments) -> object:
    ref = signal(a["self"])
    rank = len(ref.shape) + 1
    lengths = (walk.batch, *ref.shape)
    length = lengths[a["dim"]]
    taken = range(length)[slice(a["start"], a["end"], a["step"])]
    if taken == range(length):
        return ref
    return select(walk.emit, ref, sample_axis(a["dim"], rank, "a slice"), taken)


@HANDLERS.handles("select", "select_copy")
def _select(walk: Walk, a: Arguments) -> object:
    ref = signal(a["self"])
    axis = sample_axis(a["dim"], len(ref.shape) + 1, "a selection")
    return select(walk.emit, ref, axis, [int(a["index"])], drop=True)


@HANDLERS.handles("index_select")
def _index_select(walk: Walk, a: Arguments) -> object:
    ref = signal(a["self"])
    axis = sample_axis(a["dim"], len(ref.shape) + 1, "a selection")
    indices = walk.array(a["index"], "the indices of a selection").reshape(-1)
    return select(walk.emit, ref, axis, [int(i) for i in indices])


@HANDLERS.handles("flip")
def _flip(walk: Walk, a: Arguments) -> object:
    found = signal(a["self"])
    for dim in a["dims"]:
        axis = sample_axis(dim, len(found.shape) + 1, "a flip")
        found = select(walk.emit, found, axis, range(found.shape[axis])[::-1])
    return found


@HANDLERS.handles("split", "split_with_sizes", "chunk", "unbind", "tensor_split", "unsafe_split")
def _split(walk: Walk, a: Arguments) -> Sequence[Callable[[], object]]:
    """Give the parts as functions, so that parts that nothing reads make no nodes."""
    ref = signal(a["self"])
    axis = sample_axis(a["dim"], len(ref.shape) + 1, "a split")
    drop = walk.node.name.startswith("unbind")
    parts: list[Callable[[], object]] = []
    layer, begin = walk.emit.layer, 0
    for value in walk.node.meta["val"]:
        end = begin + (1 if drop else int(value.shape[axis + 1]))

        def part(at: tuple[int, ...] = tuple(range(begin, end))) -> object:
            with walk.emit.at(layer):
                return select(walk.emit, ref, axis, at, drop=drop)

        parts.append(part)
        begin = end
    return parts


@HANDLERS.handles("constant_pad_nd", "pad")
def _pad(walk: Walk, a: Arguments) -> object:
    mode = {"replicate": "edge", "circular": "wrap"}.get(a.get("mode", "constant"), a.get("mode"))
    return _padding(walk, a, mode or "constant", float(a.get("value") or 0))


@HANDLERS.handles("reflection_pad1d", "reflection_pad2d", "reflection_pad3d")
def _reflection(walk: Walk, a: Arguments) -> object:
    return _padding(walk, {"self": a["self"], "pad": a["padding"]}, "reflect", 0.0)


@HANDLERS.handles("replication_pad1d", "replication_pad2d", "replication_pad3d")
def _replication(walk: Walk, a: Arguments) -> object:
    return _padding(walk, {"self": a["self"], "pad": a["padding"]}, "edge", 0.0)


def _padding(walk: Walk, a: Arguments, mode: str, value: float) -> object:
    x = a["self"]
    rank = len((x.ref if isinstance(x, Padded) else signal(x)).shape)
    flat = a["pad"]
    pairs = [(flat[i], flat[i + 1]) for i in range(0, len(flat), 2)][::-1]
    if len(pairs) > rank:
        raise ConversionError("padding of the batch axis")
    return padded(walk.emit, x, [(0, 0)] * (rank - len(pairs)) + pairs, mode, value)
