"""The connections of a Loihi graph as lists of synapses, with how a core stores them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell
from neurodeploy.ir.ops import Conv, Dense, Synapses
from neurodeploy.passes.rewire import Draft
from neurodeploy.targets.loihi.as_synapses import rows_of_map
from neurodeploy.targets.loihi.processes import Connection, Network
from neurodeploy.targets.loihi.weights import sign_mode

__all__ = ["Fan", "Population", "fans_of", "populations_of"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Fan:
    """The synapses of one connection.

    Attributes:
        name: Its Map.
        source: The input or population that sends.
        target: The population that hears.
        begin: Sending neuron of each synapse.
        end: Hearing neuron of each synapse.
        weight: Position of each synapse's weight among those stored: a kernel's is shared.
        delays: Whether synapses have delays.
        shared: Whether weights are those of a kernel.
        form: What a core's table of formats tells apart.
    """

    name: str
    source: str
    target: str
    begin: Array
    end: Array
    weight: Array
    delays: bool
    shared: bool
    form: tuple[int, str, bool]


@dataclass(frozen=True, eq=False)
class Population:
    """A population as a core stores it.

    Attributes:
        name: Its name.
        size: Neurons.
        decays: For each neuron the number of its pair of decays.
        thresholds: For each neuron its threshold.
    """

    name: str
    size: int
    decays: Array
    thresholds: Array


def populations_of(graph: Graph, network: Network) -> list[Population]:
    """Give all populations, in canonical order."""
    return [_population(graph, cell) for cell in network.populations]


def _population(graph: Graph, cell: Cell) -> Population:
    size = int(np.prod(cell.shape))
    values = {
        p.name: np.broadcast_to(graph.tensors[p.tensor].data, cell.shape).reshape(-1)
        for p in cell.params
    }
    # a threshold of a ternary neuron is a pair; what has none has one setting
    levels = [values[n] for n in ("threshold", "upper", "lower") if n in values]
    others = [values[n] for n in ("du", "dv", "sine", "cosine") if n in values]
    return Population(cell.name, size, _numbered(others, size), _numbered(levels, size))


def _numbered(columns: list[Array], size: int) -> Array:
    """Number what differs between neurons."""
    if not columns:
        return np.zeros(size, np.int64)
    found: Array = np.unique(np.stack(columns, 1), axis=0, return_inverse=True)[1]
    return found.reshape(-1)


def fans_of(graph: Graph, network: Network) -> list[Fan]:
    """Give the synapses of all connections."""
    draft = Draft(graph, "cores")
    return [_fan(graph, draft, joined) for joined in network.connections]


def _fan(graph: Graph, draft: Draft, joined: Connection) -> Fan:
    node, op = joined.map, joined.map.op
    if not isinstance(op, Dense | Conv | Synapses):
        raise TypeError(f"{node.name} is no connection")
    (edge,) = graph.edges_into[node.name]
    weights = graph.tensors[op.weight].data
    shared = isinstance(op, Conv)
    if shared:
        # the place of each weight instead of its value says what a core has to store
        places = np.where(weights != 0, np.arange(1, weights.size + 1).reshape(weights.shape), 0)
        rows = rows_of_map(
            op, draft, graph.signal(edge).shape, graph.signals[(node.name, "out")].shape, places
        )
        weight = rows.weight
    else:
        made = graph.signals[(node.name, "out")].shape
        rows = rows_of_map(op, draft, graph.signal(edge).shape, made)
        weight = np.arange(len(rows.weight))
    delays = rows.delay is not None
    form = joined.exponent, sign_mode(weights).name, delays
    return Fan(
        node.name,
        joined.source,
        joined.target,
        rows.source,
        rows.target,
        weight,
        delays,
        shared,
        form,
    )
