"""The fixed part of a translation unit: what it includes and demands, and its inner kernels."""

from __future__ import annotations

from neurodeploy.engine.dense_kernel import dense_kernel
from neurodeploy.engine.emit_dense import AHEAD, SUB_BYTES, TILE_BYTES
from neurodeploy.engine.find import FIND
from neurodeploy.engine.grid import GRID_HELPERS
from neurodeploy.engine.narrow_kernel import narrow_kernel
from neurodeploy.engine.spike_log import LOG, LOG_FORMS, LOG_TYPE

__all__ = ["CHECK", "HEAD", "kernels"]

HEAD = """\
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The results are defined bit by bit: every operation rounds once, to its own type. */
#if defined(__FAST_MATH__)
#error "fast-math changes results"
#endif
_Static_assert(FLT_EVAL_METHOD == 0, "floats are computed in another type than their own");
_Static_assert(sizeof(float) == 4 && sizeof(double) == 8, "floats are not IEEE 754");

#if defined(_WIN32)
#define ND_EXPORT __declspec(dllexport)
#else
#define ND_EXPORT __attribute__((visibility("default")))
#endif

typedef int64_t nd_int; /* counts and indexes */
@LOG_TYPE@
#if defined(__GNUC__)
#define ND_APART __attribute__((noinline)) /* inlined, a function forgets what is restrict */
#else
#define ND_APART
#endif
#ifndef ND_NODE /* how the functions of nodes are declared: another way where they are in parts */
#define ND_NODE static ND_APART
#endif

/* What one call runs, and on what. Strides are in elements. */
typedef struct {
  const void *const *data;      /* weights, parameters, tables */
  const void *const *inputs;    /* first element of each input */
  const int64_t *input_sample;  /* from sample to sample */
  const int64_t *input_step;    /* from step to step; 0 where a value is presented unchanged */
  void *const *records;         /* arrays (samples, steps, ...) to fill, or NULL */
  nd_log *logs;                 /* lists of spikes to fill, or NULL */
  unsigned char *work;          /* workspace of this thread */
  int64_t first;                /* first sample of this call, in inputs and records */
  int64_t samples;
  int64_t steps;
  uint64_t seed;
  uint64_t ordinal;             /* ordinal, in the whole run, of sample 0 */
  int64_t begin;                /* steps that the workspace has made before; then one sample */
} nd_call;
""".replace("@LOG_TYPE@", LOG_TYPE)

CHECK = """
/* 0 where floats behave: subnormals are kept, products are not fused, halves round to even. */
ND_EXPORT int nd_check(void) {
  const volatile float small = 0x1p-126f, tiny = 0x1p-149f, half = 0x1p-1f;
  const volatile double smallest = 0x1p-1022, quarter = 0x1p-2;
  const volatile float a = 0x1.000002p+0f, b = 0x1.000002p+0f, c = -0x1.000004p+0f;
  const float made = small * half;
  const float read = tiny / half;
  const double wide = smallest * quarter;
  const float product = a * b;
  const float sum = product + c;
  const volatile float odd = 0x1.8p+0f, even = 0x1.4p+1f;
  uint32_t m, r;
  uint64_t w;
  memcpy(&m, &made, sizeof m); /* as bits: a comparison of floats would flush as well */
  memcpy(&r, &read, sizeof r);
  memcpy(&w, &wide, sizeof w);
  const int flushed = m != UINT32_C(0x400000) || r != 2 || w != UINT64_C(0x4000000000000);
  const int fused = sum != 0x0p+0f;
  const int rounded = rintf(odd) != 2.0f || rintf(even) != 2.0f;
  return flushed + 2 * fused + 4 * rounded;
}
"""

_FETCH = """
#if defined(__GNUC__)
#define ND_FETCH(P) __builtin_prefetch(P)
#else
#define ND_FETCH(P) ((void)(P))
#endif
"""

_FETCH_ROW = """
/* Rows of a slab lie in the second-level cache. Processors of Intel with AVX-512 fetch them early
   enough themselves; asking them to costs 6 % of a network's time (benchmarks/engine.py, W1). */
#if defined(__AVX512F__) && !defined(__znver1__) && !defined(__znver2__) && !defined(__znver3__) \\
    && !defined(__znver4__) && !defined(__znver5__)
#define ND_FETCH_ROW(P) ((void)(P))
#else
#define ND_FETCH_ROW(P) ND_FETCH(P)
#endif
"""

_VECTORS = """
/* Vectors as wide as the instruction set has them. */
#if defined(__AVX512F__)
#define ND_VECTOR 64
#define ND_EACH(M) M(0) M(1) M(2) M(3)
#define ND_SUB(M) M(0)
#elif defined(__AVX__)
#define ND_VECTOR 32
#define ND_EACH(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7)
#define ND_SUB(M) M(0) M(1)
#else
#define ND_VECTOR 16
#define ND_EACH(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7)
#define ND_SUB(M) M(0) M(1) M(2) M(3)
#endif
"""


_STRIP = """
/* Neurons of a strip: with vectors of 512 bits gcc keeps 16 in registers. It has to be told to use
   them where a processor's own preference is for shorter ones. */
#if defined(__AVX512F__) && !defined(__clang__) && defined(__GNUC__) && __GNUC__ >= 8
#pragma GCC target("prefer-vector-width=512")
#define ND_STRIP(N) 16
#else
#define ND_STRIP(N) N
#endif
"""


_INTEGERS = ("int32_t", "int64_t", "uint32_t", "uint64_t")


