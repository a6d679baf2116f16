"""Gives the graph of the slices: each a population of its own, with the synapses that reach it.

What the slices compute together is what the graph computes: their states, one behind the other,
are those of its populations. So a map can be checked, by running both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from neurodeploy.errors import InternalError
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.make_cell import traced_cell
from neurodeploy.ir.nodes import Cell, Edge, Input, Map
from neurodeploy.ir.ops import Concat, Conv, Dense, Reshape, Synapses
from neurodeploy.ir.types import F32, Tensor, tensor
from neurodeploy.passes.recognise import named_options
from neurodeploy.passes.rewire import Draft, Key
from neurodeploy.targets.loihi.as_synapses import Rows, rows_of_map
from neurodeploy.targets.loihi.cores.mapping import CoreMap
from neurodeploy.targets.loihi.cores.slicing import Slice
from neurodeploy.targets.loihi.parts import Parts
from neurodeploy.targets.loihi.processes import PORTS, Connection, network_of

__all__ = ["slice_name", "split_graph"]


def slice_name(piece: Slice) -> str:
    """Give the name of a slice: its population, and its neurons."""
    return f"{piece.population}[{piece.first}:{piece.first + piece.count}]"


def split_graph(graph: Graph, placed: CoreMap) -> Graph:
    """Give the graph in which every slice of a map is a population.

    Args:
        graph: The graph that was mapped.
        placed: Its map.
    """
    return _Split(graph, placed).run()


class _Split:
    """A graph of slices in the making."""

    def __init__(self, graph: Graph, placed: CoreMap) -> None:
        self.graph = graph
        self.network = network_of(graph)
        self.draft = Draft(graph, "cores")
        self.parts = Parts(self.draft, 1)
        self.pieces: dict[str, list[Slice]] = {}
        for core in placed.cores:
            for piece in core.slices:
                self.pieces.setdefault(piece.population, []).append(piece)
        for found in self.pieces.values():
            found.sort(key=lambda s: s.first)
        self.whole: dict[Key, Key] = {}

    def run(self) -> Graph:
        cells = self.network.populations
        for cell in cells:
            for piece in self.pieces[cell.name]:
                self._seat(cell, piece)
        rows = {c.map.name: self._rows(c) for c in self.network.connections}
        for cell in cells:
            joined = [c for c in self.network.connections if c.target == cell.name]
            for piece in self.pieces[cell.name]:
                self._population(cell, piece, joined, rows)
        for node in self.graph.outputs:
            (edge,) = self.graph.edges_into[node.name]
            key = self._gathered((edge.source, edge.output), shaped=True)
            self.draft.edges[(node.name, "in")] = replace(edge, source=key[0], output=key[1])
        for old in self.graph.nodes:
            if isinstance(old, Map | Cell):  # nothing new reads it
                del self.draft.nodes[old.name]
                for port in old.ports:
                    del self.draft.edges[(old.name, port)]
        name = self.graph.outputs[0].name
        self.draft.note(name, "every slice of a population on its own", "exact", "one for a core")
        return self.draft.finish()

    def _seat(self, cell: Cell, piece: Slice) -> None:
        """Add what a slice sends, so that synapses can read it."""
        name, sent = slice_name(piece), self.graph.signals[(cell.name, "out")]
        shape = (piece.count,)
        self.draft.nodes[name] = Input(name=name, shape=shape, type=sent.type, kind=sent.kind)

    def _rows(self, joined: Connection) -> Rows:
        op = joined.map.op
        if not isinstance(op, Dense | Conv | Synapses):
            raise InternalError(f"{joined.map.name!r} is no connection")
        (edge,) = self.graph.edges_into[joined.map.name]
        made = self.graph.signals[(joined.map.name, "out")].shape
        draft = Draft(self.graph, "cores")
        return rows_of_map(op, draft, self.graph.signal(edge).shape, made)

    def _population(
        self,
        cell: Cell,
        piece: Slice,
        joined: Sequence[Connection],
        rows: Mapping[str, Rows],
    ) -> None:
        name, shape = slice_name(piece), (piece.count,)
        sums: dict[str, list[Key]] = {}
        for connection in joined:
            port = next((p for p, lava in PORTS.items() if lava == connection.port), cell.ports[0])
            key = self._arriving(connection, piece, rows[connection.map.name])
            sums.setdefault(port, []).append(key)
        arrived = [self.parts.added(f"{name}.sum", sums.get(p, []), shape) for p in cell.ports]
        made = traced_cell(
            name,
            cell.definition,
            [self.draft.signal(key) for key in arrived],
            shape=shape,
            params={p.name: self._part(p.tensor, cell, piece) for p in cell.params},
            initial={s.name: self._part(s.initial, cell, piece) for s in cell.states},
            options=named_options(cell) or {},
            state_types={s.name: s.type for s in cell.states},
            timed=frozenset(),
            float_type=F32,
        )
        stored = {
            old: self.draft.store(old, t.data, t.type, owner=name)
            for old, t in made.tensors.items()
        }
        self.draft.nodes[name] = replace(
            made.node,
            start=cell.start,
            source=cell.source,
            params=tuple(replace(p, tensor=stored[p.tensor]) for p in made.node.params),
            states=tuple(replace(s, initial=stored[s.initial]) for s in made.node.states),
        )
        for port, key in zip(cell.ports, arrived, strict=True):
            self.draft.edges[(name, port)] = Edge(*key, name, port)

    def _part(self, stored: str, cell: Cell, piece: Slice) -> Tensor:
        """Give a parameter of the neurons of a slice."""
        old = self.graph.tensors[stored]
        if old.data.size == 1:
            return tensor(old.data.reshape(()), old.type)
        spread = np.broadcast_to(old.data, cell.shape).reshape(-1)
        return tensor(spread[piece.first : piece.first + piece.count], old.type)

    def _arriving(self, joined: Connection, piece: Slice, rows: Rows) -> Key:
        """Give the sum of one connection that reaches a slice."""
        hears = (rows.target >= piece.first) & (rows.target < piece.first + piece.count)
        some = Rows(
            rows.source[hears],
            rows.target[hears] - piece.first,
            rows.weight[hears],
            None if rows.delay is None else rows.delay[hears],
        )
        name = self.draft.fresh(f"{joined.map.name} to {slice_name(piece)}")
        read = self._gathered((joined.source, "out"), shaped=False)
        op = joined.map.op
        kept = op.accumulator if isinstance(op, Dense | Conv | Synapses) else None
        made = self.parts.synapses(name, read, some, (piece.count,), 1, joined.map.source, kept)
        return self.parts.shifted(name, made, joined.exponent, joined.map.source)

    def _gathered(self, sent: Key, *, shaped: bool) -> Key:
        """Put what slices send one behind the other; give that, or it in its own shape."""
        if sent[0] not in self.pieces:
            return sent
        if sent not in self.whole:
            made = self.draft.fresh(f"{sent[0]}.slices")
            pieces = self.pieces[sent[0]]
            self.draft.nodes[made] = Map(name=made, op=Concat(0, len(pieces)))
            for number, piece in enumerate(pieces):
                port = f"in{number}"
                self.draft.edges[(made, port)] = Edge(slice_name(piece), sent[1], made, port)
            self.whole[sent] = made, "out"
        if not shaped:
            return self.whole[sent]
        shape = self.graph.signals[sent].shape
        whole = self.draft.fresh(f"{sent[0]}.whole")
        self.draft.nodes[whole] = Map(name=whole, op=Reshape(shape))
        self.draft.edges[(whole, "in")] = Edge(*self.whole[sent], whole, "in")
        return whole, "out"
