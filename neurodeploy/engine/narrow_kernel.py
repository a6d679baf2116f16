"""The kernel of spikes over narrow integer weights: they lie in 16 bits, and are added there.

Half the bytes are read, and a vector adds twice as many. Some rows of weights fit a sum of 16 bits
whatever their values are; then it is added to the sum proper, so every bit is as it would be.
"""

from __future__ import annotations

from neurodeploy.ir.types import NumType, QType

__all__ = ["narrow_kernel", "rows_together"]

FEWEST = 8  # rows, below which widening so often costs more than it saves

_NARROW = """
/* For each row r: y[r][o] = sum over the sources idx[head[r]...] of its weight, `together` of which
   fit 16 bits. A slab of weights serves all rows before the next one is read; where `back` is 1,
   the last one comes first. Behind its end the list has @AHEAD@ more entries. */
static void nd_narrow_@KIND@(@KIND@ *restrict y, const int16_t *restrict w,
    const int32_t *restrict idx, const int64_t *restrict head, int64_t rows,
    int64_t sources, int64_t targets, int64_t back, int64_t together)
{
  enum { WIDE = ND_VECTOR / sizeof(int16_t), TILE = @TILE_BYTES@ / sizeof(int16_t),
         SUB = @SUB_BYTES@ / sizeof(int16_t) };
#define ND_ZERO(K) nd_v_int16_t a##K = {0};
#define ND_ADD(K) a##K += row[K];
#define ND_STORE(K) ((nd_v_int16_t *)part)[K] = a##K;
#define ND_COUNT(K) + 1
  enum { SPAN = (0 ND_EACH(ND_COUNT)) * WIDE };
  int16_t part[TILE];
  const int64_t slabs = targets / TILE;
  for (int64_t q = 0; q < slabs; q++) {
    const int64_t o = (back ? slabs - 1 - q : q) * TILE;
    for (int64_t h = 0; h < TILE; h += SPAN) {
      const int16_t *restrict tile = w + o * sources + h;
      for (int64_t r = 0; r < rows; r++) {
        @KIND@ *restrict to = y + r * targets + o + h;
        const int64_t end = head[r + 1];
        memset(to, 0, SPAN * sizeof *to);
        for (int64_t e = head[r]; e < end;) {
          const int64_t stop = end - e < together ? end : e + together;
          ND_EACH(ND_ZERO)
          for (; e < stop; e++) {
            const nd_v_int16_t *row = (const nd_v_int16_t *)(tile + (int64_t)idx[e] * TILE);
            const char *later = (const char *)(tile + (int64_t)idx[e + @AHEAD@] * TILE);
            for (int k = 0; k < SPAN * (int)sizeof(int16_t); k += 64) ND_FETCH_ROW(later + k);
            ND_EACH(ND_ADD)
          }
          ND_EACH(ND_STORE)
          for (int j = 0; j < SPAN; j++) to[j] += (@KIND@)part[j];
        }
      }
    }
  }
  for (int64_t o = slabs * TILE; o < targets; o += SUB) {
    const int16_t *restrict tile = w + o * sources;
    const int64_t left = targets - o < SUB ? targets - o : SUB;
    for (int64_t r = 0; r < rows; r++) {
      @KIND@ *restrict to = y + r * targets + o;
      const int64_t end = head[r + 1];
      memset(to, 0, (size_t)left * sizeof *to);
      for (int64_t e = head[r]; e < end;) {
        const int64_t stop = end - e < together ? end : e + together;
        ND_SUB(ND_ZERO)
        for (; e < stop; e++) {
          const nd_v_int16_t *row = (const nd_v_int16_t *)(tile + (int64_t)idx[e] * SUB);
          ND_SUB(ND_ADD)
        }
        ND_SUB(ND_STORE)
        for (int64_t j = 0; j < left; j++) to[j] += (@KIND@)part[j];
      }
    }
  }
#undef ND_ZERO
#undef ND_ADD
#undef ND_STORE
#undef ND_COUNT
}
"""


def rows_together(weight: NumType) -> int:
    """Give how many weights of a type always fit a sum of 16 bits; 0 where the form does not pay.

    Examples:
        >>> rows_together(QType(-128, 127)), rows_together(QType(-32768, 32767))
        (255, 0)
    """
    if not isinstance(weight, QType):
        return 0
    largest = max(abs(weight.lo), abs(weight.hi), 1)
    rows = (2**15 - 1) // largest
    return rows if rows >= FEWEST else 0


def narrow_kernel(kind: str, tile_bytes: int, sub_bytes: int, ahead: int) -> str:
    """Give the kernel of one type of sums."""
    text = _NARROW
    numbers = {"TILE_BYTES": tile_bytes, "SUB_BYTES": sub_bytes, "AHEAD": ahead}
    for name, value in {"KIND": kind, **numbers}.items():
        text = text.replace(f"@{name}@", str(value))
    return text