def kernels(text: str) -> str:
    """Give the kernels that ``text`` calls."""
    found = []
    for kind in ("float", "double", *_INTEGERS):
        forms = [f for f in ("spikes", "values") if f"nd_{f}_{kind}(" in text]
        if forms:
            found.append(_VECTOR_TYPE.replace("@KIND@", kind))
        found += [_kernel(form, kind) for form in forms]
        if f"nd_all_{kind}(" in text:
            found.append(dense_kernel(kind, TILE_BYTES, SUB_BYTES))
    narrow = [k for k in _INTEGERS if f"nd_narrow_{k}(" in text]
    if narrow:
        found.append(_VECTOR_TYPE.replace("@KIND@", "int16_t"))
    found += [narrow_kernel(k, TILE_BYTES, SUB_BYTES, AHEAD) for k in narrow]
    head = (_STRIP if "ND_STRIP(" in text else "") + (_VECTORS if found else "")
    head += _FETCH if found or "ND_FETCH(" in text else ""
    head += _FETCH_ROW if found else ""
    logs = [form for name, form in LOG_FORMS.items() if f"{name}(" in text]
    if "nd_find(" in text or "nd_list(" in text:
        found.append(FIND)
    if logs:
        found += [LOG, *logs]
    grid = GRID_HELPERS if "nd_first(" in text else ""
    return head + "".join(found) + grid


_VECTOR_TYPE = """
typedef @KIND@ nd_v_@KIND@
    __attribute__((vector_size(ND_VECTOR), aligned(sizeof(@KIND@)), may_alias));
"""

_KERNEL = """
/* For each row r: y[r][o] = sum over the sources idx[head[r]...] of @FORMULA@,
   in their order. A slab of weights serves all rows before the next one is read; where `back` is 1,
   the last one comes first. Behind its end the list has @AHEAD@ more entries: weights are fetched
   into the cache so many ahead. */
static void nd_@FORM@_@KIND@(@KIND@ *restrict y, const @KIND@ *restrict w,
    const int32_t *restrict idx, @VALUES@const int64_t *restrict head, int64_t rows,
    int64_t sources, int64_t targets, int64_t back)
{
  enum { WIDE = ND_VECTOR / sizeof(@KIND@), TILE = @TILE_BYTES@ / sizeof(@KIND@),
         SUB = @SUB_BYTES@ / sizeof(@KIND@) };
#define ND_ZERO(K) nd_v_@KIND@ a##K = {0};
#define ND_ADD(K) { @ADD@ }
#define ND_STORE(K) ((nd_v_@KIND@ *)to)[K] = a##K;
#define ND_COUNT(K) + 1
  const int64_t slabs = targets / TILE;
  for (int64_t q = 0; q < slabs; q++) {
    const int64_t o = (back ? slabs - 1 - q : q) * TILE;
    for (int64_t h = 0; h < TILE; h += (0 ND_EACH(ND_COUNT)) * WIDE) {
      const @KIND@ *restrict tile = w + o * sources + h;
      for (int64_t r = 0; r < rows; r++) {
        @KIND@ *restrict to = y + r * targets + o + h;
        const int64_t end = head[r + 1];
        ND_EACH(ND_ZERO)
        for (int64_t e = head[r]; e < end; e++) {
          const nd_v_@KIND@ *row = (const nd_v_@KIND@ *)(tile + (int64_t)idx[e] * TILE);
          const char *later = (const char *)(tile + (int64_t)idx[e + @AHEAD@] * TILE);
          for (int k = 0; k < (0 ND_EACH(ND_COUNT)) * ND_VECTOR; k += 64) ND_FETCH_ROW(later + k);
@FACTOR@          ND_EACH(ND_ADD)
        }
        ND_EACH(ND_STORE)
      }
    }
  }
  for (int64_t o = slabs * TILE; o < targets; o += SUB) {
    const @KIND@ *restrict tile = w + o * sources;
    const int64_t left = targets - o < SUB ? targets - o : SUB;
    for (int64_t r = 0; r < rows; r++) {
      @KIND@ to[SUB];
      const int64_t end = head[r + 1];
      ND_SUB(ND_ZERO)
      for (int64_t e = head[r]; e < end; e++) {
        const nd_v_@KIND@ *row = (const nd_v_@KIND@ *)(tile + (int64_t)idx[e] * SUB);
@FACTOR@        ND_SUB(ND_ADD)
      }
      ND_SUB(ND_STORE)
      memcpy(y + r * targets + o, to, (size_t)left * sizeof(@KIND@));
    }
  }
#undef ND_ZERO
#undef ND_ADD
#undef ND_STORE
#undef ND_COUNT
}
"""


def _kernel(form: str, kind: str) -> str:
    spikes = form == "spikes"
    changes = {
        "FORMULA": "its weight" if spikes else "its weight times its value",
        "TILE_BYTES": str(TILE_BYTES),
        "SUB_BYTES": str(SUB_BYTES),
        "VALUES": "" if spikes else f"const {kind} *restrict val, ",
        "FACTOR": "" if spikes else f"          const {kind} f = val[e];\n",
        "ADD": "a##K += row[K];" if spikes else f"const nd_v_{kind} p = row[K] * f; a##K += p;",
        "AHEAD": str(AHEAD),
        "FORM": form,
        "KIND": kind,
    }
    text = _KERNEL
    for name, value in changes.items():
        text = text.replace(f"@{name}@", value)
    return text
