"""The inner kernels of the C: sums over rows of weights, by instructions for packed numbers.

Where a processor has none, the same results come from plain C99.
"""

from __future__ import annotations

import re

__all__ = ["kernels"]

_DSP = "defined(__ARM_FEATURE_SIMD32) && !defined(__ARM_BIG_ENDIAN) && defined(__GNUC__)"

_HEAD = f"""
#if {_DSP}
#include <arm_acle.h>

/* Bytes 1 and 3, sign-extended; the intrinsics have no form that turns the bytes in passing. */
static inline int32_t nd_odd_bytes(int32_t w)
{{
  int32_t r;
  __asm__("sxtb16 %0, %1, ror #8" : "=r"(r) : "r"(w));
  return r;
}}

/* The same, onto two halves. */
static inline int32_t nd_add_odd_bytes(int32_t sum, int32_t w)
{{
  int32_t r;
  __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(r) : "r"(sum), "r"(w));
  return r;
}}
#endif
"""

_ADD_QUAD = """\
      memcpy(&q, row + {0}, 4);
      a{1} = __sxtab16(a{1}, q);
      a{2} = nd_add_odd_bytes(a{2}, q);"""

_ADD_ROWS = """
/* to[] += the rows that begin at w + at[], {width} sums at a time; the middle two of each four
   weights are swapped. Every partial sum fits into 16 bits. */
static ND_APART void nd_add_rows_{width}(int16_t *restrict to, const int8_t *restrict w,
    const int32_t *at, const int32_t *end, nd_int count)
{{
  for (; count > 0; count -= {width}, to += {width}, w += {width}) {{
    const int32_t *e = at;
#if {dsp}
    int32_t {sums}, q;
{load}
    do {{
      const int8_t *row = w + *e++;
{add}
    }} while (e != end);
{store}
#else
    do {{
      const int8_t *row = w + *e++;
      for (nd_int r = 0; r < {width}; r += 4) {{
        to[r] = (int16_t)(to[r] + row[r]);
        to[r + 1] = (int16_t)(to[r + 1] + row[r + 2]);
        to[r + 2] = (int16_t)(to[r + 2] + row[r + 1]);
        to[r + 3] = (int16_t)(to[r + 3] + row[r + 3]);
      }}
    }} while (e != end);
#endif
  }}
}}
"""

_MAC_PAIR = """\
      memcpy(&q, row + {0}, 4);
      a{1} = __smlad(__sxtb16(q), f, a{1});
      a{2} = __smlad(nd_odd_bytes(q), f, a{2});"""

_MAC_ROWS = """
/* to[] += weights times numbers, {width} sums and two sources at a time. at[] holds where a row
   begins, then its two factors of 16 bits; a row holds two weights of the first source, two of the
   second, and so on. */
static ND_APART void nd_mac_rows_{width}(int32_t *restrict to, const int8_t *restrict w,
    const int32_t *at, const int32_t *end, nd_int count)
{{
  for (; count > 0; count -= {width}, to += {width}, w += {bytes}) {{
    const int32_t *e = at;
#if {dsp}
    int32_t {sums}, q;
{load}
    do {{
      const int8_t *row = w + e[0];
      const int32_t f = e[1];
      e += 2;
{add}
    }} while (e != end);
{store}
#else
    do {{
      const int8_t *row = w + e[0];
      const int32_t low = (int16_t)(e[1] & 0xFFFF), high = (int16_t)((uint32_t)e[1] >> 16);
      e += 2;
      for (nd_int r = 0; r < {width}; r += 2) {{
        to[r] += row[2 * r] * low + row[2 * r + 2] * high;
        to[r + 1] += row[2 * r + 1] * low + row[2 * r + 3] * high;
      }}
    }} while (e != end);
#endif
  }}
}}
"""

_MAC_ROW = f"""
/* to[] += from[] * f, four at a time; the middle two of each four weights are swapped, and f has 16
   bits. */
static ND_APART void nd_mac_row_4(int32_t *restrict to, const int8_t *restrict from, int32_t f,
    nd_int count)
{{
  for (; count > 0; count -= 4, to += 4, from += 4) {{
#if {_DSP}
    int32_t q;
    memcpy(&q, from, 4);
    const int32_t low = __sxtb16(q), high = nd_odd_bytes(q);
    to[0] = __smlabb(low, f, to[0]);
    to[1] = __smlatb(low, f, to[1]);
    to[2] = __smlabb(high, f, to[2]);
    to[3] = __smlatb(high, f, to[3]);
#else
    to[0] += from[0] * f;
    to[1] += from[2] * f;
    to[2] += from[1] * f;
    to[3] += from[3] * f;
#endif
  }}
}}
"""

_ADD_NIBBLES = """
/* to[] += from[] * f; two weights of -8 to 7 in each byte, the first one low. */
static inline void nd_add_nibbles_@KIND@(@KIND@ *restrict to, const uint8_t *restrict from,
    @KIND@ f, nd_int n)
{
  for (nd_int r = 0; r < n; r += 2) {
    const int32_t both = from[r / 2];
    to[r] = (@KIND@)(to[r] + (@KIND@)(((both & 15) ^ 8) - 8) * f);
    to[r + 1] = (@KIND@)(to[r + 1] + (@KIND@)(((both >> 4) ^ 8) - 8) * f);
  }
}
"""


def kernels(text: str) -> str:
    """Give the kernels that ``text`` calls."""
    called = sorted(set(re.findall(r"\bnd_(add_rows|mac_rows|mac_row|add_nibbles)_(\w+)\(", text)))
    makers = {
        "add_rows": _add_rows,
        "mac_rows": _mac_rows,
        "mac_row": lambda _: _MAC_ROW,
        "add_nibbles": _add_nibbles,
    }
    packed = any(name != "add_nibbles" for name, _ in called)
    return (_HEAD if packed else "") + "".join(makers[name](form) for name, form in called)


def _add_rows(form: str) -> str:
    width = int(form)
    halves = range(width // 2)
    return _ADD_ROWS.format(
        width=width,
        dsp=_DSP,
        sums=", ".join(f"a{k}" for k in halves),
        load="\n".join(f"    memcpy(&a{k}, to + {2 * k}, 4);" for k in halves),
        add="\n".join(_ADD_QUAD.format(2 * k, k, k + 1) for k in halves[::2]),
        store="\n".join(f"    memcpy(to + {2 * k}, &a{k}, 4);" for k in halves),
    )


def _mac_rows(form: str) -> str:
    width = int(form)
    sums = range(width)
    return _MAC_ROWS.format(
        width=width,
        bytes=2 * width,
        dsp=_DSP,
        sums=", ".join(f"a{k} = to[{k}]" for k in sums),
        load="",
        add="\n".join(_MAC_PAIR.format(2 * k, k, k + 1) for k in sums[::2]),
        store="\n".join(f"    to[{k}] = a{k};" for k in sums),
    ).replace("q;\n\n", "q;\n")


def _add_nibbles(form: str) -> str:
    return _ADD_NIBBLES.replace("@KIND@", form)
