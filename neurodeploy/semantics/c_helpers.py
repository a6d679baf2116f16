"""The C functions that generated statements call: what C has no portable operator for.

Each is exact and free of undefined behaviour: shifts of negative integers are floor divisions,
conversions to a narrower type are those of unsigned integers, bits move through `memcpy`.
"""

from __future__ import annotations

from neurodeploy.semantics.random import GOLDEN, MULTIPLIERS

__all__ = ["HELPERS", "needed_helpers"]


def _integer_helpers(bits: int) -> dict[str, str]:
    t, u = f"int{bits}_t", f"uint{bits}_t"
    one = f"({t})1"
    return {
        f"nd_shift_floor{bits}": f"""
static inline {t} nd_shift_floor{bits}({t} x, int n) {{
  return x < 0 ? ~(~x >> n) : x >> n; /* a negative value is never shifted */
}}""",
        f"nd_shift_zero{bits}": f"""
static inline {t} nd_shift_zero{bits}({t} x, int n) {{
  return x / ({one} << n);
}}""",
        f"nd_shift_nearest{bits}": f"""
static inline {t} nd_shift_nearest{bits}({t} x, int n) {{
  const {t} y = x + ({one} << (n - 1));
  return y < 0 ? ~(~y >> n) : y >> n;
}}""",
        f"nd_shift_even{bits}": f"""
static inline {t} nd_shift_even{bits}({t} x, int n) {{
  const {t} whole = x < 0 ? ~(~x >> n) : x >> n;
  const {t} half = {one} << (n - 1);
  const {t} rest = ({t})(({u})x & ((({u})1 << n) - 1));
  const int odd = (int)(({u})whole & 1);
  return whole + (rest > half || (rest == half && odd));
}}""",
        f"nd_wrap{bits}": f"""
static inline {t} nd_wrap{bits}({t} x, int n) {{
  const {u} half = ({u})1 << (n - 1);
  const {u} low = ({u})x & (half + (half - 1));
  return ({t})(low ^ half) - ({t})half;
}}""",
        f"nd_floor_div{bits}": f"""
static inline {t} nd_floor_div{bits}({t} x, {t} by) {{
  const {t} q = x / by;
  return q - (x % by < 0);
}}""",
        f"nd_mod{bits}": f"""
static inline {t} nd_mod{bits}({t} x, {t} by) {{
  const {t} r = x % by;
  return r < 0 ? r + by : r;
}}""",
    }


def _power(name: str, real: str, bits: int, bias: int, digits: int) -> str:
    u = f"uint{bits}_t"
    return f"""
static inline {real} {name}(int32_t n) {{
  const {u} word = ({u})(n + {bias}) << {digits};
  {real} x;
  memcpy(&x, &word, sizeof x); /* the exponent is written into the bits */
  return x;
}}"""


_SATURATE = """
#if defined(__ARM_FEATURE_SAT)
#include <arm_acle.h>
#define nd_{sign}sat(x, n) ((int32_t)__{sign}sat(x, n)) /* the number of bits is in the opcode */
#else
static inline int32_t nd_{sign}sat(int32_t x, int n) {{
  const int32_t hi = (int32_t)((UINT32_C(1) << {bits}) - 1), lo = {lo};
  return x < lo ? lo : (x > hi ? hi : x);
}}
#endif"""

HELPERS: dict[str, str] = {
    **_integer_helpers(32),
    **_integer_helpers(64),
    "nd_ssat": _SATURATE.format(sign="s", bits="(n - 1)", lo="-hi - 1"),
    "nd_usat": _SATURATE.format(sign="u", bits="n", lo="0"),
    "nd_pow2f": _power("nd_pow2f", "float", 32, 127, 23),
    "nd_pow2d": _power("nd_pow2d", "double", 64, 1023, 52),
    "nd_fold": f"""
/* One word folded into 64 random bits: the finaliser of SplitMix64, variant 13. */
static inline uint64_t nd_fold(uint64_t state, uint64_t word) {{
  uint64_t z = (state + UINT64_C({GOLDEN:#x})) ^ word;
  z = (z ^ (z >> 30)) * UINT64_C({MULTIPLIERS[0]:#x});
  z = (z ^ (z >> 27)) * UINT64_C({MULTIPLIERS[1]:#x});
  return z ^ (z >> 31);
}}""",
}


def needed_helpers(text: str) -> str:
    """Give the definitions of the helpers that ``text`` calls, in a fixed order."""
    return "\n".join(body.strip("\n") for name, body in HELPERS.items() if f"{name}(" in text)
