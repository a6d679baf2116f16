"""The target of Loihi: its neurons as integer cells, and programs for lava-nc 0.10.0.

The arithmetic is that of the fixed-point models of lava-nc 0.10.0, the last version of an archived
project; tests compare every state of every step with it. Only the runner ``lava`` needs Lava.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from neurodeploy.errors import CapabilityError, raise_findings
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Map
from neurodeploy.ir.ops import Conv, Dense, Synapses
from neurodeploy.ir.state import graph_state
from neurodeploy.targets.base import (
    Capabilities,
    CellRule,
    Limit,
    Lowered,
    Option,
    OptionValue,
    Placement,
    Resource,
    Run,
    RunnerFactory,
    Target,
    plain_addresses,
)
from neurodeploy.targets.check import capability_findings
from neurodeploy.targets.grid import IntegerNeuron
from neurodeploy.targets.loihi import cells, resonators, sigma_delta, step_lif
from neurodeploy.targets.loihi.cores.limits import limits_file_text, limits_of
from neurodeploy.targets.loihi.cores.placing import CorePlacement, placed_on_cores, write_map
from neurodeploy.targets.loihi.lowering import hops, lowered
from neurodeploy.targets.loihi.processes import NEURONS
from neurodeploy.targets.loihi.program import lava_program
from neurodeploy.targets.loihi.quantised import LAVA_GRID, integer_cell
from neurodeploy.targets.options import parse_options

if TYPE_CHECKING:
    from neurodeploy.ir.make_cell import MadeCell
    from neurodeploy.ir.nodes import Cell, Node
    from neurodeploy.ir.types import Signal
    from neurodeploy.profile.energy import CostModel

__all__ = ["TARGET", "LoihiTarget"]

SOURCE = "counted from the graph; this profile has no cores"
CELLS = (*NEURONS, "loihi_step_lif", "loihi_synapse", "add")

LAVA = Capabilities(
    name="lava",
    description="lava-nc 0.10.0's fixed-point models of Loihi, without a placement on cores",
    maps=frozenset({"Dense", "Synapses", "Conv", "Reshape"}),
    reduces=frozenset({"MaxPool"}),
    products=False,
    cells=tuple(CellRule(name) for name in CELLS),
    float_state=False,
    grid=LAVA_GRID,
)

PLACED = (
    Option("chips", 1, "chips that there are"),
    Option("limits", "", "file with limits of a core and a chip, as limits.toml of this package"),
)
LOIHI2 = replace(
    LAVA,
    name="loihi2",
    description="Loihi 2: cores of the published limits, the arithmetic of lava-nc 0.10.0",
    options=PLACED,
)
LOIHI1 = replace(
    LOIHI2,
    name="loihi1",
    description="Loihi: LIF neurons and spikes alone, cores as nengo-loihi 1.1.0 has them",
    cells=tuple(CellRule(name) for name in ("loihi_lif", "loihi_step_lif", "loihi_synapse", "add")),
    grid=replace(LAVA_GRID, message_bits=0),
    limits=(
        Limit("fan_in", 4096, "node", "synapses", "nengo-loihi 1.1.0, block.py, MAX_IN_AXONS"),
    ),
)

RUNNER = Capabilities(
    name="lava",
    description="lava-nc in an interpreter of its own",
    options=(
        Option("python", "", "interpreter that has lava-nc; else $NEURODEPLOY_LAVA, else this one"),
        Option("seconds", 60.0, "time that each sample has before Lava is taken to hang"),
    ),
)


class LoihiTarget(Target):
    """Takes graphs of Loihi's own cells; writes them as programs for Lava."""

    name = "loihi"
    profiles = (LAVA, LOIHI1, LOIHI2)

    def settle(self, options: Mapping[str, OptionValue]) -> Mapping[str, OptionValue]:
        """Put the tables of a file in the place of the file's name."""
        if not options.get("limits"):
            return options
        return {**options, "limits": limits_file_text(str(options["limits"]))}

    def lower(
        self, graph: Graph, capabilities: Capabilities, options: Mapping[str, OptionValue]
    ) -> Lowered:
        """Write a quantised network in Loihi's neurons; check that each part is one of Lava's."""
        made = lowered(graph)
        lava_program(made.graph)
        return made

    def hops(self, node: Node) -> int:
        """Give the steps that a node takes: one for a neuron, two for each pair of a pool."""
        return hops(node)

    def integer_cell(
        self,
        node: Cell,
        arrived: Sequence[Signal],
        made: IntegerNeuron,
        capabilities: Capabilities,
    ) -> tuple[MadeCell, str]:
        """Give a LIF of Loihi in the place of a float neuron; see `quantised.integer_cell`."""
        return integer_cell(node, arrived, made)

    def place(
        self, lowered: Lowered, capabilities: Capabilities, options: Mapping[str, OptionValue]
    ) -> Placement:
        """Put slices of populations onto cores; without cores, report sizes."""
        graph = lowered.graph
        if limits_of(capabilities.name):
            return placed_on_cores(lowered, capabilities, options)
        neurons = sum(int(np.prod(c.shape)) for c in graph.cells if c.definition in NEURONS)
        weights = [
            graph.tensors[n.op.weight].data
            for n in graph.nodes
            if isinstance(n, Map) and isinstance(n.op, Dense | Synapses | Conv)
        ]
        state = sum(s.size for s in graph_state(graph) if s.role == "cell")
        counts = {
            "neurons": (neurons, "neuron"),
            "stored weights": (sum(w.size for w in weights), "weight"),
            "state variables": (state, "variable"),
        }
        return Placement(
            resources=tuple(
                Resource(name, "", used, None, unit, SOURCE)
                for name, (used, unit) in counts.items()
            ),
            addresses=plain_addresses(graph),
        )

    def emit(
        self,
        lowered: Lowered,
        placement: Placement,
        capabilities: Capabilities,
        options: Mapping[str, OptionValue],
        out: Path,
    ) -> None:
        """Write the program for Lava with its arrays, and the map of the cores."""
        lava_program(lowered.graph).write(out)
        if isinstance(placement, CorePlacement):
            write_map(placement.cores, out)

    def runners(self) -> Mapping[str, RunnerFactory]:
        """Give Lava: the fixed-point models, in an interpreter of their own."""

        def lava(graph: Graph, path: Path | None, options: Mapping[str, OptionValue]) -> Run:
            from neurodeploy.targets.loihi.lava import LavaRun

            _, given = parse_options(RUNNER, options)
            # programs decide what a cell is, not labels
            raise_findings(CapabilityError, capability_findings(graph, LAVA))
            return LavaRun(graph, str(given["python"]), float(given["seconds"]))

        return {"lava": lava}

    def costs(self, capabilities: Capabilities) -> CostModel:
        """Give the generic table of operations in 45 nm CMOS."""
        from neurodeploy.profile.energy import generic_cmos

        return generic_cmos()


# importing them registers the cells
_ = (cells, resonators, sigma_delta, step_lif)
TARGET = LoihiTarget()
