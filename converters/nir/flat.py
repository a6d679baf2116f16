"""Makes one flat graph of nested ones, with the delays that NIR leaves implicit.

Inputs and outputs of inner graphs are wires: what arrives at one leaves it. A ``Delay`` of whole
steps that is the same for all elements becomes a delay of the edges that leave it. On a cycle,
one step of delay stands on each edge that leaves a spiking cell and stays on the cycle; where
it holds none, on those that leave an integrator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from neurodeploy.converters.nir.conventions import Convention
from neurodeploy.converters.nir.primitives import SPIKING, STATEFUL, NirNode
from neurodeploy.errors import Finding

__all__ = [
    "Flat",
    "Wire",
    "components",
    "flatten",
    "later",
    "loop_sources",
    "misrouted",
    "without_delays",
]


@dataclass(frozen=True, order=True)
class Wire:
    """An edge between two flat nodes, with its delay in steps."""

    source: str
    target: str
    delay: int = 0


@dataclass(frozen=True)
class Flat:
    """Nodes by dotted name, in the order of their names, and wires between them."""

    nodes: Mapping[str, NirNode]
    wires: tuple[Wire, ...]


def flatten(graph: NirNode, found: list[Finding]) -> Flat:
    """Give the flat graph; inner inputs and outputs are gone."""
    nodes: dict[str, NirNode] = {}
    wires: list[Wire] = []
    inner: list[str] = []
    _collect(graph, "", nodes, wires, inner, found)
    for name in inner:
        wires = _bypass(name, wires, 0, found)
        del nodes[name]
    return Flat(nodes, tuple(sorted(wires)))


def _collect(
    graph: NirNode,
    prefix: str,
    nodes: dict[str, NirNode],
    wires: list[Wire],
    inner: list[str],
    found: list[Finding],
) -> None:
    for name, node in graph.nodes.items():
        full = f"{prefix}{name}"
        if node.type == "NIRGraph":
            _collect(node, f"{full}.", nodes, wires, inner, found)
            continue
        if full in nodes:
            found.append(Finding("two nodes have this name once graphs are flat", node=full))
        nodes[full] = node
        if prefix and node.type in ("Input", "Output"):
            inner.append(full)
    seen: set[tuple[str, str]] = set()
    for source, target in graph.edges:
        ends = []
        for end, kind, what in ((source, "Output", "leaves"), (target, "Input", "enters")):
            place = _end(graph, end, kind)
            if place is None:
                text = f"an edge {what} a node that does not exist, or has several {kind}s or none"
                found.append(Finding(text, node=f"{prefix}{end}"))
            ends.append(f"{prefix}{place}")
        if (source, target) in seen:
            text = f"the edge to {target} is there twice: NIR does not say that it counts twice"
            found.append(Finding(text, node=f"{prefix}{source}"))
        seen.add((source, target))
        wires.append(Wire(ends[0], ends[1]))


def _end(graph: NirNode, name: str, kind: str) -> str | None:
    """Give the node that an edge means: of an inner graph its one input or output."""
    node = graph.nodes.get(name)
    if node is None:
        return None
    if node.type != "NIRGraph":
        return name
    ends = [n for n, inner in node.nodes.items() if inner.type == kind]
    return f"{name}.{ends[0]}" if len(ends) == 1 else None


def _bypass(name: str, wires: list[Wire], delay: int, found: list[Finding]) -> list[Wire]:
    """Replace a node that only passes on by wires around it, ``delay`` steps longer."""
    into = [w for w in wires if w.target == name]
    out = [w for w in wires if w.source == name]
    rest = [w for w in wires if name not in (w.source, w.target)]
    if any(w.source == name for w in into):
        found.append(Finding("a cycle without a neuron runs through it", node=name))
    if not into:
        found.append(Finding("nothing arrives at it", node=name))
    if not out:
        found.append(Finding("nothing reads it: it would be dropped", node=name))
    around = [Wire(a.source, b.target, a.delay + delay + b.delay) for a in into for b in out]
    return rest + around


def without_delays(flat: Flat, steps: Mapping[str, int], found: list[Finding]) -> Flat:
    """Turn the nodes in ``steps`` into delays of wires."""
    wires = list(flat.wires)
    for name, delay in steps.items():
        wires = _bypass(name, wires, delay, found)
    nodes = {n: node for n, node in flat.nodes.items() if n not in steps}
    return Flat(nodes, tuple(sorted(wires)))


def later(flat: Flat, names: Iterable[str]) -> Flat:
    """Delay what leaves the nodes ``names`` by one step."""
    late = set(names)
    wires = (Wire(w.source, w.target, w.delay + (w.source in late)) for w in flat.wires)
    return Flat(flat.nodes, tuple(wires))


def misrouted(graph: NirNode, how: Convention) -> list[Finding]:
    """Find recurrent layers whose input a writer leads through the recurrent weights.

    spyx writes input -> weights -> neuron -> weights, and its model computes
    ``neuron(input + weights(spikes))``.
    """
    if not how.misroutes:
        return []
    found = []
    for place, inner in graph.walk():
        edges = {e for e in inner.edges if set(e) <= inner.nodes.keys()}
        for source, target in inner.edges:
            back = [
                t
                for s, t in sorted(edges)
                if s == target and (t, target) in edges and inner.nodes[t].type in SPIKING
            ]
            entry = inner.nodes.get(source)
            if place and entry is not None and entry.type == "Input" and back:
                found.append(
                    Finding(
                        f"{how.name} leads the input of a recurrent layer through {target}, and "
                        "its model does not",
                        node=f"{place}.{source}",
                        hint=f"let the edge lead to {back[0]!r}, or read the file as it stands "
                        "under another convention",
                    )
                )
    return found


def loop_sources(flat: Flat, found: list[Finding]) -> dict[Wire, str]:
    """Give the wires that get the implicit delay of a loop, each with the kind of its source.

    A cycle without any neuron has no step in which its signal could wait: a finding.
    """
    chosen: dict[Wire, str] = {}
    instant = [w for w in flat.wires if w.delay == 0]
    for group in components(flat.nodes, instant):
        inside = [w for w in instant if w.source in group and w.target in group]
        for kinds in (SPIKING, STATEFUL):
            sources = {n for n in group if flat.nodes[n].type in kinds}
            if sources:
                break
        else:
            shown = ", ".join(sorted(group)[:8])
            found.append(
                Finding(
                    f"a cycle without delay runs through {shown}, and no neuron is on it",
                    node=min(group),
                    hint="a signal cannot pass a loop in no time; put a neuron or a Delay on it",
                )
            )
            continue
        chosen |= {w: flat.nodes[w.source].type for w in inside if w.source in sources}
        left = [w for w in inside if w not in chosen]
        for rest in components(group, left):
            text = f"a cycle without a neuron runs through {', '.join(sorted(rest)[:8])}"
            found.append(Finding(text, node=min(rest)))
    return chosen


def components(names: Iterable[str], wires: Iterable[Wire]) -> list[set[str]]:
    """Give the sets of nodes that reach each other, by Tarjan's algorithm without recursion."""
    following: dict[str, list[str]] = {n: [] for n in names}
    for w in wires:
        if w.source in following and w.target in following:
            following[w.source].append(w.target)
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    groups: list[set[str]] = []
    for root in following:
        if root in index:
            continue
        work = [(root, iter(following[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, targets = work[-1]
            for target in targets:
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    on_stack.add(target)
                    work.append((target, iter(following[target])))
                    break
                if target in on_stack:
                    low[node] = min(low[node], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    group: set[str] = set()
                    while node not in group:
                        member = stack.pop()
                        on_stack.discard(member)
                        group.add(member)
                    if len(group) > 1 or node in following[node]:
                        groups.append(group)
    return groups
