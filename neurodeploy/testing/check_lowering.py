"""What a target does to a graph: takes it, leaves it alone, names its layers, says its changes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import numpy as np

from neurodeploy.errors import CapabilityError
from neurodeploy.ir.file import graph_bytes
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Input, Output
from neurodeploy.ir.types import QType, Signal
from neurodeploy.reference import Trace, all_outputs, simulate
from neurodeploy.targets.base import Capabilities, Lowered, OptionValue
from neurodeploy.targets.options import parse_options
from neurodeploy.testing.drawing import Array, RandomCase
from neurodeploy.testing.random_graphs import populations
from neurodeploy.testing.subject import Subject, padded

__all__ = ["accepts_what_it_claims", "never_mutates", "says_what_it_changed", "sources_lead_back"]

ACCEPTED = 0.9


def accepts_what_it_claims(subject: Subject) -> str | None:
    """At least 90 % of the graphs inside the capabilities are taken; a refusal has findings."""
    refused = [a for a in subject.attempts if a.refused is not None]
    for attempt in refused:
        found = attempt.refused.findings if attempt.refused else ()
        assert all(f.message and f.node for f in found), (
            f"graph {attempt.seed} is refused without naming a node: {attempt.refused}"
        )
    share = 1 - len(refused) / len(subject.attempts)
    reasons = "; ".join(str(a.refused) for a in refused[:3])
    assert share >= ACCEPTED, (
        f"{share:.0%} of {len(subject.attempts)} graphs inside the capabilities were taken, "
        f"{ACCEPTED:.0%} are due: {reasons}"
    )
    return None


def never_mutates(subject: Subject) -> str | None:
    """Lowering, placing and emitting leave the graph, its arrays and the options as they were."""
    for seed in range(min(6, subject.cases)):
        # what no check has handed to the target yet: a change made twice would not show
        can, values = parse_options(subject.found[1], subject.options)
        shown, given = repr(can), dict(values)
        graph, twin = subject.draw(seed).graph, subject.draw(seed).graph
        with suppress(CapabilityError):  # a refusal changes nothing either
            _emit(subject, graph, can, values)
        assert graph_bytes(graph) == graph_bytes(twin), f"graph {seed} was changed by lowering"
        for name, t in graph.tensors.items():
            assert not t.data.flags.writeable, f"tensor {name!r} was made writable"
        assert repr(can) == shown, "the capabilities were changed"
        assert dict(values) == given, "the options were changed"
    return None


def _emit(
    subject: Subject, graph: Graph, can: Capabilities, values: Mapping[str, OptionValue]
) -> None:
    """Lower, place and emit; the lowered graph stays as it was made."""
    lowered = subject.target.lower(graph, can, values)
    made = graph_bytes(lowered.graph)
    placement = subject.target.place(lowered, can, values)
    assert graph_bytes(lowered.graph) == made, "the lowered graph was changed by placing"
    subject.target.emit(lowered, placement, can, values, subject.folder("emitted"))
    assert graph_bytes(lowered.graph) == made, "the lowered graph was changed by emitting"


def sources_lead_back(subject: Subject) -> str | None:
    """Each node of a lowered graph names layers of the source; no population is forgotten."""
    for case, lowered, _ in subject.accepted:
        known = {s for n in case.graph.nodes for s in n.source}
        named: set[str] = set()
        for node in lowered.graph.nodes:
            if isinstance(node, Input | Output):
                continue
            assert node.source, f"node {node.name!r} of the lowered graph names no source"
            strange = set(node.source) - known
            assert not strange, f"node {node.name!r} names {sorted(strange)}, which is no layer"
            named |= set(node.source)
        for name, _ in populations(case.graph):
            lost = set(case.graph.node(name).source) - named
            assert not lost, f"no node of the lowered graph leads back to {sorted(lost)}"
    return None


def says_what_it_changed(subject: Subject) -> str | None:
    """A lowering that names no change gives the same outputs, ``latency_steps`` later.

    A change names a node, what was done, by how much and why. One whose amount begins with
    ``exact`` alters no value.
    """
    exact = 0
    for case, lowered, _ in subject.accepted:
        assert lowered.latency_steps >= 0, f"latency of {lowered.latency_steps} steps"
        ends = [{n.name for n in g.outputs} for g in (case.graph, lowered.graph)]
        assert ends[0] == ends[1], f"outputs {sorted(ends[0])} became {sorted(ends[1])}"
        ends = [{n.name for n in g.inputs} for g in (case.graph, lowered.graph)]
        assert ends[0] == ends[1], f"inputs {sorted(ends[0])} became {sorted(ends[1])}"
        kept = len(case.graph.changes)
        assert lowered.graph.changes[:kept] == case.graph.changes, "earlier changes were lost"
        said = lowered.graph.changes[kept:]
        for change in said:
            there = change.node in case.graph or change.node in lowered.graph
            assert there, f"a change names {change.node!r}, which is no node"
            told = change.step and change.what and change.amount and change.why
            assert told, f"the change of {change.node!r} leaves something out: {change}"
        if all(change.amount.startswith("exact") for change in said):
            exact += 1
            _same_outputs(case, lowered)
    return None if exact else "every lowering says that it changed values; latency is not tested"


def _same_outputs(case: RandomCase, lowered: Lowered) -> None:
    late = lowered.latency_steps
    before = _outputs(case.graph, case)
    after = _outputs(lowered.graph, padded(case, late))
    for node in case.graph.outputs:
        key = (node.name, "out")
        a = _real(before[key], case.graph.signals[key])
        b = _real(after[key], lowered.graph.signals[key])[:, late:]
        assert a.shape == b.shape, f"output {node.name!r} changed its shape"
        off = np.argwhere(a != b)
        assert not off.size, (
            f"output {node.name!r} differs in {len(off)} of {a.size} values after {late} steps of "
            f"latency, first at (sample, step, ...) {off[0].tolist()}: {a[tuple(off[0])]} became "
            f"{b[tuple(off[0])]}, and no change was recorded"
        )


def _outputs(graph: Graph, case: RandomCase) -> Trace:
    keys = [k for k in all_outputs(graph) if isinstance(graph.node(k[0]), Output)]
    return simulate(graph, case.inputs, case.timesteps, record=keys)


def _real(values: Array, signal: Signal) -> Array:
    """Give what integers stand for; a bool is 0 or 1."""
    kind = signal.type
    if not isinstance(kind, QType) or kind.axis is not None:
        return values
    shifted: Array = values - kind.zero_point
    return shifted if kind.scale == (1.0,) else shifted * kind.scale[0]
