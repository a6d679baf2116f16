"""The Map, Reduce and Product methods of the `GraphBuilder`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import Finding, GraphError
from neurodeploy.ir.check import tensor_names
from neurodeploy.ir.nodes import Edge, Map, Node, Product, Reduce
from neurodeploy.ir.ops import (
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Gather,
    MapOp,
    MaxPool,
    Permute,
    Pool,
    ReduceOp,
    Reshape,
    Synapses,
    Window,
)
from neurodeploy.ir.rules_map import map_signal
from neurodeploy.ir.rules_reduce import product_signal, reduce_signal
from neurodeploy.ir.synapse_rows import SynapseRows, sorted_synapses
from neurodeploy.ir.types import QType, Signal, Tensor, tensor
from neurodeploy.semantics.types import Float

__all__ = ["MapMethods", "Ref", "window"]

Values = npt.ArrayLike | Tensor | str
Spatial = int | tuple[int, ...]
Padding = Spatial | tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Ref:
    """A signal of the graph that is being built, and how it is read."""

    node: str
    output: str
    signal: Signal
    delay: int = 0
    initial: float | int | bool | str = 0

    def after(self, delay: int, initial: float | int | bool | str = 0) -> Ref:
        """Give the same signal, read ``delay`` steps later."""
        return replace(self, delay=delay, initial=initial)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.signal.shape


def window(
    kernel: Spatial,
    stride: Spatial | None = None,
    padding: Padding = 0,
    dilation: Spatial = 1,
    *,
    rank: int,
) -> Window:
    """Make a window of ``rank`` axes from torch-like arguments; the stride defaults to 1."""

    def spread(value: Spatial | None) -> tuple[int, ...]:
        if value is None:
            return (1,) * rank
        return (value,) * rank if isinstance(value, int) else tuple(value)

    pads: list[tuple[int, int]] = []
    for n in (padding,) * rank if isinstance(padding, int) else padding:
        pads.append((n, n) if isinstance(n, int) else (n[0], n[1]))
    return Window(spread(kernel), spread(stride), tuple(pads), spread(dilation))


@contextmanager
def _located(name: str, source: Iterable[str] = ()) -> Iterator[None]:
    """Name the node in what a rule finds."""
    try:
        yield
    except GraphError as error:
        raise GraphError(
            [
                replace(f, node=f.node or name, source=f.source or tuple(source))
                for f in error.findings
            ]
        ) from error


class MapMethods:
    """Adds linear, structural and reducing nodes; the base of `GraphBuilder`."""

    float_type: Float
    nodes: list[Node]
    edges: list[Edge]
    tensors: dict[str, Tensor]

    def dense(
        self,
        name: str,
        x: Ref,
        weight: Values,
        bias: Values | None = None,
        *,
        axis: int = -1,
        accumulator: QType | None = None,
        source: Iterable[str] = (),
    ) -> Ref:
        """Add a dense projection; weight (out, in)."""
        op = Dense(*self._weights(name, weight, bias), axis=axis, accumulator=accumulator)
        return self.map(name, op, x, source=source)

    def conv(
        self,
        name: str,
        x: Ref,
        weight: Values,
        bias: Values | None = None,
        *,
        stride: Spatial = 1,
        padding: Padding = 0,
        dilation: Spatial = 1,
        groups: int = 1,
        accumulator: QType | None = None,
        source: Iterable[str] = (),
    ) -> Ref:
        r"""Add a convolution; weight (out, in / groups, \*kernel)."""
        w, b = self._weights(name, weight, bias)
        kernel = self.tensors[w].data.shape[2:]
        with _located(name):
            at = window(kernel, stride, padding, dilation, rank=len(kernel))
        return self.map(name, Conv(w, at, b, groups, accumulator), x, source=source)

    def conv_transpose(
        self,
        name: str,
        x: Ref,
        weight: Values,
        bias: Values | None = None,
        *,
        stride: Spatial = 1,
        padding: Padding = 0,
        dilation: Spatial = 1,
        extra: Spatial = 0,
        groups: int = 1,
        source: Iterable[str] = (),
    ) -> Ref:
        r"""Add a transposed convolution; weight (in, out / groups, \*kernel)."""
        w, b = self._weights(name, weight, bias)
        kernel = self.tensors[w].data.shape[2:]
        with _located(name):
            at = window(kernel, stride, padding, dilation, rank=len(kernel))
        more = (extra,) * len(kernel) if isinstance(extra, int) else tuple(extra)
        return self.map(name, ConvTranspose(w, at, more, b, groups), x, source=source)

    def synapses(
        self,
        name: str,
        x: Ref,
        shape: tuple[int, ...],
        weight: Values,
        source_index: npt.ArrayLike,
        target_index: npt.ArrayLike,
        delay: npt.ArrayLike | None = None,
        bias: Values | None = None,
        *,
        accumulator: QType | None = None,
        source: Iterable[str] = (),
    ) -> Ref:
        """Add single synapses from flat source to flat target indices, each with its delay.

        They are stored sorted by source, and in the given order within one. Weights that are
        named have to be in this order already.
        """
        with _located(name, tuple(source)):
            rows = sorted_synapses(weight, source_index, target_index, delay, x.signal.size)
        return self.synapse_rows(name, x, shape, rows, bias, accumulator=accumulator, source=source)

    def synapse_rows(
        self,
        name: str,
        x: Ref,
        shape: tuple[int, ...],
        rows: SynapseRows,
        bias: Values | None = None,
        *,
        accumulator: QType | None = None,
        source: Iterable[str] = (),
    ) -> Ref:
        """Add single synapses that are sorted by source, as `neurodeploy.connect` makes them."""
        w, b = self._weights(name, rows.weight, bias)
        op = Synapses(
            tuple(shape),
            w,
            self._index(f"{name}.starts", rows.starts),
            self._index(f"{name}.target", rows.target),
            None if rows.delay is None else self._index(f"{name}.delay", rows.delay),
            b,
            accumulator,
        )
        return self.map(name, op, x, source=source)

    def pool(
        self,
        name: str,
        x: Ref,
        kernel: Spatial,
        *,
        stride: Spatial | None = None,
        padding: Padding = 0,
        mode: Literal["sum", "average"] = "average",
        divisor: Literal["kernel", "valid"] = "kernel",
        source: Iterable[str] = (),
    ) -> Ref:
        """Add a sum or average pool; the stride defaults to the kernel."""
        with _located(name):
            steps = kernel if stride is None else stride
            at = window(kernel, steps, padding, rank=len(x.shape) - 1)
        return self.map(name, Pool(at, mode, divisor), x, source=source)

    def flatten(self, name: str, x: Ref, *, source: Iterable[str] = ()) -> Ref:
        """Add a reshape to one axis."""
        return self.map(name, Reshape((x.signal.size,)), x, source=source)

    def reshape(
        self, name: str, x: Ref, shape: tuple[int, ...], *, source: Iterable[str] = ()
    ) -> Ref:
        """Add a reshape."""
        return self.map(name, Reshape(tuple(shape)), x, source=source)

    def permute(
        self, name: str, x: Ref, axes: tuple[int, ...], *, source: Iterable[str] = ()
    ) -> Ref:
        """Add a permutation of axes."""
        return self.map(name, Permute(tuple(axes)), x, source=source)

    def concat(self, name: str, *arrived: Ref, axis: int = 0, source: Iterable[str] = ()) -> Ref:
        """Add a concatenation."""
        return self.map(name, Concat(axis, len(arrived)), *arrived, source=source)

    def gather(
        self,
        name: str,
        x: Ref,
        indices: npt.ArrayLike,
        *,
        axis: int = 0,
        source: Iterable[str] = (),
    ) -> Ref:
        """Add a selection of positions along an axis."""
        op = Gather(axis, self._index(f"{name}.indices", indices))
        return self.map(name, op, x, source=source)

    def map(self, name: str, op: MapOp, *arrived: Ref, source: Iterable[str] = ()) -> Ref:
        """Add any Map operation whose tensors are already there."""
        node = Map(name=name, op=op, source=tuple(source))
        with _located(name, node.source):
            missing = [t for t in tensor_names(node) if t not in self.tensors]
            if missing:
                raise GraphError([Finding(f"there is no tensor {t!r}") for t in missing])
            if len(arrived) != len(node.ports):
                raise GraphError(f"{len(arrived)} signals arrive at {len(node.ports)} ports")
            signal = map_signal(op, [r.signal for r in arrived], self.tensors)
        return self._add(node, dict(zip(node.ports, arrived, strict=True)), signal)

    def max_pool(
        self,
        name: str,
        x: Ref,
        kernel: Spatial,
        *,
        stride: Spatial | None = None,
        padding: Padding = 0,
        dilation: Spatial = 1,
        mode: Literal["frame", "cumulative"] = "frame",
        source: Iterable[str] = (),
    ) -> Ref:
        """Add a max pool; the stride defaults to the kernel."""
        steps = kernel if stride is None else stride
        with _located(name):
            at = window(kernel, steps, padding, dilation, rank=len(x.shape) - 1)
        return self.reduce(name, MaxPool(at, mode), x, source=source)

    def reduce(self, name: str, op: ReduceOp, x: Ref, *, source: Iterable[str] = ()) -> Ref:
        """Add any Reduce operation."""
        node = Reduce(name=name, op=op, source=tuple(source))
        with _located(name, node.source):
            signal = reduce_signal(op, x.signal)
        return self._add(node, {"in": x}, signal)

    def product(
        self, name: str, equation: str, a: Ref, b: Ref, *, source: Iterable[str] = ()
    ) -> Ref:
        """Add a contraction of two signals."""
        node = Product(name=name, equation=equation, source=tuple(source))
        with _located(name, node.source):
            signal = product_signal(equation, a.signal, b.signal)
        return self._add(node, {"a": a, "b": b}, signal)

    def _add(self, node: Node, arrived: Mapping[str, Ref], signal: Signal | None = None) -> Ref:
        self.nodes.append(node)
        for port, r in arrived.items():
            self.edges.append(Edge(r.node, r.output, node.name, port, r.delay, r.initial))
        return Ref(node.name, node.outputs[0], signal or next(iter(arrived.values())).signal)

    def _weights(self, name: str, weight: Values, bias: Values | None) -> tuple[str, str | None]:
        w = self._tensor(f"{name}.weight", weight)
        return w, None if bias is None else self._tensor(f"{name}.bias", bias)

    def _tensor(self, name: str, values: Values) -> str:
        if isinstance(values, str):
            if values not in self.tensors:
                raise GraphError(f"there is no tensor {values!r} to share", hint="add it first")
            return values
        made = values if isinstance(values, Tensor) else tensor(values, self.float_type, name=name)
        return self._store(name, made)

    def _index(self, name: str, values: npt.ArrayLike) -> str:
        array = np.asarray(values)
        top = int(array.max(initial=0))
        return self._store(name, tensor(array, QType(0, max(1, top)), name=name))

    def _store(self, name: str, value: Tensor) -> str:
        if name in self.tensors and self.tensors[name] != value:
            raise GraphError(f"two tensors are named {name!r}")
        self.tensors[name] = value
        return name
