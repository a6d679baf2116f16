"""Loops over a sliding window, of one to three spatial axes, in C."""

from __future__ import annotations

from collections.abc import Sequence

from neurodeploy.engine.text import loop
from neurodeploy.ir.ops import Window

__all__ = ["GRID_HELPERS", "Grid"]

AXES = ("z", "y", "x")

GRID_HELPERS = """
/* First output position o with o * stride + shift >= 0. */
static inline nd_int nd_first(nd_int shift, nd_int stride) {
  return shift < 0 ? (stride - 1 - shift) / stride : 0;
}

/* Behind the last output position o < count with o * stride + shift < size. */
static inline nd_int nd_end(nd_int shift, nd_int stride, nd_int size, nd_int count) {
  const nd_int room = size - shift;
  const nd_int end = room <= 0 ? 0 : (room - 1) / stride + 1;
  return end < count ? end : count;
}
"""


class Grid:
    """A window over three spatial axes; those that are not there have one position.

    Attributes:
        k: Taps along each axis.
        s: Strides.
        d: Dilations.
        p: Padding before the first position.
        n: Input positions.
        m: Output positions.
    """

    def __init__(self, window: Window, spatial: Sequence[int], out: Sequence[int]) -> None:
        lead = 3 - len(window.kernel)
        self.k = (1,) * lead + window.kernel
        self.s = (1,) * lead + window.stride
        self.d = (1,) * lead + window.dilation
        self.p = (0,) * lead + tuple(lo for lo, _ in window.padding)
        self.n = (1,) * lead + tuple(spatial)
        self.m = (1,) * lead + tuple(out)

    @property
    def tiles(self) -> bool:
        """Whether the windows tile the input: each position is in exactly one."""
        covered = all(n == m * k for n, m, k in zip(self.n, self.m, self.k, strict=True))
        return covered and self.s == self.k and not any(self.p) and set(self.d) == {1}

    @property
    def inside(self) -> bool:
        """Whether every window lies inside the input."""
        axes = zip(self.k, self.s, self.d, self.n, self.m, strict=True)
        return not any(self.p) and all((m - 1) * s + (k - 1) * d < n for k, s, d, n, m in axes)

    def taps(self, tap: Sequence[str], body: Sequence[str]) -> list[str]:
        """Loop over taps, ascending, then over the output positions that read inside.

        ``tap`` sees the flat tap ``k``; ``body`` also the output position ``q`` and the input
        position ``i``.
        """
        (_, ny, nx), (_, my, mx) = self.n, self.m
        lines = [
            f"const nd_int q = (oz * {my} + oy) * {mx} + ox;",
            f"const nd_int i = (iz * {ny} + iy) * {nx} + ox * {self.s[2]} + sx;",
            *body,
        ]
        lines = loop("ox", "ex", lines, start="bx")
        for axis in (1, 0):
            a = AXES[axis]
            inside = [f"const nd_int i{a} = o{a} * {self.s[axis]} + s{a};", *lines]
            lines = loop(f"o{a}", f"e{a}", inside, start=f"b{a}")
        bounds = []
        for a, s, d, p, n, m in zip(AXES, self.s, self.d, self.p, self.n, self.m, strict=True):
            bounds += [
                f"const nd_int s{a} = k{a} * {d} - {p};",
                f"const nd_int b{a} = nd_first(s{a}, {s});",
                f"const nd_int e{a} = nd_end(s{a}, {s}, {n}, {m});",
            ]
        flat = f"const nd_int k = (kz * {self.k[1]} + ky) * {self.k[2]} + kx;"
        lines = [flat, *tap, *bounds, *lines]
        for axis in (2, 1, 0):
            lines = loop(f"k{AXES[axis]}", self.k[axis], lines)
        return lines

    def sources(self, body: Sequence[str]) -> list[str]:
        """Loop over the input positions in ascending flat order; ``body`` sees ``i``."""
        flat = f"const nd_int i = (iz * {self.n[1]} + iy) * {self.n[2]} + ix;"
        lines = [flat, *body]
        for axis in (2, 1, 0):
            lines = loop(f"i{AXES[axis]}", self.n[axis], lines)
        return lines

    def place(self) -> list[str]:
        """Give the position along each axis of the input position ``i``."""
        _, ny, nx = self.n
        lines = [f"const nd_int iz = i / {ny * nx}, iy = i / {nx} % {ny}, ix = i % {nx};"]
        return [*lines, "(void)iz;"]

    def reached(self, axis: int, body: Sequence[str], *, transposed: bool = False) -> list[str]:
        """Loop over the taps of an axis through which a source reaches an output position."""
        a = AXES[axis]
        s, d, p, m = self.s[axis], self.d[axis], self.p[axis], self.m[axis]
        if transposed:
            lines = [
                f"const nd_int o{a} = i{a} * {s} + k{a} * {d} - {p};",
                f"if (o{a} >= 0 && o{a} < {m}) {{",
            ]
        elif s == 1:
            lines = [
                f"const nd_int o{a} = i{a} + {p} - k{a} * {d};",
                f"if (o{a} >= 0 && o{a} < {m}) {{",
            ]
        else:
            lines = [
                f"const nd_int l{a} = i{a} + {p} - k{a} * {d};",
                f"const nd_int o{a} = l{a} / {s};",
                f"if (l{a} >= 0 && l{a} % {s} == 0 && o{a} < {m}) {{",
            ]
        return loop(f"k{a}", self.k[axis], [*lines, *body, "}"])
