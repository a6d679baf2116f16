"""Rewrites a float graph so that each of its parts has an integer form.

1. Batch norms and amplitudes of spikes are folded into weights (`fold_batch_norm`,
   `fold_spike_scale`).
2. Average pools and means become sums with a weight: a depthwise convolution with ones, whose
   step is one over the window.
3. Between a weighted sum and whatever is no cell (an output, a pool, a reshape) stands a cell
   that gives it one unit; it is where the bias is added.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Map, Output, Reduce
from neurodeploy.ir.ops import Conv, Pool, ReduceAxes, Reshape, Window
from neurodeploy.ir.types import BOOL, Signal
from neurodeploy.passes.fold_batch_norm import fold_batch_norm
from neurodeploy.passes.fold_spike_scale import fold_spike_scale
from neurodeploy.passes.rewire import Draft
from neurodeploy.passes.weights import Weighted
from neurodeploy.semantics.types import Float

__all__ = ["STEP", "prepared"]

STEP = "quantize"
EXACT = "exact: the same sum"


def prepared(graph: Graph) -> Graph:
    """Give the graph that is quantised; still over floats, and computing the same."""
    folded = fold_spike_scale(fold_batch_norm(graph))
    draft = Draft(folded, STEP)
    for node in folded.nodes:
        if isinstance(node, Map) and isinstance(node.op, Pool):
            _pool(draft, node, node.op)
        elif isinstance(node, Reduce) and isinstance(node.op, ReduceAxes):
            _mean(draft, node, node.op)
    for node in folded.nodes:
        made = draft.nodes[node.name]
        if not isinstance(made, Map) or not isinstance(made.op, Weighted):
            continue
        if isinstance(draft.tensors[made.op.weight].type, Float):  # else it is refused
            _separated(draft, made)
    return draft.finish()


def _arrived(draft: Draft, name: str) -> Signal:
    edge = draft.into(name)[0]
    return draft.signal((edge.source, edge.output))


def _pool(draft: Draft, node: Map, op: Pool) -> None:
    """Write an average as a convolution of each channel with ``1 / window``, a sum with 1."""
    x = _arrived(draft, node.name)
    counts = op.divisor == "valid" and any(n for pair in op.window.padding for n in pair)
    if op.mode == "average" and counts:
        return  # the divisor differs from place to place: refused where it is quantised
    if op.mode == "average" or x.type == BOOL:
        _convolved(draft, node.name, op.window, x, average=op.mode == "average")


def _convolved(draft: Draft, name: str, window: Window, x: Signal, *, average: bool) -> None:
    channels = x.shape[0]
    one = 1.0 / math.prod(window.kernel) if average else 1.0
    ones = np.full((channels, 1, *window.kernel), one)
    kind = x.type if isinstance(x.type, Float) else Float(32)
    weight = draft.store(f"{name}.weight", ones, kind, owner=name)
    old = draft.nodes[name]
    draft.nodes[name] = Map(
        name=name,
        op=Conv(weight=weight, window=window, groups=channels),
        source=old.source,
        provenance=old.provenance,
    )
    draft.note(
        name,
        "a pool as a weighted sum",
        "bounded: one weight instead of a division" if average else EXACT,
        "a sum of integers has a step of its own",
    )


def _mean(draft: Draft, node: Reduce, op: ReduceAxes) -> None:
    """Write a mean or a sum over all spatial axes as a pool over them, and a reshape."""
    x = _arrived(draft, node.name)
    spatial = tuple(range(1, len(x.shape)))
    numbers = op.function == "sum" and x.type != BOOL
    if op.function == "max" or numbers or op.axes != spatial or not 1 <= len(spatial) <= 3:
        return
    average = op.function == "mean"
    kernel = x.shape[1:]
    window = Window(kernel, (1,) * len(kernel), ((0, 0),) * len(kernel), (1,) * len(kernel))
    readers = draft.readers((node.name, "out"))
    _convolved(draft, node.name, window, x, average=average)
    if op.keepdims:
        return
    name = draft.fresh(f"{node.name}.flat")
    edge = replace(draft.into(node.name)[0], source=node.name, output="out", target=name, port="in")
    draft.nodes[name] = Map(name=name, op=Reshape((x.shape[0],)), source=node.source)
    draft.edges[(name, "in")] = replace(edge, delay=0, initial=0)
    for reader in readers:
        draft.read(reader, (name, "out"))


def _separated(draft: Draft, node: Map) -> None:
    """Put a cell behind a weighted sum for everything that reads it and is no cell."""
    key = (node.name, "out")
    others = [e for e in draft.readers(key) if not isinstance(draft.nodes[e.target], Cell)]
    if not others:
        return
    out = draft.signal(key)
    plain = all(isinstance(draft.nodes[e.target], Output) for e in others)
    made = draft.cell(
        draft.fresh(f"{node.name}.units"),
        "scale",
        [key],
        shape=out.shape,
        params={"scale": np.float64(1)},
        source=node.source,
        float_type=out.type if isinstance(out.type, Float) else Float(32),
    )
    for edge in others:
        draft.read(edge, made)
    draft.note(
        made[0],
        "a cell that gives a weighted sum one unit",
        EXACT,
        "an output has one step" if plain else "pools and reshapes need one step",
    )
