"""C that lists spikes: the positions of the bytes of an array that are not 0."""

from __future__ import annotations

__all__ = ["FIND", "OVERWRITTEN"]

OVERWRITTEN = 8  # entries behind a list that may be written as well

_FIND = """
/* Bit k of the result: byte k of 64, each 0 or 1. */
static inline uint64_t nd_mask(const uint8_t *x)
{
  uint64_t mask = 0;
#if defined(__AVX2__)
  typedef char nd_bytes __attribute__((vector_size(32), aligned(1), may_alias));
  for (int k = 0; k < 64; k += 32) {
    const nd_bytes some = *(const nd_bytes *)(x + k) != 0;
    mask |= (uint64_t)(uint32_t)__builtin_ia32_pmovmskb256(some) << k;
  }
#elif defined(__SSE2__)
  typedef char nd_bytes __attribute__((vector_size(16), aligned(1), may_alias));
  for (int k = 0; k < 64; k += 16) {
    const nd_bytes some = *(const nd_bytes *)(x + k) != 0;
    mask |= (uint64_t)(uint32_t)__builtin_ia32_pmovmskb128(some) << k;
  }
#elif defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  for (int k = 0; k < 64; k += 8) {
    uint64_t word;
    memcpy(&word, x + k, 8);
    mask |= ((word * UINT64_C(0x0102040810204080)) >> 56) << k;
  }
#else
  for (int k = 0; k < 64; k++) mask |= (uint64_t)x[k] << k;
#endif
  return mask;
}

/* 1 where 256 bytes are all 0. */
static inline int nd_silent(const uint8_t *x)
{
#if defined(__AVX2__)
  typedef char nd_bytes __attribute__((vector_size(32), aligned(1), may_alias));
  nd_bytes some = *(const nd_bytes *)x;
  for (int k = 32; k < 256; k += 32) some |= *(const nd_bytes *)(x + k);
  some = some != 0;
  return __builtin_ia32_pmovmskb256(some) == 0;
#else
  uint64_t some = 0;
  for (int k = 0; k < 256; k += 8) {
    uint64_t word;
    memcpy(&word, x + k, 8);
    some |= word;
  }
  return some == 0;
#endif
}

/* Enter the places of a mask's bits behind the first n entries, and give their number then. Some
   are entered at a time, and those that are none overwritten later: a branch for each costs more.
   So idx has room for @OVERWRITTEN@ more than there are. */
#if defined(__AVX512VBMI2__) && defined(__AVX512VL__) && !defined(__clang__)
typedef char nd_places __attribute__((vector_size(64)));
typedef char nd_part __attribute__((vector_size(16)));
typedef int nd_eight __attribute__((vector_size(32)));
typedef int nd_entries __attribute__((vector_size(32), aligned(4), may_alias));
static inline int64_t nd_enter(int32_t *restrict idx, int64_t n, int64_t first, uint64_t mask)
{
  const nd_places none = {0}, all = {@PLACES@};
  const int64_t count = __builtin_popcountll(mask);
  const nd_places found = __builtin_ia32_compressqi512_mask(all, none, mask);
  nd_part part; /* of which eight are taken */
  memcpy(&part, &found, sizeof part);
  *(nd_entries *)(idx + n) = (nd_eight)__builtin_ia32_pmovzxbd256(part) + (int32_t)first;
  if (count > 8) {
    char places[72]; /* the last part reads behind them */
    memcpy(places, &found, sizeof found);
    for (int64_t k = 8; k < count; k += 8) {
      memcpy(&part, places + k, sizeof part);
      *(nd_entries *)(idx + n + k) = (nd_eight)__builtin_ia32_pmovzxbd256(part) + (int32_t)first;
    }
  }
  return n + count;
}
#else
static inline int64_t nd_enter(int32_t *restrict idx, int64_t n, int64_t first, uint64_t mask)
{
  const int64_t end = n + __builtin_popcountll(mask);
  for (;;) {
    for (int k = 0; k < 4; k++, mask &= mask - 1) {
      idx[n + k] = (int32_t)first + __builtin_ctzll(mask | UINT64_C(1) << 63);
    }
    if (end - n <= 4) return end;
    n += 4;
  }
}
#endif

/* Enter the positions of the spikes, ascending, and give their number; x holds 0 and 1. */
static int64_t nd_find(int32_t *restrict idx, const uint8_t *restrict x, int64_t count)
{
  int64_t n = 0, i = 0;
  for (; i + 256 <= count; i += 256) {
    if (nd_silent(x + i)) continue; /* most of them, where spikes are rare */
    uint64_t masks[4];
    for (int k = 0; k < 4; k++) masks[k] = nd_mask(x + i + 64 * k);
    for (int k = 0; k < 4; k++) n = nd_enter(idx, n, i + 64 * k, masks[k]);
  }
  for (; i < count; i += 64) {
    uint64_t mask;
    if (count - i >= 64) {
      mask = nd_mask(x + i);
    } else {
      uint8_t last[64] = {0};
      memcpy(last, x + i, (size_t)(count - i));
      mask = nd_mask(last);
    }
    n = nd_enter(idx, n, i, mask);
  }
  return n;
}
"""

FIND = _FIND.replace("@OVERWRITTEN@", str(OVERWRITTEN)).replace(
    "@PLACES@", ", ".join(str(k) for k in range(64))
)
