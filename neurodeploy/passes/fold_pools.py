"""Takes pools that sum or average into the weights behind them: chips have no layer for them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Map
from neurodeploy.ir.ops import Conv, Dense, Pool, Reshape, Window
from neurodeploy.ir.types import Signal
from neurodeploy.passes.rewire import Draft
from neurodeploy.passes.weights import Weights, store_weights
from neurodeploy.semantics.types import Float

__all__ = ["fold_pools"]

STEP = "fold_pools"
Array = npt.NDArray[Any]
Reader = tuple[Map, Conv | Dense, tuple[str, ...]]


def fold_pools(graph: Graph) -> Graph:
    """Write a pool that sums or averages, and the weighted sum that reads it, as one sum.

    ``sum_i w_i mean(x over window i)`` is ``sum_i sum_k (w_i / |window|) x_ik``: a convolution of a
    larger kernel and stride, or a dense layer of more inputs. No neuron comes in between; each
    weight stands once for every place of its window, which is more synapses.

    1. The pool has no padding, counts its whole window, and is read by convolutions and dense
       layers alone, these through reshapes and without delay.
    2. A convolution that pads has a pool whose windows do not overlap and cover the signal.
    3. All other pools stay.
    """
    draft = Draft(graph, STEP)
    for node in reversed(graph.nodes):  # of two pools, the later one first
        made = draft.nodes[node.name]
        if isinstance(made, Map) and isinstance(made.op, Pool):
            _fold(draft, made, made.op)
    return draft.finish()


def _fold(draft: Draft, node: Map, op: Pool) -> None:
    (edge,) = draft.into(node.name)
    x = draft.signal((edge.source, edge.output))
    padded = any(n for pair in op.window.padding for n in pair)
    readers = _readers(draft, node)
    if padded or any(d > 1 for d in op.window.dilation) or not readers:
        return
    if not all(_takes(draft, *reader, op, x) for reader in readers):
        return
    for reader, summed, path in readers:
        if isinstance(summed, Conv):
            made, window = _spread(draft, summed, op)
            summed = replace(summed, window=window)
        else:
            made = _unpooled(draft, summed, op, x)
        new, margin = store_weights(draft, reader.name, summed, _with_bias(draft, summed, made))
        draft.nodes[reader.name] = replace(reader, op=new)
        first = path[0] if path else reader.name
        old = draft.edges[(first, "in")]
        draft.edges[(first, "in")] = replace(edge, target=first, delay=edge.delay + old.delay)
        for name in path:
            old_node = draft.nodes[name]
            draft.nodes[name] = Map(
                name=name,
                op=Reshape((x.size,)),
                source=old_node.source,
                provenance=old_node.provenance,
            )
        draft.note(
            reader.name,
            f"takes in the {op.mode} pool {node.name!r}",
            f"bounded: a weight instead of a division, rounded by {margin:.1e} of itself",
            "no layer of its own for a pool",
        )
    draft.remove(node.name)


def _readers(draft: Draft, node: Map) -> list[Reader]:
    """Give the weighted sums behind a pool, with the reshapes in between; empty for others."""
    found: list[Reader] = []
    for edge in draft.readers((node.name, "out")):
        at, late = draft.nodes[edge.target], edge.delay
        path: list[str] = []
        while isinstance(at, Map) and isinstance(at.op, Reshape):
            after = draft.readers((at.name, "out"))
            if len(after) != 1:
                return []
            path.append(at.name)
            late += after[0].delay
            at = draft.nodes[after[0].target]
        if not isinstance(at, Map) or not isinstance(at.op, Conv | Dense) or late:
            return []
        found.append((at, at.op, tuple(path)))
    return found


def _takes(
    draft: Draft, reader: Map, summed: Conv | Dense, path: tuple[str, ...], op: Pool, x: Signal
) -> bool:
    if not isinstance(draft.tensors[summed.weight].type, Float):
        return False
    if isinstance(summed, Dense):
        (edge,) = draft.into(reader.name)
        return len(draft.signal((edge.source, edge.output)).shape) == 1
    if path:
        return False
    pads = any(n for pair in summed.window.padding for n in pair)
    apart = all(k <= s for k, s in zip(op.window.kernel, op.window.stride, strict=True))
    covers = all(n % s == 0 for n, s in zip(x.shape[1:], op.window.stride, strict=True))
    return not pads or (apart and covers)


def _share(op: Pool) -> float:
    return 1.0 / math.prod(op.window.kernel) if op.mode == "average" else 1.0


def _spread(draft: Draft, conv: Conv, op: Pool) -> tuple[Array, Window]:
    """Give the kernel over what the pool reads, and its window."""
    weight = draft.tensors[conv.weight].data.astype(np.float64)
    pool, window = op.window, conv.window
    rank = len(pool.kernel)
    steps = [d * s for d, s in zip(window.dilation, pool.stride, strict=True)]
    sizes = [
        (k - 1) * step + p for k, step, p in zip(window.kernel, steps, pool.kernel, strict=True)
    ]
    made = np.zeros((*weight.shape[:2], *sizes))
    for tap in np.ndindex(*window.kernel):
        begin = [t * step for t, step in zip(tap, steps, strict=True)]
        at = tuple(slice(b, b + p) for b, p in zip(begin, pool.kernel, strict=True))
        value = weight[(slice(None), slice(None), *tap)] * _share(op)
        made[(slice(None), slice(None), *at)] += value.reshape(*value.shape, *[1] * rank)
    stride = tuple(a * b for a, b in zip(window.stride, pool.stride, strict=True))
    padding = tuple(
        (lo * s, hi * s) for (lo, hi), s in zip(window.padding, pool.stride, strict=True)
    )
    return made, Window(tuple(sizes), stride, padding, (1,) * rank)


def _unpooled(draft: Draft, dense: Dense, op: Pool, x: Signal) -> Array:
    """Give the matrix over what the pool reads."""
    weight = draft.tensors[dense.weight].data.astype(np.float64)
    pooled = (x.shape[0], *op.window.output(x.shape[1:]))
    rows = weight.reshape(len(weight), *pooled) * _share(op)
    made = np.zeros((len(weight), *x.shape))
    for at in np.ndindex(*pooled[1:]):
        begin = [a * s for a, s in zip(at, op.window.stride, strict=True)]
        over = tuple(slice(b, b + k) for b, k in zip(begin, op.window.kernel, strict=True))
        value = rows[(slice(None), slice(None), *at)]
        made[(slice(None), slice(None), *over)] += value.reshape(*value.shape, *[1] * len(at))
    return made.reshape(len(weight), -1)


def _with_bias(draft: Draft, op: Conv | Dense, weight: Array) -> Weights:
    bias = op.bias
    return Weights(weight, None if bias is None else draft.tensors[bias].data.astype(np.float64))
