"""Compares two runs of what should be one network, spike by spike and state by state.

Verdicts: ``exact``: every compared value is equal, bit for bit (-0 equals 0). ``near``: every
*root* divergence, that is of a neuron whose delivered inputs are all still equal, has a margin
``|v - threshold|`` of at most 4 times the largest ``|v32 - v64|`` of its node, v64 being a
float64 shadow of the reference that is fed with the same spikes; values differ by no more than
the same bound. ``differs``: anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.artifact import Artifact
from neurodeploy.data import Data, as_samples, timesteps_of
from neurodeploy.errors import UsageError
from neurodeploy.execute import Progress, reference_runner, spiking_outputs
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Node
from neurodeploy.rounding import Bounds, rounding_bounds
from neurodeploy.targets.base import Run

__all__ = ["Comparison", "FirstDifference", "NodeDifference", "compare"]

Array = npt.NDArray[Any]
Key = tuple[str, str]
BATCH = 64


@dataclass(frozen=True)
class FirstDifference:
    """The earliest step at which a node differs.

    Attributes:
        sample: Sample.
        step: Step.
        index: Flat index of the neuron.
        a: Value on the left.
        b: Value on the right.
        margin: ``|v - threshold|`` of the left at that point; None where nothing fires.
    """

    sample: int
    step: int
    index: int
    a: float
    b: float
    margin: float | None

    def to_json(self) -> dict[str, object]:
        """Give the keys of the JSON contract."""
        return {
            "sample": self.sample,
            "step": self.step,
            "index": self.index,
            "a": self.a,
            "b": self.b,
            "margin": self.margin,
        }


@dataclass(frozen=True)
class NodeDifference:
    """How the outputs and states of one pair of nodes compare.

    Attributes:
        name: Name of the node on the left.
        mismatches: Values of its outputs that differ, over samples, steps and neurons.
        state_mismatches: Values of its states that differ, where both sides have the state.
        count_a: Spikes on the left (non-zero values where it does not spike).
        count_b: Spikes on the right.
        compared: Values compared, states included.
        roots: Neurons that diverge although their inputs are still equal.
        worst: Largest margin of a root, as a multiple of the node's rounding bound.
        first: The earliest difference; None where there is none.
    """

    name: str
    mismatches: int
    state_mismatches: int
    count_a: int
    count_b: int
    compared: int
    roots: int = 0
    worst: float = 0.0
    first: FirstDifference | None = None

    def to_json(self) -> dict[str, object]:
        """Give the keys of the JSON contract."""
        return {
            "name": self.name,
            "mismatches": self.mismatches,
            "state_mismatches": self.state_mismatches,
            "count_a": self.count_a,
            "count_b": self.count_b,
            "compared": self.compared,
            "roots": self.roots,
            "first": None if self.first is None else self.first.to_json(),
        }


@dataclass(frozen=True)
class Comparison:
    """The outcome of `compare`.

    Attributes:
        verdict: ``exact``, ``near`` or ``differs``.
        nodes: One entry per matched pair of nodes.
        unmatched: Nodes with spikes that have no partner on the other side.
        samples: Samples compared.
        timesteps: Steps compared.
        predictions: Share of samples with the same prediction; None where nothing is classified.
    """

    verdict: str
    nodes: tuple[NodeDifference, ...]
    unmatched: tuple[str, ...]
    samples: int
    timesteps: int
    predictions: float | None

    @property
    def equal(self) -> bool:
        """True for ``exact`` and ``near``."""
        return self.verdict in ("exact", "near")

    @property
    def first(self) -> NodeDifference | None:
        """The node that differs at the earliest step."""
        different = [n for n in self.nodes if n.first is not None]
        return min(different, key=lambda n: n.first.step if n.first else 0, default=None)

    def meets(self, expected: str) -> bool:
        """Say whether the outcome is at least what was expected.

        Args:
            expected: ``exact``, ``near``, or ``predictions>=SHARE``.

        Raises:
            UsageError: it is none of these.
        """
        if expected == "exact":
            return self.verdict == "exact"
        if expected == "near":
            return self.equal
        name, sign, number = expected.partition(">=")
        try:
            share = float(number)
        except ValueError:
            share = -1.0
        if name != "predictions" or not sign or not 0 <= share <= 1:
            raise UsageError(f"expectation {expected!r}", hint="exact, near, or predictions>=0.99")
        return self.predictions is not None and self.predictions >= share

    def to_json(self) -> dict[str, object]:
        """Give the keys of the JSON contract of ``compare``."""
        return {
            "equal": self.equal,
            "verdict": self.verdict,
            "nodes": [n.to_json() for n in self.nodes],
            "unmatched": list(self.unmatched),
            "samples": self.samples,
            "timesteps": self.timesteps,
            "predictions": self.predictions,
        }

    def __str__(self) -> str:
        lines = [
            f"{self.verdict}: {self.samples} samples, {self.timesteps} timesteps, "
            f"{sum(n.compared for n in self.nodes)} values compared"
        ]
        for n in self.nodes:
            if n.mismatches or n.state_mismatches:
                lines.append(
                    f"  {n.name}: {n.mismatches} outputs and {n.state_mismatches} states differ, "
                    f"{n.count_a} against {n.count_b} spikes"
                )
        if self.unmatched:
            lines.append(f"  without a partner: {', '.join(self.unmatched)}")
        return "\n".join(lines)


def compare(
    a: Graph | Artifact,
    b: Graph | Artifact,
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
    is matched by the artifacts' latency.

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
    """
    left, right = _side(a, on_a), _side(b, on_b)
    samples = as_samples(left.graph, x, layout=layout)
    again = as_samples(right.graph, x, layout=layout)
    steps = timesteps_of(left.graph, samples, timesteps)
    tally = _Tally(left, right, steps)
    for start in range(0, samples.count, BATCH):
        stop = min(samples.count, start + BATCH)
        tally.add(samples.part(start, stop), again.part(start, stop), start, seed)
        if progress is not None:
            progress(stop, samples.count)
    return tally.result(samples.count)


