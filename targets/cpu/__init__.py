"""The cpu target: the graph as it is, compiled to C and run on this computer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from neurodeploy.ir.graph import Graph
from neurodeploy.ir.state import graph_state
from neurodeploy.ir.types import storage_dtype
from neurodeploy.targets.base import (
    Capabilities,
    Lowered,
    OptionValue,
    Placement,
    Resource,
    Target,
    plain_addresses,
)

if TYPE_CHECKING:
    from neurodeploy.profile.energy import CostModel

__all__ = ["TARGET", "CpuTarget"]


class CpuTarget(Target):
    """Runs any graph; nothing is lowered, so nothing changes."""

    name = "cpu"
    hosted = True
    profiles = (
        Capabilities(
            name="cpu",
            description="this computer: C generated from the graph, built on opening",
        ),
    )

    def lower(
        self, graph: Graph, capabilities: Capabilities, options: Mapping[str, OptionValue]
    ) -> Lowered:
        """Give the graph as it is."""
        return Lowered(graph)

    def place(
        self, lowered: Lowered, capabilities: Capabilities, options: Mapping[str, OptionValue]
    ) -> Placement:
        """Report the memory of weights and of the state of one sample."""
        graph = lowered.graph
        weights = sum(t.data.nbytes for t in graph.tensors.values())
        state = sum(
            int(np.prod(s.shape)) * storage_dtype(s.type).itemsize for s in graph_state(graph)
        )
        source = "counted from the graph"
        return Placement(
            resources=(
                Resource("constants", "", weights, None, "byte", source),
                Resource("state of one sample", "", state, None, "byte", source),
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
        """Write the generated C, for reading: on opening it is generated anew from the graph."""
        from neurodeploy.engine import source

        (out / "model.c").write_text(source(lowered.graph), encoding="utf-8", newline="\n")

    def costs(self, capabilities: Capabilities) -> CostModel:
        """Give the generic table of operations in 45 nm CMOS."""
        from neurodeploy.profile.energy import generic_cmos

        return generic_cmos()


TARGET = CpuTarget()
