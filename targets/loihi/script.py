"""The lines of a Lava program in the making, the arrays that they read, what cannot be written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import Finding
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Node
from neurodeploy.targets.loihi.processes import Network, places_in_lava

__all__ = ["Script", "lava_shape"]

Array = npt.NDArray[Any]


def lava_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Give the shape of a signal in Lava: of three axes, the channels come last."""
    return (*shape[1:], shape[0]) if len(shape) == 3 else shape


@dataclass
class Script:
    """A program in the making.

    Attributes:
        graph: The graph that is written.
        network: Its processes.
        arrays: What the lines read, by name.
        lines: The body of the function that makes all processes.
        found: What Lava does not hold.
    """

    graph: Graph
    network: Network
    arrays: dict[str, Array] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    found: list[Finding] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = {p.name: f"p{i}" for i, p in enumerate(self.network.populations)}
        self.names |= {n.name: f"x{i}" for i, n in enumerate(self.network.inputs)}

    def keep(self, name: str, values: Array) -> str:
        """Enter an array; give the expression that reads it."""
        self.arrays[name] = np.ascontiguousarray(values, dtype=np.int64)
        return f'ARRAYS["{name}"]'

    def comment(self, *names: str) -> None:
        """Name what the next lines are, in ASCII and on one line."""
        self.lines.append("    # " + " -> ".join(ascii(name) for name in names))

    def call(self, name: str, process: str, given: Mapping[str, str]) -> None:
        """Make a process."""
        arguments = "".join(f"        {key}={value},\n" for key, value in given.items())
        self.lines.append(f"    {name} = {process}(\n{arguments}    )")

    def refuse(self, node: Node, text: str) -> None:
        """Say that Lava does not hold something of a node."""
        self.found.append(Finding(text, node=node.name, source=node.source))

    def values(self, cell: Cell, tensor: str) -> Array:
        """Give a parameter or a first state in Lava's order: one, or one for each neuron."""
        values = self.graph.tensors[tensor].data
        if values.size == 1:
            return values.reshape(1)
        spread = np.broadcast_to(values, cell.shape).reshape(-1)
        ordered = np.empty_like(spread)
        ordered[places_in_lava(cell.shape)] = spread
        return ordered.reshape(lava_shape(cell.shape))
