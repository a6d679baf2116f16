"""Dense projections in C, driven by the sources that are not zero.

A sum has one writer and one order, ascending in the source, so the loops run over sources
outside and over targets inside; sources that are 0 add nothing and are left out. Where a plan says
so, and along an axis that others share, loops run over targets outside and visit every source.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.engine.dense_kernel import DENSE_SHARE, ROWS
from neurodeploy.engine.find import OVERWRITTEN
from neurodeploy.engine.narrow_kernel import rows_together
from neurodeploy.engine.plan import DTYPES
from neurodeploy.engine.sums import Sum, finish, sum_of
from neurodeploy.engine.text import loop, strides_of
from neurodeploy.engine.writer import NodeWriter
from neurodeploy.ir.ops import Dense
from neurodeploy.ir.rules_map import fan_axes
from neurodeploy.ir.types import BOOL

__all__ = ["AHEAD", "SUB_BYTES", "TILE_BYTES", "emit_dense", "tiled"]

Array = npt.NDArray[Any]
TILE_BYTES = 256
SUB_BYTES = 64
AHEAD = 8  # entries of a list by which weights are fetched before they are added
LIST_BYTES = 1 << 19  # lists of sources, were none of them zero


def tiled(weight: Array, size: int) -> Array:
    """Pack weights (out, in) so that the targets of one tile stand together for each source.

    Tiles of 256 bytes come first, then tiles of 64 bytes for the rest, padded with zeros; the
    layout is [tile][source][target of the tile].
    """
    big, small = TILE_BYTES // size, SUB_BYTES // size
    rows = weight.T
    count = rows.shape[1]
    parts = [rows[:, o : o + big] for o in range(0, count - big + 1, big)]
    start = len(parts) * big
    for o in range(start, count, small):
        piece = rows[:, o : o + small]
        parts.append(np.pad(piece, ((0, 0), (0, small - piece.shape[1]))))
    return np.concatenate([np.ascontiguousarray(p).reshape(-1) for p in parts])


def emit_dense(w: NodeWriter, op: Dense) -> None:
    """Write a dense projection."""
    x, out = w.signal(0), w.out_signal()
    weight = w.plan.graph.tensors[op.weight]
    axis = fan_axes(op, len(x.shape))
    outer, inner = prod(x.shape[:axis]), prod(x.shape[axis + 1 :])
    total = sum_of(w.plan, x, weight, out)
    arrived = w.arrived(0, "x")
    w.result("y")
    if inner == 1 and not w.plan.plain and not w.plan.visits_all(w.node.name):
        _event_rows(w, op, total, arrived, axis, outer)
        return
    if not total.in_place:
        w.scratch("acc", total.kind, out.size)
    acc = "y" if total.in_place else "acc"
    if inner > 1 or w.plan.visits_all(w.node.name):
        _shared_rows(w, op, total, acc, outer, inner)
    else:
        _plain_rows(w, op, total, acc, outer)
    w.lines += finish(w, total, op.bias, axis, (acc, strides_of(out.shape)))


def _event_rows(w: NodeWriter, op: Dense, total: Sum, arrived: str, axis: int, outer: int) -> None:
    """Write sums over lists of the sources that are not zero, for some steps at a time."""
    weight = w.plan.graph.tensors[op.weight].data
    out = w.out_signal()
    sources = weight.shape[1]
    t, size = total.kind, DTYPES[total.kind].itemsize
    spikes = arrived == "uint8_t"
    together = rows_together(w.plan.graph.tensors[op.weight].type) if spikes else 0
    held = "int16_t" if together else t
    wide = DTYPES[held].itemsize
    w.data("w", held, lambda: tiled(weight.astype(DTYPES[held]), wide), op.weight)
    entry = 4 if spikes else 4 + size
    most = max(1, min(w.plan.tile, LIST_BYTES // (outer * sources * entry))) if w.tiled else 1
    w.scratch("idx", "int32_t", most * outer * sources + max(AHEAD, OVERWRITTEN))
    w.scratch("head", "int64_t", most * outer + 1)
    if spikes:
        lists, form = "idx, head", "narrow" if together else "spikes"
        row = [f"n += nd_find(idx + n, from + r * {sources}, {sources});"]
    else:
        w.scratch("val", t, most * outer * sources)
        lists, form = "idx, val, head", "values"
        entered = [
            f"const {arrived} v = from[r * {sources} + i];",
            "idx[n] = (int32_t)i;",
            f"val[n] = ({t})v;",
            "n += v != 0;",
        ]
        row = loop("i", sources, entered)
    w.back()
    acc = "to"
    if not total.in_place:
        w.scratch("acc", t, most * out.size)
        acc = "acc"
    count = "count" if w.tiled else "1"
    rows = f"{count} * {outer}" if outer > 1 else count
    end = finish(w, total, op.bias, axis, (f"{acc}_", strides_of(out.shape)), "to_")
    if end:
        pointers = [f"{total.stored} *to_ = to + k * {out.size};"]
        if not total.in_place:
            pointers.append(f"const {t} *acc_ = acc + k * {out.size};")
        end = loop("k", count, [*pointers, *end])
    found = _Lists(form, lists, rows, most * outer, together)
    body = [
        f"const {arrived} *from = x{f' + s * {outer * sources}' if w.tiled else ''};",
        f"{total.stored} *to = y{f' + s * {out.size}' if w.tiled else ''};",
        "nd_int n = 0;",
        "head[0] = 0;",
        *loop("r", rows, [*row, "head[r + 1] = n;"]),
        f"memset(idx + n, 0, {AHEAD} * sizeof *idx);",
        *_added(w, total, acc, found, arrived, weight.shape),
        *end,
    ]
    if not w.tiled:
        w.lines += body
        return
    w.value("nd_int", "steps", w.tile_steps())
    some = f"const nd_int count = steps - s < {most} ? steps - s : {most};"
    w.lines += loop("s", "steps", [some, *body], step=most)


@dataclass(frozen=True)
class _Lists:
    """The lists of some rows, as C.

    Attributes:
        form: ``spikes``, ``narrow`` where weights are added in 16 bits, or ``values``.
        names: The arrays of the lists.
        rows: Number of rows.
        most: Rows at most.
        together: Weights that fit a sum of 16 bits; 0 where they are added in the sum's type.
    """

    form: str
    names: str
    rows: str
    most: int
    together: int


def _added(
    w: NodeWriter, total: Sum, acc: str, lists: _Lists, arrived: str, shape: tuple[int, ...]
) -> list[str]:
    """Write the sums of all rows: from their lists, or of every source where few are 0.

    Args:
        w: The writer.
        total: The sum.
        acc: Where sums are written, as C.
        lists: The lists; ``n`` is the number of all entries.
        arrived: C type of ``from``, which holds the rows themselves.
        shape: (targets, sources).
    """
    targets, sources = shape
    t, form = total.kind, lists.form
    if t not in ("float", "double") or lists.most < ROWS:
        last = f"back, {lists.together}" if lists.together else "back"
        given = f"{acc}, w, {lists.names}, {lists.rows}, {sources}, {targets}, {last}"
        return [f"nd_{form}_{t}({given});"]
    convert: list[str] = []
    rows, share = f"({lists.rows})", int(100 * DENSE_SHARE)
    names = lists.names.replace("head", "head + all")
    if arrived != t:
        w.scratch("whole", t, lists.most * sources)
        convert = loop("i", f"all * {sources}", [f"whole[i] = ({t})from[i];"])
    return [
        "/* where few sources are 0, all are added: the same sums, bit by bit */",
        f"const nd_int most = {rows} / {ROWS} * {ROWS};",
        f"const nd_int all = 100 * n > {share} * {sources} * {rows} ? most : 0;",
        *convert,
        f"nd_all_{t}({acc}, w, {'whole' if convert else 'from'}, all, {sources}, {targets});",
        f"nd_{form}_{t}({acc} + all * {targets}, w, {names}, {rows} - all,",
        f"{sources}, {targets}, back);",
    ]


def _plain_rows(w: NodeWriter, op: Dense, total: Sum, acc: str, outer: int) -> None:
    """Write sums over the sources that are not zero, each of which adds a row of weights."""
    weight = w.plan.graph.tensors[op.weight].data
    targets, sources = weight.shape
    t = total.kind

    def value(i: str) -> str:
        return f"x[o * {sources} + {i}]"

    batch = w.batch(t, lambda: weight.T[None], op.weight, targets, sources)
    if batch is not None:
        body = batch.blocks(sources, value, f"j * {targets}", batch.add("to", "0", targets))
    else:
        rows = w.rows("w", t, lambda: np.ascontiguousarray(weight.T), op.weight, targets)
        source = [
            f"if ({value('i')} != 0) {{",
            *([] if w.signal(0).type == BOOL else [f"const {t} f = ({t}){value('i')};"]),
            f"const {rows.stored} *restrict from = {rows.at('w', f'i * {targets}')};",
            *rows.add(targets),
            "}",
        ]
        body = loop("i", sources, source)
    begin = [f"{t} *restrict to = {acc} + o * {targets};"]
    w.lines += loop("o", outer, [*begin, f"memset(to, 0, {targets} * sizeof *to);", *body])


def _shared_rows(w: NodeWriter, op: Dense, total: Sum, acc: str, outer: int, inner: int) -> None:
    weight = w.plan.graph.tensors[op.weight].data
    targets, sources = weight.shape
    t = total.kind
    w.weights("w", t, lambda: weight, op.weight)
    at = f"(o * {sources} + i) * {inner} + j"
    add = [f"const {t} p = f * ({t})x[{at}];", "to[j] += p;"]
    term = [f"const {t} f = w[k * {sources} + i];", *loop("j", inner, add)]
    row = [
        f"{t} *restrict to = {acc} + (o * {targets} + k) * {inner};",
        *loop("j", inner, ["to[j] = 0;"]),
        *loop("i", sources, term),
    ]
    w.lines += loop("o", outer, loop("k", targets, row))
