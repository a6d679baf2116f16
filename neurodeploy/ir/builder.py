"""Builds graphs node by node: for front ends, tests, and people without a framework.

>>> import numpy as np
>>> from neurodeploy.ir import GraphBuilder
>>> b = GraphBuilder(dt="1ms")
>>> x = b.input("x", (3,))
>>> current = b.dense("fc", x, np.ones((2, 3)))
>>> spikes = b.cell("hidden", "lif", current, params={"beta": 0.9})
>>> graph = b.output("out", spikes, decode="count").build()
>>> [n.name for n in graph.nodes]
['x', 'fc', 'hidden', 'out']
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from fractions import Fraction

import numpy.typing as npt

from neurodeploy.errors import GraphError
from neurodeploy.ir.builder_maps import MapMethods, Ref, window
from neurodeploy.ir.duration import parse_duration
from neurodeploy.ir.graph import Change, Graph
from neurodeploy.ir.make_cell import cell_signals, traced_cell
from neurodeploy.ir.nodes import (
    Decode,
    Edge,
    Encoding,
    Input,
    Node,
    Output,
    Provenance,
)
from neurodeploy.ir.types import F32, Kind, NumType, Signal, Tensor
from neurodeploy.semantics.trace import CellDefinition
from neurodeploy.semantics.types import BOOL, Float

__all__ = ["GraphBuilder", "Ref", "window"]

Values = npt.ArrayLike | Tensor | str
Spatial = int | tuple[int, ...]


class GraphBuilder(MapMethods):
    """Collects nodes; each method gives a reference to the signal that it made.

    Weights are arrays, tensors, or the name of a tensor that was added before (shared weights).

    Args:
        dt: Duration of a step, such as ``"1ms"``; None where it is not known.
        float_type: Type that arrays of floats are rounded to.
    """

    def __init__(self, dt: str | Fraction | None = None, *, float_type: Float = F32) -> None:
        self.dt = parse_duration(dt)
        self.float_type = float_type
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self.tensors: dict[str, Tensor] = {}
        self.metadata: dict[str, str] = {}

    # -- ends ---------------------------------------------------------------------------------

    def input(
        self,
        name: str,
        shape: tuple[int, ...],
        *,
        type: NumType | None = None,
        kind: Kind | None = None,
        encoding: Encoding = "direct",
    ) -> Ref:
        """Add an input; a bool type makes it a spike input."""
        num = type or self.float_type
        what: Kind = kind or ("spike" if num == BOOL else "value")
        node = Input(
            name=name, shape=tuple(shape), type=num, kind=what, encoding=encoding, source=(name,)
        )
        self.nodes.append(node)
        return Ref(name, "out", Signal(node.shape, num, what))

    def output(
        self, name: str, x: Ref, *, decode: Decode | None = None, source: Iterable[str] = ()
    ) -> GraphBuilder:
        """Add an output; it counts where spikes arrive and averages where values do."""
        chosen: Decode = decode or ("count" if x.signal.kind == "spike" else "mean")
        self._add(Output(name=name, decode=chosen, source=tuple(source)), {"in": x})
        return self

    def build(self, *, timesteps: int | None = None, changes: Iterable[Change] = ()) -> Graph:
        """Give the graph.

        Raises:
            GraphError: all rules that it breaks.
        """
        return Graph(
            nodes=tuple(self.nodes),
            edges=tuple(self.edges),
            tensors=self.tensors,
            dt=self.dt,
            timesteps=timesteps,
            changes=tuple(changes),
            metadata=tuple(sorted(self.metadata.items())),
        )

    # -- cells --------------------------------------------------------------------------------

    def cell(
        self,
        name: str,
        cell: str | CellDefinition,
        *arrived: Ref,
        shape: tuple[int, ...] | None = None,
        params: Mapping[str, npt.ArrayLike | Tensor] | None = None,
        initial: Mapping[str, npt.ArrayLike | Tensor] | None = None,
        options: Mapping[str, str | int | bool] | None = None,
        state_types: Mapping[str, NumType] | None = None,
        timed: Iterable[str] = (),
        start: int = 0,
        stream: int = 0,
        source: Iterable[str] = (),
        provenance: Provenance = (),
    ) -> Ref:
        """Add a cell, traced for the types of what arrives at it; give its first output.

        Args:
            name: Name of the node.
            cell: Registered name, or a definition.
            *arrived: Its inputs, in the order of the function's arguments.
            shape: Its shape; by default the broadcast of the inputs.
            params: Parameters, each of a shape that broadcasts to the cell's.
            initial: Initial values of states, likewise.
            options: Options of the cell function.
            state_types: Types of states that are not the definition's.
            timed: Names of parameters that have a leading time axis.
            start: First step at which the cell is active.
            stream: Random stream.
            source: Layers of the source model.
            provenance: What else is worth keeping.
        """
        made = traced_cell(
            name,
            cell,
            [r.signal for r in arrived],
            shape=shape,
            params=params or {},
            initial=initial or {},
            options=options or {},
            state_types=state_types or {},
            timed=frozenset(timed),
            float_type=self.float_type,
        )
        for key, value in made.tensors.items():
            self._store(key, value)
        node = replace(
            made.node, start=start, stream=stream, source=tuple(source), provenance=provenance
        )
        return self._add(node, dict(zip(node.ports, arrived, strict=True)), made.outputs[0])

    def ref(
        self,
        node: str,
        output: str = "out",
        *,
        shape: tuple[int, ...],
        type: NumType = BOOL,
        delay: int = 1,
        initial: float | int | bool | str = 0,
    ) -> Ref:
        """Refer to a signal of a node that comes later: the return path of a recurrence."""
        kind: Kind = "spike" if type == BOOL else "value"
        return Ref(node, output, Signal(shape, type, kind), delay, initial)

    def state(self, x: Ref, name: str) -> Ref:
        """Refer to another output, or to a state, of the cell that made ``x``.

        Raises:
            GraphError: the cell has none of that name, or was not added yet.
        """
        node = next((n for n in self.nodes if n.name == x.node), None)
        if node is None:
            raise GraphError(f"there is no node {x.node!r} yet", hint="use ref(node, output)")
        signals = cell_signals(node)
        if name not in signals:
            raise GraphError(f"{x.node!r} has no output {name!r}", hint=f"it has: {list(signals)}")
        return Ref(x.node, name, signals[name])
