"""The rules of a graph. Each function gives all findings at once.

`check_structure` is what must hold before nodes can be ordered: names, references, ports,
cycles. `check_meaning` then infers every signal, so that shapes and types are checked too.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, get_args

import numpy as np

from neurodeploy.errors import Finding
from neurodeploy.ir.nodes import Cell, Decode, Edge, Encoding, Input, Map, Node, Output
from neurodeploy.ir.order import cycle_finding
from neurodeploy.ir.strict_json import shown
from neurodeploy.ir.types import Kind, QType, Signal, Tensor, num_type_text
from neurodeploy.semantics.types import Float

if TYPE_CHECKING:
    from neurodeploy.ir.graph import Graph

__all__ = ["check_meaning", "check_structure", "tensor_names"]

MAX_DELAY = 1 << 20


def tensor_names(node: Node) -> Iterator[str]:
    """Give the names of the tensors that a node refers to."""
    if isinstance(node, Cell):
        yield from (p.tensor for p in node.params)
        yield from (s.initial for s in node.states)
    elif isinstance(node, Map):
        for field in ("weight", "bias", "starts", "target", "delay", "indices"):
            name = getattr(node.op, field, None)
            if name is not None:
                yield name


def check_structure(
    nodes: Sequence[Node], edges: Sequence[Edge], tensors: Mapping[str, Tensor]
) -> list[Finding]:
    """Check names, references, ports and cycles."""
    found = [
        Finding(f"the name {name!r} is used by {count} nodes", node=name)
        for name, count in Counter(n.name for n in nodes).items()
        if count > 1
    ]
    found += [Finding("a node has an empty name") for n in nodes if not n.name]
    by_name = {n.name: n for n in nodes}
    for edge in edges:
        found += _edge_findings(edge, by_name, tensors)
    fed = Counter((e.target, e.port) for e in edges)
    for node in by_name.values():
        for port in node.ports:
            count = fed[(node.name, port)]
            if count != 1:
                found.append(
                    Finding(
                        f"port {port!r} is fed by {count} edges",
                        node=node.name,
                        source=node.source,
                        hint="each port takes exactly one edge; a sum of signals is an add cell",
                    )
                )
    used = {name for node in nodes for name in tensor_names(node)}
    used |= {e.initial for e in edges if isinstance(e.initial, str)}
    for node in nodes:
        found += [
            Finding(f"there is no tensor {name!r}", node=node.name, source=node.source)
            for name in tensor_names(node)
            if name not in tensors
        ]
    found += [
        Finding(f"no node uses the tensor {name!r}", hint="leave it out")
        for name in tensors
        if name not in used
    ]
    if not any(isinstance(n, Input) for n in nodes):
        found.append(Finding("the graph has no input"))
    if not any(isinstance(n, Output) for n in nodes):
        found.append(Finding("the graph has no output"))
    return found or cycle_finding(nodes, edges, tensors)


def _edge_findings(
    edge: Edge, nodes: Mapping[str, Node], tensors: Mapping[str, Tensor]
) -> Iterator[Finding]:
    for end in (edge.source, edge.target):
        if end not in nodes:
            yield Finding(f"an edge names the node {end!r}, which does not exist", node=edge.key)
    if edge.source in nodes:
        sender = nodes[edge.source]
        if isinstance(sender, Output):
            yield Finding("an edge leaves an output node", node=edge.source)
        elif edge.output not in sender.outputs:
            yield Finding(
                f"there is no output {edge.output!r}",
                node=edge.source,
                source=sender.source,
                hint=f"it has: {', '.join(sender.outputs)}",
            )
    if edge.target in nodes and edge.port not in nodes[edge.target].ports:
        yield Finding(
            f"there is no port {edge.port!r}",
            node=edge.target,
            source=nodes[edge.target].source,
            hint=f"it has: {', '.join(nodes[edge.target].ports) or 'none'}",
        )
    if not 0 <= edge.delay <= MAX_DELAY:
        yield Finding(
            f"delay {edge.delay} is not in 0 to {MAX_DELAY} steps",
            node=edge.key,
            value=edge.delay,
            limit=MAX_DELAY,
        )
    if isinstance(edge.initial, str) and edge.initial not in tensors:
        yield Finding(f"there is no tensor {edge.initial!r}", node=edge.key)


def check_meaning(graph: Graph) -> list[Finding]:
    """Infer every signal; check what arrives before the first value, dt and T."""
    from neurodeploy.ir.infer import infer_signals
    from neurodeploy.ir.state import graph_state

    signals, found = infer_signals(graph)
    for edge in graph.edges:
        signal = signals.get((edge.source, edge.output))
        if signal is not None:
            found += _initial_findings(edge, signal, graph.tensors)
    if not found:
        owned = Counter((s.owner, s.name) for s in graph_state(graph))
        found += [
            Finding(f"two states are both called {name!r} of {owner!r}", node=owner)
            for (owner, name), count in owned.items()
            if count > 1
        ]
    for node in graph.nodes:
        found += _choice_findings(node)
    if graph.dt is not None and graph.dt <= 0:
        found.append(Finding(f"dt is {graph.dt} s", hint="a step lasts a positive time"))
    if graph.timesteps is not None and graph.timesteps < 1:
        found.append(Finding(f"timesteps is {graph.timesteps}", hint="at least 1"))
    return found


def _choice_findings(node: Node) -> Iterator[Finding]:
    """Check the fields that hold one of a few words."""
    words: list[tuple[str, str, object]] = []
    if isinstance(node, Input):
        words = [("kind", node.kind, Kind), ("encoding", node.encoding, Encoding)]
    elif isinstance(node, Output):
        words = [("decoding", node.decode, Decode)]
    for what, word, choices in words:
        if word not in get_args(choices):
            yield Finding(
                f"there is no {what} {word!r}", node=node.name, hint=", ".join(get_args(choices))
            )


def _initial_findings(
    edge: Edge, signal: Signal, tensors: Mapping[str, Tensor]
) -> Iterator[Finding]:
    if edge.delay == 0:  # then none is ever read, and 0 may lie outside of the signal's range
        if edge.initial != 0:
            yield Finding("an edge without delay has an initial value", node=edge.key)
    elif isinstance(edge.initial, str):
        given = tensors[edge.initial]
        if given.data.shape != signal.shape or given.type != signal.type:
            yield Finding(
                f"the initial value is {num_type_text(given.type)}{list(given.data.shape)}, "
                f"the signal {num_type_text(signal.type)}{list(signal.shape)}",
                node=edge.key,
            )
    elif isinstance(edge.initial, float) and not math.isfinite(edge.initial):
        yield Finding(f"initial value {edge.initial} is not finite", node=edge.key)
    elif not _holds(signal, edge.initial):
        kind = "spike" if signal.kind == "spike" else num_type_text(signal.type)
        yield Finding(f"initial value {shown(edge.initial)} is no {kind}", node=edge.key)


def _holds(signal: Signal, initial: float) -> bool:
    """Say whether a finite number is a value of the signal, rounded where it is a float."""
    if isinstance(signal.type, QType):
        return initial == int(initial) and signal.type.lo <= initial <= signal.type.hi
    if isinstance(signal.type, Float):
        return abs(initial) <= float(np.finfo(signal.type.dtype).max)
    return initial in (0, 1)
