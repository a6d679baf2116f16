"""The interface between neurodeploy and a target; read this before writing one.

A target is capabilities (data) + lowering + placement + emission + costs. It owns no simulator
of neuron dynamics: what its arithmetic does is written into the lowered graph, which the
reference and the engine run. To add one:

1. Subclass `Target`; give each profile (a chip, a board) as a `Capabilities`.
2. `lower` rewrites a graph that passed the capability check into the target's own cells and
   tensors, and says how many steps of latency that added.
3. `place` puts the lowered graph onto the chip and reports each resource used.
4. `emit` writes files, the same bytes for the same graph, options and version.
5. Name the target in the entry-point group ``neurodeploy.targets``.
6. Run ``pytest --pyargs neurodeploy.testing --target NAME``: the conformance suite.

``docs/extending.md`` walks through a complete example.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import CapabilityError, Finding
from neurodeploy.ir.graph import Graph
from neurodeploy.targets.grid import ChipGrid, FloatNeuron, IntegerNeuron

if TYPE_CHECKING:
    from neurodeploy.ir.make_cell import MadeCell
    from neurodeploy.ir.nodes import Cell, Node
    from neurodeploy.ir.types import Signal
    from neurodeploy.profile.energy import CostModel

__all__ = [
    "API_VERSION",
    "Capabilities",
    "CellRule",
    "ChipGrid",
    "FloatNeuron",
    "IntegerNeuron",
    "Limit",
    "Lowered",
    "Option",
    "OptionValue",
    "Placement",
    "Resource",
    "Run",
    "RunnerFactory",
    "Target",
]

API_VERSION = 1

OptionValue = str | int | float | bool


class Run(Protocol):
    """Runs one graph: the signature that the reference, the engine and every runner share."""

    def __call__(
        self,
        inputs: Mapping[str, npt.NDArray[Any]],
        timesteps: int,
        *,
        record: Collection[tuple[str, str]],
        seed: int = 0,
        first_sample: int = 0,
    ) -> dict[tuple[str, str], npt.NDArray[Any]]:
        """Run a batch; see `neurodeploy.reference.simulate`."""
        ...


RunnerFactory = Callable[[Graph, Path | None, Mapping[str, OptionValue]], Run]


@dataclass(frozen=True)
class Option:
    """Something that a user may set by ``--option name=value``.

    Attributes:
        name: Name, with hyphens.
        default: Value where none is given; its type is the option's.
        meaning: One sentence, with the unit.
        choices: The only values allowed, where there are few.
    """

    name: str
    default: OptionValue
    meaning: str
    choices: tuple[OptionValue, ...] = ()


@dataclass(frozen=True)
class Limit:
    """The most that a target holds of something, and who says so.

    Attributes:
        name: ``neurons``, ``synapses``, ``fan_in``, ``weight_bytes``, ``state_bytes`` or
            ``delay`` (steps).
        value: The limit.
        per: ``node`` or ``graph``.
        unit: Unit of the value.
        source: Where the figure comes from.
    """

    name: Literal["neurons", "synapses", "fan_in", "weight_bytes", "state_bytes", "delay"]
    value: int
    per: Literal["node", "graph"]
    unit: str
    source: str


@dataclass(frozen=True)
class CellRule:
    """A cell that a target can compute.

    Attributes:
        definition: Registered name of the cell.
        options: For each option that is restricted, the values allowed.
    """

    definition: str
    options: tuple[tuple[str, tuple[OptionValue, ...]], ...] = ()


@dataclass(frozen=True)
class Capabilities:
    """What one profile of a target can hold and compute: data, which one check asks.

    Attributes:
        name: Name of the profile; a target name by itself.
        description: One sentence.
        maps: Class names of the Map operations; None for all.
        reduces: Class names of the Reduce operations; None for all.
        products: Whether a Product of two signals is possible.
        cells: Cells that it computes; None for any expression of the language.
        weight_bits: Most bits of a weight, which then is an integer; None where floats do.
        float_state: Whether states and parameters may be floats.
        limits: Sizes.
        options: What a user may set.
        grid: Integers of a chip with neurons of its own; None where `quantize` chooses freely.
    """

    name: str
    description: str
    maps: frozenset[str] | None = None
    reduces: frozenset[str] | None = None
    products: bool = True
    cells: tuple[CellRule, ...] | None = None
    weight_bits: int | None = None
    float_state: bool = True
    limits: tuple[Limit, ...] = ()
    options: tuple[Option, ...] = ()
    grid: ChipGrid | None = None


@dataclass(frozen=True)
class Lowered:
    """A graph in the target's own arithmetic, and its time.

    Attributes:
        graph: The graph.
        latency_steps: Steps of the chip by which outputs come later.
        pace: Steps of the chip to one of the network: inputs enter, and outputs are read, at
            every so many steps.
    """

    graph: Graph
    latency_steps: int = 0
    pace: int = 1


@dataclass(frozen=True)
class Resource:
    """How much of one thing a placement uses.

    Attributes:
        name: What is used, such as ``weight memory``.
        node: The node that uses it; empty for the whole graph.
        used: How much.
        limit: The most there is; None where there is no limit.
        unit: Unit of both.
        source: Where the limit comes from.
    """

    name: str
    node: str
    used: int
    limit: int | None
    unit: str
    source: str

    def to_json(self) -> dict[str, object]:
        """Give the resource with the keys of the JSON contract."""
        return {
            "name": self.name,
            "node": self.node,
            "used": self.used,
            "limit": self.limit,
            "unit": self.unit,
            "source": self.source,
        }


@dataclass(frozen=True)
class Placement:
    """Where everything lies on the target.

    Attributes:
        resources: What is used.
        addresses: For each input and output node, one record per flat index (``io.json``).
    """

    resources: tuple[Resource, ...] = ()
    addresses: Mapping[str, tuple[Mapping[str, int | str], ...]] = field(default_factory=dict)


class Target(ABC):
    """A back end. Instances hold no state.

    Attributes:
        api: Version of this interface that the target was written for.
        name: Name of the target.
        profiles: Its chips or boards.
        hosted: Whether its programs run on this computer, so that their time and energy can be
            measured here.
    """

    api: ClassVar[int] = API_VERSION
    hosted: ClassVar[bool] = False
    name: ClassVar[str]
    profiles: ClassVar[tuple[Capabilities, ...]]

    def settle(self, options: Mapping[str, OptionValue]) -> Mapping[str, OptionValue]:
        """Replace an option that names a file by what the file says.

        An artifact keeps the options that it was compiled with and opens without such a file.
        Called once, on compiling, with what the user gave.

        Raises:
            UsageError: everything that is wrong with the files.
        """
        return options

    @abstractmethod
    def lower(
        self, graph: Graph, capabilities: Capabilities, options: Mapping[str, OptionValue]
    ) -> Lowered:
        """Rewrite a graph into the target's cells and tensors.

        Raises:
            CapabilityError: all reasons why it cannot be done.
        """

    @abstractmethod
    def place(
        self, lowered: Lowered, capabilities: Capabilities, options: Mapping[str, OptionValue]
    ) -> Placement:
        """Put the lowered graph onto the target.

        Raises:
            CapabilityError: all resources that do not suffice.
        """

    @abstractmethod
    def emit(
        self,
        lowered: Lowered,
        placement: Placement,
        capabilities: Capabilities,
        options: Mapping[str, OptionValue],
        out: Path,
    ) -> None:
        """Write the target's own files below ``out``, which exists and is empty."""

    @abstractmethod
    def costs(self, capabilities: Capabilities) -> CostModel:
        """Give the model that turns counts into joules."""

    def hops(self, node: Node) -> int:
        """Give the steps of the chip from what arrives at a node to what it sends.

        Called for profiles that have a `ChipGrid`.
        """
        return 0

    def integer_cell(
        self,
        node: Cell,
        arrived: Sequence[Signal],
        made: IntegerNeuron,
        capabilities: Capabilities,
    ) -> tuple[MadeCell, str]:
        """Give the chip's cell in the place of a float cell, and the output that has its value.

        It computes the float neuron in steps of the network, with the chip's arithmetic; `lower`
        then says how the chip does it. Called for profiles that have a `ChipGrid`.

        Args:
            node: The float cell.
            arrived: The weighted sums that arrive, as integers.
            made: The neuron with its units.
            capabilities: The profile.

        Raises:
            CapabilityError: the chip has no such neuron.
        """
        raise CapabilityError(Finding(f"{self.name!r} has no neurons of its own", node=node.name))

    def runners(self) -> Mapping[str, RunnerFactory]:
        """Give the runners that the target offers beside ``engine`` and ``reference``."""
        return {}


def plain_addresses(graph: Graph) -> dict[str, tuple[dict[str, int | str], ...]]:
    """Give the addresses of a target without cores: the flat index itself."""
    found: dict[str, tuple[dict[str, int | str], ...]] = {}
    for node in (*graph.inputs, *graph.outputs):
        shape = graph.signals[(node.name, "out")].shape
        found[node.name] = tuple(
            {"index": i, "position": str(list(map(int, np.unravel_index(i, shape))))}
            for i in range(int(np.prod(shape)))
        )
    return found
