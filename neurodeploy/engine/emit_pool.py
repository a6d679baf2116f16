"""Pools in C: sums and averages over windows, and largest values, per step or cumulative."""

from __future__ import annotations

from math import prod

import numpy as np

from neurodeploy.engine.grid import Grid
from neurodeploy.engine.text import loop
from neurodeploy.engine.writer import NodeWriter
from neurodeploy.ir.ops import MaxPool, Pool
from neurodeploy.semantics.c_eval import c_float
from neurodeploy.semantics.linear import pool_divisor

__all__ = ["emit_max_pool", "emit_pool", "lowest"]


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


def emit_max_pool(w: NodeWriter, op: MaxPool) -> None:
    """Write a max pool; the cumulative one gives the increment of the maximum of the sums."""
    x, out = w.signal(0), w.out_signal()
    grid = Grid(op.window, x.shape[1:], out.shape[1:])
    arrived, kind = w.arrived(0, "x"), w.result("y")
    if op.mode == "frame":
        w.lines += _maximum(grid, out.shape[0], "x", "y", arrived)
        return
    t = w.state("sum", "total")
    w.state("maximum", "top")
    w.scratch("after", t, out.size)
    w.lines += loop("i", x.size, [f"total[i] += ({t})x[i];"])
    w.lines += _maximum(grid, out.shape[0], "total", "after", t)
    rise = [f"const {t} r = after[i] - top[i];", "top[i] = after[i];"]
    rise.append("y[i] = r != 0;" if kind == "uint8_t" else f"y[i] = ({kind})r;")
    w.lines += loop("i", out.size, rise)


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
