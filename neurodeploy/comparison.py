"""Compares two runs of what should be one network, spike by spike and state by state.

Verdicts: ``exact``: every compared value is equal, bit for bit (-0 equals 0). ``near``: every
*root* divergence, that is of a neuron whose delivered inputs are all still equal, has a margin
``|v - threshold|`` of at most 4 times the largest ``|v32 - v64|`` of its node, v64 being a
float64 shadow of the reference that is fed with the same spikes; values differ by no more than
the same bound (`neurodeploy.rounding`). ``differs``: anything else, and outputs or populations
that spike but cannot be compared.

Compared is what flows at each step; how an output is decoded enters the predictions only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.artifact import Artifact
from neurodeploy.data import Data, as_samples, check_timed, timesteps_of
from neurodeploy.differences import (
    Comparison,
    FirstDifference,
    NodeDifference,
    first_difference,
    unequal_values,
)
from neurodeploy.execute import Progress, reference_runner, spiking_outputs
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Input, Node, Output
from neurodeploy.memory import require_bytes
from neurodeploy.pacing import sent_at
from neurodeploy.recording import decode
from neurodeploy.reference import compute_dtype
from neurodeploy.rounding import Bounds, rounding_bounds
from neurodeploy.targets.base import Run

__all__ = ["Comparison", "FirstDifference", "NodeDifference", "Side", "compare"]

Array = npt.NDArray[Any]
Key = tuple[str, str]
BATCH = 64
BATCH_BYTES = 2**30  # of recorded signals


@dataclass(frozen=True)
class Side:
    """One side of a comparison: a graph, and whatever runs it.

    Attributes:
        graph: The graph.
        run: What runs it; it may be a framework outside.
        latency: Steps by which its outputs come late; its cells are late by their ``start``.
        keys: The outputs that ``run`` can record; None for all.
    """

    graph: Graph
    run: Run
    latency: int = 0
    keys: frozenset[Key] | None = None

    def has(self, key: Key) -> bool:
        """Say whether ``run`` can record ``key``."""
        return self.keys is None or key in self.keys


def compare(
    a: Graph | Artifact | Side,
    b: Graph | Artifact | Side,
    x: Data,
    *,
    timesteps: int | None = None,
    on_a: str | None = None,
    on_b: str | None = None,
    layout: str = "NT",
    seed: int = 0,
    progress: Progress | None = None,
) -> Comparison:
    """Run two forms of a network on the same samples and compare all that they compute.

    Nodes are matched by name, else by the layers of the source model that they came from. Time
    is matched by the artifacts' latency; within, by the ``start`` of the cells.

    Args:
        a: The left side; its graph gives the rounding bound.
        b: The right side.
        x: Samples.
        timesteps: T; by default that of the data, else the one stored in ``a``.
        on_a: Runner of an artifact on the left; graphs run on the reference.
        on_b: Runner of an artifact on the right.
        layout: ``NT`` or ``TN``.
        seed: Seed of the random bits.
        progress: Called with (samples done, samples in all).

    Raises:
        DataError: the samples or T do not fit one of the sides, or what is compared needs more
            memory than there is.
    """
    left, right = _side(a, on_a), _side(b, on_b)
    dt = left.graph.dt or right.graph.dt  # events: both sides see the same steps
    samples = as_samples(left.graph, x, layout=layout, timesteps=timesteps, dt=dt)
    again = as_samples(right.graph, x, layout=layout, timesteps=timesteps, dt=dt)
    steps = timesteps_of(left.graph, samples, timesteps)
    tally = _Tally(left, right, steps, samples.lengths)
    check_timed(left.graph, steps + tally.more_left)
    check_timed(right.graph, steps + tally.more_right)
    batch = _batch(tally, samples.count)
    for start in range(0, samples.count, batch):
        stop = min(samples.count, start + batch)
        tally.add(samples.part(start, stop), again.part(start, stop), start, seed)
        if progress is not None:
            progress(stop, samples.count)
    return tally.result(samples.count)


def _side(what: Graph | Artifact | Side, on: str | None) -> Side:
    if isinstance(what, Side):
        return what
    if isinstance(what, Artifact):
        if what.pace > 1:
            return Side(what.graph, what.network_runner(on)[1])
        return Side(what.graph, what.runner(on)[1], what.latency_steps)
    return Side(what, reference_runner(what))


def _partners(left: Graph, right: Graph) -> dict[str, str]:
    """Match nodes that compute something by name, else by an unambiguous source.

    An only output is matched with an only output, whatever their names.
    """
    ours, theirs = _by_source(left), _by_source(right)
    found: dict[str, str] = {}
    for node in left.nodes:
        if isinstance(node, Input):
            continue
        origin = (type(node).__name__, *node.source)
        same = theirs.get(origin, [])
        if node.name in right:
            found[node.name] = node.name
        elif node.source and len(same) == len(ours[origin]) == 1 and same[0] not in left:
            found[node.name] = same[0]
    if len(left.outputs) == len(right.outputs) == 1:
        found.setdefault(left.outputs[0].name, right.outputs[0].name)
    return found


def _by_source(graph: Graph) -> dict[tuple[str, ...], list[str]]:
    """Give the names of nodes by their family and the layers that they came from."""
    found: dict[tuple[str, ...], list[str]] = {}
    for node in graph.nodes:
        found.setdefault((type(node).__name__, *node.source), []).append(node.name)
    return found


@dataclass
class _Tally:
    """Adds up differences batch by batch."""

    left: Side
    right: Side
    steps: int
    lengths: npt.NDArray[np.int64] | None
    nodes: dict[str, NodeDifference] = field(default_factory=dict)
    roots: dict[str, tuple[int, int, float]] = field(default_factory=dict)
    far: bool = False
    agreed: int = 0

    def __post_init__(self) -> None:
        self.partners = _partners(self.left.graph, self.right.graph)
        self.keys = [
            (a, b, out)
            for a, b in self.partners.items()
            for out in self.left.graph.node(a).outputs
            if out in self.right.graph.node(b).outputs
            and self.left.has((a, out))
            and self.right.has((b, out))
            and self.left.graph.signals[(a, out)].shape == self.right.graph.signals[(b, out)].shape
        ]
        lags = {a: 0 for a, _, _ in self.keys}
        if self.left.latency or self.right.latency:
            ours, theirs = (sent_at(x.graph, x.latency) for x in (self.left, self.right))
            lags = {a: theirs[b] - ours[a] for a, b, _ in self.keys}
        self.early = {a: max(0, -lag) for a, lag in lags.items()}
        self.late = {a: max(0, lag) for a, lag in lags.items()}
        self.more_left = max(self.early.values(), default=0)
        self.more_right = max(self.late.values(), default=0)
        self.unmatched = tuple(sorted(self._unmatched()))
        self.ties = {a for a, b in self.partners.items() if self._ties(a, b)}

    def _unmatched(self) -> set[str]:
        """Give what has to be compared and cannot be."""
        left, right = self.left.graph, self.right.graph
        due = {*spiking_outputs(left), *((n.name, "out") for n in left.outputs)}
        compared = {(a, out) for a, _, out in self.keys}
        # what a side outside of neurodeploy does not show cannot be compared, and need not be
        found = {
            name
            for name, out in due - compared
            if name not in self.partners
            or (self.left.has((name, out)) and self.right.has((self.partners[name], out)))
        }
        return found | ({n.name for n in right.outputs} - set(self.partners.values()))

    def _ties(self, a: str, b: str) -> bool:
        """Say whether one of two cells fires at its threshold and the other one only above it."""
        left, right = self.left.graph.node(a), self.right.graph.node(b)
        return (
            isinstance(left, Cell) and isinstance(right, Cell) and _strict(left) != _strict(right)
        )

    def add(self, xa: Mapping[str, Array], xb: Mapping[str, Array], start: int, seed: int) -> None:
        """Run one batch on both sides and add what differs."""
        longer = _longer(self.left.graph, xa, self.more_left)
        ta = self.left.run(
            longer,
            self.steps + self.more_left,
            record=[(a, o) for a, _, o in self.keys],
            seed=seed,
            first_sample=start,
        )
        tb = self.right.run(
            _longer(self.right.graph, xb, self.more_right),
            self.steps + self.more_right,
            record=[(b, o) for _, b, o in self.keys],
            seed=seed,
            first_sample=start,
        )
        va = {(a, o): self._in_time(ta[(a, o)], self.early[a]) for a, _, o in self.keys}
        vb = {(a, o): self._in_time(tb[(b, o)], self.late[a]) for a, b, o in self.keys}
        unequal = {key: unequal_values(va[key], vb[key]) for key in va}
        bounds = None
        if any(d.any() for d in unequal.values()):
            measured = rounding_bounds(
                self.left.graph, longer, self.steps + self.more_left, seed=seed, first_sample=start
            )
            bounds = measured.later(self.early, self.steps)
        for name in dict.fromkeys(a for a, _, _ in self.keys):
            self._node(name, va, vb, unequal, bounds, start)
        self._predict(va, vb, start)

    def _in_time(self, values: Array, late: int) -> Array:
        return values[:, late : late + self.steps]

    def _predict(self, va: Mapping[Key, Array], vb: Mapping[Key, Array], start: int) -> None:
        """Count the samples that both sides put into one class, each by its own decoding."""
        for node in self.left.graph.outputs:
            key = (node.name, "out")
            if key in va:
                ends = None
                if self.lengths is not None:
                    ends = np.minimum(self.lengths[start : start + va[key].shape[0]], self.steps)
                other = self.right.graph.node(self.partners[node.name])
                same = _predicted(va[key], node, ends) == _predicted(vb[key], other, ends)
                self.agreed += int(same.sum())

    def _node(
        self,
        name: str,
        va: Mapping[Key, Array],
        vb: Mapping[Key, Array],
        unequal: Mapping[Key, Array],
        bounds: Bounds | None,
        start: int,
    ) -> None:
        node: Node = self.left.graph.node(name)
        main = node.outputs[0]
        outs = [o for o in node.outputs if (name, o) in va]
        states = {s.name for s in getattr(node, "states", ())}
        mismatches = sum(int(unequal[(name, o)].sum()) for o in outs if o not in states)
        in_states = sum(int(unequal[(name, o)].sum()) for o in outs if o in states)
        first, roots, worst = None, 0, 0.0
        if mismatches or in_states:
            found = [(name, o) for o in outs if unequal[(name, o)].any()]
            first = min(
                (first_difference(va[key], vb[key], unequal[key], start) for key in found),
                key=lambda f: (f.step, f.sample),
            )
            if bounds is not None:
                judged = bounds.judge(name, va, vb, unequal, ties=name in self.ties)
                roots, worst = judged.roots, judged.worst
                if judged.first is not None:
                    step, sample, margin = judged.first
                    root = step, sample + start, margin
                    self.roots[name] = min(root, self.roots.get(name, root))
                self.far |= worst > 1.0
        before = self.nodes.get(name)
        firsts = [f for f in (before.first if before else None, first) if f is not None]
        self.nodes[name] = NodeDifference(
            name=name,
            mismatches=mismatches + (before.mismatches if before else 0),
            state_mismatches=in_states + (before.state_mismatches if before else 0),
            count_a=_events(va, (name, main)) + (before.count_a if before else 0),
            count_b=_events(vb, (name, main)) + (before.count_b if before else 0),
            compared=sum(va[(name, o)].size for o in outs) + (before.compared if before else 0),
            roots=roots + (before.roots if before else 0),
            worst=max(worst, before.worst if before else 0.0),
            first=min(firsts, key=lambda f: f.step, default=None),  # whatever the batches are
        )

    def result(self, samples: int) -> Comparison:
        """Give the verdict."""
        different = any(n.mismatches or n.state_mismatches for n in self.nodes.values())
        verdict = "exact"
        if different:
            verdict = "differs" if self.far else "near"
        if not self.keys or self.unmatched:
            verdict = "differs"
        outputs = self.left.graph.outputs
        shape = self.left.graph.signals[(outputs[0].name, "out")].shape
        compared = {a for a, _, out in self.keys if out == "out"}
        # an only element is the largest whatever it is
        classifies = len(outputs) == len(shape) == 1 and shape[0] > 1
        share = self.agreed / samples if classifies and outputs[0].name in compared else None
        nodes = tuple(self._with_margin(n) for n in self.nodes.values())
        return Comparison(verdict, nodes, self.unmatched, samples, self.steps, share)

    def _with_margin(self, node: NodeDifference) -> NodeDifference:
        """Add the margin of the first root, which may be known from another batch."""
        if node.first is None or node.name not in self.roots:
            return node
        return replace(node, first=replace(node.first, margin=self.roots[node.name][2]))


def _batch(tally: _Tally, samples: int) -> int:
    """Give the samples per batch; refuse what does not fit into memory."""
    steps = tally.steps + max(tally.more_left, tally.more_right)
    one = sum(
        side.graph.signals[(name, out)].size
        * compute_dtype(side.graph.signals[(name, out)].type).itemsize
        for a, b, out in tally.keys
        for side, name in ((tally.left, a), (tally.right, b))
    )
    each = max(1, one * steps)
    size = max(1, min(BATCH, samples, BATCH_BYTES // each))
    require_bytes(each * size, f"a comparison over {tally.steps} timesteps")
    return size


def _longer(graph: Graph, inputs: Mapping[str, Array], extra: int) -> dict[str, Array]:
    """Pad inputs that have a time axis with silence, for the steps that one side comes late."""
    ranks = {n.name: len(n.shape) + 2 for n in graph.inputs}
    return {
        name: np.pad(x, [(0, 0), (0, extra), *[(0, 0)] * (x.ndim - 2)])
        if extra and x.ndim == ranks[name]
        else x
        for name, x in inputs.items()
    }


def _events(values: Mapping[Key, Array], key: Key) -> int:
    """Count what is not zero; nothing where a side shows only states of a node."""
    return int(np.count_nonzero(values[key])) if key in values else 0


def _strict(cell: Cell) -> list[object]:
    return [i.attr("strict") for i in cell.program.instrs if i.op == "fire"]


def _predicted(values: Array, node: Node, ends: npt.NDArray[np.int64] | None) -> Array:
    how = node.decode if isinstance(node, Output) else "mean"
    decoded = decode(values, how, ends).reshape(values.shape[0], -1)
    return np.asarray(decoded.argmin(axis=1) if how == "first" else decoded.argmax(axis=1))
