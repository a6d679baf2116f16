"""Where everything lives: the workspace of one sample, and the data that the program is given.

The workspace starts with all state in the order of `graph_state` (so that a sample begins with
one copy of its image), then holds a buffer for each signal, then scratch memory that one node
uses at a time. A signal that one block of nodes passes on to another one (`engine.blocks`) has
room for every step of a tile. All offsets depend on shapes and types only: two graphs that differ
in weights have the same program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.engine.batches import Batch
from neurodeploy.engine.blocks import Block, blocks_of
from neurodeploy.engine.cleared import added_to_states, cleared_sums
from neurodeploy.engine.find import OVERWRITTEN
from neurodeploy.engine.heard import Heard, heard, read_after_the_step
from neurodeploy.engine.layout import channels_last, last_strides
from neurodeploy.engine.rings import lists_spikes, ring_slot
from neurodeploy.engine.rows import Rows, plain_rows
from neurodeploy.engine.text import strides_of
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Input, Map, Node, Output, Reduce
from neurodeploy.ir.ops import Dense, MaxPool, Reshape, Synapses
from neurodeploy.ir.rules_map import fan_axes
from neurodeploy.ir.state import StateSlot, graph_state
from neurodeploy.ir.types import NumType, expression_type
from neurodeploy.reference import compute_dtype
from neurodeploy.semantics.c_eval import c_type, fits_int32
from neurodeploy.semantics.types import Type

__all__ = ["ALIGNMENT", "DTYPES", "LIST_MORE", "Plan", "padded"]

Array = npt.NDArray[Any]
Key = tuple[str, str]

ALIGNMENT = 64
TILE_STEPS = 128  # steps of a tile at most
LIST_MORE = OVERWRITTEN + 1  # behind a list of spikes stands their number
PASSED_BYTES = 1 << 20  # what blocks pass on to each other in a tile is to stay in the cache
DTYPES: dict[str, np.dtype[Any]] = {
    "uint8_t": np.dtype(np.uint8),
    "int8_t": np.dtype(np.int8),
    "uint16_t": np.dtype(np.uint16),
    "int16_t": np.dtype(np.int16),
    "int32_t": np.dtype(np.int32),
    "int64_t": np.dtype(np.int64),
    "uint32_t": np.dtype(np.uint32),
    "uint64_t": np.dtype(np.uint64),
    "float": np.dtype(np.float32),
    "double": np.dtype(np.float64),
}


@dataclass
class Plan:
    """Offsets within the workspace, and the arrays that the program reads by number.

    Attributes:
        graph: The graph.
        slots: Byte offset of each state, by (owner, name).
        buffers: Byte offset of each signal that has memory of its own.
        aliases: Signals that are another signal, unchanged.
        blocks: Nodes that run together, in the order in which they run.
        passed: Signals that have room for every step of a tile.
        tile: Steps of a tile.
        last: Signals that have their channels last in memory.
        heard: Lists of spikes that are made for all synapses that are driven by them.
        heard_at: Byte offset of each of these lists; behind as many entries as there are neurons,
            some that may be overwritten, and the number of spikes.
        cleared: By synapses whose sums are cleared by the spikes of a step: byte offset of the
            number of spikes, -1 where they were many, and of their list where it is their own.
        added: By synapses of these: the state of a cell to which their sums are added.
        constant: Nodes that need one computation per sample where these inputs, by number, are
            presented unchanged.
        data: What makes each array, by number; array 0 is the image of the initial state.
        comments: What each array is.
    """

    graph: Graph
    slots: dict[Key, int] = field(default_factory=dict)
    buffers: dict[Key, int] = field(default_factory=dict)
    aliases: dict[Key, Key] = field(default_factory=dict)
    blocks: tuple[Block, ...] = ()
    passed: frozenset[Key] = frozenset()
    tile: int = 1
    last: frozenset[Key] = frozenset()
    heard: tuple[Heard, ...] = ()
    heard_at: dict[Heard, int] = field(default_factory=dict)
    cleared: dict[str, int] = field(default_factory=dict)
    added: dict[str, Key] = field(default_factory=dict)
    constant: dict[str, frozenset[int]] = field(default_factory=dict)
    data: list[Callable[[], Array]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    end: int = 0
    state_bytes: int = 0
    scratch_offset: int = 0
    scratch_bytes: int = 0

    def __post_init__(self) -> None:
        self.inputs = {n.name: i for i, n in enumerate(self.graph.inputs)}
        self.states = tuple(
            ring_slot(self.graph, s) if s.role == "history" and self.lists_spikes(s.owner) else s
            for s in graph_state(self.graph)
        )
        self._stateful = {(s.owner, s.name) for s in self.states}
        self.place()

    # -- what another plan of the same program may do otherwise -------------------------------

    def place(self) -> None:
        """Give everything its place."""
        own: list[Key] = []
        for node in self.graph.nodes:
            self._place_constant(node)
            own += [(node.name, o) for o in node.outputs if not self.shares(node, (node.name, o))]
        self._divide(own)
        self.heard = heard(self.graph, self.blocks, self.root, self.constant, self.lists_spikes)
        without = {key for h in self.heard for key in h.edges}
        self.states = tuple(s for s in self.states if s.role != "line" or s.owner not in without)
        for slot in self.states:
            kind = self.stored_slot(slot)
            self.slots[(slot.owner, slot.name)] = self.reserved(kind, slot.size)
        for late in (True, False):
            # those of a step before are state: a sample begins without spikes
            for made in (h for h in self.heard if h.late == late):
                size = self.graph.signals[made.signal].size
                self.heard_at[made] = self.reserved("int32_t", size + LIST_MORE)
            if late:
                self.state_bytes = self.end
        self.last = channels_last(self.graph, self.aliases)
        for key in own:
            steps = self.tile if key in self.passed else 1
            self.buffers[key] = self.reserved(self._kind(key), steps * self.graph.signals[key].size)
        histories = {s.owner for s in self.states if s.name == "history"}
        later = read_after_the_step(self.graph, self.root, histories)
        # a held input is summed once for all steps: its sums have to stay
        stay = {key[0] for key in self.passed | later} | self.constant.keys()
        for name in cleared_sums(self.graph, self.lists_spikes, stay):
            spikes = self.graph.signal(self.graph.edges_into[name][0]).size
            length = 1 if self.hears(name) else spikes + LIST_MORE
            self.cleared[name] = self.reserved("int32_t", length)
        self.added = added_to_states(self.graph, self.cleared)
        self.scratch_offset = self.end
        self.add_data(self._image, "initial state")

    def held(self, kind: Type) -> str:
        """Give the C type in which parameters of an expression's type are stored."""
        return c_type(kind)

    def stored(self, kind: NumType) -> str:
        """Give the C type in which signals and states of ``kind`` are stored."""
        return self.held(expression_type(kind))

    def stored_slot(self, slot: StateSlot) -> str:
        """Give the C type in which a state is stored."""
        return self.stored(slot.type)

    def weight_type(self, kind: str, weight: NumType) -> str:
        """Give the C type in which weights are stored that are added up in ``kind``."""
        return kind

    def sum_type(self, x: NumType, weight: NumType, out: NumType) -> str:
        """Give the C type in which integers are added up to a sum of proven range."""
        kinds = [expression_type(k) for k in (x, weight, out)]
        return "int32_t" if fits_int32(*kinds) else "int64_t"

    def rows(self, kind: str, x: NumType, weight: NumType, unit: int) -> Rows:
        """Give the form of rows of weights.

        Args:
            kind: C type of the sums.
            x: Type of what arrives.
            weight: Type of the weights.
            unit: A number that divides the length and the begin of every row.
        """
        return plain_rows(kind, kind, factor=True)

    def batch(self, kind: str, x: NumType, weight: NumType, unit: int, count: int) -> Batch | None:
        """Give the form in which rows are added several at a time; None for one at a time.

        Args:
            kind: C type of the sums.
            x: Type of what arrives.
            weight: Type of the weights.
            unit: A number that divides the length and the begin of every row.
            count: Sources that reach the same targets.
        """
        return None

    def lists_spikes(self, node: str) -> bool:
        """Say whether single synapses are those of listed spikes; see `engine.rings`."""
        return lists_spikes(self.graph, node, self.stored, self.sum_type)

    def visits_all(self, node: str) -> bool:
        """Say whether a projection visits every source, zeros too: where few are zero."""
        return False

    def hears(self, node: str) -> Heard | None:
        """Give the list of spikes that a node reads; None where it looks for them itself."""
        return next((h for h in self.heard if node in h.readers), None)

    @property
    def plain(self) -> bool:
        """Whether sums are plain loops of C99; else they use vectors of the compiler."""
        return False

    @property
    def linkage(self) -> str:
        """How the functions of nodes are declared."""
        return "ND_NODE"

    @property
    def sample_word(self) -> str:
        """The ordinal of the sample in the run, as C."""
        return "c->ordinal + (uint64_t)row"

    def step_stride(self, key: Key) -> str:
        """Give the elements from one step of a tile to the next one in the memory of a signal.

        It is C; empty where only the present step has memory.
        """
        node, _ = root = self.root(key)
        if node in self.inputs:
            return f"c->input_step[{self.inputs[node]}]"
        if root not in self.passed:
            return ""
        size = self.graph.signals[root].size
        if node not in self.constant:
            return str(size)
        renewed = " || ".join(self.renewed(i) for i in sorted(self.constant[node]))
        return f"({renewed} ? {size} : 0)" if renewed else "0"

    def strides(self, key: Key) -> tuple[int, ...]:
        """Give the element strides of a signal of one step in memory, axis by axis."""
        shape = self.graph.signals[key].shape
        return last_strides(shape) if key in self.last else strides_of(shape)

    def renewed(self, number: int) -> str:
        """Say in C whether an input may change from step to step."""
        return f"c->input_step[{number}] != 0"

    def at(self, kind: str, place: int) -> str:
        """Give the address of a place in memory, as C."""
        return f"({kind} *)(work + {place})"

    def constant_at(self, kind: str, number: int) -> str:
        """Give the address of an array of the program's data, as C."""
        return f"(const {kind} *)c->data[{number}]"

    def scratch(self, kind: str, length: int, used: dict[str, int]) -> int:
        """Give a place in the memory that one node uses at a time, beside what it ``used``."""
        begin = used.get("", 0)
        used[""] = begin + padded(length * DTYPES[kind].itemsize)
        self.scratch_bytes = max(self.scratch_bytes, used[""])
        return self.scratch_offset + begin

    # -----------------------------------------------------------------------------------------

    @property
    def workspace_bytes(self) -> int:
        """Bytes that one thread works in."""
        return self.scratch_offset + padded(self.scratch_bytes)

    def add_data(self, make: Callable[[], Array], comment: str) -> int:
        """Enter an array, made when the program is bound, and give its number."""
        self.data.append(make)
        self.comments.append(comment)
        return len(self.data) - 1

    def root(self, key: Key) -> Key:
        """Give the signal whose memory holds ``key``."""
        while key in self.aliases:
            key = self.aliases[key]
        return key

    def offset(self, key: Key) -> int | None:
        """Give the offset of the memory that holds a signal; None for that of an input."""
        root = self.root(key)
        if root in self.buffers:
            return self.buffers[root]
        return self.slots.get(root)

    def shares(self, node: Node, key: Key) -> bool:
        """Say whether a signal needs no memory: it is an input, a state, or another unchanged."""
        if isinstance(node, Input) or (isinstance(node, Cell) and key in self._stateful):
            return True
        edges = self.graph.edges_into[node.name]
        through = isinstance(node, Output) or (isinstance(node, Map) and _is_reshape(node))
        if through and edges[0].delay == 0:
            self.aliases[key] = (edges[0].source, edges[0].output)
            return True
        return False

    def reserved(self, kind: str, size: int) -> int:
        """Take memory of ``size`` elements and give its place."""
        begin = self.end
        self.end += padded(size * DTYPES[kind].itemsize)
        return begin

    def _kind(self, key: Key) -> str:
        return self.stored(self.graph.signals[key].type)

    def _divide(self, own: Sequence[Key]) -> None:
        """Divide the nodes into blocks, and choose how many steps a tile has."""
        runs = [
            n.name
            for n in self.graph.nodes
            if n.name not in self.inputs and (n.name, n.outputs[0]) not in self.aliases
        ]
        self.blocks = blocks_of(
            self.graph, runs, self.root, self._stateful.__contains__, self._gains
        )
        block = {name: i for i, b in enumerate(self.blocks) for name in b.nodes}
        kept = set(own)
        passed = {
            root
            for e in self.graph.edges
            if e.target in block and (root := self.root((e.source, e.output))) in kept
            if block[e.target] != block[root[0]]
        }
        passed |= {key for key in own if key[0] in block and self.blocks[block[key[0]]].tiled}
        self.passed = frozenset(passed)
        room = sum(
            self.graph.signals[key].size * DTYPES[self._kind(key)].itemsize for key in passed
        )
        self.tile = max(1, min(TILE_STEPS, PASSED_BYTES // max(1, room)))

    def _gains(self, name: str) -> bool:
        """Say whether a node gains by taking many steps in one call."""
        node = self.graph.node(name)
        if not isinstance(node, Map) or not isinstance(node.op, Dense) or self.visits_all(name):
            return False
        (edge,) = self.graph.edges_into[name]
        shape = self.graph.signal(edge).shape
        return edge.delay == 0 and prod(shape[fan_axes(node.op, len(shape)) + 1 :]) == 1

    def _place_constant(self, node: Node) -> None:
        if isinstance(node, Input):
            self.constant[node.name] = frozenset({self.inputs[node.name]})
        elif not _remembers(node):
            edges = self.graph.edges_into[node.name]
            behind = [self.constant.get(e.source) for e in edges if e.delay == 0]
            known = [b for b in behind if b is not None]
            if len(known) == len(edges):
                self.constant[node.name] = frozenset().union(*known)

    def _image(self) -> Array:
        image = np.zeros(self.state_bytes, np.uint8)
        for slot in self.states:
            offset = self.slots[(slot.owner, slot.name)]
            values = self.initial(slot)
            if values is not None:
                raw = np.ascontiguousarray(values).view(np.uint8).reshape(-1)
                image[offset : offset + raw.size] = raw
        return image

    def initial(self, slot: StateSlot) -> Array | None:
        """Give the initial values of a state, of its shape or one for all; None for 0."""
        stored = DTYPES[self.stored_slot(slot)]
        if not isinstance(slot.initial, str):
            if slot.initial == 0 and np.copysign(1.0, float(slot.initial)) > 0:
                return None
            start = np.array(slot.initial, dtype=compute_dtype(slot.type))
        else:
            given = self.graph.tensors[slot.initial]
            start = given.data.astype(compute_dtype(given.type))
        start = start.astype(compute_dtype(slot.type)).astype(stored)
        return np.broadcast_to(start, (prod(slot.shape),) if start.ndim == 0 else slot.shape)


def _is_reshape(node: Map) -> bool:
    return isinstance(node.op, Reshape)


def _remembers(node: Node) -> bool:
    """Say whether a node may give another value although the same value arrives."""
    if isinstance(node, Cell):
        timed = any(p.timed for p in node.params)
        drawn = bool(node.program.uses & {"step", "random_bits"})
        return bool(node.states) or timed or drawn or node.start > 0
    if isinstance(node, Map):
        return isinstance(node.op, Synapses) and node.op.delay is not None
    return isinstance(node, Reduce) and isinstance(node.op, MaxPool) and node.op.mode != "frame"


def padded(size: int) -> int:
    """Give ``size`` rounded up to whole cache lines."""
    return (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
