"""A graph of ours as a tree of NIR nodes, and what NIR cannot say of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from neurodeploy.converters.nir.export_cells import cell_node, cell_params, known_cell
from neurodeploy.converters.nir.export_maps import map_node
from neurodeploy.converters.nir.flat import Flat, Wire, loop_sources
from neurodeploy.converters.nir.primitives import SPIKING, NirNode
from neurodeploy.errors import ConversionError, Finding
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Edge, Input, Map, Node, Output
from neurodeploy.ir.types import QType
from neurodeploy.passes.recognise import computes

__all__ = ["Exported", "export_graph"]


@dataclass(frozen=True)
class Exported:
    """The tree, and what it leaves out.

    Attributes:
        tree: The NIR graph.
        lost: A finding for each thing that NIR cannot say.
    """

    tree: NirNode
    lost: tuple[Finding, ...]


def export_graph(graph: Graph) -> Exported:
    """Give the nearest NIR graph.

    Raises:
        ConversionError: every node for which NIR has none, with the field that stands against it.
    """
    export = _Export(graph)
    export.run()
    edges = export.edges()
    return Exported(NirNode("NIRGraph", {}, export.nodes, edges), tuple(export.lost))


@dataclass
class _Export:
    graph: Graph
    nodes: dict[str, NirNode] = field(default_factory=dict)
    lost: list[Finding] = field(default_factory=list)
    found: list[Finding] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    passing: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)
    _wires: list[Wire] = field(default_factory=list)

    @property
    def dt(self) -> float:
        return 1.0 if self.graph.dt is None else float(self.graph.dt)

    def run(self) -> None:
        timed = any(isinstance(n, Cell) and n.states for n in self.graph.nodes)
        if self.graph.dt is None and (timed or any(e.delay for e in self.graph.edges)):
            self.lost.append(Finding("dt is unset: time constants and delays are in steps"))
        for node in self.graph.nodes:
            self.names[node.name] = self._name(node.name)
            try:
                made = self._node(node)
            except ConversionError as error:
                self.found += [
                    Finding(f.message, node=node.name, source=node.source, hint=f.hint)
                    for f in error.findings
                ]
                continue
            if made is None:
                self.passing.add(node.name)
            else:
                self.nodes[self.names[node.name]] = made
        self._wires = self._read_wires()
        if self.found:
            raise ConversionError(self.found)
        self.nodes = dict(sorted(self.nodes.items()))

    def _name(self, name: str) -> str:
        """Give a name that HDF5 can hold: a slash would make it a path."""
        wanted = name.replace("/", ".") if set(name) - {".", "/"} else f"node{name}"
        wanted = wanted.replace("\0", "")
        final, number = wanted, 1
        while final in self.taken:
            final, number = f"{wanted}_{number}", number + 1
        self.taken.add(final)
        if final != name:
            self.lost.append(Finding(f"is called {final!r} in the file", node=name))
        return final

    def _node(self, node: Node) -> NirNode | None:
        shapes = self._shapes(node)
        if isinstance(node, Input):
            if node.encoding != "direct" or node.kind != "value":
                text = f"encoding {node.encoding!r}, {node.kind!r}: NIR says the shape alone"
                self._lose(node, text)
            self._float(node)
            return NirNode("Input", {"shape": np.asarray(node.shape, np.int64)})
        if isinstance(node, Output):
            return NirNode("Output", {"shape": np.asarray(shapes[0], np.int64)})
        if isinstance(node, Map):
            self._float(node)
            return map_node(node, shapes, self.graph.tensors, self.dt, self.lost)
        if isinstance(node, Cell):
            return self._cell(node)
        raise ConversionError(f"NIR has no node for {type(node).__name__}")

    def _cell(self, cell: Cell) -> NirNode | None:
        if computes(cell, "add"):
            if any(self.graph.signal(e).shape != cell.shape for e in self._into(cell)):
                raise ConversionError("signals of different shapes are added: NIR's sum has one")
            return None
        options = known_cell(cell)
        self._float(cell)
        params = cell_params(cell, self.graph.tensors)
        if cell.definition == "spike_scale" and (params["amplitude"] == 1).all():
            return None
        if any(self.graph.signal(e).shape != cell.shape for e in self._into(cell)):
            raise ConversionError(f"shape {list(cell.shape)} of a broadcast: NIR has none")
        if cell.start:
            self._lose(cell, f"start is {cell.start}: NIR's neurons begin at once")
        for state in cell.states:
            if self.graph.tensors[state.initial].data.any():
                self._lose(cell, f"the initial value of {state.name!r} is not 0")
        return cell_node(cell, options, params, self.dt, self.lost)

    def _into(self, node: Node) -> tuple[Edge, ...]:
        return self.graph.edges_into[node.name]

    def _shapes(self, node: Node) -> tuple[tuple[int, ...], tuple[int, ...]]:
        into = self._into(node)
        arrived = self.graph.signal(into[0]).shape if into else ()
        left = self.graph.signals.get((node.name, node.outputs[0]))
        return arrived, arrived if left is None else left.shape

    def _float(self, node: Node) -> None:
        signal = self.graph.signals.get((node.name, node.outputs[0]))
        if signal is not None and isinstance(signal.type, QType):
            raise ConversionError("it computes with integers, and NIR has no quantisation")

    def _lose(self, node: Node, text: str) -> None:
        self.lost.append(Finding(text, node=node.name, source=node.source))

    # -- wires --------------------------------------------------------------------------------

    def _read_wires(self) -> list[Wire]:
        wires: list[Wire] = []
        for node in self.graph.nodes:
            if node.name in self.passing:
                continue
            target = self.names[node.name]
            mine = [w for e in self._into(node) for w in self._terms(e, target, 0, 0)]
            if len(mine) > 2:
                self._lose(node, f"{len(mine)} signals are added, in an order that NIR leaves open")
            wires += mine
        return sorted(wires)

    def _terms(self, edge: Edge, target: str, delay: int, depth: int) -> list[Wire]:
        """Give the wires that an edge becomes: through an addition, one for each of its terms."""
        source = self.graph.node(edge.source)
        total = delay + edge.delay
        if edge.output != source.outputs[0]:
            text = f"its output {edge.output!r} is read, and NIR's nodes have one"
            self.found.append(Finding(text, node=source.name, source=source.source))
        if isinstance(edge.initial, str) or edge.initial != 0:
            self._lose(source, f"initial of the edge to {edge.target} is not 0")
        if source.name not in self.passing:
            return [Wire(self.names[source.name], target, total)]
        if depth > len(self.graph.nodes):
            self.found.append(Finding("a cycle of additions", node=source.name))
            return []
        return [w for e in self._into(source) for w in self._terms(e, target, total, depth + 1)]

    def edges(self) -> tuple[tuple[str, str], ...]:
        """Give the edges; a delay that no loop implies becomes a Delay node.

        NIR has one edge between two nodes: a signal that is added to itself takes its second way
        through a Scale by 1.
        """
        open_ = self._implied()
        edges: set[tuple[str, str]] = set()
        for wire in self._wires:
            direct = wire.delay == 0 or wire in open_
            if direct and (wire.source, wire.target) not in edges:
                edges.add((wire.source, wire.target))
                continue
            name = self._between(wire)
            shape = self._sent_shape(wire.source)
            if direct:
                self.nodes[name] = NirNode("Scale", {"scale": np.ones(shape)})
            else:
                self.nodes[name] = NirNode("Delay", {"delay": np.full(shape, wire.delay * self.dt)})
            edges |= {(wire.source, name), (name, wire.target)}
        self.nodes = dict(sorted(self.nodes.items()))
        return tuple(sorted(edges))

    def _between(self, wire: Wire) -> str:
        """Give a name to the node in the middle of a wire."""
        wanted = f"{wire.source}.delay{wire.delay}.{wire.target}"
        final, number = wanted, 1
        while final in self.taken:
            final, number = f"{wanted}_{number}", number + 1
        self.taken.add(final)
        return final

    def _sent_shape(self, name: str) -> tuple[int, ...]:
        node = next(n for n in self.graph.nodes if self.names[n.name] == name)
        return self.graph.signals[(node.name, node.outputs[0])].shape

    def _implied(self) -> set[Wire]:
        """Give the wires whose delay a reader puts back: all of every loop, or none at all."""
        pairs = Counter((w.source, w.target) for w in self._wires)
        open_ = {
            w
            for w in self._wires
            if w.delay == 1
            and self.nodes[w.source].type in SPIKING
            and pairs[(w.source, w.target)] == 1
        }
        bare = {w: Wire(w.source, w.target) if w in open_ else w for w in self._wires}
        found: list[Finding] = []
        chosen = set(loop_sources(Flat(self.nodes, tuple(bare.values())), found))
        implied = {w for w, plain in bare.items() if w in open_ and plain in chosen}
        # without the delays that are no loop's, the same wires must be chosen again
        kept = [bare[w] if w in implied else w for w in self._wires]
        again = set(loop_sources(Flat(self.nodes, tuple(kept)), found))
        return implied if not found and again == {bare[w] for w in implied} else set()
