"""Writes a quantised network in Loihi's neurons and synapses, one step of the chip to each hop.

What a `loihi_step_lif` has beside its sums becomes synapses: an inhibition of each neuron by
itself, and weights from one neuron that spikes at every step of the network (the clock), from one
that spikes once, and for neurons that are closed between steps, from the clock again. A max pool of
spikes becomes neurons that spike where any neuron of the window did.

The states are those of the quantised network, at steps that are ``pace`` apart and late by the
``start`` of each population.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import CapabilityError, Finding, raise_findings
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Edge, Map, Node, Reduce
from neurodeploy.ir.ops import Conv, Dense, MaxPool, Reshape, Synapses
from neurodeploy.ir.types import BOOL
from neurodeploy.passes.recognise import computes
from neurodeploy.passes.retime import hop_starts, least_pace
from neurodeploy.passes.rewire import Draft, Key
from neurodeploy.targets.base import Lowered
from neurodeploy.targets.loihi.as_synapses import rows_of_map
from neurodeploy.targets.loihi.max_pools import counted_steps, levels, write_pool
from neurodeploy.targets.loihi.parts import Parts
from neurodeploy.targets.loihi.processes import options_of

__all__ = ["STEP", "hops", "in_steps", "lowered"]

Array = npt.NDArray[Any]
STEP = "loihi"
STEP_LIF = "loihi_step_lif"
MOST_GROUPS = 127  # Lava keeps them in 8 bits


def hops(node: Node) -> int:
    """Give the steps of the chip from what arrives at a node to what it sends."""
    if isinstance(node, Cell):
        return int(not computes(node, "add") and node.definition not in ("add", "loihi_synapse"))
    if isinstance(node, Reduce):
        counted = isinstance(node.op, MaxPool) and node.op.mode == "cumulative"
        return 2 * levels(node.op) if counted and isinstance(node.op, MaxPool) else 1
    return 0


def in_steps(graph: Graph) -> bool:
    """Say whether a graph is in steps of the network still."""
    return any(isinstance(n, Reduce) for n in graph.nodes) or any(
        c.definition == STEP_LIF for c in graph.cells
    )


def lowered(graph: Graph) -> Lowered:
    """Write a quantised network for Loihi; a graph of Loihi's own cells stays.

    Raises:
        CapabilityError: all parts that Loihi does not have.
    """
    if not in_steps(graph):
        return Lowered(graph)
    pace = _pace(graph)
    starts = hop_starts(graph, hops, pace)
    if starts is None:
        raise CapabilityError(Finding(f"a loop has no time at a pace of {pace}"))
    work = _Lowering(graph, pace, starts)
    made = work.run()
    return Lowered(made, work.latency, pace)


def _pace(graph: Graph) -> int:
    """Give the pace that the neurons were quantised for.

    Raises:
        CapabilityError: they differ, or it is too fast for a loop.
    """
    found = {int(options_of(c)["pace"]) for c in graph.cells if c.definition == STEP_LIF}
    if len(found) > 1:
        raise CapabilityError(Finding(f"neurons of several paces meet: {sorted(found)}"))
    return found.pop() if found else least_pace(graph, hops)


class _Lowering:
    """One graph that is being written; findings are collected, and raised together."""

    def __init__(self, graph: Graph, pace: int, starts: Mapping[str, int]) -> None:
        self.graph = graph
        self.pace = pace
        self.starts = starts
        self.draft = Draft(graph, STEP)
        self.parts = Parts(self.draft, pace)
        self.found: list[Finding] = []
        self.latency = max(starts[n.name] for n in graph.outputs)

    def run(self) -> Graph:
        for node in self.graph.nodes:
            if not hops(node):
                continue
            try:
                if isinstance(node, Reduce):
                    self._pool(node)
                elif isinstance(node, Cell):
                    self._neuron(node)
            except CapabilityError as error:
                self.found += error.findings
        raise_findings(CapabilityError, self.found)
        for node in self.graph.outputs:
            edge = self.draft.edges[(node.name, "in")]
            late = self.latency - self.starts[edge.source] + self.pace * edge.delay
            self.draft.edges[(node.name, "in")] = replace(edge, delay=late)
        self._drop()
        self.draft.note(
            self.graph.outputs[0].name,
            f"{self.latency} steps of latency, {self.pace} steps of the chip to one of the network",
            "exact",
            "every hop takes a step",
        )
        return self.draft.finish()

    def _drop(self) -> None:
        """Take out additions and exponents that stood between sums and neurons."""
        while gone := self._unread():
            for name in gone:
                self.draft.remove(name)

    def _unread(self) -> list[str]:
        read = {e.source for e in self.draft.edges.values()}
        return [
            name
            for name, node in self.draft.nodes.items()
            if name not in read and isinstance(node, Map | Cell) and not hops(node)
        ]

    # -- populations --------------------------------------------------------------------------

    def _neuron(self, cell: Cell) -> None:
        if cell.definition != STEP_LIF:
            text = f"{cell.definition!r} stands among neurons in steps of the network"
            raise CapabilityError(Finding(text, cell.name, cell.source))
        values = {p.name: self.graph.tensors[p.tensor].data for p in cell.params}
        start, shape, parts = self.starts[cell.name], cell.shape, self.parts
        terms = [
            term for edge in self.graph.edges_into[cell.name] for term in self._terms(edge, cell)
        ]
        if "taken" in values:
            terms.append(parts.inhibition(cell, values["taken"]))
        brought = (
            ("drive", 1, start),
            ("kick", 1, start),
            ("closing", -1, start + 1),
            ("opening", 1, start + self.pace),
        )
        for name, sign, late in brought:
            if name in values:
                source = parts.once() if name == "kick" else parts.clock()
                amounts = sign * values[name].astype(np.int64)
                terms += parts.constants(f"{cell.name}.{name}", source, amounts, shape, late)
        params = {name: values[name] for name in ("du", "dv", "threshold")}
        parts.lif(cell, shape, parts.added(f"{cell.name}.sum", terms, shape), params, start)
        self.draft.note(
            cell.name,
            "a LIF of Loihi, with what it has beside its sums as synapses",
            "exact",
            f"starts at step {start}",
        )

    def _pool(self, node: Reduce) -> None:
        """Write a max pool of spikes."""
        signal = self.graph.signals[(node.name, "out")]
        if not isinstance(node.op, MaxPool) or signal.type != BOOL:
            text = f"{type(node.op).__name__} of numbers is no neuron"
            raise CapabilityError(Finding(text, node.name, node.source, "max pools of spikes"))
        (edge,) = self.graph.edges_into[node.name]
        late = self._late(edge, node) - hops(node) + 1
        sent, _ = self._sender(edge)
        start = self.starts[node.name]
        read = self.graph.signal(edge).shape
        write_pool(self.parts, node, node.op, sent, read, late, start)
        counted = node.op.mode == "cumulative"
        steps, most = self.graph.timesteps, counted_steps(self.pace)
        if counted and (steps is None or steps > most):
            given = "an unknown number of" if steps is None else str(steps)
            text = f"pools counts over {given} steps, its neurons count over {most}"
            hint = "fewer timesteps, or a max pool of single steps"
            raise CapabilityError(Finding(text, node.name, node.source, hint, steps, most))
        self.draft.note(
            node.name,
            f"a max pool of {'counts of ' if counted else ''}spikes as neurons",
            f"exact over {most} steps at most" if counted else "exact",
            f"{hops(node)} hops, starts at step {start}",
        )

    # -- sums ---------------------------------------------------------------------------------

    def _terms(self, edge: Edge, cell: Cell, exponent: int = 0) -> list[Key]:
        """Give the weighted sums that arrive over an edge, each with its own delay."""
        node = self.graph.node(edge.source)
        if edge.delay:
            text = f"a sum arrives {edge.delay} steps later"
            raise CapabilityError(Finding(text, cell.name, cell.source, "delay what it reads"))
        into = self.graph.edges_into[node.name]
        if isinstance(node, Cell) and node.definition == "add":
            return [key for e in into for key in self._terms(e, cell)]
        if isinstance(node, Cell) and node.definition == "loihi_synapse":
            return self._terms(into[0], cell, int(options_of(node)["exponent"]))
        if not isinstance(node, Map) or not isinstance(node.op, Dense | Conv | Synapses):
            text = f"{node.name!r} arrives, which is no weighted sum"
            raise CapabilityError(Finding(text, cell.name, cell.source))
        key = self._connected(node.name, node.op, self._late(into[0], cell))
        return [self.parts.shifted(node.name, key, exponent, node.source)]

    def _late(self, edge: Edge, reader: Node) -> int:
        """Give the steps of the chip from what is sent to the neuron that reads it."""
        delay = edge.delay
        self._check_silent(edge, reader)
        while not hops(self.graph.node(edge.source)):
            into = self.graph.edges_into[edge.source]
            if not into:
                break
            (edge,) = into
            delay += edge.delay
            self._check_silent(edge, reader)
        return self.starts[reader.name] - self.starts[edge.source] + self.pace * delay

    def _check_silent(self, edge: Edge, reader: Node) -> None:
        if edge.delay and edge.initial != 0:
            text = "something arrives before anything was sent, nothing does on Loihi"
            raise CapabilityError(Finding(text, reader.name, reader.source))

    def _connected(self, name: str, op: Dense | Conv | Synapses, late: int) -> Key:
        """Let a weighted sum arrive ``late`` steps after what it reads."""
        edge = self.draft.edges[(name, "in")]
        source = self.draft.signal((edge.source, edge.output))
        made = self.draft.signal((name, "out"))
        sent, delayed = self._sender(edge)
        if isinstance(op, Conv) and late == 1 and sent[0] == edge.source and _is_lavas(op):
            self.draft.edges[(name, "in")] = replace(edge, delay=1)
            return name, "out"
        if isinstance(op, Dense) and late == 1 and len(source.shape) == len(made.shape) == 1:
            if delayed and sent[0] != edge.source:
                edge = self._flat(name, sent, source.size)
            self.draft.edges[(name, "in")] = replace(edge, delay=1)
            return name, "out"
        rows = rows_of_map(op, self.draft, source.shape, made.shape)
        if rows.delay is not None:
            rows.delay = rows.delay * self.pace
        layer = self.draft.nodes[name].source
        return self.parts.synapses(name, sent, rows, made.shape, late, layer, op.accumulator)

    def _sender(self, edge: Edge) -> tuple[Key, bool]:
        """Give the neuron or input behind reshapes, and whether one of them reads it late."""
        delayed = False
        while isinstance(node := self.draft.nodes[edge.source], Map):
            edge = self.draft.edges[(node.name, "in")]
            delayed |= edge.delay > 0
        return (edge.source, edge.output), delayed

    def _flat(self, name: str, sent: Key, size: int) -> Edge:
        """Read a neuron through a reshape of its own, in which nothing is late."""
        made = self.draft.fresh(f"{name}.flat")
        self.draft.nodes[made] = Map(
            name=made, op=Reshape((size,)), source=self.draft.nodes[name].source
        )
        self.draft.edges[(made, "in")] = Edge(*sent, made, "in")
        return Edge(made, "out", name, "in")


def _is_lavas(op: Conv) -> bool:
    """Say whether Lava's Conv holds a convolution."""
    return (
        len(op.window.kernel) == 2
        and all(lo == hi for lo, hi in op.window.padding)
        and op.groups <= MOST_GROUPS
    )
