"""What a weighted sum is computed in, and how it ends: bias, then wrap or saturation.

A float sum is computed in its type. An integer sum whose range is proven uses ``int32_t`` where
the sum, the weights and the signal fit, else ``int64_t``. One that wraps or saturates to a
declared type is computed in unsigned integers, where C wraps too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neurodeploy.engine.plan import Plan
from neurodeploy.engine.text import collapsed, linear, nest, strides_of
from neurodeploy.engine.writer import NodeWriter
from neurodeploy.ir.types import NumType, QType, Signal, Tensor
from neurodeploy.semantics.c_eval import c_int

__all__ = ["Sum", "finish", "sum_of"]


@dataclass(frozen=True)
class Sum:
    """How a sum is computed.

    Attributes:
        kind: C type of the accumulator.
        stored: C type of the result.
        out: The declared type.
    """

    kind: str
    stored: str
    out: NumType

    @property
    def in_place(self) -> bool:
        """Whether the result's memory can hold the partial sums."""
        return self.kind == self.stored

    def ending(self, total: str) -> list[str]:
        """Give statements that turn ``total`` (bias added) into ``r`` of the stored type."""
        if not isinstance(self.out, QType) or self.out.overflow == "refuse":
            return [f"const {self.stored} r = ({self.stored}){total};"]
        if self.out.overflow == "wrap":
            return self._wrap(total)
        lo, hi = c_int(self.out.lo, "int64_t"), c_int(self.out.hi, "int64_t")
        return [
            f"const int64_t wide = (int64_t){total};",
            f"const int64_t capped = wide > {hi} ? {hi} : wide;",
            f"const {self.stored} r = ({self.stored})(capped < {lo} ? {lo} : capped);",
        ]

    def _wrap(self, total: str) -> list[str]:
        if not isinstance(self.out, QType) or self.out.bits == 64:
            return [f"const {self.stored} r = ({self.stored}){total};"]
        bits = self.out.bits
        half = 2 ** (bits - 1) if self.out.lo < 0 else 0
        macro = "UINT32_C" if self.kind == "uint32_t" else "UINT64_C"
        return [
            f"const {self.kind} low = ({total} + {macro}({half})) & {macro}({2**bits - 1});",
            f"const {self.stored} r = ({self.stored})((int64_t)low - INT64_C({half}));",
        ]


def sum_of(plan: Plan, x: Signal, weight: Tensor, out: Signal) -> Sum:
    """Choose the accumulator of a weighted sum."""
    stored = plan.stored(out.type)
    if not isinstance(out.type, QType):
        return Sum(stored, stored, out.type)
    if out.type.overflow == "wrap":
        return Sum("uint32_t" if out.type.bits <= 32 else "uint64_t", stored, out.type)
    if out.type.overflow == "saturate":
        return Sum("uint64_t", stored, out.type)
    return Sum(plan.sum_type(x.type, weight.type, out.type), stored, out.type)


def finish(
    w: NodeWriter,
    total: Sum,
    bias: str | None,
    axis: int,
    acc: tuple[str, Sequence[int]],
    out: str = "y",
) -> list[str]:
    """Give the end of all sums of a node: ``out = end(acc + bias)``; nothing where they are done.

    Args:
        w: The writer.
        total: How the sums are computed.
        bias: Name of the bias tensor.
        axis: Axis of the result that a bias of one axis runs along.
        acc: Name of the accumulators, and their stride along each axis of the result.
        out: Name of the result.
    """
    shape, own = w.out_signal().shape, w.plan.strides((w.node.name, "out"))
    plain = not isinstance(total.out, QType) or total.out.overflow == "refuse"
    if bias is None and total.in_place and plain and acc[0] == out:
        return []
    walks = [own, tuple(acc[1])]
    if bias is not None:
        given = w.plan.graph.tensors[bias].data.shape
        w.tensor("b", total.kind, bias)
        along = tuple(int(k == axis) for k in range(len(shape)))
        walks.append(strides_of(shape) if given == shape else along)
    if w.channels_last():
        # the innermost loop runs along the channels, as they lie
        shape, walks = (*shape[1:], shape[0]), [(*walk[1:], walk[0]) for walk in walks]
    sizes, walks = collapsed(shape, walks)
    counters = [f"i{k}" for k in range(len(sizes))]
    at, source, *place = (linear(counters, sizes, walk) for walk in walks)
    body = [f"const {total.kind} a = {acc[0]}[{source}];"]
    if bias is not None:
        body.append(f"const {total.kind} sum = a + b[{place[0]}];")
    body += total.ending("sum" if bias is not None else "a")
    return nest(counters, sizes, [*body, f"{out}[{at}] = r;"])
