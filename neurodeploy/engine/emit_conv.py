"""Convolutions in C.

A scatter adds each source that is not zero into accumulators with the channels innermost; sources
run in ascending flat order, so each target adds them in that order. Where vectors make it pay, or a
plan wants every source visited, a gather runs over taps outside and over the positions of a row
inside, which is the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.engine.find import OVERWRITTEN
from neurodeploy.engine.grid import Grid
from neurodeploy.engine.layout import MANY, last_strides
from neurodeploy.engine.rows import Rows, plain_rows
from neurodeploy.engine.sums import Sum, finish, sum_of
from neurodeploy.engine.text import loop, strides_of
from neurodeploy.engine.writer import NodeWriter
from neurodeploy.errors import InternalError
from neurodeploy.ir.ops import Conv, ConvTranspose
from neurodeploy.ir.types import BOOL

__all__ = ["emit_conv", "emit_conv_transpose"]

Array = npt.NDArray[Any]
WHOLE_ROW = 256  # sums that one source reaches in a row, where their number is written out


def emit_conv(w: NodeWriter, op: Conv) -> None:
    """Write a convolution."""
    x, out = w.signal(0), w.out_signal()
    grid = Grid(op.window, x.shape[1:], out.shape[1:])
    total = sum_of(w.plan, x, w.plan.graph.tensors[op.weight], out)
    arrived = w.arrived(0, "x")
    w.result("y")
    many = w.plan.plain or out.shape[0] // op.groups >= MANY
    if many and not w.plan.visits_all(w.node.name):
        acc = _scatter(w, op, total, grid, arrived)
    else:
        acc = _gather(w, op, total, grid, arrived)
    w.lines += finish(w, total, op.bias, 0, acc)


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
    acc = _sums(w, total)
    weight = w.plan.graph.tensors[op.weight].data

    def packed() -> Array:
        # [group][input channel][kz][ky][kx, last tap first][output channel]
        parts = weight.reshape(op.groups, outs, ins, *grid.k)
        last_first = parts.transpose(0, 2, 3, 4, 5, 1)[:, :, :, :, ::-1]
        return np.ascontiguousarray(last_first).reshape(op.groups, ins, -1)

    sources = _Sources(w, op, grid, arrived, t, acc, packed)
    (_, my, mx), (_, ky, kx) = grid.m, grid.k
    row = f"(kz * {ky} + ky) * {kx * outs}"
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
        run = sources.add(to, f"{row} + b * {outs}", f"(e - b) * {outs}")
        inner = ["if (b < e) {", *run, "}"]
        if not w.plan.plain and kx * outs <= WHOLE_ROW:
            # away from the border all taps are reached: a length that the compiler knows
            whole = sources.add(f"({point} + left) * {outs}", row, kx * outs)
            inner = [f"if (e - b == {kx}) {{", *whole, "} else if (b < e) {", *run, "}"]
    else:
        to = f"({point} + ox) * {count} + g * {outs}"
        run = sources.add(to, f"{row} + ({kx - 1} - kx) * {outs}", outs)
        inner = grid.reached(2, run)
    taps = grid.reached(0, grid.reached(1, inner))
    return sources.spread([*before, *taps])


def _sums(w: NodeWriter, total: Sum) -> str:
    """Give the name of accumulators with the channels last: the result itself, if it lies so."""
    if total.in_place and w.channels_last():
        return "y"
    w.scratch("acc", total.kind, w.out_signal().size)
    return "acc"


class _Sources:
    """The sources of a convolution that are not zero, each with a row of weights for all taps."""

    def __init__(
        self,
        w: NodeWriter,
        op: Conv | ConvTranspose,
        grid: Grid,
        arrived: str,
        kind: str,
        acc: str,
        packed: Callable[[], Array],
    ) -> None:
        self.w, self.op, self.grid, self.arrived, self.kind = w, op, grid, arrived, kind
        self.acc = acc
        self.spikes = arrived == "uint8_t" and not w.plan.plain
        if self.spikes:
            w.scratch("idx", "int32_t", prod(grid.n) + OVERWRITTEN)
        self.ins = w.signal(0).shape[0] // op.groups
        outs = w.out_signal().shape[0] // op.groups
        self.length = prod(grid.k) * outs
        self.batch = w.batch(kind, packed, op.weight, outs, self.ins)
        self.rows = None if self.batch else self._rows(packed, outs)

    def _rows(self, packed: Callable[[], Array], unit: int) -> Rows:
        if not self.spikes:
            return self.w.rows("w", self.kind, packed, self.op.weight, unit)
        self.w.data("w", self.kind, packed, self.op.weight)
        return plain_rows(self.kind, self.kind, factor=False)

    def add(self, to: str, place: str, count: int | str) -> list[str]:
        """Write what adds the rows, from a place on, to ``count`` accumulators."""
        if self.batch is not None:
            return self.batch.add(f"{self.acc} + {to}", place, count)
        if self.rows is None:
            raise InternalError("weights have no form")
        row = self.rows.at("w", f"(g * {self.ins} + j) * {self.length} + {place}")
        return [
            f"{self.kind} *restrict to = {self.acc} + {to};",
            f"const {self.rows.stored} *restrict from = {row};",
            f"const nd_int run = {count};",
            *self.rows.add("run"),
        ]

    def spread(self, taps: Sequence[str]) -> tuple[str, Sequence[int]]:
        """Write the loop over the sources; give the accumulators and their strides."""
        w, out, groups = self.w, self.w.out_signal(), self.op.groups
        w.lines += [f"memset({self.acc}, 0, {out.size} * sizeof *{self.acc});"]
        if self.batch is not None:
            place = f"(g * {self.batch.rows(self.ins)} + j) * {self.length}"
            body = self.grid.sources(self.batch.blocks(self.ins, self._value, place, taps))
        elif self.spikes:
            size = prod(self.grid.n)
            first = f"x + (g * {self.ins} + j) * {size}"
            found = [f"const nd_int n = nd_find(idx, {first}, {size});"]
            each = loop("e", "n", ["const nd_int i = idx[e];", *self.grid.place(), *taps])
            body = loop("j", self.ins, [*found, *each])
        else:
            bare = w.plan.plain and w.signal(0).type == BOOL
            source = [
                f"const {self.arrived} v = {self._value('j')};",
                "if (v != 0) {",
                "(void)v;" if bare else f"const {self.kind} f = ({self.kind})v;",
                *taps,
                "}",
            ]
            body = loop("j", self.ins, self.grid.sources(source))
        w.lines += loop("g", groups, body)
        return self.acc, last_strides(out.shape)

    def _value(self, j: str) -> str:
        return f"x[(g * {self.ins} + {j}) * {prod(self.grid.n)} + i]"


def emit_conv_transpose(w: NodeWriter, op: ConvTranspose) -> None:
    """Write a transposed convolution: each source scatters through all taps."""
    x, out = w.signal(0), w.out_signal()
    grid = Grid(op.window, x.shape[1:], out.shape[1:])
    tensor = w.plan.graph.tensors[op.weight]
    total = sum_of(w.plan, x, tensor, out)
    t, arrived = total.kind, w.arrived(0, "x")
    w.result("y")
    acc = _sums(w, total)
    outs, count = out.shape[0] // op.groups, out.shape[0]
    weight, (_, ky, kx), (_, my, mx) = tensor.data, grid.k, grid.m

    def packed() -> Array:
        # [group][input channel][kz][ky][kx][output channel of the group]
        last = np.moveaxis(weight.reshape(x.shape[0], outs, *grid.k), 1, -1)
        return np.ascontiguousarray(last).reshape(op.groups, x.shape[0] // op.groups, -1)

    sources = _Sources(w, op, grid, arrived, t, acc, packed)
    to = f"((oz * {my} + oy) * {mx} + ox) * {count} + g * {outs}"
    taps = sources.add(to, f"((kz * {ky} + ky) * {kx} + kx) * {outs}", outs)
    for axis in (2, 1, 0):
        taps = grid.reached(axis, taps, transposed=True)
    w.lines += finish(w, total, op.bias, 0, sources.spread(taps))
