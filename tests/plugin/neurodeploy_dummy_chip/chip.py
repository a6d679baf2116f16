"""The target: what the chip holds, where things lie on it, and the file that it loads."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from neurodeploy.ir import Graph, Map, tensor
from neurodeploy.profile.energy import CostModel, generic_cmos
from neurodeploy.reference import simulate
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
)
from neurodeploy.targets.check import limit_usage
from neurodeploy_dummy_chip.lowering import LATENCY, lower

Options = Mapping[str, OptionValue]
Rules = tuple[tuple[str, tuple[OptionValue, ...]], ...]
BITS = 6
SHEET = "data sheet, section 1"
RESET: Rules = (("reset", ("value",)), ("timing", ("same",)), ("refractory", (0,)))
SPIKE: Rules = (("spikes", (1,)), ("payload", ("spike",)), ("floor", (False,)))
DECAY: Rules = (("decay", ("none", "rate")), ("decay_input", (False,)), ("rest", (False,)))
SIXBIT = Capabilities(
    name="sixbit",
    description="a chip that does not exist: weights of 6 bits, membranes of 16, hard reset",
    maps=frozenset({"Dense", "Synapses", "Reshape"}),
    reduces=frozenset(),
    products=False,
    cells=(CellRule("add"), CellRule("to_float"), CellRule("lif", (*RESET, *SPIKE, *DECAY))),
    weight_bits=BITS,
    limits=(
        Limit("neurons", 1024, "graph", "neurons", SHEET),
        Limit("fan_in", 256, "node", "synapses", SHEET),
    ),
    options=(Option("core-size", 64, "neurons per core", (32, 64)),),
)


class SixBit(Target):
    """Cores of a few neurons each, and one file with all weights."""

    name = "sixbit"
    profiles = (SIXBIT,)

    def lower(self, graph: Graph, capabilities: Capabilities, options: Options) -> Lowered:
        return Lowered(lower(graph), LATENCY)

    def place(self, lowered: Lowered, capabilities: Capabilities, options: Options) -> Placement:
        graph, size, first = lowered.graph, int(options["core-size"]), 0
        used = {n.name: limit_usage(graph, n.name) for n in capabilities.limits}
        resources = tuple(
            Resource(n.name, node, amount, n.value, n.unit, n.source)
            for n in capabilities.limits
            for node, amount in (
                used[n.name].items() if n.per == "node" else [("", sum(used[n.name].values()))]
            )
        )
        addresses: dict[str, tuple[Mapping[str, int | str], ...]] = {}
        for end in (*graph.inputs, *graph.outputs):
            at = range(first, first + graph.signals[end.name, "out"].size)
            addresses[end.name] = tuple(
                {"index": i, "core": n // size, "neuron": n % size} for i, n in enumerate(at)
            )
            first = at.stop
        return Placement(resources, addresses)

    def emit(
        self, lowered: Lowered, placement: Placement, can: Capabilities, options: Options, out: Path
    ) -> None:
        words = [pack(lowered.graph.tensors[n].data) for n in weight_names(lowered.graph)]
        (out / "weights.bin").write_bytes(b"".join(words))

    def costs(self, capabilities: Capabilities) -> CostModel:
        return generic_cmos()

    def runners(self) -> Mapping[str, RunnerFactory]:
        return {"chip-model": chip_model}


def weight_names(graph: Graph) -> list[str]:
    """Give the weights in the order in which the chip loads them."""
    ops = [n.op for n in graph.nodes if isinstance(n, Map)]
    return list(dict.fromkeys(op.weight for op in ops if hasattr(op, "weight")))


def pack(weights: Any) -> bytes:
    """Give two's complement codes of 6 bits, one behind the other, whole bytes in all."""
    codes = (weights.astype(np.int64).ravel() & 2**BITS - 1).astype(np.uint8)
    return np.packbits(np.unpackbits(codes[:, None], axis=1)[:, 8 - BITS :]).tobytes()


def unpack(data: bytes, count: int) -> Any:
    """Read what `pack` wrote."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8))[: count * BITS].reshape(count, BITS)
    codes = bits @ (1 << np.arange(BITS)[::-1])
    return codes - (codes >= 2 ** (BITS - 1)) * 2**BITS


def chip_model(graph: Graph, folder: Path | None, options: Options) -> Run:
    """Run what the chip loads: the weights come from the file."""
    data = folder.joinpath("weights.bin").read_bytes() if folder else b""
    tensors, at = dict(graph.tensors), 0
    for name in weight_names(graph) if folder else ():
        old, end = tensors[name], at + -(-tensors[name].data.size * BITS // 8)
        loaded = unpack(data[at:end], old.data.size).reshape(old.data.shape)
        tensors[name], at = tensor(loaded, old.type), end
    return partial(simulate, Graph(graph.nodes, graph.edges, tensors, graph.dt, graph.timesteps))


TARGET = SixBit()
