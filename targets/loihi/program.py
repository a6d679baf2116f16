"""Writes a graph of Loihi's cells as a Python program for lava-nc, with its arrays beside it.

Nothing of a model's text becomes code: names stand in comments, printed as ASCII.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import CapabilityError, raise_findings
from neurodeploy.ir.graph import Graph
from neurodeploy.targets.loihi.processes import NEURONS, Network, network_of
from neurodeploy.targets.loihi.program_text import HEAD, IMPORT, TAIL
from neurodeploy.targets.loihi.script import Script, lava_shape
from neurodeploy.targets.loihi.script_neurons import write_population
from neurodeploy.targets.loihi.script_synapses import write_connection

__all__ = ["ARRAYS", "IMPORTER", "PROGRAM", "LavaProgram", "lava_program"]

PROGRAM, ARRAYS, IMPORTER = "lava_network.py", "lava_arrays.npz", "lava_on_new_pythons.py"


@dataclass(frozen=True)
class LavaProgram:
    """A network for Lava.

    Attributes:
        network: Its processes.
        text: The Python program.
        arrays: What it reads, by name.
    """

    network: Network
    text: str
    arrays: Mapping[str, npt.NDArray[Any]]

    def write(self, folder: Path) -> None:
        """Write program and arrays."""
        (folder / PROGRAM).write_text(self.text, encoding="ascii", newline="\n")
        arrays: Any = self.arrays
        np.savez(folder / ARRAYS, **arrays)
        (folder / IMPORTER).write_text(IMPORT, encoding="ascii", newline="\n")


def lava_program(graph: Graph) -> LavaProgram:
    """Write the program of a graph.

    Raises:
        CapabilityError: everything that Lava has no process for, or that a process does not hold.
    """
    script = Script(graph, network_of(graph))
    for population in script.network.populations:
        write_population(script, population)
    for number, connection in enumerate(script.network.connections):
        write_connection(script, number, connection)
    raise_findings(CapabilityError, script.found)
    return LavaProgram(script.network, _text(script), script.arrays)


def _text(script: Script) -> str:
    inputs = [
        f"    x{i} = RingBuffer(data=inputs[{i}].reshape({(*lava_shape(node.shape), -1)}))"
        for i, node in enumerate(script.network.inputs)
    ]
    watched = []
    for cell in script.network.populations:
        other = NEURONS[cell.definition][2]
        states = tuple(other.get(s.name, s.name) for s in cell.states)
        watched.append(f"        ({script.names[cell.name]}, {states!r}),")
    body = ["    bounded = []", *inputs, *script.lines, "    populations = [", *watched, "    ]"]
    body.append("    return populations, bounded")
    return HEAD + "\n".join(body) + "\n" + TAIL
