"""The families of nodes, and the edges between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from neurodeploy.ir.ops import Concat, MapOp, ReduceOp
from neurodeploy.ir.types import Kind, NumType
from neurodeploy.semantics.program import Program

__all__ = [
    "Cell",
    "Decode",
    "Edge",
    "Encoding",
    "Input",
    "Map",
    "Node",
    "Output",
    "ParamRef",
    "Product",
    "Reduce",
    "StateRef",
]

Encoding = Literal["direct", "events"]
Decode = Literal["count", "membrane", "max", "first", "mean"]
Provenance = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Node:
    """A named part of the graph.

    Attributes:
        name: Unique in the graph.
        source: Names of the source model's layers that it came from.
        provenance: What is worth keeping but changes nothing, such as a time constant beside
            the decay that was computed from it; outside equality and hash, like ``source``.
    """

    name: str
    source: tuple[str, ...] = field(default=(), compare=False)
    provenance: Provenance = field(default=(), compare=False)
    family: ClassVar[str] = ""

    @property
    def ports(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        return ("in",)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs, in order; the first is the main one."""
        return ("out",)


@dataclass(frozen=True, kw_only=True)
class Input(Node):
    """Where samples enter: shape of one sample at one step, type and kind.

    Attributes:
        shape: Shape.
        type: Numeric type.
        kind: Kind of the signal.
        encoding: ``direct`` (values as they are, constant or one per step) or ``events``.
    """

    shape: tuple[int, ...]
    type: NumType
    kind: Kind = "value"
    encoding: Encoding = "direct"
    family: ClassVar[str] = "Input"

    @property
    def ports(self) -> tuple[str, ...]:
        """An input has no port."""
        return ()


@dataclass(frozen=True, kw_only=True)
class Output(Node):
    """What a run gives: the signal at every step, and one decoded value per sample.

    Attributes:
        decode: ``count`` (sum over the steps), ``mean`` (sum divided by the steps), ``membrane``
            (the last value), ``max`` (largest over the steps), ``first`` (step of the first
            non-zero value; the number of steps where there is none).
    """

    decode: Decode = "mean"
    family: ClassVar[str] = "Output"


@dataclass(frozen=True, kw_only=True)
class Map(Node):
    """A linear or structural operation without hidden dynamics (but for delayed synapses)."""

    op: MapOp
    family: ClassVar[str] = "Map"

    @property
    def ports(self) -> tuple[str, ...]:
        """One port, or as many as a concatenation joins."""
        if isinstance(self.op, Concat):
            return tuple(f"in{i}" for i in range(self.op.count))
        return ("in",)


@dataclass(frozen=True)
class ParamRef:
    """A parameter of a cell: a tensor that broadcasts (numpy's rules) to the cell's shape.

    With ``timed``, the tensor has a leading time axis, and step t uses its row t.
    """

    name: str
    tensor: str
    timed: bool = False


@dataclass(frozen=True)
class StateRef:
    """A state of a cell: its stored type, and a tensor with its initial value (broadcast)."""

    name: str
    type: NumType
    initial: str


@dataclass(frozen=True, kw_only=True)
class Cell(Node):
    """An elementwise program over the broadcast of its inputs to the declared ``shape``.

    Attributes:
        program: What it computes.
        shape: Shape of its outputs and states, for one sample.
        params: Where its parameters are.
        states: Types and initial values of its states.
        start: Before this step the cell is inert: outputs 0, states untouched.
        stream: Number of its random stream; the same after renaming.
        steps: By output, the real value of 1, where that is an integer that stands for one.
        definition: Registered name that it was traced from; provenance.
        options: Options that it was traced with; provenance.
    """

    program: Program
    shape: tuple[int, ...]
    params: tuple[ParamRef, ...] = ()
    states: tuple[StateRef, ...] = ()
    start: int = 0
    stream: int = 0
    steps: tuple[tuple[str, float], ...] = field(default=(), metadata={"sparse": True})
    definition: str = field(default="", compare=False)
    options: Provenance = field(default=(), compare=False)
    family: ClassVar[str] = "Cell"

    @property
    def ports(self) -> tuple[str, ...]:
        """The inputs of the program."""
        return tuple(p.name for p in self.program.inputs)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs of the program, then its states."""
        return self.program.output_names


@dataclass(frozen=True, kw_only=True)
class Reduce(Node):
    """A reduction along axes or windows."""

    op: ReduceOp
    family: ClassVar[str] = "Reduce"


@dataclass(frozen=True, kw_only=True)
class Product(Node):
    """Contraction of two signals by an einsum string such as ``ik,kj->ij``.

    Products are added in ascending order of the contracted indices, first label slowest.
    """

    equation: str
    family: ClassVar[str] = "Product"

    @property
    def ports(self) -> tuple[str, ...]:
        """The two factors."""
        return ("a", "b")


@dataclass(frozen=True)
class Edge:
    """A signal from one output to one port.

    Attributes:
        source: Name of the sending node.
        output: Which of its outputs.
        target: Name of the receiving node.
        port: Which of its ports; each port takes exactly one edge.
        delay: Whole steps: a value sent at t arrives at t + delay.
        initial: What arrives before the first value: a number, or the name of a tensor of the
            signal's shape.
    """

    source: str
    output: str
    target: str
    port: str
    delay: int = 0
    initial: float | int | bool | str = 0

    @property
    def key(self) -> str:
        """Name of the edge in texts: the port that it feeds."""
        return f"{self.target}.{self.port}"
