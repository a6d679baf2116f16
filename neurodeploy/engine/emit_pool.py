"""Pools in C: sums and averages over windows, and largest values, per step or cumulative."""

from __future__ import annotations

from math import prod

import numpy as np

from neurodeploy.engine.grid import Grid
from neurodeploy.engine.text import loop
from neurodeploy.engine.writer import NodeWriter
from neurodeploy.ir.ops import MaxPool, Pool
from neurodeploy.ir.types import BOOL
from neurodeploy.semantics.c_eval import c_float
from neurodeploy.semantics.linear import pool_divisor

__all__ = ["emit_max_pool", "emit_pool", "lowest"]

UNROLLED = 16  # taps of a window that are written out one by one


def lowest(kind: str) -> str:
    """Give the value that loses against every other of a C type."""
    return {
        "uint8_t": "0",
        "uint16_t": "0",
        "int8_t": "INT8_MIN",
        "int16_t": "INT16_MIN",
        "int32_t": "INT32_MIN",
        "int64_t": "INT64_MIN",
        "float": "-INFINITY",
        "double": "-(double)INFINITY",
    }[kind]


def emit_pool(w: NodeWriter, op: Pool) -> None:
    """Write a sum or average over windows."""
    x, out = w.signal(0), w.out_signal()
    grid = Grid(op.window, x.shape[1:], out.shape[1:])
    arrived, kind = w.arrived(0, "x"), w.result("y")
    points = prod(grid.m)
    if w.channels_last():
        _pool_channels_last(w, op, grid, kind)
        return
    body = [
        f"const {arrived} *restrict from = x + o * {prod(grid.n)};",
        f"{kind} *restrict to = y + o * {points};",
        *loop("q", points, ["to[q] = 0;"]),
        *grid.taps(["(void)k;"], [f"to[q] += ({kind})from[i];"]),
    ]
    if op.mode == "average" and op.divisor == "kernel":
        divisor = c_float(float(prod(grid.k)), 32 if kind == "float" else 64)
        body += loop("q", points, [f"to[q] = to[q] / {divisor};"])
    elif op.mode == "average":

        def counts() -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
            return pool_divisor(op, x.shape[1:], out.shape[1:])

        w.data("d", kind, counts, f"{w.node.name}: positions inside each window")
        body += loop("q", points, ["to[q] = to[q] / d[q];"])
    w.lines += loop("o", out.shape[0], body)


def _pool_channels_last(w: NodeWriter, op: Pool, grid: Grid, kind: str) -> None:
    """Write a sum or average of all channels of a position together."""
    out = w.out_signal()
    channels, points = out.shape[0], prod(grid.m)
    known = op.mode == "sum" or op.divisor == "kernel"
    if known and grid.inside and prod(grid.k) <= UNROLLED and not w.plan.plain:
        w.lines += _windows(op, grid, kind, w.plan.stored(w.signal(0).type), channels)
        return
    add = loop("o", channels, [f"to[o] += ({kind})from[o];"])
    w.lines += loop("q", out.size, ["y[q] = 0;"])
    w.lines += grid.taps(["(void)k;"], [*_position(w, kind, channels), *add])
    if op.mode == "sum":
        return
    if op.divisor == "kernel":
        divisor = c_float(float(prod(grid.k)), 32 if kind == "float" else 64)
        w.lines += loop("q", out.size, [f"y[q] = y[q] / {divisor};"])
        return
    inputs = w.signal(0).shape[1:]
    w.data("d", kind, lambda: pool_divisor(op, inputs, out.shape[1:]),
           f"{w.node.name}: positions inside each window")  # fmt: skip
    at = f"y[q * {channels} + o]"
    w.lines += loop("q", points, loop("o", channels, [f"{at} = {at} / d[q];"]))


def _windows(op: Pool, grid: Grid, kind: str, arrived: str, channels: int) -> list[str]:
    """Write windows one by one, each sum in a register; taps ascending, as everywhere."""
    (sz, sy, sx), (_, ny, nx), (_, my, mx) = grid.s, grid.n, grid.m
    taps = [place * channels for place in _offsets(grid)]
    total = "v"
    if op.mode == "average":
        total = f"v / {c_float(float(prod(grid.k)), 32 if kind == 'float' else 64)}"
    each = [f"{kind} v = 0;", *(f"v += ({kind})from[o + {k}];" for k in taps), f"to[o] = {total};"]
    lines = [
        f"const {arrived} *restrict from = "
        f"x + ((oz * {sz} * {ny} + oy * {sy}) * {nx} + ox * {sx}) * {channels};",
        f"{kind} *restrict to = y + ((oz * {my} + oy) * {mx} + ox) * {channels};",
        *loop("o", channels, each),
    ]
    for name, size in zip(("ox", "oy", "oz"), reversed(grid.m), strict=True):
        lines = loop(name, size, lines)
    return lines


def _position(w: NodeWriter, kind: str, channels: int) -> list[str]:
    """Give pointers to all channels of an output position and of one that it reads."""
    arrived = w.plan.stored(w.signal(0).type)
    return [
        f"const {arrived} *restrict from = x + i * {channels};",
        f"{kind} *restrict to = y + q * {channels};",
    ]


