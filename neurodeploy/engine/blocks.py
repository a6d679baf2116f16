"""Which nodes run step by step together, and which take many steps in one call.

A node outside every feedback loop can run over a tile of steps before the next node begins. A
dense projection gains by it: a slab of its weights stays in the cache while all steps of the tile
use it. Other nodes gain nothing, and run step by step in blocks, so that what they pass on to each
other needs memory for one step alone. What one block passes on to another one is kept for every
step of the tile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter

from neurodeploy.ir.graph import Graph

__all__ = ["Block", "blocks_of"]

Key = tuple[str, str]


@dataclass(frozen=True)
class Block:
    """Nodes that run together.

    Attributes:
        nodes: Their names, in canonical order.
        tiled: It is one node, and takes all steps of the tile in one call.
    """

    nodes: tuple[str, ...]
    tiled: bool


def blocks_of(
    graph: Graph,
    nodes: Iterable[str],
    root: Callable[[Key], Key],
    is_state: Callable[[Key], bool],
    gains: Callable[[str], bool],
) -> tuple[Block, ...]:
    """Give the blocks of a graph in the order in which they run.

    Args:
        graph: The graph.
        nodes: The nodes that have a function, in canonical order.
        root: Gives the output whose memory holds a signal.
        is_state: Says whether an output is a state, of which only the last step is kept.
        gains: Says whether a node gains by taking many steps in one call.
    """
    place = {name: i for i, name in enumerate(nodes)}
    after: dict[str, set[str]] = {name: set() for name in place}
    for edge in graph.edges:
        made = root((edge.source, edge.output))
        if edge.target in place and made[0] in place:
            after[edge.target].add(made[0])
            if is_state(made):
                # who reads a state must run in the same step: as if there were a feedback
                after[made[0]].add(edge.target)
    loops = _loops(after)
    groups: dict[str, list[str]] = {}
    for name, first in loops.items():
        groups.setdefault(first, []).append(name)
    behind = {
        first: {loops[other] for name in members for other in after[name]} - {first}
        for first, members in groups.items()
    }
    found: list[Block] = []
    run: list[str] = []
    for first in _in_order(behind, place):
        members = groups[first]
        alone = len(members) == 1 and first not in after[first]
        if alone and gains(first):
            found += [Block(_sorted(run, place), False)] if run else []
            found.append(Block((first,), True))
            run = []
        else:
            run += members
    found += [Block(_sorted(run, place), False)] if run else []
    return tuple(found)


def _loops(after: Mapping[str, set[str]]) -> dict[str, str]:
    """Give for each node the first node of the feedback loops that it is part of; else itself."""
    names = list(after)
    bit = {name: 1 << i for i, name in enumerate(names)}
    reached = dict(bit)
    changed = True
    while changed:
        changed = False
        for name in names:
            union = reached[name]
            for other in after[name]:
                union |= reached[other]
            changed |= union != reached[name]
            reached[name] = union
    first: dict[str, str] = {}
    for name in names:
        if name in first:
            continue
        for other in names:
            if reached[name] & bit[other] and reached[other] & bit[name]:
                first[other] = name
    return first


def _in_order(behind: Mapping[str, set[str]], place: Mapping[str, int]) -> list[str]:
    """Sort groups so that each stands after those it reads; else in canonical order."""
    sorter = TopologicalSorter(behind)
    sorter.prepare()
    ready: list[str] = []
    order: list[str] = []
    while sorter.is_active():
        ready = sorted([*ready, *sorter.get_ready()], key=place.__getitem__)
        chosen = ready.pop(0)
        order.append(chosen)
        sorter.done(chosen)
    return order


def _sorted(names: Iterable[str], place: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(sorted(names, key=place.__getitem__))
