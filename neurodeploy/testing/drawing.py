"""What random graphs are drawn with: the wishes, and a graph that is tried while it grows.

Every new node is first run alone on what really arrives at it, so that a graph stays alive: a
threshold follows its drive, and a node that says nothing is drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import GraphError
from neurodeploy.ir.builder import GraphBuilder, Ref
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Input
from neurodeploy.ir.types import BOOL, F32, F64, NumType, QType, tensor
from neurodeploy.reference import simulate
from neurodeploy.semantics.types import Float
from neurodeploy.targets.base import Capabilities

__all__ = ["Array", "Drawing", "Numbers", "RandomCase", "RandomProfile", "Recipe", "Traces"]

Array = npt.NDArray[Any]
Traces = dict[tuple[str, str], Array]
Numbers = Literal["float32", "float64", "integer", "mixed"]
MAX_SIZE = 192
MAX_VALUE = 1e4


@dataclass(frozen=True)
class RandomProfile:
    """What random graphs may hold.

    Attributes:
        numbers: Kinds of arithmetic, one of which is taken for each graph: floats of 32 or 64
            bits, integer weights and integer cells, or integer weights and float cells.
        blocks: Fewest and most building blocks.
        timesteps: Fewest and most steps of a run.
        samples: Batch.
        can: Stay inside these capabilities; None for all that a graph can hold.
        grid: ``binary``: weights, inputs and parameters on a binary grid, so that every float sum
            of a Map is exact and no order of adding can change it. ``whole``: also whole
            thresholds, and one choice for all cells of a graph where capabilities restrict an
            option, so that a target may lower many graphs without changing anything.
        rare: Chance of each thing that capabilities have no word for: parameters that change
            with time, initial values, a late start.
    """

    numbers: tuple[Numbers, ...] = ("float32", "float32", "float64", "integer", "mixed")
    blocks: tuple[int, int] = (2, 5)
    timesteps: tuple[int, int] = (8, 14)
    samples: int = 7
    can: Capabilities | None = None
    grid: Literal["none", "binary", "whole"] = "none"
    rare: float = 0.25

    @classmethod
    def within(cls, can: Capabilities) -> RandomProfile:
        """Give the profile of the graphs that a target with these capabilities takes."""
        numbers: tuple[Numbers, ...] = cls.numbers
        if can.weight_bits is not None:
            numbers = ("integer", "mixed")
        elif not can.float_state:
            numbers = ("integer",)
        free = can.cells is None
        return cls(numbers=numbers, can=can, rare=cls.rare if free else 0.01, blocks=(1, 4))

    def allows(self, family: Literal["maps", "reduces"], name: str) -> bool:
        """Say whether an operation is possible."""
        allowed = None if self.can is None else getattr(self.can, family)
        return allowed is None or name in allowed


@dataclass(frozen=True)
class RandomCase:
    r"""A drawn graph with something to run it on.

    Attributes:
        graph: The graph.
        inputs: By input node, (N, T, \*shape), or (N, \*shape) for a value that stays.
        timesteps: Steps.
        numbers: The arithmetic that was drawn.
    """

    graph: Graph
    inputs: Mapping[str, Array]
    timesteps: int
    numbers: Numbers

    def first(self, samples: int) -> RandomCase:
        """Give the same case with the first samples only."""
        return replace(self, inputs={k: v[:samples] for k, v in self.inputs.items()})

    def extreme(self, rng: np.random.Generator) -> RandomCase:
        """Give the same case with inputs at which arithmetics differ.

        Some values of the first sample are signed zeros, subnormals and the largest numbers, or
        the ends of the integer range; all floats of the second are so small that every sum is
        near the subnormals, and all of the third so large that sums reach infinity.
        """
        nodes = {n.name: n for n in self.graph.inputs}
        return replace(
            self, inputs={k: _extreme(rng, v, nodes[k].type) for k, v in self.inputs.items()}
        )


def _extreme(rng: np.random.Generator, values: Array, kind: NumType) -> Array:
    if kind == BOOL:
        return values
    odd: Array
    if isinstance(kind, QType):
        odd = np.array([kind.lo, kind.hi])
    else:
        end: Any = np.finfo(kind.dtype)
        tiny, large = end.smallest_subnormal, end.max
        odd = np.array([-0.0, 0.0, tiny, -tiny, 3 * tiny, end.tiny, large, -large], kind.dtype)
    found = values.copy()
    found[0] = np.where(
        rng.random(found[0].shape) < 0.15, rng.choice(odd, found[0].shape), found[0]
    )
    if isinstance(kind, Float) and len(found) > 2:
        found[1] *= end.tiny
        found[2] *= large / 16
    return found


Recipe = Callable[[GraphBuilder, tuple[Ref, ...]], Ref]


@dataclass
class Drawing:
    """A graph that is being drawn, with the value of every signal so far."""

    rng: np.random.Generator
    profile: RandomProfile
    numbers: Numbers
    timesteps: int
    builder: GraphBuilder = field(init=False)
    inputs: dict[str, Array] = field(default_factory=dict)
    traces: Traces = field(default_factory=dict)
    refs: list[Ref] = field(default_factory=list)
    count: int = 0
    habits: dict[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.builder = GraphBuilder("1ms", float_type=self.float_type)

    @property
    def float_type(self) -> Float:
        """The float type of the graph."""
        return F64 if self.numbers == "float64" else F32

    @property
    def integer_weights(self) -> bool:
        """Weights are integers."""
        return self.numbers in ("integer", "mixed")

    def chance(self, p: float) -> bool:
        """Draw yes with probability ``p``."""
        return bool(self.rng.random() < p)

    def whole(self, lo: int, hi: int) -> int:
        """Draw a whole number from ``lo`` to ``hi``, both included."""
        return int(self.rng.integers(lo, hi + 1))

    def name(self, stem: str) -> str:
        """Give a new name."""
        self.count += 1
        return f"{stem}{self.count}"

    def trace(self, ref: Ref) -> Array:
        """Give the recorded values of a signal, its own delay left out."""
        return self.traces[(ref.node, ref.output)]

    def exact(self, ref: Ref) -> bool:
        """Say whether sums of a signal with grid weights are exact in float32."""
        values = self.trace(ref)
        if values.dtype.kind != "f":
            return True
        scaled = values * 256.0
        return bool((np.abs(values) <= 16).all() and (scaled == np.rint(scaled)).all())

    def on_grid(self, values: Array, step: float) -> Array:
        """Round to multiples of ``step`` where the profile asks for a grid."""
        return values if self.profile.grid == "none" else np.rint(values / step) * step

    def try_out(self, recipe: Recipe, arrived: tuple[Ref, ...]) -> tuple[Ref, Traces] | None:
        """Run new nodes alone on what arrives; None where the recipe breaks a rule."""
        mini = GraphBuilder("1ms", float_type=self.float_type)
        inputs: dict[str, Array] = {}
        refs = []
        for ref in arrived:
            name = f"{ref.node}/{ref.output}"
            if name not in inputs:
                mini.input(name, ref.shape, type=ref.signal.type, kind=ref.signal.kind)
                inputs[name] = self.trace(ref)
            if isinstance(ref.initial, str):
                mini.tensors[ref.initial] = self.builder.tensors[ref.initial]
            refs.append(replace(ref, node=name, output="out"))
        try:
            made = recipe(mini, tuple(refs))
            graph = mini.output("mini/out", made).build()
        except GraphError:
            return None
        if any(s.size > MAX_SIZE for s in graph.signals.values()):
            return None
        keys = [
            (n.name, out)
            for n in graph.nodes
            if not isinstance(n, Input) and n.name != "mini/out"
            for out in n.outputs
        ]
        traces = simulate(graph, inputs, self.timesteps, record=keys)
        return (made, traces) if all(_healthy(v) for v in traces.values()) else None

    def take(self, recipe: Recipe, arrived: tuple[Ref, ...], traces: Traces) -> Ref:
        """Put the nodes that were tried into the graph."""
        made = recipe(self.builder, arrived)
        self.traces.update(traces)
        self.refs.append(made)
        return made

    def add(self, recipe: Recipe, *arrived: Ref) -> Ref | None:
        """Try nodes and put them into the graph; None where they break a rule or say nothing."""
        tried = self.try_out(recipe, arrived)
        if tried is None or not alive(tried[1][(tried[0].node, tried[0].output)]):
            return None
        return self.take(recipe, arrived, tried[1])

    def late(self, ref: Ref, chance: float) -> Ref:
        """Give the signal, sometimes read some steps later and with something before it."""
        if not self.chance(chance):
            return ref
        initial: float | int | bool | str = 0
        if self.chance(self.profile.rare):
            values = self.trace(ref)[0, -1]
            if self.chance(0.5):
                initial = self.name("before")
                self.builder.tensors[initial] = tensor(values, ref.signal.type)
            elif ref.signal.type == BOOL:
                initial = 1
            else:
                initial = values.flat[0].item()
        return ref.after(self.whole(1, 3), initial)


def _healthy(values: Array) -> bool:
    if values.dtype.kind == "b":
        return True
    return bool(np.isfinite(values).all() and np.abs(values).max(initial=0) < 2**40)


def alive(values: Array) -> bool:
    """Say whether a signal says anything, and nothing out of hand."""
    if values.dtype.kind == "f" and np.abs(values).max(initial=0) > MAX_VALUE:
        return False
    return bool(np.count_nonzero(values))
