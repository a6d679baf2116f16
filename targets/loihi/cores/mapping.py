"""Maps a graph of Loihi's neurons to cores and chips, and says what each holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import CapabilityError, Finding
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.strict_json import Json
from neurodeploy.spike_rates import noted_rates
from neurodeploy.targets.loihi.cores.fans import Fan, fans_of, populations_of
from neurodeploy.targets.loihi.cores.limits import CoreLimit
from neurodeploy.targets.loihi.cores.mesh import hop_distances, improved, traffic_cost
from neurodeploy.targets.loihi.cores.packing import Core, packed
from neurodeploy.targets.loihi.cores.slicing import Slice, sliced
from neurodeploy.targets.loihi.processes import network_of

__all__ = ["CoreMap", "PlacedCore", "core_map"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class PlacedCore:
    """One core.

    Attributes:
        chip: Number of its chip.
        row: Row of the mesh.
        column: Column of the mesh.
        slices: What lies on it.
        use: What that takes, by the name of the limit.
    """

    chip: int
    row: int
    column: int
    slices: tuple[Slice, ...]
    use: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class CoreMap:
    """A network on cores.

    Attributes:
        profile: The chip.
        limits: What a core and a chip hold.
        cores: The cores in use, in the order in which slices were put on them.
        chips: Number of chips.
        traffic: Spikes in a step of the chip from core to core.
        measured: Populations whose rates were measured; of the others, one spike of each neuron
            in a step of the network is taken.
        first_fit: Spikes times hops in a step, cores one beside the other.
        cost: The same, as placed.
    """

    profile: str
    limits: Mapping[str, CoreLimit]
    cores: tuple[PlacedCore, ...]
    chips: int
    traffic: Array
    measured: tuple[str, ...]
    first_fit: float
    cost: float

    def to_json(self) -> dict[str, Json]:
        """Give the map as the document ``map.json``."""
        return {
            "profile": self.profile,
            "chips": self.chips,
            "limits": {
                name: {"value": x.value, "unit": x.unit, "source": x.source, "evidence": x.evidence}
                for name, x in sorted(self.limits.items())
            },
            "cores": [self._core(core) for core in self.cores],
            "traffic": {
                "unit": "spikes times hops in a step of the chip",
                "measured": list(self.measured),
                "others": "one spike of each neuron in a step of the network",
                "first_fit": self.first_fit,
                "placed": self.cost,
            },
        }

    def _core(self, core: PlacedCore) -> Json:
        slices: list[Json] = [
            {"population": s.population, "first": s.first, "neurons": s.count} for s in core.slices
        ]
        return {
            "chip": core.chip,
            "row": core.row,
            "column": core.column,
            "slices": slices,
            "use": dict(core.use),
        }


def core_map(
    graph: Graph,
    profile: str,
    limits: Mapping[str, CoreLimit],
    *,
    chips: int,
    share: bool,
    pace: int = 1,
) -> CoreMap:
    """Map a graph of Loihi's neurons.

    Args:
        graph: The graph.
        profile: Name of the chip.
        limits: What its cores hold.
        chips: How many chips there are.
        share: Whether a core stores a kernel once.
        pace: Steps of the chip to one of the network.

    Raises:
        CapabilityError: a neuron is too much for a core, or the cores are too few.
    """
    network = network_of(graph)
    fans = fans_of(graph, network)
    slices = sliced(populations_of(graph, network), fans, limits, share=share)
    cores = packed(slices, limits)
    each, columns = limits["cores"].value, limits["columns"].value
    if len(cores) > chips * each:
        needed = -(-len(cores) // each)
        text = f"the network takes {len(cores)} cores, {chips} chip{'s' * (chips > 1)} have "
        text += f"{chips * each}"
        hint = f"--option chips={needed}, or a smaller network"
        raise CapabilityError(Finding(text, hint=hint, value=len(cores), limit=chips * each))
    noted, names = noted_rates(graph), [p.name for p in network.populations]
    rates = {name: noted.get(name, 1.0) / pace for name in names}
    traffic = _traffic(cores, fans, rates)
    used = -(-len(cores) // each)
    distances = hop_distances(used * each, each, columns)
    place = improved(traffic, distances)
    placed = tuple(_placed(c, int(at), each, columns) for c, at in zip(cores, place, strict=True))
    return CoreMap(
        profile,
        limits,
        placed,
        len({c.chip for c in placed}),
        traffic,
        tuple(name for name in names if name in noted),
        traffic_cost(traffic, distances, np.arange(len(cores))),
        traffic_cost(traffic, distances, place),
    )


def _placed(core: Core, place: int, each: int, columns: int) -> PlacedCore:
    chip, inside = divmod(place, each)
    row, column = divmod(inside, columns)
    return PlacedCore(chip, row, column, tuple(core.slices), core.use)


def _traffic(cores: Sequence[Core], fans: Sequence[Fan], rates: Mapping[str, float]) -> Array:
    """Give the spikes that go from core to core in a step."""
    found = np.zeros((len(cores), len(cores)))
    home: dict[str, list[tuple[int, int, int]]] = {}
    for number, core in enumerate(cores):
        for piece in core.slices:
            home.setdefault(piece.population, []).append((piece.first, piece.count, number))
    for fan in fans:
        if fan.source not in home:
            continue  # what comes from outside enters by one place
        begin, end = _cores_of(home[fan.source], fan.begin), _cores_of(home[fan.target], fan.end)
        axons = np.unique(np.stack([fan.begin, begin, end], 1), axis=0)
        np.add.at(found, (axons[:, 1], axons[:, 2]), rates[fan.source])
    return found


def _cores_of(pieces: Sequence[tuple[int, int, int]], neurons: Array) -> Array:
    ordered = sorted(pieces)
    firsts = np.array([first for first, _, _ in ordered])
    numbers = np.array([number for _, _, number in ordered])
    found: Array = numbers[np.searchsorted(firsts, neurons, side="right") - 1]
    return found
