"""The Graph: the one type that stands between all steps of the chain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from types import MappingProxyType

from neurodeploy.errors import GraphError, raise_findings
from neurodeploy.ir.nodes import Cell, Edge, Input, Node, Output
from neurodeploy.ir.types import Signal, Tensor

__all__ = ["OPSET", "Change", "Graph"]

OPSET = 1


@dataclass(frozen=True)
class Change:
    """One thing that a pass altered.

    Attributes:
        node: The node.
        source: Layers of the source model that it came from.
        step: Name of the pass.
        what: What was done.
        amount: By how much, with unit; ``exact`` where nothing was rounded.
        why: The reason.
    """

    node: str
    source: tuple[str, ...]
    step: str
    what: str
    amount: str
    why: str

    def to_json(self) -> dict[str, object]:
        """Give the change with the keys of the JSON contract."""
        return {
            "node": self.node,
            "source": list(self.source),
            "step": self.step,
            "what": self.what,
            "amount": self.amount,
            "why": self.why,
        }


@dataclass(frozen=True, eq=False)
class Graph:
    """A network: nodes, edges, named tensors, and the time that one step lasts.

    A graph that exists is checked: making one that breaks a rule raises all findings at once.
    Two graphs are equal when their content is (``changes``, sources and provenance are not
    content).

    Attributes:
        nodes: In canonical order (each node after those that it reads without delay).
        edges: In the order of their targets' ports.
        tensors: Weights, parameters, initial values, by name.
        dt: Seconds per step, exact; None where it is not known.
        timesteps: Steps of a run where the caller names none; None for one step of a model
            without time.
        opset: Version of the meaning of all this.
        changes: What the passes have altered so far.
        metadata: Free text fields about the origin.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    tensors: Mapping[str, Tensor]
    dt: Fraction | None = None
    timesteps: int | None = None
    opset: int = OPSET
    changes: tuple[Change, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    _index: Mapping[str, Node] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        from neurodeploy.ir.check import check_structure  # the check needs Graph

        raise_findings(GraphError, check_structure(self.nodes, self.edges, self.tensors))
        from neurodeploy.ir.order import ordered

        nodes, edges = ordered(self.nodes, self.edges, self.tensors)
        object.__setattr__(self, "nodes", nodes)
        object.__setattr__(self, "edges", edges)
        object.__setattr__(self, "tensors", MappingProxyType(dict(sorted(self.tensors.items()))))
        object.__setattr__(self, "_index", {n.name: n for n in nodes})
        from neurodeploy.ir.check import check_meaning

        raise_findings(GraphError, check_meaning(self))

    def __copy__(self) -> Graph:
        """Give the graph itself: nothing in it can change."""
        return self

    def __deepcopy__(self, memo: object) -> Graph:
        """Give the graph itself: nothing in it can change."""
        return self

    def __reduce__(self) -> tuple[Callable[[bytes], Graph], tuple[bytes]]:
        """Pickle as the bytes of its file, which are checked when they are read."""
        from neurodeploy.ir.file import graph_bytes, graph_from_bytes

        return graph_from_bytes, (graph_bytes(self),)

    def node(self, name: str) -> Node:
        """Give the node ``name``.

        Raises:
            GraphError: there is no such node.
        """
        if name not in self._index:
            raise GraphError(f"the graph has no node {name!r}", hint=f"nodes: {list(self._index)}")
        return self._index[name]

    def __contains__(self, name: object) -> bool:
        return name in self._index

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The input nodes, in canonical order."""
        return tuple(n for n in self.nodes if isinstance(n, Input))

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The output nodes, in canonical order."""
        return tuple(n for n in self.nodes if isinstance(n, Output))

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells, in canonical order."""
        return tuple(n for n in self.nodes if isinstance(n, Cell))

    @cached_property
    def edges_into(self) -> Mapping[str, tuple[Edge, ...]]:
        """For each node the edges that it reads, in the order of its ports."""
        found: dict[str, list[Edge]] = {n.name: [] for n in self.nodes}
        for edge in self.edges:
            found[edge.target].append(edge)
        return {name: tuple(edges) for name, edges in found.items()}

    @cached_property
    def edges_from(self) -> Mapping[str, tuple[Edge, ...]]:
        """For each node the edges that carry one of its outputs."""
        found: dict[str, list[Edge]] = {n.name: [] for n in self.nodes}
        for edge in self.edges:
            found[edge.source].append(edge)
        return {name: tuple(edges) for name, edges in found.items()}

    @cached_property
    def signals(self) -> Mapping[tuple[str, str], Signal]:
        """Shape, type and kind of each output of each node, by (node, output)."""
        from neurodeploy.ir.infer import infer_signals

        signals, findings = infer_signals(self)
        raise_findings(GraphError, findings)
        return signals

    def signal(self, edge: Edge) -> Signal:
        """Give what flows along ``edge``."""
        return self.signals[(edge.source, edge.output)]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content: nodes, edges, tensors, dt, timesteps, opset."""
        from neurodeploy.ir.codec import content_digest

        return content_digest(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Graph) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __str__(self) -> str:
        from neurodeploy.ir.text import graph_text

        return graph_text(self)

    def with_changes(self, *changes: Change) -> Graph:
        """Give the same graph with ``changes`` added to its record."""
        return replace(self, changes=self.changes + changes)

    def map_nodes(self, function: Callable[[Node], Node]) -> Graph:
        """Give the graph with each node replaced by ``function(node)``; names must stay."""
        return replace(self, nodes=tuple(function(n) for n in self.nodes))
