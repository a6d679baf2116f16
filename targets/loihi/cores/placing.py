"""What a map of cores means for an artifact: resources, addresses, ``map.json``, a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from neurodeploy.errors import CapabilityError, Finding, UsageError, raise_findings
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.types import BOOL
from neurodeploy.targets.base import (
    Capabilities,
    Lowered,
    OptionValue,
    Placement,
    Resource,
    plain_addresses,
)
from neurodeploy.targets.loihi.cores.limits import limits_from_text, limits_of
from neurodeploy.targets.loihi.cores.mapping import CoreMap, core_map
from neurodeploy.targets.loihi.cores.picture import cores_page

__all__ = ["MAP", "PAGE", "CorePlacement", "placed_on_cores", "write_map"]

MAP, PAGE = "map.json", "cores.html"
NONE = "no limit is known"
SHARE_KERNELS = ("loihi2",)  # profiles whose cores store a kernel once


@dataclass(frozen=True)
class CorePlacement(Placement):
    """A placement with the map of its cores."""

    cores: CoreMap | None = None


def placed_on_cores(
    lowered: Lowered, capabilities: Capabilities, options: Mapping[str, OptionValue]
) -> CorePlacement:
    """Map a graph to the cores of a profile.

    Raises:
        CapabilityError: it does not fit, or sends numbers where the chip sends spikes.
        UsageError: there is no chip, or the limits that were given are damaged.
    """
    graph, profile = lowered.graph, capabilities.name
    chips, text = int(options["chips"]), str(options["limits"])
    if chips < 1:
        raise UsageError(Finding(f"chips is {chips}", node="chips", hint="1 or more"))
    if capabilities.grid is not None and not capabilities.grid.message_bits:
        raise_findings(CapabilityError, _numbers(graph, profile))
    limits = limits_from_text(text, profile) if text else limits_of(profile)
    share = profile in SHARE_KERNELS
    cores = core_map(graph, profile, limits, chips=chips, share=share, pace=lowered.pace)
    return CorePlacement(_resources(cores), _addresses(graph, cores), cores)


def _numbers(graph: Graph, profile: str) -> list[Finding]:
    return [
        Finding(f"sends numbers, {profile!r} sends spikes alone", node.name, node.source)
        for node in graph.inputs
        if node.type != BOOL
    ]


def _resources(cores: CoreMap) -> tuple[Resource, ...]:
    """Give the fullest core of each kind, the cores, and the memory of all together."""
    found = [Resource("cores", "", len(cores.cores), cores.limits["cores"].value * cores.chips,
                      "core", cores.limits["cores"].source)]  # fmt: skip
    for kind in cores.cores[0].use:
        most = max(core.use[kind] for core in cores.cores)
        limit = cores.limits.get(kind)
        name = f"{kind.replace('_', ' ')} of the fullest core"
        unit = limit.unit if limit else kind.rsplit("_", 1)[-1].rstrip("s")
        value, source = (limit.value, limit.source) if limit else (None, NONE)
        found.append(Resource(name, "", most, value, unit, source))
    return tuple(found)


def _addresses(graph: Graph, cores: CoreMap) -> dict[str, tuple[Mapping[str, int | str], ...]]:
    """Give chip, core and neuron of each output; inputs enter from outside."""
    found: dict[str, tuple[Mapping[str, int | str], ...]] = dict(plain_addresses(graph))
    where: dict[str, list[tuple[int, int, int, int, int]]] = {}
    columns = cores.limits["columns"].value
    for core in cores.cores:
        offset = 0
        for piece in core.slices:
            at = (piece.first, core.chip, core.row * columns + core.column, offset, piece.count)
            where.setdefault(piece.population, []).append(at)
            offset += piece.count
    for node in graph.outputs:
        source = graph.edges_into[node.name][0].source
        rows: list[Mapping[str, int | str]] = []
        for first, chip, number, offset, count in sorted(where[source]):
            rows += [
                {"index": first + i, "chip": chip, "core": number, "neuron": offset + i}
                for i in range(count)
            ]
        found[node.name] = tuple(
            {**row, "position": str(found[node.name][i]["position"])} for i, row in enumerate(rows)
        )
    return found


def write_map(cores: CoreMap | None, out: Path) -> None:
    """Write the map as a document and as a page."""
    if cores is None:
        return
    text = json.dumps(cores.to_json(), indent=1, sort_keys=True) + "\n"
    (out / MAP).write_text(text, encoding="utf-8", newline="\n")
    (out / PAGE).write_text(cores_page(cores), encoding="utf-8", newline="\n")
