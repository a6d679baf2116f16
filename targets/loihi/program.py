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

from neurodeploy.errors import CapabilityError, Finding, QuantizationError, raise_findings
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell
from neurodeploy.ir.ops import Conv, Dense, Synapses
from neurodeploy.ir.synapse_rows import sources_of
from neurodeploy.targets.loihi.cells import BIAS_EXPONENTS, BIAS_MANTISSA
from neurodeploy.targets.loihi.processes import (
    NEURONS,
    Connection,
    Network,
    network_of,
    places_in_lava,
)
from neurodeploy.targets.loihi.program_text import HEAD, IMPORT, TAIL
from neurodeploy.targets.loihi.weights import held_weights, sign_mode

__all__ = ["ARRAYS", "IMPORTER", "MOST_DELAY", "PROGRAM", "LavaProgram", "lava_program"]

Array = npt.NDArray[Any]
PROGRAM, ARRAYS, IMPORTER = "lava_network.py", "lava_arrays.npz", "lava_on_new_pythons.py"
MOST_DELAY = 62  # lava-dl clamps there; DelayDense takes 63
MESSAGE_BITS = 24


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
    arrays: Mapping[str, Array]

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
    network = network_of(graph)
    writer = _Writer(graph, network)
    for number, population in enumerate(network.populations):
        writer.population(number, population)
    for number, connection in enumerate(network.connections):
        writer.connection(number, connection)
    raise_findings(CapabilityError, writer.found)
    return LavaProgram(network, writer.text(), writer.arrays)


