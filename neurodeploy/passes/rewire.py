"""A graph that is being rewritten: what the passes change nodes, edges and tensors with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import InternalError
from neurodeploy.ir.check import tensor_names
from neurodeploy.ir.graph import Change, Graph
from neurodeploy.ir.make_cell import cell_signals, traced_cell
from neurodeploy.ir.nodes import Cell, Edge, Input, Map, Node, Output, Product, Provenance, Reduce
from neurodeploy.ir.rules_map import map_signal
from neurodeploy.ir.rules_reduce import product_signal, reduce_signal
from neurodeploy.ir.types import F32, NumType, Signal, Tensor, tensor
from neurodeploy.semantics.types import Float

__all__ = ["Draft", "Key", "rounding_margin", "united"]

Array = npt.NDArray[Any]
Key = tuple[str, str]
"""A signal, by node and output."""


class Draft:
    """A mutable copy of a graph; `finish` checks it and gives the new one.

    Args:
        graph: The graph; it is never altered.
        step: Name of the pass, for the record of changes.
    """

    def __init__(self, graph: Graph, step: str) -> None:
        self.graph = graph
        self.step = step
        self.nodes: dict[str, Node] = {n.name: n for n in graph.nodes}
        self.edges: dict[tuple[str, str], Edge] = {(e.target, e.port): e for e in graph.edges}
        self.tensors: dict[str, Tensor] = dict(graph.tensors)
        self.changes: list[Change] = []

    def into(self, name: str) -> list[Edge]:
        """Give the edges that a node reads, in the order of its ports."""
        return [self.edges[(name, port)] for port in self.nodes[name].ports]

    def readers(self, key: Key) -> list[Edge]:
        """Give the edges that carry a signal."""
        return [e for e in self.edges.values() if (e.source, e.output) == key]

    def read(self, edge: Edge, key: Key) -> None:
        """Let the port of ``edge`` read another signal, with the same delay."""
        moved = replace(edge, source=key[0], output=key[1])
        self.edges[(edge.target, edge.port)] = moved

    def signal(self, key: Key) -> Signal:
        """Derive a signal as it stands now.

        Raises:
            GraphError: the node and what arrives at it do not go together.
        """
        node = self.nodes[key[0]]
        if isinstance(node, Cell):
            return cell_signals(node)[key[1]]
        arrived = [self.signal((e.source, e.output)) for e in self.into(node.name)]
        if isinstance(node, Map):
            return map_signal(node.op, arrived, self.tensors)
        if isinstance(node, Reduce):
            return reduce_signal(node.op, arrived[0])
        if isinstance(node, Product):
            return product_signal(node.equation, arrived[0], arrived[1])
        if isinstance(node, Input):
            return Signal(node.shape, node.type, node.kind)
        return arrived[0] if isinstance(node, Output) else self.graph.signals[key]

    def fresh(self, wanted: str) -> str:
        """Give ``wanted``, or with a number behind it, as a name that no node has."""
        name, number = wanted, 2
        while name in self.nodes:
            name, number = f"{wanted}.{number}", number + 1
        return name

    def store(self, wanted: str, values: npt.ArrayLike, kind: NumType, *, owner: str) -> str:
        """Add a tensor and give its name: ``wanted``, unless a node but ``owner`` uses that."""
        used = {t for n in self.nodes.values() if n.name != owner for t in tensor_names(n)}
        used |= {e.initial for e in self.edges.values() if isinstance(e.initial, str)}
        name, number = wanted, 2
        while name in used:
            name, number = f"{wanted}.{number}", number + 1
        self.tensors[name] = tensor(values, kind, name=name)
        return name

    def cell(
        self,
        name: str,
        cell: str,
        arrived: Sequence[Key],
        *,
        shape: tuple[int, ...],
        params: Mapping[str, npt.ArrayLike],
        initial: Mapping[str, npt.ArrayLike] | None = None,
        options: Mapping[str, str | int | bool] | None = None,
        source: tuple[str, ...] = (),
        provenance: Provenance = (),
        float_type: Float = F32,
    ) -> Key:
        """Add a built-in cell, or put it in the place of the node ``name``; give its signal."""
        signals = [self.signal(key) for key in arrived]
        made = traced_cell(
            name,
            cell,
            signals,
            shape=shape,
            params=params,
            initial=initial or {},
            options=options or {},
            state_types={},
            timed=frozenset(),
            float_type=float_type,
        )
        stored = {
            old: self.store(old, t.data, t.type, owner=name) for old, t in made.tensors.items()
        }
        self.nodes[name] = replace(
            made.node,
            params=tuple(replace(p, tensor=stored[p.tensor]) for p in made.node.params),
            states=tuple(replace(s, initial=stored[s.initial]) for s in made.node.states),
            source=source,
            provenance=provenance,
        )
        for port, key in zip(made.node.ports, arrived, strict=True):
            self.edges[(name, port)] = Edge(key[0], key[1], name, port)
        return name, made.node.outputs[0]

    def remove(self, name: str) -> None:
        """Take out a node that nobody reads."""
        if any(e.source == name for e in self.edges.values()):
            raise InternalError(f"{name!r} is removed, but read")
        for port in self.nodes.pop(name).ports:
            del self.edges[(name, port)]

    def note(self, node: str, what: str, amount: str, why: str) -> None:
        """Record a change of a node that is, or was, in the graph."""
        known = self.nodes.get(node) or self.graph.node(node)
        self.changes.append(Change(node, known.source, self.step, what, amount, why))

    def finish(self) -> Graph:
        """Give the graph, without the tensors that nothing uses any more."""
        if not self.changes:
            return self.graph
        used = {t for n in self.nodes.values() for t in tensor_names(n)}
        used |= {e.initial for e in self.edges.values() if isinstance(e.initial, str)}
        return replace(
            self.graph,
            nodes=tuple(self.nodes.values()),
            edges=tuple(self.edges.values()),
            tensors={name: t for name, t in self.tensors.items() if name in used},
            changes=self.graph.changes + tuple(self.changes),
        )


def rounding_margin(exact: Array, stored: Array) -> float:
    """Give the largest relative rounding of ``exact`` (float64) to what was stored.

    >>> rounding_margin(np.array([0.0, 0.5]), np.array([0.0, 0.5], np.float32))
    0.0
    """
    size = np.abs(exact)
    error = np.abs(stored.astype(np.float64) - exact)
    return float(np.max(error[size > 0] / size[size > 0], initial=0.0))


def united(*sources: tuple[str, ...]) -> tuple[str, ...]:
    """Give all layers of the source model that the parts came from, each once, in order.

    >>> united(("conv",), ("bn", "conv"))
    ('conv', 'bn')
    """
    return tuple(dict.fromkeys(name for part in sources for name in part))
