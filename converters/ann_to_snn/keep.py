"""Keeps as floats what cannot spike, beside neurons that do (``keep_ann``).

A function that is not linear does not commute with the mean over the steps, so it must not see
single spikes. Where spikes reach a kept node, it reads their running mean; its output then
*settles*: the value at the last step is the one to read, not the mean over the steps.

    kind of signal   value that stands for the analog one
    ==============   =========================================
    constant         each: no spike has an influence
    rate             the mean over the steps
    settled          the last: it is a function of running means
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Literal

from neurodeploy.ir.nodes import Cell, Edge, Input, Output, Reduce
from neurodeploy.ir.ops import MaxPool
from neurodeploy.passes.recognise import fires
from neurodeploy.passes.rewire import Draft, Key
from neurodeploy.semantics.types import F32, Float

__all__ = ["keep_analog"]

Kind = Literal["constant", "rate", "settled"]


def keep_analog(draft: Draft, kept: Collection[str]) -> None:
    """Let kept nodes read running means, and outputs behind them their last value.

    Args:
        draft: The graph, in which neurons stand in the place of activations.
        kept: Names of the nodes that stay analog.
    """
    kinds: dict[str, Kind] = {}
    means: dict[Key, Key] = {}
    for name in _order(draft):
        node = draft.nodes[name]
        edges = [] if isinstance(node, Input) else draft.into(name)
        arrived = {kinds[e.source] for e in edges if e.source in kinds}
        if fires(node):
            kinds[name] = "rate"
        elif isinstance(node, Output):
            _decode(draft, node, kinds[edges[0].source])
        elif isinstance(node, Reduce) and isinstance(node.op, MaxPool):
            # it will pool sums over the steps, and send the increments of their maximum
            kinds[name] = "constant" if arrived <= {"constant"} else "rate"
        elif "rate" in arrived and (name in kept or "settled" in arrived):
            for edge in edges:
                if kinds[edge.source] == "rate":
                    draft.read(edge, _mean(draft, edge, means))
            kinds[name] = "settled"
        else:
            kinds[name] = _strongest(arrived)
        if name in kept:
            what = "running means of spikes" if kinds[name] == "settled" else "analog values"
            draft.note(
                name,
                "kept as float: not spikes",
                f"exact function of {what}",
                f"{_label(node)} has no spiking form",
            )


def _strongest(arrived: Collection[Kind]) -> Kind:
    if "rate" in arrived:
        return "rate"
    return "settled" if "settled" in arrived else "constant"


def _order(draft: Draft) -> list[str]:
    """Give the names of the nodes, each after those that it reads."""
    done: dict[str, None] = {}
    todo = list(draft.nodes)
    while todo:
        left = []
        for name in todo:
            ends = isinstance(draft.nodes[name], Input)
            if ends or all(e.source in done for e in draft.into(name)):
                done[name] = None
            else:
                left.append(name)
        todo = left
    return list(done)


def _mean(draft: Draft, edge: Edge, means: dict[Key, Key]) -> Key:
    """Give the running mean of what an edge carries, one for all that read it."""
    key = (edge.source, edge.output)
    if key not in means:
        signal = draft.signal(key)
        source = draft.nodes[edge.source].source
        kind = signal.type if isinstance(signal.type, Float) else F32
        name = draft.fresh(f"{edge.source}.mean")
        means[key] = draft.cell(
            name,
            "running_mean",
            [key],
            shape=signal.shape,
            params={},
            source=source,
            float_type=kind,
        )
        draft.note(
            name,
            "running mean added",
            "exact: at the last step it is the mean over the steps",
            "what reads it is not linear, and must see the rate instead of single spikes",
        )
    return means[key]


def _decode(draft: Draft, node: Output, kind: Kind) -> None:
    if kind == "settled" and node.decode != "membrane":
        draft.nodes[node.name] = replace(node, decode="membrane")
        draft.note(
            node.name,
            f"decoding {node.decode} replaced by membrane, the last value",
            "exact",
            "behind a part that is kept as float, the last value is that of the mean",
        )


def _label(node: object) -> str:
    return (node.definition or "a cell") if isinstance(node, Cell) else type(node).__name__