class _Writer:
    """Collects the lines of the program and the arrays that they read."""

    def __init__(self, graph: Graph, network: Network) -> None:
        self.graph, self.network = graph, network
        self.arrays: dict[str, Array] = {}
        self.lines: list[str] = []
        self.found: list[Finding] = []
        self.number = {p.name: i for i, p in enumerate(network.populations)}
        self.inputs = {n.name: i for i, n in enumerate(network.inputs)}

    def keep(self, name: str, values: Array) -> str:
        self.arrays[name] = np.ascontiguousarray(values, dtype=np.int64)
        return f'ARRAYS["{name}"]'

    def comment(self, *names: str) -> None:
        self.lines.append("    # " + " -> ".join(ascii(name) for name in names))

    # -- neurons ------------------------------------------------------------------------------

    def population(self, number: int, cell: Cell) -> None:
        """Write the neurons of a cell, with their parameters and first states."""
        values = {p.name: self._param(cell, p.tensor) for p in cell.params}
        options = dict(cell.options)
        process, _, other = NEURONS[cell.definition]
        given: dict[str, str] = {"shape": str(_lava_shape(cell.shape))}
        later: dict[str, str] = {}
        own = f"p{number}"
        if "bias" in values and cell.definition != "loihi_sigma_delta":
            mantissa, exponent = self._bias(cell, values.pop("bias"))
            given["bias_mant"] = self.keep(f"{own}.bias_mant", mantissa)
            given["bias_exp"] = self.keep(f"{own}.bias_exp", exponent)
        names = {"threshold": "vth", "upper": "vth_hi", "lower": "vth_lo"}
        names |= {"sine": "sin_decay", "cosine": "cos_decay"}
        for name, value in values.items():
            # states' scale: Lava would shift what it is given, so it is set behind
            scaled = cell.definition not in ("loihi_lif", "loihi_lif_reset", "loihi_ternary_lif")
            (later if scaled else given)[names.get(name, name)] = self.keep(f"{own}.{name}", value)
        if cell.definition == "loihi_lif_reset":
            given["reset_interval"] = str(int(options["interval"]))
            given["reset_offset"] = str(int(options["offset"]))
        if cell.definition.startswith("loihi_resonator"):
            given |= {"period": "4", "alpha": "0"}
            later["state_exp"] = f"[{int(options['state_exp'])}]"
            later["decay_bits"] = f"[{int(options['decay_bits'])}]"
        if cell.definition in ("loihi_delta", "loihi_sigma_delta"):
            given |= {"vth": "0", "cum_error": str(options["cumulative"] == "True")}
            later["state_exp"] = f"[{int(options['state_exp'])}]"
            later["spike_exp"] = f"[{int(options.get('spike_exp', '0'))}]"
        if cell.definition == "loihi_sigma_delta":
            mode = "RELU" if options["activation"] == "relu" else "UNIT"
            given["act_mode"] = f"ActivationMode.{mode}"
        for state in cell.states:
            start = self._param(cell, state.initial)
            if start.any():
                later[other.get(state.name, state.name)] = self.keep(f"{own}.{state.name}", start)
        self.comment(cell.name)
        self._call(own, process, given)
        self.lines += [f"    set_first({own}.{name}, {value})" for name, value in later.items()]
        if cell.definition == "loihi_ternary_lif" and any(
            values[k].size > 1 for k in ("upper", "lower")
        ):
            self._refuse(cell, "has thresholds of several neurons, Lava holds one of each")

    def _param(self, cell: Cell, tensor: str) -> Array:
        values = self.graph.tensors[tensor].data
        if values.size == 1:
            return values.reshape(1)
        spread = np.broadcast_to(values, cell.shape).reshape(-1)
        lava = np.empty_like(spread)
        lava[places_in_lava(cell.shape)] = spread
        return lava.reshape(_lava_shape(cell.shape))

    def _bias(self, cell: Cell, bias: Array) -> tuple[Array, Array]:
        """Divide a bias into mantissa and exponent, the smallest that holds it."""
        exponent = np.zeros(bias.shape, np.int64)
        for _ in range(BIAS_EXPONENTS.hi):
            shifted = bias >> exponent
            exponent += (shifted < BIAS_MANTISSA.lo) | (shifted > BIAS_MANTISSA.hi)
        mantissa = bias >> exponent
        lost = np.flatnonzero((mantissa << exponent).reshape(-1) != bias.reshape(-1))
        if lost.size:
            worst = int(bias.reshape(-1)[lost[0]])
            self._refuse(
                cell, f"has a bias of {worst}, which is no 13-bit number times 2**0 to 2**7"
            )
        return mantissa, exponent

    # -- synapses -----------------------------------------------------------------------------

    def connection(self, number: int, joined: Connection) -> None:
        """Write synapses, and what they join."""
        op, own = joined.map.op, f"c{number}"
        bits = MESSAGE_BITS if joined.graded else 0
        given = {"num_message_bits": str(bits)}
        source = self.graph.signals[(joined.source, "out")].shape
        reached = self.graph.signals[(joined.map.name, "out")].shape
        self.comment(joined.source, joined.map.name, joined.target)
        if isinstance(op, Conv):
            self._convolution(own, joined, op, given)
            shapes = (_lava_shape(source), _lava_shape(reached))
        else:
            self._matrix(own, joined, op, given, source)
            shapes = ((int(np.prod(source)),), (int(np.prod(reached)),))
        sends = (
            f"p{self.number[joined.source]}"
            if joined.source in self.number
            else f"x{self.inputs[joined.source]}"
        )
        port = f"p{self.number[joined.target]}.{joined.port}"
        self.lines.append(f"    join({sends}.s_out, {own}.s_in, {shapes[0]})")
        target = _lava_shape(self.graph.signals[(joined.target, "out")].shape)
        self.lines.append(f"    join({own}.a_out, {port}, {target})")

    def _matrix(
        self,
        own: str,
        joined: Connection,
        op: Dense | Synapses | Any,
        given: dict[str, str],
        source: tuple[int, ...],
    ) -> None:
        tensors = self.graph.tensors
        weights = tensors[op.weight].data.astype(np.int64)
        sends, takes = int(np.prod(source)), self.graph.signals[(joined.map.name, "out")].shape
        if len(takes) != 1:
            self._refuse(joined.map, f"gives a sum of shape {list(takes)}, Lava's has one axis")
            return
        process, delays = "Dense", None
        if isinstance(op, Synapses):
            target, begin = tensors[op.target].data, sources_of(tensors[op.starts].data)
            matrix = np.zeros((takes[0], sends), np.int64)
            pairs = target.astype(np.int64) * sends + begin
            if len(np.unique(pairs)) < len(pairs):
                self._refuse(joined.map, "has several synapses of a pair, Lava holds one")
            matrix[target, begin] = weights
            weights, process = matrix, "Sparse"
            if op.delay is not None:
                late = tensors[op.delay].data.astype(np.int64)
                delays = np.zeros_like(matrix)
                delays[target, begin] = late
                process = "DelayDense"
                self._check_delays(joined, late)
        elif weights.shape[1] != sends:
            self._refuse(joined.map, "reads along one of several axes, Lava's Dense reads all")
            return
        self._check_weights(joined, weights)
        place = places_in_lava(source)
        ordered = np.zeros_like(weights)
        ordered[:, place] = weights
        kept = self.keep(f"{own}.weights", ordered)
        given["weights"] = f"csr_matrix({kept})" if process == "Sparse" else kept
        if delays is not None:
            lava = np.zeros_like(delays)
            lava[:, place] = delays
            given["delays"] = self.keep(f"{own}.delays", lava)
        given["weight_exp"] = str(joined.exponent)
        self._call(own, process, given)

    def _convolution(self, own: str, joined: Connection, op: Conv, given: dict[str, str]) -> None:
        window, weights = op.window, self.graph.tensors[op.weight].data
        if len(window.kernel) != 2 or any(lo != hi for lo, hi in window.padding):
            self._refuse(joined.map, "Lava's Conv has two axes, padded alike on both sides")
            return
        if joined.exponent:
            self._refuse(joined.map, f"has the exponent {joined.exponent}, Lava's Conv ignores it")
        # Lava turns the kernel, and has it as (out, x, y, in)
        turned = np.moveaxis(weights, 1, -1)[:, ::-1, ::-1]
        shape = self.graph.signals[(joined.source, "out")].shape
        given |= {
            "weight": self.keep(f"{own}.weights", turned),
            "input_shape": str(_lava_shape(shape)),
            "stride": str(window.stride),
            "padding": str(tuple(lo for lo, _ in window.padding)),
            "dilation": str(window.dilation),
            "groups": str(op.groups),
        }
        self._call(own, "Conv", given)

    def _check_weights(self, joined: Connection, weights: Array) -> None:
        try:
            held_weights(weights, sign_mode(weights))
        except QuantizationError as error:
            node = joined.map
            self.found += [
                Finding(f.message, node.name, node.source, f.hint, f.value, f.limit)
                for f in error.findings
            ]

    def _check_delays(self, joined: Connection, late: Array) -> None:
        most = int(late.max(initial=0))
        if most > MOST_DELAY:
            self._refuse(joined.map, f"has a delay of {most} steps, Loihi holds {MOST_DELAY}")
        if joined.exponent < 0:
            text = f"has delays and the exponent {joined.exponent}"
            self._refuse(joined.map, f"{text}: Lava cuts the sum of each delay by itself")

    # -----------------------------------------------------------------------------------------

    def _refuse(self, node: Any, text: str) -> None:
        self.found.append(Finding(text, node=node.name, source=node.source))

    def _call(self, name: str, process: str, given: Mapping[str, str]) -> None:
        arguments = "".join(f"        {key}={value},\n" for key, value in given.items())
        self.lines.append(f"    {name} = {process}(\n{arguments}    )")

    def text(self) -> str:
        """Give the program."""
        inputs = [
            f"    x{i} = RingBuffer(data=inputs[{i}].reshape({(*_lava_shape(n.shape), -1)}))"
            for i, n in enumerate(self.network.inputs)
        ]
        watched = []
        for number, cell in enumerate(self.network.populations):
            _, _, other = NEURONS[cell.definition]
            states = tuple(other.get(s.name, s.name) for s in cell.states)
            watched.append(f"        (p{number}, {states!r}),")
        end = ["    return [", *watched, "    ]"]
        return HEAD + "\n".join([*inputs, *self.lines, *end]) + "\n" + TAIL


def _lava_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[1:], shape[0]) if len(shape) == 3 else shape
