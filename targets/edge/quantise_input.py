"""C that rounds numbers to the steps of a network's inputs, as `neurodeploy.data` does."""

from __future__ import annotations

from neurodeploy.ir.types import QType
from neurodeploy.semantics.c_eval import c_float
from neurodeploy.targets.edge.memory import StaticPlan

__all__ = ["declarations", "definitions"]

_ROUND = """
/* v rounded to nearest, halves to the even number, held to [low, high]; NaN gives low. */
static int32_t nd_rounded(double v, int32_t low, int32_t high)
{
  if (!(v > (double)low)) return low;
  if (v >= (double)high) return high;
  int32_t n = (int32_t)v;
  const double rest = v - (double)n;
  if (rest > 0.5 || (rest == 0.5 && n % 2 != 0)) n++;
  if (rest < -0.5 || (rest == -0.5 && n % 2 != 0)) n--;
  return n;
}
"""


def _inputs(plan: StaticPlan) -> list[tuple[int, QType]]:
    return [
        (i, n.type)
        for i, n in enumerate(plan.graph.inputs)
        if isinstance(n.type, QType) and n.type.scale != (1.0,)
    ]


def declarations(plan: StaticPlan, prefix: str) -> list[str]:
    """Give the lines of the header; none where no input stands for real numbers."""
    found = [
        f"void {prefix}_quantize{i}(const float *x, {plan.stored(kind)} *q, size_t size);"
        for i, kind in _inputs(plan)
    ]
    if not found:
        return []
    guard = f"{prefix.upper()}_NO_FLOAT"
    return [
        f"#ifndef {guard}",
        "/* Round numbers to the steps of an input: x as the network was trained on it. */",
        *found,
        "#endif",
        "",
    ]


def definitions(plan: StaticPlan, prefix: str) -> str:
    """Give the functions."""
    parts = []
    for i, kind in _inputs(plan):
        stored = plan.stored(kind)
        value = f"(double)x[i] / {c_float(kind.scale[0], 64)}"
        low, high = kind.lo - kind.zero_point, kind.hi - kind.zero_point
        shift = f" + {kind.zero_point}" if kind.zero_point else ""
        body = f"q[i] = ({stored})(nd_rounded({value}, {low}, {high}){shift});"
        parts.append(
            f"void {prefix}_quantize{i}(const float *x, {stored} *q, size_t size)\n{{\n"
            f"  for (size_t i = 0; i < size; i++) {{\n    {body}\n  }}\n}}\n"
        )
    if not parts:
        return ""
    guard = f"{prefix.upper()}_NO_FLOAT"
    return f"#ifndef {guard}\n{_ROUND.strip()}\n\n{''.join(parts)}#endif\n"
