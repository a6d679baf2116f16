"""Cross-layer equalisation: channels of one layer get like ranges of weights.

Behind a rectifier, ``relu(s * x) = s * relu(x)`` for s > 0: channel c of a projection may be
divided by s[c], and what later projections do with it multiplied by s[c], and nothing changes. The
weights are balanced where ``s[c] = sqrt(r1[c] / r2[c])``, r1 the largest weight into the channel
and r2 the largest one that reads it (Nagel et al. 2019, "Data-Free Quantization Through Weight
Equalization and Bias Correction", equation 11).

Here s is the nearest power of two: every product and sum then has the same digits as before, so
that the float network stays the same bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import QuantizationError
from neurodeploy.ir.check import tensor_names
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Map, Reduce
from neurodeploy.ir.ops import Dense
from neurodeploy.ir.rules_map import fan_axes
from neurodeploy.passes.recognise import computes
from neurodeploy.passes.rewire import Draft
from neurodeploy.passes.scaling import Scaling, carried
from neurodeploy.passes.weights import Weighted, input_scaled
from neurodeploy.quantize.projections import WeightedMap, channel_axis, weighted_maps
from neurodeploy.semantics.types import Float

__all__ = ["equalised"]

Array = npt.NDArray[Any]
Ordinals = npt.NDArray[np.int64]
STEP = "equalise"
ROUNDS = 32
LARGEST_SHIFT = 24  # far from where a float32 leaves its normal range


@dataclass(frozen=True, eq=False)
class _Pair:
    """A projection, and the projections that read it behind a rectifier.

    Attributes:
        first: The projection in front.
        readers: By name, for each weight the channel that it reads, from 1; 0 for none.
    """

    first: WeightedMap
    readers: dict[str, Ordinals]


def equalised(graph: Graph) -> Graph:
    """Balance the weights of projections that meet through a ReLU or leaky ReLU.

    Pools, reshapes and the like in between are passed. A projection whose channels are also read
    by something else stays as it is, and so does one that shares its weights.

    Args:
        graph: A float graph, its batch norms folded.

    Raises:
        QuantizationError: no two projections meet in this way.
    """
    pairs = [p for node in weighted_maps(graph) if (p := _pair(graph, node)) is not None]
    if not pairs:
        raise QuantizationError(
            "no two projections meet through a rectifier: equalisation changes nothing",
            hint="it balances analog layers; a spike has one size, whatever its channel",
        )
    names = dict.fromkeys(n for p in pairs for n in (p.first.name, *p.readers))
    ops = {n.name: n.op for n in weighted_maps(graph)}
    work = {name: graph.tensors[ops[name].weight].data.astype(np.float64) for name in names}
    shifts = {p.first.name: np.zeros(_channels(p, work), np.int64) for p in pairs}
    for _ in range(ROUNDS):
        scaled = [_balance(pair, work, shifts) for pair in pairs]
        if not any(scaled):
            break
    return _written(graph, pairs, work, shifts)


def _pair(graph: Graph, node: WeightedMap) -> _Pair | None:
    """Find what reads a projection through a rectifier alone."""
    edges = graph.edges_from[node.name]
    axis = channel_axis(node.op)
    if axis is None or len(edges) != 1 or edges[0].delay or not _own_weights(graph, node):
        return None
    cell, out = graph.node(edges[0].target), graph.signals[(node.name, "out")]
    if not computes(cell, "relu", "leaky_relu"):
        return None
    key = (cell.name, cell.outputs[0])
    if graph.signals[key].shape != out.shape:
        return None
    along = fan_axes(node.op, len(out.shape)) if isinstance(node.op, Dense) else 0
    shape = [1] * len(out.shape)
    shape[along] = -1
    numbers = np.arange(1, out.shape[along] + 1, dtype=np.float64).reshape(shape)
    readers: dict[str, Ordinals] = {}
    channels = Scaling(np.broadcast_to(numbers, out.shape), np.zeros(out.shape))
    alone = _follow(graph, key, channels, readers)
    return _Pair(node, readers) if alone and readers else None


def _own_weights(graph: Graph, node: WeightedMap) -> bool:
    if not isinstance(graph.tensors[node.op.weight].type, Float):
        return False
    held = [n.name for n in graph.nodes if node.op.weight in tensor_names(n)]
    return held == [node.name]


def _follow(
    graph: Graph, key: tuple[str, str], channels: Scaling, readers: dict[str, Ordinals]
) -> bool:
    """Follow a signal to the projections that read it; say whether nothing else does.

    The number of each element's channel goes along as if it were a scale.
    """
    for edge in graph.edges_from[key[0]]:
        if edge.output != key[1]:
            continue
        node = graph.node(edge.target)
        if edge.delay or len(node.ports) != 1 or not isinstance(node, Map | Reduce):
            return False
        out = graph.signals[(node.name, "out")]
        if isinstance(node, Map) and isinstance(node.op, Weighted):
            made = input_scaled(replace(node.op, bias=None), channels, out, graph.tensors)
            weight = graph.tensors[node.op.weight].data.astype(np.float64)
            shared = len([n for n in graph.nodes if node.op.weight in tensor_names(n)]) > 1
            if made is None or shared or node.name in readers:
                return False
            found = np.divide(made.weight, weight, out=np.zeros_like(weight), where=weight != 0)
            readers[node.name] = np.rint(found).astype(np.int64)
            continue
        moved = carried(node, [channels], out, graph.tensors)
        if moved is None or not _follow(graph, (node.name, "out"), moved, readers):
            return False
    return True


def _channels(pair: _Pair, work: Mapping[str, Array]) -> int:
    return int(work[pair.first.name].shape[channel_axis(pair.first.op) or 0])


def _balance(pair: _Pair, work: dict[str, Array], shifts: Mapping[str, Array]) -> bool:
    """Scale each channel by a power of two; say whether one was scaled."""
    name, axis = pair.first.name, channel_axis(pair.first.op) or 0
    count = _channels(pair, work)
    into = np.abs(np.moveaxis(work[name], axis, 0)).reshape(count, -1).max(axis=1)
    read = np.zeros(count + 1)
    for reader, ordinals in pair.readers.items():
        np.maximum.at(read, ordinals, np.abs(work[reader]))
    alive = (into > 0) & (read[1:] > 0)
    exponent = np.zeros(count, np.int64)
    # halves to 0: what is balanced within a power of two stays
    half = np.log2(into[alive] / read[1:][alive]) / 2
    exponent[alive] = np.trunc(half + np.copysign(0.49, half))
    total = np.clip(shifts[name] + exponent, -LARGEST_SHIFT, LARGEST_SHIFT)
    exponent = total - shifts[name]
    shifts[name][:] = total
    work[name] = np.ldexp(work[name], -_along(exponent, axis, work[name].ndim))
    back = np.concatenate([[0], exponent])
    for reader, ordinals in pair.readers.items():
        work[reader] = np.ldexp(work[reader], back[ordinals])
    return bool(exponent.any())


def _along(values: Array, axis: int, rank: int) -> Array:
    return values.reshape([-1 if a == axis else 1 for a in range(rank)])


def _written(
    graph: Graph, pairs: Sequence[_Pair], work: Mapping[str, Array], shifts: Mapping[str, Array]
) -> Graph:
    """Store the weights and the biases of the channels that were scaled."""
    draft = Draft(graph, STEP)
    scaled = {p.first.name: shifts[p.first.name] for p in pairs}
    for node in weighted_maps(graph):
        if node.name not in work:
            continue
        op, kind = node.op, graph.tensors[node.op.weight].type
        weight = draft.store(op.weight, work[node.name], kind, owner=node.name)
        bias = op.bias
        by = scaled.get(node.name)
        if bias is not None and by is not None:
            values = graph.tensors[bias].data.astype(np.float64)
            out = graph.signals[(node.name, "out")]
            along = fan_axes(op, len(out.shape)) if isinstance(op, Dense) else 0
            if values.ndim > 1:
                by = _along(by, along, values.ndim)
            bias = draft.store(bias, np.ldexp(values, -by), kind, owner=node.name)
        draft.nodes[node.name] = replace(node, op=replace(op, weight=weight, bias=bias))
        draft.note(
            node.name,
            "channels equalised",
            "exact: every scale is a power of two",
            "weights of like size in all channels of two layers"
            + ("" if by is None else f": 2^{-int(by.max())} to 2^{-int(by.min())}"),
        )
    return draft.finish()
