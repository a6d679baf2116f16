"""The kernel of dense inputs: every source of four rows is added, without a list.

Where few sources are 0, visiting all of them is faster than a list of the others: a weight that was
read serves four steps. The order of a sum is the same, and so is every bit: a source of 0 adds a
product of 0, which changes no sum that began at +0.
"""

from __future__ import annotations

__all__ = ["DENSE_SHARE", "dense_kernel"]

ROWS = 4
# of sources that are not 0, from which on all are visited; measured by benchmarks/crossover.py
DENSE_SHARE = 0.7

_FOUR = """
/* What @N@ x 4 sums get from all sources. */
static inline void nd_four_@N@_@KIND@(@KIND@ *restrict to, const @KIND@ *restrict w,
    int64_t stride, const @KIND@ *restrict x, int64_t sources)
{
  enum { WIDE = ND_VECTOR / sizeof(@KIND@) };
@ZERO@  for (int64_t i = 0; i < sources; i++) {
    const nd_v_@KIND@ *row = (const nd_v_@KIND@ *)(w + i * stride);
@ADD@  }
@STORE@}
"""

_ALL = """
/* For each row r: y[r][o] = sum over all sources of their weight times their value, in their order.
   Rows are a multiple of four. */
static void nd_all_@KIND@(@KIND@ *restrict y, const @KIND@ *restrict w, const @KIND@ *restrict x,
    int64_t rows, int64_t sources, int64_t targets)
{
  enum { WIDE = ND_VECTOR / sizeof(@KIND@), TILE = @TILE_BYTES@ / sizeof(@KIND@),
         SUB = @SUB_BYTES@ / sizeof(@KIND@) };
  @KIND@ to[4 * 2 * WIDE];
  int64_t o = 0;
  for (; o + TILE <= targets; o += TILE) {
    for (int64_t h = 0; h < TILE; h += 2 * WIDE) {
      for (int64_t r = 0; r < rows; r += 4) {
        nd_four_2_@KIND@(to, w + o * sources + h, TILE, x + r * sources, sources);
        for (int k = 0; k < 4; k++) {
          memcpy(y + (r + k) * targets + o + h, to + k * 2 * WIDE, 2 * ND_VECTOR);
        }
      }
    }
  }
  for (; o < targets; o += SUB) {
    for (int64_t h = 0; h < SUB && o + h < targets; h += WIDE) {
      const int64_t left = targets - o - h < WIDE ? targets - o - h : WIDE;
      for (int64_t r = 0; r < rows; r += 4) {
        nd_four_1_@KIND@(to, w + o * sources + h, SUB, x + r * sources, sources);
        for (int k = 0; k < 4; k++) {
          memcpy(y + (r + k) * targets + o + h, to + k * WIDE, (size_t)left * sizeof(@KIND@));
        }
      }
    }
  }
}
"""


def dense_kernel(kind: str, tile_bytes: int, sub_bytes: int) -> str:
    """Give the kernel of one type of sums."""
    text = "".join(_four(n) for n in (1, 2)) + _ALL
    changes = {"KIND": kind, "TILE_BYTES": str(tile_bytes), "SUB_BYTES": str(sub_bytes)}
    for name, value in changes.items():
        text = text.replace(f"@{name}@", value)
    return text


def _four(vectors: int) -> str:
    """Give the inner function for so many vectors of targets; sums have names, not places."""
    sums = [(r, v) for r in range(ROWS) for v in range(vectors)]
    zero = "".join(f"  nd_v_@KIND@ a{r}{v} = {{0}};\n" for r, v in sums)
    add = "".join(f"    const nd_v_@KIND@ w{v} = row[{v}];\n" for v in range(vectors))
    for r in range(ROWS):
        place = "i" if r == 0 else f"{r} * sources + i"
        add += f"    const @KIND@ f{r} = x[{place}];\n"
        for v in range(vectors):
            add += f"    const nd_v_@KIND@ p{r}{v} = w{v} * f{r};\n    a{r}{v} += p{r}{v};\n"
    store = "".join(
        f"  *(nd_v_@KIND@ *)(to + {r * vectors + v} * WIDE) = a{r}{v};\n" for r, v in sums
    )
    text = _FOUR
    for name, value in (("N", str(vectors)), ("ZERO", zero), ("ADD", add), ("STORE", store)):
        text = text.replace(f"@{name}@", value)
    return text
