"""Collects the C function of one node: its parameters, how it is called, its body."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from neurodeploy.engine.batches import Batch
from neurodeploy.engine.plan import DTYPES, Plan
from neurodeploy.engine.rows import Rows
from neurodeploy.engine.text import comment, indented
from neurodeploy.ir.nodes import Edge, Node
from neurodeploy.ir.types import Signal

__all__ = ["NodeWriter", "first_pointer", "signal_pointer"]

Array = npt.NDArray[Any]
Key = tuple[str, str]


def first_pointer(plan: Plan, key: Key) -> str:
    """Give the C expression of the address of a signal of the first step of the tile."""
    offset = plan.offset(key)
    if offset is None:
        return f"in{plan.inputs[plan.root(key)[0]]}"
    return plan.at(plan.stored(plan.graph.signals[key].type), offset)


def signal_pointer(plan: Plan, key: Key) -> str:
    """Give the C expression of the address of a signal of step ``s`` of the tile."""
    stride = plan.step_stride(key)
    first = first_pointer(plan, key)
    return first if stride in ("", "0") else f"{first} + s * {stride}"


@dataclass
class NodeWriter:
    """The function of one node.

    Attributes:
        plan: Where everything lives.
        node: The node.
        number: Its place in the canonical order; the name of the function.
        lines: Statements of the body, unindented.
        tiled: The function takes all steps of a tile, from the first one on; how many is its
            parameter ``steps``.
        name: Name of the function.
        sender: The function that sends what the node read in this step to later steps; it is
            called at the end of the step. One that adds sums to a state (`engine.cleared`) is
            called behind the node.
    """

    plan: Plan
    node: Node
    number: int
    lines: list[str] = field(default_factory=list)
    tiled: bool = False
    name: str = ""
    sender: NodeWriter | None = None
    parameters: list[tuple[str, str]] = field(default_factory=list)
    scratch_used: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.name = self.name or f"node_{self.number}"

    def sending(self) -> NodeWriter:
        """Give the writer of the function that is called later in the step: see `sender`."""
        self.sender = NodeWriter(self.plan, self.node, self.number, name=f"{self.name}_send")
        return self.sender

    def edge(self, port: int) -> Edge:
        """Give the edge that feeds a port."""
        return self.plan.graph.edges_into[self.node.name][port]

    def signal(self, port: int) -> Signal:
        """Give the signal that arrives at a port."""
        return self.plan.graph.signal(self.edge(port))

    def strides(self, port: int) -> tuple[int, ...]:
        """Give the strides in memory of the signal that arrives at a port."""
        edge = self.edge(port)
        return self.plan.strides((edge.source, edge.output))

    def channels_last(self) -> bool:
        """Say whether the node's output has its channels last in memory."""
        return (self.node.name, "out") in self.plan.last

    def out_signal(self, name: str = "out") -> Signal:
        """Give the signal of an output."""
        return self.plan.graph.signals[(self.node.name, name)]

    def arrived(self, port: int, name: str) -> str:
        """Take what arrives at a port as the parameter ``name``; give its C type."""
        edge, signal = self.edge(port), self.signal(port)
        kind = self.plan.stored(signal.type)
        if edge.delay:
            line = self.plan.at(kind, self.plan.slots[(edge.key, "line")])
            value = f"{line} + t % {edge.delay} * {signal.size}"
        else:
            value = self._signal((edge.source, edge.output))
        self.parameters.append((f"const {kind} *restrict {name}", value))
        return kind

    def result(self, name: str, output: str = "out") -> str:
        """Take the memory of an output as the parameter ``name``; give its C type."""
        kind = self.plan.stored(self.out_signal(output).type)
        self.parameters.append((f"{kind} *restrict {name}", self._signal((self.node.name, output))))
        return kind

    def _signal(self, key: Key) -> str:
        return first_pointer(self.plan, key) if self.tiled else signal_pointer(self.plan, key)

    def state(self, state: str, name: str, owner: str = "") -> str:
        """Take a state, of the node or of another ``owner``, as a parameter; give its C type."""
        key = (owner or self.node.name, state)
        slots = {(s.owner, s.name): s for s in self.plan.states}
        kind = self.plan.stored_slot(slots[key])
        place = self.plan.at(kind, self.plan.slots[key])
        self.parameters.append((f"{kind} *restrict {name}", place))
        return kind

    def data(self, name: str, kind: str, make: Callable[[], Array], what: str) -> None:
        """Take an array of C type ``kind`` as the parameter ``name``."""
        number = self.plan.add_data(lambda: make().astype(DTYPES[kind], copy=False), what)
        place = self.plan.constant_at(kind, number)
        self.parameters.append((f"const {kind} *restrict {name}", place))

    def held(self, name: str, tensor: str) -> str:
        """Take a tensor of the graph where it lies, without a copy; give its C type."""
        values = self.plan.graph.tensors[tensor].data
        kind = next(k for k, dtype in DTYPES.items() if dtype == values.dtype)
        self.data(name, kind, lambda: values, tensor)
        return kind

    def weights(self, name: str, kind: str, make: Callable[[], Array], tensor: str) -> None:
        """Take weights that are added up in C type ``kind`` one by one."""
        stored = self.plan.weight_type(kind, self.plan.graph.tensors[tensor].type)
        self.data(name, stored, make, tensor)

    def rows(self, name: str, kind: str, make: Callable[[], Array], tensor: str, unit: int) -> Rows:
        """Take weights that are added up in rows; see `Plan.rows`."""
        weight = self.plan.graph.tensors[tensor].type
        rows = self.plan.rows(kind, self.signal(0).type, weight, unit)
        self.data(name, rows.stored, lambda: rows.arrange(make()), tensor)
        return rows

    def batch(
        self, kind: str, make: Callable[[], Array], tensor: str, unit: int, count: int
    ) -> Batch | None:
        """Take weights that are added several rows at a time, and a list; see `Plan.batch`.

        Args:
            kind: C type of the sums.
            make: Gives the weights: (groups, sources, targets of all taps).
            tensor: Their name.
            unit: A number that divides the length and the begin of every row.
            count: Sources of a group.
        """
        weight = self.plan.graph.tensors[tensor].type
        batch = self.plan.batch(kind, self.signal(0).type, weight, unit, count)
        if batch is not None:
            self.data("w", batch.stored, lambda: batch.arrange(make()), tensor)
            self.scratch("at", "int32_t", batch.listed(count))
        return batch

    def tensor(self, name: str, kind: str, tensor: str) -> None:
        """Take a tensor of the graph, in its own layout, as the parameter ``name``."""
        values = self.plan.graph.tensors[tensor].data
        self.data(name, kind, lambda: values, tensor)

    def scratch(self, name: str, kind: str, length: int) -> None:
        """Take scratch memory of ``length`` elements as the parameter ``name``."""
        place = self.plan.at(kind, self.plan.scratch(kind, length, self.scratch_used))
        self.parameters.append((f"{kind} *restrict {name}", place))

    def value(self, kind: str, name: str, expression: str) -> None:
        """Take a number that is known where the function is called."""
        self.parameters.append((f"{kind} {name}", expression))

    def step(self) -> None:
        """Take the number of the step as the parameter ``t``; once is enough."""
        if ("int64_t t", "t") not in self.parameters:
            self.value("int64_t", "t", "t")

    def back(self) -> None:
        """Take as the parameter ``back`` whether weights are read from the last one to the first.

        Every second tile, or step, does so: what the one before has read last is in the cache.
        """
        tile = f"(row + begin / {self.plan.tile})" if self.tiled else "t"
        self.value("int64_t", "back", f"{tile} % 2")

    def function(self) -> str:
        """Give the definition."""
        what = getattr(self.node, "op", None)
        title = f"{self.node.family} {type(what).__name__ if what else ''}".strip()
        head = comment(f"{self.number}: {self.node.name} ({title})")
        more = "" if self.sender is None else f"\n{self.sender.function()}"
        return f"{head}\n{self._signature()}\n{{\n{indented(self.lines)}\n}}\n{more}"

    def declaration(self) -> str:
        """Give the declaration."""
        more = "" if self.sender is None else self.sender.declaration()
        return f"{self._signature()};\n{more}"

    def _signature(self) -> str:
        declared = ",\n    ".join(p for p, _ in self.parameters)
        return f"{self.plan.linkage} void {self.name}(\n    {declared})"

    def call(self) -> str:
        """Give the call: once per tile or step, or per sample where nothing else can come."""
        given = ", ".join(value for _, value in self.parameters)
        text = f"{self.name}({given});"
        if self.tiled:
            return text
        inputs = self.plan.constant.get(self.node.name)
        if inputs is None:
            return text
        # a constant reads no input: it is written once
        renewed = [self.plan.renewed(i) for i in sorted(inputs)]
        return f"if ({' || '.join(['t == 0', *renewed])}) {text}"

    def tile_steps(self) -> str:
        """Give, as C, the steps of a tile that a tiled node has to compute."""
        inputs = self.plan.constant.get(self.node.name)
        if inputs is None:
            return "steps"
        renewed = " || ".join(self.plan.renewed(i) for i in sorted(inputs)) or "0"
        return f"{renewed} ? steps : begin == 0"