@dataclass(frozen=True)
class _Side:
    graph: Graph
    run: Run
    latency: int


def _side(what: Graph | Artifact, on: str | None) -> _Side:
    if isinstance(what, Artifact):
        return _Side(what.graph, what.runner(on)[1], what.latency_steps)
    return _Side(what, reference_runner(what), 0)


def _partners(left: Graph, right: Graph) -> dict[str, str]:
    """Match nodes that compute something by name, else by an unambiguous source."""
    by_source: dict[tuple[str, ...], list[str]] = {}
    for node in right.nodes:
        by_source.setdefault((type(node).__name__, *node.source), []).append(node.name)
    found: dict[str, str] = {}
    for node in left.nodes:
        if not node.ports:
            continue
        same = by_source.get((type(node).__name__, *node.source), [])
        if node.name in right:
            found[node.name] = node.name
        elif node.source and len(same) == 1:
            found[node.name] = same[0]
    return found


@dataclass
class _Tally:
    """Adds up differences batch by batch."""

    left: _Side
    right: _Side
    steps: int
    nodes: dict[str, NodeDifference] = field(default_factory=dict)
    far: bool = False
    agreed: int = 0

    def __post_init__(self) -> None:
        self.partners = _partners(self.left.graph, self.right.graph)
        self.lag = self.right.latency - self.left.latency
        self.keys = [
            (a, b, out)
            for a, b in self.partners.items()
            for out in self.left.graph.node(a).outputs
            if out in self.right.graph.node(b).outputs
            and self.left.graph.signals[(a, out)].shape == self.right.graph.signals[(b, out)].shape
        ]
        spiking = {n for n, _ in spiking_outputs(self.left.graph)}
        self.unmatched = tuple(sorted(spiking - set(self.partners)))

    def add(self, xa: Mapping[str, Array], xb: Mapping[str, Array], start: int, seed: int) -> None:
        """Run one batch on both sides and add what differs."""
        late, early = max(0, self.lag), max(0, -self.lag)
        ta = self.left.run(
            xa,
            self.steps + early,
            record=[(a, o) for a, _, o in self.keys],
            seed=seed,
            first_sample=start,
        )
        tb = self.right.run(
            xb,
            self.steps + late,
            record=[(b, o) for _, b, o in self.keys],
            seed=seed,
            first_sample=start,
        )
        va = {(a, o): ta[(a, o)][:, early:] for a, _, o in self.keys}
        vb = {(a, o): tb[(b, o)][:, late:] for a, b, o in self.keys}
        unequal = {key: va[key] != vb[key] for key in va}
        bounds = None
        if any(d.any() for d in unequal.values()):
            bounds = rounding_bounds(self.left.graph, xa, self.steps, seed=seed, first_sample=start)
        for name in dict.fromkeys(a for a, _, _ in self.keys):
            self._node(name, va, vb, unequal, bounds, start)
        for out in self.left.graph.outputs:
            if (out.name, "out") in va:
                same = _argmax(va[(out.name, "out")]) == _argmax(vb[(out.name, "out")])
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
            where = next(o for o in outs if unequal[(name, o)].any())
            first = _first(va[(name, where)], vb[(name, where)], unequal[(name, where)], start)
            if bounds is not None:
                judged = bounds.judge(name, va, vb, unequal)
                roots, worst = judged.roots, judged.worst
                first = replace(first, margin=judged.margin)
                self.far |= worst > 1.0
        before = self.nodes.get(name)
        self.nodes[name] = NodeDifference(
            name=name,
            mismatches=mismatches + (before.mismatches if before else 0),
            state_mismatches=in_states + (before.state_mismatches if before else 0),
            count_a=int(np.count_nonzero(va[(name, main)])) + (before.count_a if before else 0),
            count_b=int(np.count_nonzero(vb[(name, main)])) + (before.count_b if before else 0),
            compared=sum(va[(name, o)].size for o in outs) + (before.compared if before else 0),
            roots=roots + (before.roots if before else 0),
            worst=max(worst, before.worst if before else 0.0),
            first=before.first if before and before.first else first,
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
        classifies = (
            len(outputs) == 1 and len(self.left.graph.signals[(outputs[0].name, "out")].shape) == 1
        )
        share = self.agreed / samples if classifies else None
        return Comparison(
            verdict, tuple(self.nodes.values()), self.unmatched, samples, self.steps, share
        )


def _argmax(values: Array) -> Array:
    total = values.astype(np.float64).sum(axis=1)
    best: Array = total.reshape(total.shape[0], -1).argmax(axis=1)
    return best


def _first(a: Array, b: Array, unequal: Array, start: int) -> FirstDifference:
    flat = unequal.reshape(*unequal.shape[:2], -1)
    step = int(flat.any(axis=(0, 2)).argmax())
    sample, index = (int(i) for i in np.argwhere(flat[:, step])[0])
    left = a.reshape(*flat.shape)[sample, step, index]
    right = b.reshape(*flat.shape)[sample, step, index]
    return FirstDifference(sample + start, step, index, float(left), float(right), None)
