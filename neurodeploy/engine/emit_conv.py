"""Convolutions in C.

One into many channels scatters from each source that is not zero into accumulators with the
channels innermost; sources run in ascending flat order, so each target adds them in that order.
One into few channels runs over taps outside and over the positions of a row inside, which is
the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.engine.grid import Grid
from neurodeploy.engine.rows import Rows
from neurodeploy.engine.sums import Sum, emit_finish, sum_of
from neurodeploy.engine.text import loop, strides_of
from neurodeploy.engine.writer import NodeWriter
from neurodeploy.ir.ops import Conv, ConvTranspose
from neurodeploy.ir.types import BOOL

__all__ = ["emit_conv", "emit_conv_transpose"]

Array = npt.NDArray[Any]
MANY = 8  # channels of a group from which the scatter is the faster form


def emit_conv(w: NodeWriter, op: Conv) -> None:
    """Write a convolution."""
    x, out = w.signal(0), w.out_signal()
    grid = Grid(op.window, x.shape[1:], out.shape[1:])
    total = sum_of(w.plan, x, w.plan.graph.tensors[op.weight], out)
    arrived = w.arrived(0, "x")
    w.result("y")
    if out.shape[0] // op.groups >= MANY:
        acc = _scatter(w, op, total, grid, arrived)
    else:
        acc = _gather(w, op, total, grid, arrived)
    emit_finish(w, total, op.bias, 0, acc)


def _gather(
    w: NodeWriter, op: Conv, total: Sum, grid: Grid, arrived: str
) -> tuple[str, Sequence[int]]:
    x, out, t = w.signal(0), w.out_signal(), total.kind
    acc = "y" if total.in_place else "acc"
    if not total.in_place:
        w.scratch("acc", t, out.size)
    weight = w.plan.graph.tensors[op.weight].data
    w.weights("w", t, lambda: weight, op.weight)
    ins, outs = x.shape[0] // op.groups, out.shape[0] // op.groups
    points, taps = prod(grid.m), prod(grid.k)
    term = [f"const {t} p = f * ({t})from[i];", "to[q] += p;"]
    factor = f"const {t} f = w[(o * {ins} + j) * {taps} + k];"
    channel = [
        f"const {arrived} *restrict from = x + (o / {outs} * {ins} + j) * {prod(grid.n)};",
        *grid.taps([factor], term),
    ]
    body = [
        f"{t} *restrict to = {acc} + o * {points};",
        *loop("q", points, ["to[q] = 0;"]),
        *loop("j", ins, channel),
    ]
    w.lines += loop("o", out.shape[0], body)
    return acc, strides_of(out.shape)


def _scatter(
    w: NodeWriter, op: Conv, total: Sum, grid: Grid, arrived: str
) -> tuple[str, Sequence[int]]:
    x, out, t = w.signal(0), w.out_signal(), total.kind
    ins, outs, count = x.shape[0] // op.groups, out.shape[0] // op.groups, out.shape[0]
    w.scratch("acc", t, out.size)
    weight = w.plan.graph.tensors[op.weight].data

    def packed() -> Array:
        # [group][input channel][kz][ky][kx, last tap first][output channel]
        parts = weight.reshape(op.groups, outs, ins, *grid.k)
        return np.ascontiguousarray(parts.transpose(0, 2, 3, 4, 5, 1)[:, :, :, :, ::-1])

    rows = w.rows("w", t, packed, op.weight, outs)
    (_, my, mx), (kz, ky, kx) = grid.m, grid.k
    row = f"(((g * {ins} + j) * {kz} + kz) * {ky} + ky) * {kx * outs}"
    point = f"(oz * {my} + oy) * {mx}"
    before: list[str] = []
    if op.groups == 1 and grid.s[2] == 1 and grid.d[2] == 1:
        # neighbouring taps reach neighbouring targets: one run over taps and channels
        before = [
            f"const nd_int left = ix + {grid.p[2] - (kx - 1)};",
            "const nd_int b = left < 0 ? -left : 0;",
            f"const nd_int e = left + {kx} > {mx} ? {mx} - left : {kx};",
        ]
        to = f"({point} + left + b) * {outs}"
        run = _run(t, rows, to, f"{row} + b * {outs}", f"(e - b) * {outs}")
        inner = ["if (b < e) {", *run, "}"]
    else:
        to = f"({point} + ox) * {count} + g * {outs}"
        run = _run(t, rows, to, f"{row} + ({kx - 1} - kx) * {outs}", outs)
        inner = grid.reached(2, run)
    taps = grid.reached(0, grid.reached(1, inner))
    return _spread(w, op, grid, arrived, t, [*before, *taps])


def _spread(
    w: NodeWriter, op: Conv | ConvTranspose, grid: Grid, arrived: str, t: str, taps: Sequence[str]
) -> tuple[str, Sequence[int]]:
    """Write the loop over the sources that are not zero; give the accumulators and strides."""
    x, out = w.signal(0), w.out_signal()
    ins = x.shape[0] // op.groups
    source = [
        f"const {arrived} v = x[(g * {ins} + j) * {prod(grid.n)} + i];",
        "if (v != 0) {",
        *(["(void)v;"] if w.plan.plain and x.type == BOOL else [f"const {t} f = ({t})v;"]),
        *taps,
        "}",
    ]
    w.lines += [f"memset(acc, 0, {out.size} * sizeof *acc);"]
    w.lines += loop("g", op.groups, loop("j", ins, grid.sources(source)))
    return "acc", (1, *(s * out.shape[0] for s in strides_of(out.shape[1:])))


def _run(t: str, rows: Rows, to: str, row: str, count: int | str) -> list[str]:
    return [
        f"{t} *restrict to = acc + {to};",
        f"const {rows.stored} *restrict from = {rows.at('w', row)};",
        f"const nd_int run = {count};",
        *rows.add("run"),
    ]


def emit_conv_transpose(w: NodeWriter, op: ConvTranspose) -> None:
    """Write a transposed convolution: each source scatters through all taps."""
    x, out = w.signal(0), w.out_signal()
    grid = Grid(op.window, x.shape[1:], out.shape[1:])
    tensor = w.plan.graph.tensors[op.weight]
    total = sum_of(w.plan, x, tensor, out)
    t, arrived = total.kind, w.arrived(0, "x")
    w.result("y")
    w.scratch("acc", t, out.size)
    ins, outs, count = x.shape[0] // op.groups, out.shape[0] // op.groups, out.shape[0]
    weight, (kz, ky, kx), (_, my, mx) = tensor.data, grid.k, grid.m

    def packed() -> Array:
        # [input channel][kz][ky][kx][output channel of the group]
        return np.ascontiguousarray(np.moveaxis(weight.reshape(x.shape[0], outs, *grid.k), 1, -1))

    rows = w.rows("w", t, packed, op.weight, outs)
    to = f"((oz * {my} + oy) * {mx} + ox) * {count} + g * {outs}"
    row = f"((((g * {ins} + j) * {kz} + kz) * {ky} + ky) * {kx} + kx) * {outs}"
    taps = _run(t, rows, to, row, outs)
    for axis in (2, 1, 0):
        taps = grid.reached(axis, taps, transposed=True)
    emit_finish(w, total, op.bias, 0, _spread(w, op, grid, arrived, t, taps))