def emit_max_pool(w: NodeWriter, op: MaxPool) -> None:
    """Write a max pool; the cumulative one gives the increment of the maximum of the sums."""
    x, out = w.signal(0), w.out_signal()
    grid = Grid(op.window, x.shape[1:], out.shape[1:])
    arrived, kind = w.arrived(0, "x"), w.result("y")
    tiles = w.plan.plain and grid.tiles and prod(grid.k) <= UNROLLED
    if op.mode == "frame" and tiles:
        best = _largest(grid, arrived, "x[i + {}]")
        w.lines += _tiles(grid, out.shape[0], [*best, "y[q] = best;"])
        return
    if op.mode == "frame" and w.channels_last():
        channels = out.shape[0]
        larger = [f"const {arrived} v = from[o];", "to[o] = k == 0 || to[o] < v ? v : to[o];"]
        w.lines += loop("q", out.size, [f"y[q] = {lowest(kind)};"])
        w.lines += grid.taps([], [*_position(w, kind, channels), *loop("o", channels, larger)])
        return
    if op.mode == "frame":
        w.lines += _maximum(grid, out.shape[0], "x", "y", arrived)
        return
    t = w.state("sum", "total")
    w.state("maximum", "top")
    if tiles and x.type == BOOL:
        w.lines += _spiking_tiles(grid, out.shape[0], t)
        return
    w.scratch("after", t, out.size)
    w.lines += loop("i", x.size, [f"total[i] += ({t})x[i];"])
    w.lines += _maximum(grid, out.shape[0], "total", "after", t)
    rise = [f"const {t} r = after[i] - top[i];", "top[i] = after[i];"]
    rise.append("y[i] = r != 0;" if x.type == BOOL else f"y[i] = ({kind})r;")
    w.lines += loop("i", out.size, rise)


def _spiking_tiles(grid: Grid, channels: int, kind: str) -> list[str]:
    """Write the cumulative maximum of spikes: where none arrives, nothing changes."""
    places = [f"[i + {k}]" for k in _offsets(grid)]
    row = {2: "uint16_t", 4: "uint32_t"}.get(grid.k[2])
    if row is None:
        any_spike, head = " | ".join(f"x{p}" for p in places), []
    else:
        starts = _offsets(grid)[:: grid.k[2]]
        any_spike = " | ".join(f"row{n}" for n in range(len(starts)))
        head = [f"{row} {', '.join(f'row{n}' for n in range(len(starts)))};"]
        head += [f"memcpy(&row{n}, x + i + {k}, sizeof row{n});" for n, k in enumerate(starts)]
    lines = [
        *head,
        f"if (({any_spike}) == 0) {{",
        "y[q] = 0;",
        "continue;",
        "}",
        f"{kind} best = top[q];",
    ]
    for p in places:
        lines += [f"if (x{p} != 0) {{", f"total{p} = ({kind})(total{p} + 1);"]
        lines += [f"if (best < total{p}) best = total{p};", "}"]
    return _tiles(grid, channels, [*lines, "y[q] = best != top[q];", "top[q] = best;"])


def _largest(grid: Grid, kind: str, value: str) -> list[str]:
    first, *others = (value.format(k) for k in _offsets(grid))
    return [f"{kind} best = {first};", *(f"if (best < {v}) best = {v};" for v in others)]


def _offsets(grid: Grid) -> list[int]:
    """Give the places of the taps, ascending, from the first one on."""
    (kz, ky, kx), (dz, dy, dx), (_, ny, nx) = grid.k, grid.d, grid.n
    taps = [(z * dz, y * dy, x * dx) for z in range(kz) for y in range(ky) for x in range(kx)]
    return [(z * ny + y) * nx + x for z, y, x in taps]


def _tiles(grid: Grid, channels: int, window: list[str]) -> list[str]:
    """Loop over windows that tile the input; ``i`` is the place of the first tap."""
    (kz, ky, kx), (nz, ny, nx), (mz, my, mx) = grid.k, grid.n, grid.m
    body = [
        f"const nd_int i = ((o * {nz} + oz * {kz}) * {ny} + oy * {ky}) * {nx} + ox * {kx};",
        f"const nd_int q = ((o * {mz} + oz) * {my} + oy) * {mx} + ox;",
        *window,
    ]
    for name, size in (("ox", mx), ("oy", my), ("oz", mz), ("o", channels)):
        body = [f"for (nd_int {name} = 0; {name} < {size}; {name}++) {{", *body, "}"]
    return body


def _maximum(grid: Grid, channels: int, x: str, y: str, kind: str) -> list[str]:
    points = prod(grid.m)
    # the first tap is taken as it is, so that NaN stays where the reference keeps it
    body = [
        f"const {kind} *restrict from = {x} + o * {prod(grid.n)};",
        f"{kind} *restrict to = {y} + o * {points};",
        *loop("q", points, [f"to[q] = {lowest(kind)};"]),
        *grid.taps([], [f"const {kind} v = from[i];", "to[q] = k == 0 || to[q] < v ? v : to[q];"]),
    ]
    return loop("o", channels, body)
