"""Finds Lava's processes in a graph of Loihi's cells: populations, and connections between them.

A connection is a Map whose sum goes, through a `loihi_synapse` cell or at once, to a population,
alone or added up with others. It takes one step; signals of three axes have their channels last in
Lava.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import CapabilityError, Finding, raise_findings
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Edge, Input, Map, Node, Output
from neurodeploy.ir.ops import Conv, Dense, Reshape, Synapses
from neurodeploy.ir.types import BOOL, QType
from neurodeploy.semantics.trace import cell_definition

__all__ = [
    "MESSAGE_BITS",
    "NEURONS",
    "SPIKES",
    "Connection",
    "Network",
    "network_of",
    "places_in_lava",
]

Array = npt.NDArray[Any]

# cell: Lava's process, its module, and the states that have another name there
NEURONS = {
    "loihi_lif": ("LIF", "lif", {}),
    "loihi_lif_reset": ("LIFReset", "lif", {}),
    "loihi_ternary_lif": ("TernaryLIF", "lif", {}),
    "loihi_resonator": ("RF", "rf", {"re": "real", "im": "imag"}),
    "loihi_resonator_reset": ("RF_IZ", "rf_iz", {"re": "real", "im": "imag"}),
    "loihi_sigma": ("Sigma", "sdn", {}),
    "loihi_delta": ("Delta", "sdn", {}),
    "loihi_sigma_delta": ("SigmaDelta", "sdn", {}),
}
PORTS = {"re_in": "a_real_in", "im_in": "a_imag_in"}
SPIKES = "s"
MESSAGE_BITS = 24
MOST_TERMS = 4096


@dataclass(frozen=True)
class Connection:
    """Synapses between an input or a population and a population.

    Attributes:
        map: The weighted sum.
        source: Name of the input or population that sends.
        target: Name of the population.
        port: Lava's port of the population.
        exponent: Exponent of the weights.
        graded: What is sent is a number.
    """

    map: Map
    source: str
    target: str
    port: str
    exponent: int
    graded: bool


@dataclass(frozen=True)
class Network:
    """The processes of a graph.

    Attributes:
        inputs: Nodes at which samples enter.
        populations: Neurons, in canonical order.
        connections: Synapses, in the order of populations and ports.
    """

    inputs: tuple[Input, ...]
    populations: tuple[Cell, ...]
    connections: tuple[Connection, ...]


def options_of(cell: Cell) -> dict[str, str]:
    """Give the options of a cell as text, those that it was not given as well."""
    defaults = cell_definition(cell.definition).options
    return {**{k: str(v) for k, v in defaults.items()}, **dict(cell.options)}


def places_in_lava(shape: tuple[int, ...]) -> Array:
    """Give the flat place in Lava's order of each element of a signal.

    >>> places_in_lava((2, 1, 3)).tolist()  # (channels, x, y) is (x, y, channels) there
    [0, 2, 4, 1, 3, 5]
    """
    size = int(np.prod(shape))
    if len(shape) != 3:
        return np.arange(size)
    return np.moveaxis(np.arange(size).reshape(*shape[1:], shape[0]), -1, 0).reshape(-1)


def network_of(graph: Graph) -> Network:
    """Give the processes of a graph.

    Raises:
        CapabilityError: everything that is no part of such a network.
    """
    reader = _Reader(graph)
    populations = tuple(c for c in graph.cells if c.definition in NEURONS)
    connections = [c for p in populations for c in reader.connections(p)]
    reader.outputs()
    reader.rest(populations)
    reader.parts(populations, connections)
    raise_findings(CapabilityError, reader.found)
    return Network(graph.inputs, populations, tuple(connections))


class _Reader:
    """Walks back from populations, and collects what it cannot read."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.found: list[Finding] = []
        self.seen: set[str] = set()

    def refuse(self, node: Node, text: str, hint: str = "") -> None:
        self.found.append(Finding(text, node=node.name, source=node.source, hint=hint))

    def connections(self, population: Cell) -> Iterator[Connection]:
        """Give what arrives at a population."""
        for edge in self.graph.edges_into[population.name]:
            port = PORTS.get(edge.port, "a_in")
            left, count = [edge], 0
            while left:
                edge, count = left.pop(), count + 1
                node = self.graph.node(edge.source)
                if count > MOST_TERMS:
                    self.refuse(population, f"more than {MOST_TERMS} sums arrive at one port")
                    break
                if isinstance(node, Cell) and node.definition == "add" and not edge.delay:
                    self.seen.add(node.name)
                    left += reversed(self.graph.edges_into[node.name])
                else:
                    yield from self._term(edge, population, port)

    def _term(self, edge: Edge, population: Cell, port: str) -> Iterator[Connection]:
        node = self.graph.node(edge.source)
        self.seen.add(node.name)
        if edge.delay:
            self.refuse(node, "its sum is delayed", "delay what it reads, by one step")
        elif isinstance(node, Cell) and node.definition == "loihi_synapse":
            (fed,) = self.graph.edges_into[node.name]
            summed = self.graph.node(fed.source)
            self.seen.add(summed.name)
            exponent = int(options_of(node)["exponent"])
            if isinstance(summed, Map) and not fed.delay:
                yield from self._connection(summed, population, port, exponent)
            else:
                self.refuse(node, "shifts what is no weighted sum of this step")
        elif isinstance(node, Map):
            yield from self._connection(node, population, port, 0)
        else:
            self.refuse(population, f"{node.name!r} arrives, which is no sum of weights")

    def _connection(
        self, node: Map, population: Cell, port: str, exponent: int
    ) -> Iterator[Connection]:
        if not isinstance(node.op, Dense | Synapses | Conv):
            self.refuse(node, f"{type(node.op).__name__} is no connection of Lava")
            return
        if node.op.bias is not None:
            self.refuse(node, "has a bias", "the neurons have one")
        (edge,) = self.graph.edges_into[node.name]
        delay, silent, sender = edge.delay, edge.initial == 0, self.graph.node(edge.source)
        while isinstance(sender, Map) and isinstance(sender.op, Reshape):
            self.seen.add(sender.name)
            (edge,) = self.graph.edges_into[sender.name]
            delay, silent = delay + edge.delay, silent and edge.initial == 0
            sender = self.graph.node(edge.source)
        output = edge.output
        sends = isinstance(sender, Input) or (
            isinstance(sender, Cell) and sender.definition in NEURONS and output == "out"
        )
        if not sends:
            self.refuse(node, f"reads {sender.name!r}, which is neither input nor population")
        elif delay != 1:
            hint = "every connection takes one step: retime the graph, or give synapses the delay"
            self.refuse(node, f"is reached after {delay} steps, a connection takes one", hint)
        elif not silent:
            self.refuse(node, "something arrives before anything was sent", "Lava starts with 0")
        else:
            graded = self.graph.signals[(sender.name, "out")].type != BOOL
            self._check_sum(node, node.op.accumulator, graded)
            self._check_shapes(node, sender, population)
            yield Connection(node, sender.name, population.name, port, exponent, graded)

    def _check_sum(self, node: Map, sum_: QType | None, graded: bool) -> None:
        """Refuse sums that end where Lava's go on; those of graded spikes have 24 bits."""
        if sum_ is None or sum_.overflow == "refuse":
            return
        if sum_.overflow == "saturate" or not graded or sum_.bits != MESSAGE_BITS:
            text = f"its sum has {sum_.bits} bits and {sum_.overflow}s, Lava's does not"
            self.refuse(node, text, f"sums of graded spikes may wrap at {MESSAGE_BITS} bits")

    def _check_shapes(self, node: Map, sender: Node, population: Cell) -> None:
        """Refuse what Lava would have to spread, or to read in another order."""
        signals = self.graph.signals
        made = signals[(node.name, "out")].shape
        if int(np.prod(made)) != int(np.prod(population.shape)):
            text = f"a sum of shape {list(made)} is spread over {list(population.shape)}"
            self.refuse(node, text, "Lava has one sum for each neuron")
        (edge,) = self.graph.edges_into[node.name]
        read, sent = self.graph.signal(edge).shape, signals[(sender.name, "out")].shape
        if isinstance(node.op, Conv) and read != sent:
            text = f"reads {sender.name!r} of shape {list(sent)} as {list(read)}"
            self.refuse(node, text, "in Lava a convolution reads the shape that is sent")

    def parts(self, populations: tuple[Cell, ...], connections: list[Connection]) -> None:
        """Refuse populations that nothing joins to the first one: Lava runs what is connected."""
        reached = {populations[0].name} if populations else set()
        size = -1
        while size != len(reached):
            size = len(reached)
            for c in connections:
                if {c.source, c.target} & reached:
                    reached |= {c.source, c.target}
        for population in populations:
            if population.name not in reached:
                text = f"nothing joins it to {populations[0].name!r}"
                self.refuse(
                    population, text, "Lava runs what is connected: compile each part alone"
                )

    def outputs(self) -> None:
        """Check that outputs read populations."""
        for node in self.graph.nodes:
            if not isinstance(node, Output):
                continue
            (edge,) = self.graph.edges_into[node.name]
            sender = self.graph.node(edge.source)
            population = isinstance(sender, Cell) and sender.definition in NEURONS
            if not population:
                text = f"reads {edge.source!r}, which is no population"
                self.refuse(node, text, "populations alone can be read")
            elif edge.delay and edge.initial != 0:
                self.refuse(node, "gives something before anything was sent", "Lava starts with 0")

    def rest(self, populations: tuple[Cell, ...]) -> None:
        """Refuse what no connection has led to."""
        known = self.seen | {p.name for p in populations}
        for node in self.graph.nodes:
            if node.name not in known and not isinstance(node, Input | Output):
                what = f"cell {node.definition!r}" if isinstance(node, Cell) else node.family
                text = f"{what} is neither a population of Loihi's neurons nor part of a connection"
                self.refuse(node, text, f"neurons: {', '.join(NEURONS)}")
