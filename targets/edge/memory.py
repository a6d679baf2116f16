"""Where everything lives in a device's memory: one array for each C type, places reused.

States keep their place. A signal needs memory from the node that makes it to the last one that
reads it in the step; afterwards its place is free for others of its C type. No memory ever holds
two types, so that no rule about aliasing is bent, whatever the flags of the firmware are.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from neurodeploy.engine.batches import Batch, Pairs, Spikes
from neurodeploy.engine.plan import DTYPES, Plan
from neurodeploy.engine.rows import Rows, in_nibbles, in_quads, plain_rows
from neurodeploy.ir.nodes import Node
from neurodeploy.ir.state import StateSlot
from neurodeploy.ir.types import BOOL, NumType, QType
from neurodeploy.semantics.types import Bool, Float, Type

__all__ = ["ARENAS", "MOST_STEPS", "StaticPlan", "narrow_type"]

Key = tuple[str, str]

# C type: name of its array in the context, in the order in which they stand there
ARENAS: dict[str, str] = {
    "int64_t": "i64",
    "double": "f64",
    "uint64_t": "u64",
    "int32_t": "i32",
    "uint32_t": "u32",
    "float": "f32",
    "int16_t": "i16",
    "uint16_t": "u16",
    "int8_t": "i8",
    "uint8_t": "u8",
}
MOST_STEPS = 32767  # what a count of spikes in 16 bits can hold
_NARROW = (
    ("uint8_t", 0, 2**8 - 1),
    ("int8_t", -(2**7), 2**7 - 1),
    ("uint16_t", 0, 2**16 - 1),
    ("int16_t", -(2**15), 2**15 - 1),
    ("int32_t", -(2**31), 2**31 - 1),
)


def narrow_type(kind: Type) -> str:
    """Give the narrowest C type that holds every value of an expression's type.

    >>> from neurodeploy.semantics.types import Int
    >>> narrow_type(Int(-5, 100)), narrow_type(Int(0, 300)), narrow_type(Bool())
    ('int8_t', 'uint16_t', 'uint8_t')
    """
    if isinstance(kind, Bool):
        return "uint8_t"
    if isinstance(kind, Float):
        return "float" if kind.bits == 32 else "double"
    for name, low, high in _NARROW:
        if low <= kind.lo and kind.hi <= high:
            return name
    return "int64_t"


@dataclass
class StaticPlan(Plan):
    """The plan of a device: states and signals in arrays of the context, data in flash.

    Attributes:
        reuse: Let signals share places; without it every signal can be read after a step.
        pack: Let two weights of up to four bits share a byte.
        events: Keep an array for each input that carries spikes, so that it may come as events.
        event_places: Where these arrays stand, by input.
        dense: Projections whose loops visit every source.
        lengths: Elements of each array of the context, by C type.
    """

    reuse: bool = True
    pack: bool = True
    events: bool = True
    event_places: dict[str, int] = field(default_factory=dict)
    dense: frozenset[str] = frozenset()
    lengths: dict[str, int] = field(default_factory=dict)
    _free: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    _scratch: dict[str, int] = field(default_factory=dict)

    # -- what the engine's plan does otherwise ------------------------------------------------

    def held(self, kind: Type) -> str:
        """Give the narrowest C type."""
        return narrow_type(kind)

    def stored_slot(self, slot: StateSlot) -> str:
        """Give the C type of a state; a pool of spikes counts in 16 bits."""
        if slot.role == "pool" and self._counts_spikes(slot):
            return "int16_t"
        return self.stored(slot.type)

    def weight_type(self, kind: str, weight: NumType) -> str:
        """Give the narrowest C type that holds the weights' own range."""
        return self.stored(weight)

    def sum_type(self, x: NumType, weight: NumType, out: NumType) -> str:
        """Spikes are added up in 16 bits where every partial sum fits."""
        if x == BOOL and self.stored(out) in ("int8_t", "uint8_t", "int16_t"):
            return "int16_t"
        return super().sum_type(x, weight, out)

    def rows(self, kind: str, x: NumType, weight: NumType, unit: int) -> Rows:
        """Pack two weights of four bits into a byte, else multiply four bytes at a time."""
        stored = self.stored(weight)
        if self._shares_bytes(weight, unit):
            helper = f"nd_add_nibbles_{kind}(to, from, {'1' if x == BOOL else 'f'}, "
            return Rows("uint8_t", in_nibbles, lambda n: [f"{helper}{n});"], per_element=2)
        if self._multiplies_halves(kind, x, weight) and x != BOOL and unit % 4 == 0:
            return Rows(stored, in_quads, lambda n: [f"nd_mac_row_4(to, from, f, {n});"])
        return plain_rows(stored, kind, factor=x != BOOL)

    def batch(self, kind: str, x: NumType, weight: NumType, unit: int, count: int) -> Batch | None:
        """Add bytes to sums of 16 bits; multiply them by 16 bits, two at a time."""
        if self.stored(weight) != "int8_t" or self._shares_bytes(weight, unit):
            return None
        if x == BOOL and kind == "int16_t":
            return next((Spikes("int8_t", n) for n in (16, 8, 4) if unit % n == 0), None)
        if self._multiplies_halves(kind, x, weight) and count > 1:
            return next((Pairs("int8_t", n) for n in (4, 2) if unit % n == 0), None)
        return None

    def lists_spikes(self, node: str) -> bool:
        """Every source is looked at: a list would need memory."""
        return False

    def visits_all(self, node: str) -> bool:
        """Those that were named; see `neurodeploy.targets.edge.loops`."""
        return node in self.dense

    @property
    def plain(self) -> bool:
        """Plain C99."""
        return True

    @property
    def linkage(self) -> str:
        """Each function has the registers for itself."""
        return "static ND_APART"

    @property
    def sample_word(self) -> str:
        """The ordinal stands in the context."""
        return "c->sample"

    def step_stride(self, key: Key) -> str:
        """A step runs to its end before the next one begins."""
        return ""

    def renewed(self, number: int) -> str:
        """An input is held over all steps, or it is not; the context says so."""
        return "!c->held"

    def at(self, kind: str, place: int) -> str:
        """Give an address in the array of a type."""
        return f"c->{ARENAS[kind]} + {place}"

    def constant_at(self, kind: str, number: int) -> str:
        """Give the name of an array in flash."""
        return f"nd_data_{number}"

    def scratch(self, kind: str, length: int, used: dict[str, int]) -> int:
        """Give a place behind the signals of a type."""
        begin = used.get(kind, 0)
        used[kind] = begin + length
        self._scratch[kind] = max(self._scratch.get(kind, 0), used[kind])
        return self.lengths.get(kind, 0) + begin

    def place(self) -> None:
        """Place states, then signals in canonical order."""
        for slot in self.states:
            self.slots[(slot.owner, slot.name)] = self.reserved(self.stored_slot(slot), slot.size)
        for given in self.graph.inputs if self.events else ():
            if given.type == BOOL:
                # nothing else may use its place: it is all 0 between two steps
                size = self.graph.signals[(given.name, "out")].size
                self.event_places[given.name] = self._appended("uint8_t", size)
        order = {n.name: i for i, n in enumerate(self.graph.nodes)}
        for node in self.graph.nodes:
            self._place_constant(node)
            for output in node.outputs:
                self.shares(node, (node.name, output))
        ends = self._ends(order)
        leaving: dict[int, list[tuple[str, int, int]]] = {}
        for node in self.graph.nodes:
            for output in node.outputs:
                key = (node.name, output)
                if key in self.aliases or key in self.slots or node.name in self.inputs:
                    continue
                signal = self.graph.signals[key]
                kind = self.stored(signal.type)
                if node.name in self.constant:
                    # earlier nodes write again in later steps, and it does not: no reused place
                    self.buffers[key] = self._appended(kind, signal.size)
                    continue
                self.buffers[key] = self.reserved(kind, signal.size)
                end = ends.get(key, order[node.name])
                leaving.setdefault(end, []).append((kind, self.buffers[key], signal.size))
            for kind, begin, size in leaving.pop(order[node.name], []) if self.reuse else []:
                self._release(kind, begin, size)

    def reserved(self, kind: str, size: int) -> int:
        """Take the first free place that is large enough, else one at the end."""
        free = self._free.setdefault(kind, [])
        for i, (begin, room) in enumerate(free):
            if room >= size:
                free[i : i + 1] = [(begin + size, room - size)] if room > size else []
                return begin
        return self._appended(kind, size)

    # -----------------------------------------------------------------------------------------

    def totals(self) -> dict[str, int]:
        """Give the elements of each array of the context, scratch memory included."""
        kinds = {**self.lengths, **self._scratch}
        return {
            kind: self.lengths.get(kind, 0) + self._scratch.get(kind, 0)
            for kind in ARENAS
            if kind in kinds
        }

    def context_bytes(self) -> int:
        """Give the size of the context: counters and the arrays, padded to 8 bytes."""
        size = self.head_bytes + sum(n * DTYPES[kind].itemsize for kind, n in self.totals().items())
        return -(-size // 8) * 8

    @property
    def draws(self) -> bool:
        """Whether a cell draws random bits, so that the context holds a seed."""
        return any("random_bits" in c.program.uses for c in self.graph.cells)

    @property
    def head_bytes(self) -> int:
        """Bytes of the context before its arrays."""
        return 24 if self.draws else 8

    def node_bytes(self) -> dict[str, int]:
        """Give the bytes of states and signals of each node; signals share them."""
        found: dict[str, int] = {}
        for slot in self.states:
            owner = slot.owner if slot.owner in self.graph else slot.owner.rpartition(".")[0]
            size = slot.size * DTYPES[self.stored_slot(slot)].itemsize
            found[owner] = found.get(owner, 0) + size
        for node, output in self.buffers:
            signal = self.graph.signals[(node, output)]
            size = signal.size * DTYPES[self.stored(signal.type)].itemsize
            found[node] = found.get(node, 0) + size
        for node in self.event_places:
            found[node] = found.get(node, 0) + self.graph.signals[(node, "out")].size
        return found

    def _appended(self, kind: str, size: int) -> int:
        begin = self.lengths.get(kind, 0)
        self.lengths[kind] = begin + size
        return begin

    def _release(self, kind: str, begin: int, size: int) -> None:
        merged: list[tuple[int, int]] = []
        for start, room in sorted([*self._free.get(kind, []), (begin, size)]):
            if merged and merged[-1][0] + merged[-1][1] == start:
                merged[-1] = merged[-1][0], merged[-1][1] + room
            else:
                merged.append((start, room))
        self._free[kind] = merged

    def _ends(self, order: dict[str, int]) -> dict[Key, int]:
        """Give the last node of the step that reads each signal."""
        ends: dict[Key, int] = {}
        last = len(order)
        outputs = {n.name for n in self.graph.outputs}
        rings = {s.owner for s in self.states if s.role == "history"}
        for edge in self.graph.edges:
            root = self.root((edge.source, edge.output))
            late = edge.delay or edge.target in outputs or edge.target in rings
            ends[root] = max(ends.get(root, 0), last if late else order[edge.target])
        return ends

    def _multiplies_halves(self, kind: str, x: NumType, weight: NumType) -> bool:
        """Say whether products are of a byte and 16 bits, and sums of 32."""
        halves = self.stored(x) in ("uint8_t", "int8_t", "int16_t")
        return halves and (self.stored(weight), kind) == ("int8_t", "int32_t")

    def _shares_bytes(self, weight: NumType, unit: int) -> bool:
        low, high = (weight.lo, weight.hi) if isinstance(weight, QType) else (0, 2**31)
        return self.pack and low >= -8 and high <= 7 and unit % 2 == 0

    def _counts_spikes(self, slot: StateSlot) -> bool:
        node: Node = self.graph.node(slot.owner)
        arrived = self.graph.signal(self.graph.edges_into[node.name][0])
        return arrived.type == BOOL


def counts_steps(plan: StaticPlan) -> bool:
    """Say whether a state can hold no more than `MOST_STEPS` steps."""
    return any(s.role == "pool" for s in plan.states)


def is_integer(kind: NumType) -> bool:
    """Say whether a type needs no floats."""
    return kind == BOOL or isinstance(kind, QType)
