"""The one check of a graph against capabilities; it asks the data and names no target."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from neurodeploy.errors import Finding
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Map, Node, Product, Reduce
from neurodeploy.ir.ops import Conv, ConvTranspose, Dense, Synapses
from neurodeploy.ir.state import graph_state
from neurodeploy.ir.types import QType, storage_dtype
from neurodeploy.passes.recognise import named_options
from neurodeploy.semantics.types import Float
from neurodeploy.targets.base import Capabilities, CellRule, Limit

__all__ = ["capability_findings", "limit_usage"]


def capability_findings(graph: Graph, can: Capabilities) -> list[Finding]:
    """Give everything in ``graph`` that the profile cannot hold or compute."""
    found: list[Finding] = []
    for node in graph.nodes:
        found += _operation_findings(node, can)
        if isinstance(node, Cell):
            found += _cell_findings(node, can)
    found += _type_findings(graph, can)
    for limit in can.limits:
        found += _limit_findings(graph, limit, can.name)
    return found


def _operation_findings(node: Node, can: Capabilities) -> Iterator[Finding]:
    allowed: frozenset[str] | None = None
    what = ""
    if isinstance(node, Map):
        allowed, what = can.maps, type(node.op).__name__
    elif isinstance(node, Reduce):
        allowed, what = can.reduces, type(node.op).__name__
    elif isinstance(node, Product):
        allowed, what = None if can.products else frozenset(), "Product"
    if allowed is not None and what not in allowed:
        yield Finding(
            f"{what} is not possible on {can.name!r}",
            node=node.name,
            source=node.source,
            hint=f"possible: {', '.join(sorted(allowed)) or 'none of this family'}",
            value=what,
        )


def _cell_findings(node: Cell, can: Capabilities) -> Iterator[Finding]:
    if can.cells is None or any(_matches(node, rule) for rule in can.cells):
        return
    rules = [r for r in can.cells if r.definition == node.definition]
    shown = dict(node.options)
    wrong = [
        f"{name}={shown.get(name)} (possible: {', '.join(map(str, values))})"
        for rule in rules
        for name, values in rule.options
        if shown.get(name) not in {str(v) for v in values}
    ]
    names = ", ".join(sorted({r.definition for r in can.cells}))
    what, hint = "", f"possible cells: {names or 'none'}"
    if wrong:
        what, hint = f"with {'; '.join(wrong)} ", "choose one of the possible options"
    elif rules:
        what, hint = "with another program than its own ", "give a cell of your own its own name"
    yield Finding(
        f"cell {node.definition or 'of an unknown definition'!r} {what}"
        f"is not possible on {can.name!r}",
        node=node.name,
        source=node.source,
        hint=hint,
        value=node.definition,
    )


def _matches(node: Cell, rule: CellRule) -> bool:
    """Say whether the node computes what the rule allows: its program, not its label, decides."""
    if rule.definition != node.definition:
        return False
    options = named_options(node)
    if options is None:
        return False
    return all(options.get(name) in values for name, values in rule.options)


def _type_findings(graph: Graph, can: Capabilities) -> Iterator[Finding]:
    for node in graph.nodes:
        if isinstance(node, Map) and isinstance(node.op, Dense | Conv | ConvTranspose | Synapses):
            kind = graph.tensors[node.op.weight].type
            bits = kind.bits if isinstance(kind, QType) else None
            if can.weight_bits is not None and (bits is None or bits > can.weight_bits):
                held = "floats" if bits is None else f"integers of {bits} bits"
                yield Finding(
                    f"its weights are {held}, {can.name!r} holds integers of "
                    f"{can.weight_bits} bits",
                    node=node.name,
                    source=node.source,
                    hint=f"neurodeploy quantize --for {can.name}",
                    value=bits,
                    limit=can.weight_bits,
                )
        elif isinstance(node, Cell) and not can.float_state:
            floats = [f"state {s.name!r}" for s in node.states if isinstance(s.type, Float)]
            floats += [
                f"parameter {p.name!r}"
                for p in node.params
                if isinstance(graph.tensors[p.tensor].type, Float)
            ]
            for what in floats:
                yield Finding(
                    f"{what} is a float, {can.name!r} holds integers",
                    node=node.name,
                    source=node.source,
                    hint=f"neurodeploy quantize --for {can.name}",
                )


def limit_usage(graph: Graph, name: str) -> dict[str, int]:
    """Give how much of the limited thing each node uses, in the limit's unit."""
    used: dict[str, int] = {}
    slots = graph_state(graph) if name == "state_bytes" else ()
    for node in graph.nodes:
        amount = 0
        if name == "delay":
            amount = max((e.delay for e in graph.edges_into[node.name]), default=0)
            if isinstance(node, Map) and isinstance(node.op, Synapses) and node.op.delay:
                amount += int(graph.tensors[node.op.delay].data.max(initial=0))
        elif name == "state_bytes":
            owners = {node.name, *(e.key for e in graph.edges_into[node.name])}
            amount = sum(
                s.size * storage_dtype(s.type).itemsize for s in slots if s.owner in owners
            )
        elif isinstance(node, Cell) and name == "neurons":
            amount = int(np.prod(node.shape))
        elif isinstance(node, Map) and isinstance(node.op, Dense | Conv | ConvTranspose | Synapses):
            weight = graph.tensors[node.op.weight]
            if name == "weight_bytes":
                amount = weight.data.nbytes
            elif name == "fan_in":
                amount = _fan_in(node.op, graph)
            elif name == "synapses":
                amount = _fan_in(node.op, graph) * graph.signals[(node.name, "out")].size
                if isinstance(node.op, Synapses):
                    amount = int(weight.data.size)
        if amount:
            used[node.name] = amount
    return used


def _fan_in(op: Dense | Conv | ConvTranspose | Synapses, graph: Graph) -> int:
    weight = graph.tensors[op.weight].data
    if isinstance(op, Synapses):
        return int(np.bincount(graph.tensors[op.target].data).max(initial=0))
    if isinstance(op, ConvTranspose):
        return int(weight.size // weight.shape[1] // op.groups)
    return int(weight[0].size)


def _limit_findings(graph: Graph, limit: Limit, target: str) -> Iterator[Finding]:
    used = limit_usage(graph, limit.name)
    what = limit.name.replace("_", " ")
    if limit.per == "graph":
        # a delay or a fan-in of the whole graph is that of its worst node
        whole = max if limit.name in ("delay", "fan_in") else sum
        total = whole(used.values()) if used else 0
        used = {"": total} if total > limit.value else {}
    for name, amount in used.items():
        if amount > limit.value:
            source = graph.node(name).source if name else ()
            yield Finding(
                f"{what} {amount} exceeds the {limit.value} {limit.unit} of {target!r}",
                node=name,
                source=source,
                hint=f"--option {limit.name.replace('_', '-')}=N, or a smaller network",
                value=amount,
                limit=limit.value,
            )
