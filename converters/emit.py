"""The `Emitter`: what front ends share when they write a graph.

Frameworks put the batch on axis 0, a graph has none. A signal of the framework with the shape
(N, a, b) is here a `Ref` of the shape (a, b), and every operation that would mix the samples of
a batch is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import GraphBuilder, Ref
from neurodeploy.ir.check import tensor_names
from neurodeploy.ir.nodes import Input, Output
from neurodeploy.ir.types import F32, tensor
from neurodeploy.semantics.types import Float

__all__ = ["Array", "Emitter", "Layer", "Padded", "signal"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Layer:
    """Where the nodes that are being made come from.

    Attributes:
        name: Name that the first of them gets.
        source: Names of the model's layers.
    """

    name: str = "node"
    source: tuple[str, ...] = ()


@dataclass(frozen=True)
class Padded:
    """A signal with zeros around it, which the next convolution or pool takes into its window.

    Attributes:
        ref: The signal.
        pads: Zeros before and after, for each axis of a sample.
    """

    ref: Ref
    pads: tuple[tuple[int, int], ...]


def signal(value: object, what: str = "the operand") -> Ref:
    """Give ``value`` if it is a signal.

    Raises:
        ConversionError: it is a constant, or padding that nothing takes in.
    """
    if isinstance(value, Ref):
        return value
    if isinstance(value, Padded):
        raise ConversionError(
            "zero padding is followed by an operation that has no window to take it in",
            hint="pad in the convolution or pool itself",
        )
    raise ConversionError(f"{what} is no signal that depends on the network's input")


class Emitter:
    """Writes nodes under unique names, with their sources, and stores shared weights once.

    Args:
        dt: Duration of a step; None where it is not known.
        float_type: Type of weights and values.
    """

    def __init__(self, dt: str | Fraction | None = None, *, float_type: Float = F32) -> None:
        self.builder = GraphBuilder(dt, float_type=float_type)
        self.float_type = float_type
        self.layer = Layer()
        self.renamed: dict[str, str] = {}
        # cells that only add a constant, and that constant: candidates for a bias
        self.shifts: dict[str, Array] = {}
        # spikes that were turned into numbers: the signal, and its number
        self.numbers: dict[tuple[str, str, int, str], Ref] = {}
        self._names: set[str] = set()

    @contextmanager
    def at(self, layer: Layer) -> Iterator[None]:
        """Name what is made inside after ``layer``."""
        before, self.layer = self.layer, layer
        try:
            yield
        finally:
            self.layer = before

    @property
    def source(self) -> tuple[str, ...]:
        """Layers of the source model that the nodes come from."""
        return self.layer.source

    def fresh(self, part: str = "") -> str:
        """Give a name that no node has: the layer's, or the layer's and ``part``."""
        wanted = f"{self.layer.name}.{part}" if part else self.layer.name
        name, number = wanted, 1
        while name in self._names:
            name, number = f"{wanted}_{number}", number + 1
        self._names.add(name)
        return name

    def take(self, name: str) -> str:
        """Reserve ``name``, or the next free one like it."""
        with self.at(Layer(name, ())):
            return self.fresh()

    def weight(self, name: str, values: npt.ArrayLike) -> str:
        """Store a weight under ``name``, once, and give the name that it got.

        Raises:
            GraphError: it holds NaN or infinity.
        """
        made = tensor(values, self.float_type, name=name)
        tensors = self.builder.tensors
        final, number = name, 1
        while final in tensors and tensors[final] != made:
            final, number = f"{name}_{number}", number + 1
        tensors[final] = made
        return final

    def prune(self) -> None:
        """Drop nodes that no output depends on, but for inputs, and tensors that no node uses."""
        b = self.builder
        sources: dict[str, set[str]] = {}
        for edge in b.edges:
            sources.setdefault(edge.target, set()).add(edge.source)
        alive = {n.name for n in b.nodes if isinstance(n, Output | Input)}
        todo = list(alive)
        while todo:
            new = sources.get(todo.pop(), set()) - alive
            alive |= new
            todo += new
        b.nodes = [n for n in b.nodes if n.name in alive]
        b.edges = [edge for edge in b.edges if edge.target in alive]
        used = {name for n in b.nodes for name in tensor_names(n)}
        b.tensors = {name: t for name, t in b.tensors.items() if name in used}


def layer_name(text: str) -> str:
    """Make a name for nodes of what a file calls a layer.

    >>> layer_name("/layers/layers.0/Conv")
    'layers/layers.0/Conv'
    """
    return re.sub(r"\s+", "_", text.strip("/ ")) or "node"


def zeros(rank: int) -> tuple[tuple[int, int], ...]:
    """Give no padding for ``rank`` axes."""
    return ((0, 0),) * rank


def as_array(value: object) -> Array:
    """Give a constant as an array; a Python number becomes one without axes."""
    return np.asarray(value)
