"""The generic model: operations and memory accesses in 45 nm CMOS.

A chip that does exactly the counted operations and fetches exactly the counted bytes, nothing
else. It ranks networks; it predicts no board, whose static power, barriers and host often cost
orders of magnitude more than the operations.

Rules, each visible on the bill:

1. An AC is an addition at the width of the sum; a MAC is that and a multiplication at the wider
   of weight and input. A comparison is a subtraction, so it costs an addition (as in
   PMC8934428, table 3, note a).
2. A width without a row takes the next wider one; a 64-bit integer addition is two of 32 bits,
   a 64-bit product four of 32 bits. A square root is priced as a division.
3. Weights and states lie in the smallest memory of the table that holds all of them; each byte
   of traffic costs its share of a full word. Each operation fetches its weight, with no reuse
   between positions or samples; partial sums stay in registers.
4. float64 arithmetic has no row: the layer is refused.
5. Selections, logic, shifts, conversions and random bits have no row: they are left out, named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from neurodeploy.errors import Finding, UsageError
from neurodeploy.ir.nodes import Map, Node, Product
from neurodeploy.ir.ops import Conv, ConvTranspose, Dense, Synapses
from neurodeploy.ir.types import NumType
from neurodeploy.profile.constants import Constant, constants
from neurodeploy.profile.costs import Charge, Part, Priced
from neurodeploy.profile.counts import Counts, LayerCounts
from neurodeploy.profile.operations import Operation, Width, width_of

__all__ = ["GenericCmos", "Memory", "generic_cmos"]

Memory = Literal["auto", "sram_8k", "sram_32k", "sram_1m", "dram"]
_SIZES = {"sram_8k": 8 * 1024, "sram_32k": 32 * 1024, "sram_1m": 1024**2}
_ORDER: tuple[Width, ...] = ("bool", "int8", "int16", "int32", "int64", "f32", "f64")
LEFT_OUT = "selections, logic, shifts, conversions, random bits"

# (verb, width) to (row, how many of it)
_PRICES: dict[Operation, tuple[str, int]] = {
    ("add", "int8"): ("int8_add", 1),
    ("add", "int16"): ("int16_add", 1),
    ("add", "int32"): ("int32_add", 1),
    ("add", "int64"): ("int32_add", 2),
    ("add", "f32"): ("fp32_add", 1),
    ("mul", "int8"): ("int8_mul", 1),
    ("mul", "int16"): ("int32_mul", 1),
    ("mul", "int32"): ("int32_mul", 1),
    ("mul", "int64"): ("int32_mul", 4),
    ("mul", "f32"): ("fp32_mul", 1),
    ("div", "f32"): ("fp32_div", 1),
}


@dataclass(frozen=True)
class GenericCmos:
    """The model; see the module.

    Attributes:
        memory: Where weights and states lie; ``auto`` for the smallest that holds them.
    """

    memory: Memory = "auto"

    @property
    def name(self) -> str:
        """Name of the model."""
        return "generic 45 nm CMOS"

    @property
    def scope(self) -> str:
        """What the joules cover."""
        return "arithmetic and memory accesses on one idealised chip; no prediction of a board"

    @property
    def constants(self) -> Mapping[str, Constant]:
        """The table."""
        return constants("cmos45")

    @property
    def not_modelled(self) -> Mapping[str, str]:
        """Terms that are missing."""
        return {
            "static": "leakage and idle power need a chip and its time per inference",
            "routing": "the model has no network on chip; messages are counted, not priced",
            "io": "the model has no host, barrier or input stage",
        }

    def memory_of(self, counts: Counts) -> str:
        """Give the row of the memory that the network lies in."""
        if self.memory != "auto":
            return self.memory
        return next((row for row, size in _SIZES.items() if counts.footprint <= size), "dram")

    def price(self, counts: Counts, layer: LayerCounts) -> Priced:
        """Charge operations by width and traffic by byte."""
        node = counts.graph.node(layer.name)
        amounts = dict(layer.work)
        if layer.row.synops.any():
            add, mul = _synaptic(node, counts)
            amounts[add] = amounts.get(add, 0) + layer.row.synops
            amounts[mul] = amounts.get(mul, 0) + layer.row.macs
        part: Part = "neuron" if layer.row.neuron_updates.any() else "compute"
        charges: list[Charge] = []
        refused: list[str] = []
        left_out = 0
        for (verb, width), amount in amounts.items():
            if verb == "other" or width == "bool":
                left_out += sum(amount.tolist())
                continue
            priced = _PRICES.get(("add" if verb == "compare" else verb, width))
            if priced is not None:
                charges.append(Charge(part, priced[0], amount * priced[1]))
            elif amount.any():
                refused.append(f"{verb} in {width} has no constant in the table of 45 nm CMOS")
        traffic = layer.row.weight_traffic + layer.row.state_traffic
        if traffic.any():
            charges.append(Charge("memory", self.memory_of(counts), traffic))
        return Priced(tuple(charges), tuple(refused), {LEFT_OUT: left_out} if left_out else {})


def generic_cmos(memory: Memory = "auto") -> GenericCmos:
    """Give the generic model.

    Args:
        memory: Where weights and states lie; ``auto`` for the smallest that holds them.

    Raises:
        UsageError: there is no such memory in the table.
    """
    if memory != "auto" and memory not in (*_SIZES, "dram"):
        known = ", ".join(("auto", *_SIZES, "dram"))
        raise UsageError(Finding(f"no memory {memory!r}", node="memory", hint=known))
    return GenericCmos(memory)


def _synaptic(node: Node, counts: Counts) -> tuple[Operation, Operation]:
    """Give the addition and the multiplication of a synaptic operation."""
    graph = counts.graph
    out = graph.signals[(node.name, "out")].type
    factors: list[NumType] = [graph.signal(e).type for e in graph.edges_into[node.name]]
    if isinstance(node, Map) and isinstance(node.op, Dense | Conv | ConvTranspose | Synapses):
        factors.append(graph.tensors[node.op.weight].type)
    wider = max((width_of(f) for f in factors), key=_ORDER.index)
    if isinstance(node, Product) and wider == "bool":
        wider = "int8"  # two spikes: nothing is multiplied, only added
    return ("add", width_of(out)), ("mul", wider)
