"""Structural Maps in C (permute, concat, gather), reductions along axes, and products."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from neurodeploy.engine.text import linear, loop, nest, strides_of
from neurodeploy.engine.writer import NodeWriter
from neurodeploy.ir.ops import ArgMax, Concat, Gather, Permute, ReduceAxes
from neurodeploy.ir.rules_reduce import parse_equation
from neurodeploy.semantics.c_eval import c_float

__all__ = [
    "emit_argmax",
    "emit_axes",
    "emit_concat",
    "emit_copy",
    "emit_gather",
    "emit_permute",
    "emit_product",
]


def emit_copy(w: NodeWriter) -> None:
    """Write a copy: a reshape, or an output, of what a delay line holds."""
    w.arrived(0, "x")
    w.result("y")
    w.lines.append(f"memcpy(y, x, {w.out_signal().size} * sizeof *y);")


def emit_permute(w: NodeWriter, op: Permute) -> None:
    """Write a permutation of axes."""
    x, out = w.signal(0), w.out_signal()
    w.arrived(0, "x")
    w.result("y")
    own = strides_of(x.shape)
    counters = [f"i{k}" for k in range(len(out.shape))]
    source = linear(counters, out.shape, [own[a] for a in op.axes])
    target = linear(counters, out.shape, strides_of(out.shape))
    w.lines += nest(counters, out.shape, [f"y[{target}] = x[{source}];"])


def emit_concat(w: NodeWriter, op: Concat) -> None:
    """Write a concatenation."""
    out = w.out_signal()
    w.result("y")
    outer, row = prod(out.shape[: op.axis]), prod(out.shape[op.axis :])
    offset = 0
    body: list[str] = []
    for port in range(op.count):
        part = prod(w.signal(port).shape[op.axis :])
        w.arrived(port, f"x{port}")
        source = f"x{port} + o * {part}"
        body.append(f"memcpy(y + o * {row} + {offset}, {source}, {part} * sizeof *y);")
        offset += part
    w.lines += loop("o", outer, body)


def emit_gather(w: NodeWriter, op: Gather) -> None:
    """Write a selection of positions along an axis."""
    x, out = w.signal(0), w.out_signal()
    w.arrived(0, "x")
    w.result("y")
    w.tensor("at", "int32_t", op.indices)
    outer, inner = prod(x.shape[: op.axis]), prod(x.shape[op.axis + 1 :])
    count, length = out.shape[op.axis], x.shape[op.axis]
    body = [f"y[(o * {count} + k) * {inner} + i] = x[(o * {length} + at[k]) * {inner} + i];"]
    w.lines += loop("o", outer, loop("k", count, loop("i", inner, body)))


def emit_axes(w: NodeWriter, op: ReduceAxes) -> None:
    """Write a sum, mean or maximum along axes, in ascending flat order of what is reduced."""
    x, out = w.signal(0), w.out_signal()
    arrived, kind = w.arrived(0, "x"), w.result("y")
    own = strides_of(x.shape)
    counters = [f"i{k}" for k in range(len(x.shape))]
    kept = [k for k in range(len(x.shape)) if k not in op.axes]
    reduced = sorted(op.axes)
    sizes = [x.shape[k] for k in kept]
    at_kept = linear([counters[k] for k in kept], sizes, strides_of(sizes))
    first = linear([counters[k] for k in kept], sizes, [own[k] for k in kept])
    source = linear(counters, x.shape, own)
    names = [counters[k] for k in kept]
    if op.function == "max":
        w.lines += nest(names, sizes, [f"y[{at_kept}] = x[{first}];"])
        term = [f"const {arrived} v = x[{source}];", f"const {kind} a = y[{at_kept}];"]
        term.append(f"y[{at_kept}] = a < v ? v : a;")
    else:
        w.lines += loop("q", out.size, ["y[q] = 0;"])
        term = [f"y[{at_kept}] += ({kind})x[{source}];"]
    # the last kept axis runs innermost: each target still meets its terms in ascending order
    order = [*kept[:-1], *reduced, *kept[-1:]]
    w.lines += nest([counters[k] for k in order], [x.shape[k] for k in order], term)
    if op.function == "mean":
        terms = float(prod(x.shape[k] for k in reduced))
        divisor = c_float(terms, 32 if kind == "float" else 64)
        w.lines += loop("q", out.size, [f"y[q] = y[q] / {divisor};"])


def emit_argmax(w: NodeWriter, op: ArgMax) -> None:
    """Write a one-hot mark of the first largest value; the first NaN counts as largest."""
    x = w.signal(0)
    kind = w.arrived(0, "x")
    w.result("y")
    outer, count = prod(x.shape[: op.axis]), x.shape[op.axis]
    inner = prod(x.shape[op.axis + 1 :])
    larger = "v > top || (v != v && top == top)" if kind in ("float", "double") else "v > top"
    at = f"x[(o * {count} + k) * {inner} + i]"
    body = [
        "nd_int best = 0;",
        f"{kind} top = x[o * {count * inner} + i];",
        *loop(
            "k",
            count,
            [f"const {kind} v = {at};", f"if ({larger}) {{", "best = k;", "top = v;", "}"],
            start=1,
        ),
        *loop("k", count, [f"y[(o * {count} + k) * {inner} + i] = k == best;"]),
    ]
    w.lines += loop("o", outer, loop("i", inner, body))


def emit_product(w: NodeWriter, equation: str) -> None:
    """Write a contraction; contracted indices ascend, the first label slowest."""
    a, b, kept = parse_equation(equation)
    x, y, out = w.signal(0), w.signal(1), w.out_signal()
    w.arrived(0, "x0")
    w.arrived(1, "x1")
    kind = w.result("y")
    sizes = dict(zip(a, x.shape, strict=True)) | dict(zip(b, y.shape, strict=True))
    summed = [label for label in dict.fromkeys(a + b) if label not in kept]

    def at(labels: str, shape: Sequence[int]) -> str:
        return linear([f"i_{label}" for label in labels], shape, strides_of(shape))

    term = [
        f"const {kind} p = ({kind})x0[{at(a, x.shape)}] * ({kind})x1[{at(b, y.shape)}];",
        f"y[{at(kept, out.shape)}] += p;",
    ]
    w.lines += loop("q", out.size, ["y[q] = 0;"])
    order = [*kept[:-1], *summed, *kept[-1:]]
    w.lines += nest([f"i_{label}" for label in order], [sizes[label] for label in order], term)
