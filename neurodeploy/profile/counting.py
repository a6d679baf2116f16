r"""Exact counts of a run: batch by batch, each recorded array reduced at once.

A synaptic operation is one nonzero value that meets one existing synapse of nonzero weight
(`neurodeploy.profile.fanout`). Whether it is an addition (AC) or a multiplication and addition
(MAC) is decided per sample, layer and step: ACs where all that arrives is -1, 0 or 1. So a batch
of n equals n batches of one, and the steps of a run add up. Zeros count nothing; NeuroBench
decides in the same way at a batch size of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import DataError, Finding, raise_findings
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Edge, Input
from neurodeploy.ir.rules_reduce import parse_equation
from neurodeploy.profile.counts import BINS, COLUMNS, Activity, Counts, LayerCounts, Row
from neurodeploy.profile.operations import Operation
from neurodeploy.profile.plan import Plan, make_plan
from neurodeploy.profile.storage import storage, synaptic_weights
from neurodeploy.reference import compute_dtype

if TYPE_CHECKING:
    from neurodeploy.targets.base import Run

__all__ = ["Progress", "Watcher", "count"]

Array = npt.NDArray[Any]
Counts64 = npt.NDArray[np.int64]
Key = tuple[str, str]
Trace = Mapping[Key, Array]
Progress = Callable[[int, int], None]
Watcher = Callable[[Trace, int], None]
BATCH_BYTES = 64 * 2**20
MAX_BATCH = 256


@dataclass(frozen=True)
class _Batch:
    """One batch that ran: what was fed and recorded, and the steps of each sample."""

    graph: Graph
    inputs: Mapping[str, Array]
    trace: Trace
    timesteps: int
    steps: Counts64

    def frames(self, source: str, output: str) -> Array:
        """Give (N, T, elements), or (N, 1, elements) of an input presented at every step."""
        node = self.graph.node(source)
        if not isinstance(node, Input):
            values = self.trace[(source, output)]
            return values.reshape(*values.shape[:2], -1)
        values = self.inputs[source]
        if values.ndim == len(node.shape) + 1:
            return values.reshape(values.shape[0], 1, -1)
        return values[:, : self.timesteps].reshape(values.shape[0], self.timesteps, -1)

    def arrivals(self, edge: Edge, lag: int = 0) -> Iterator[tuple[Array, Counts64]]:
        """Give what arrives along an edge: (N, t, elements), and how often (N, t) each counts."""
        left = np.maximum(self.steps - lag, 0)
        if edge.delay:
            start = edge.initial
            value = self.graph.tensors[start].data if isinstance(start, str) else np.asarray(start)
            if np.any(value):
                shape = self.graph.signal(edge).shape
                first = np.broadcast_to(value, (self.steps.size, *shape))
                times = np.minimum(edge.delay, left)[:, None]
                yield first.reshape(self.steps.size, 1, -1), times
        values = self.frames(edge.source, edge.output)
        left = np.maximum(left - edge.delay, 0)
        if values.shape[1] == 1:
            yield values, left[:, None]
        else:
            yield values, (np.arange(values.shape[1]) < left[:, None]).astype(np.int64)

    def delivered(self, edge: Edge) -> Array:
        """Give (N, T, elements) of what arrives at each step."""
        values = self.frames(edge.source, edge.output)
        if values.shape[1] != self.timesteps:
            values = np.broadcast_to(values, (values.shape[0], self.timesteps, values.shape[2]))
        if not edge.delay:
            return values
        moved = np.zeros_like(values)
        moved[:, edge.delay :] = values[:, : max(0, self.timesteps - edge.delay)]
        start = edge.initial
        value = self.graph.tensors[start].data.ravel() if isinstance(start, str) else start
        moved[:, : edge.delay] = value
        return moved


@dataclass
class _Layer:
    """The growing counts of one node."""

    plan: Plan
    rows: list[dict[str, Counts64]] = field(default_factory=list)
    work: list[dict[Operation, Counts64]] = field(default_factory=list)
    activity: Activity = field(default_factory=Activity)
    seen: Array | None = None


def count(
    graph: Graph,
    runner: Run,
    inputs: Mapping[str, Array],
    timesteps: int,
    *,
    batch: int | None = None,
    seed: int = 0,
    lengths: Counts64 | None = None,
    watch: tuple[Key, ...] = (),
    watcher: Watcher | None = None,
    progress: Progress | None = None,
) -> Counts:
    r"""Run all samples and count what happened in each layer for each sample.

    Args:
        graph: The graph that ``runner`` runs.
        runner: ``run(inputs, timesteps, record=, seed=, first_sample=)``, as `simulate`.
        inputs: By input node, (N, \*shape) or (N, T, \*shape), in the type of the input.
        timesteps: Steps.
        batch: Samples per call of the runner; by default as many as 64 MiB of records hold.
            The result does not depend on it.
        seed: Seed of the random bits.
        lengths: (N,) steps that each sample lasts; later steps are not counted.
        watch: More signals to record, for ``watcher``.
        watcher: Called with each batch's records and the number of its first sample.
        progress: Called with (samples done, samples in all).

    Raises:
        DataError: no samples, no steps, or counts beyond 64 bits.
    """
    samples = _check(graph, inputs, timesteps)
    plans = make_plan(graph)
    _check_range(plans, timesteps)
    steps = np.full(samples, timesteps, np.int64)
    if lengths is not None:
        steps = np.minimum(steps, lengths).astype(np.int64)
    layers = [_Layer(plan) for plan in plans]
    wanted = dict.fromkeys(key for plan in plans for key in plan.recorded)
    record = tuple(k for k in wanted if not isinstance(graph.node(k[0]), Input))
    record = tuple(dict.fromkeys((*record, *watch)))
    entered: dict[str, list[Counts64]] = {n.name: [] for n in graph.inputs}
    size = batch or _batch_size(graph, record, timesteps)
    bits = storage(graph).step_state_bits
    for start in range(0, samples, size):
        stop = min(samples, start + size)
        part = {name: x[start:stop] for name, x in inputs.items()}
        trace = runner(part, timesteps, record=record, seed=seed, first_sample=start)
        ran = _Batch(graph, part, trace, timesteps, steps[start:stop])
        for layer in layers:
            _tally(layer, ran, bits[layer.plan.node.name])
        for name, events in entered.items():
            frames = ran.frames(name, "out")
            events.append(_nonzero(frames, ran.steps))
        if watcher is not None:
            watcher(trace, start)
        if progress is not None:
            progress(stop, samples)
    weights = [t.data for t in synaptic_weights(graph).values()]
    return Counts(
        graph=graph,
        layers=_finished(graph, layers),
        inputs={name: np.concatenate(events) for name, events in entered.items()},
        steps=steps,
        zero_weights=sum(int(w.size - np.count_nonzero(w)) for w in weights),
        weights=sum(int(w.size) for w in weights),
    )


def _check(graph: Graph, inputs: Mapping[str, Array], timesteps: int) -> int:
    found: list[Finding] = []
    if timesteps < 1:
        found.append(Finding(f"timesteps is {timesteps}", hint="a whole number of at least 1"))
    for node in graph.inputs:
        x = inputs.get(node.name)
        if x is None:
            found.append(Finding("no data for this input", node=node.name))
            continue
        static = x.shape[1:] == node.shape
        if not static and (x.shape[2:] != node.shape or x.shape[1] < timesteps):
            text = f"data of shape {list(x.shape)} for samples of {list(node.shape)}"
            found.append(Finding(text, node=node.name, hint="(N, *shape) or (N, T, *shape)"))
    sizes = {x.shape[0] for x in inputs.values() if x.ndim}
    if len(sizes) != 1 or sizes == {0}:
        found.append(Finding(f"the inputs hold {sorted(sizes)} samples"))
    raise_findings(DataError, found)
    return int(sizes.pop())


def _check_range(plans: tuple[Plan, ...], timesteps: int) -> None:
    """Refuse what would leave 64 bits; no such sum ever wraps silently."""
    found: list[Finding] = []
    for plan in plans:
        bits = max((p.bits for p in plan.synaptic), default=1)
        most = max(plan.dense, plan.padded, plan.updates) * timesteps * max(bits, 64)
        if most >= 2**63:
            text = f"{most // 64} operations per sample leave the range of the counters"
            found.append(Finding(text, node=plan.node.name, hint="count fewer steps at a time"))
    raise_findings(DataError, found)


def _batch_size(graph: Graph, record: tuple[Key, ...], timesteps: int) -> int:
    each = sum(
        graph.signals[k].size * timesteps * compute_dtype(graph.signals[k].type).itemsize
        for k in record
    )
    return int(max(1, min(MAX_BATCH, BATCH_BYTES // max(1, each))))


def _nonzero(frames: Array, left: Counts64) -> Counts64:
    """Count nonzero values per sample within the first ``left`` steps of each."""
    per_step = np.count_nonzero(frames, axis=2).astype(np.int64)
    if frames.shape[1] == 1:
        once: Counts64 = per_step[:, 0] * left
        return once
    per_step[np.arange(frames.shape[1]) >= left[:, None]] = 0
    return np.asarray(per_step.sum(axis=1), np.int64)


def _units(frames: Array) -> npt.NDArray[np.bool_]:
    """Say of each (sample, step) whether all values are -1, 0 or 1."""
    if frames.dtype.kind == "b":
        return np.ones(frames.shape[:2], np.bool_)
    found: npt.NDArray[np.bool_] = ((frames == 0) | (frames == 1) | (frames == -1)).all(axis=2)
    return found


def _reached(
    frames: Array, times: Counts64, chosen: npt.NDArray[np.bool_], reach: Counts64
) -> Counts64:
    """Sum the reach of the nonzero values per sample, over the chosen (sample, step)."""
    live = frames if frames.dtype.kind == "b" else frames != 0
    if frames.shape[1] == 1:
        once: Counts64 = live[:, 0].astype(np.int64) @ reach
        return once * times[:, 0] * chosen[:, 0]
    counted = chosen & (times > 0)
    if not counted.any():
        return np.zeros(frames.shape[0], np.int64)
    if not counted.all():
        live = live & counted[:, :, None]
    hits = np.count_nonzero(live, axis=1).astype(np.int64)
    total: Counts64 = hits @ reach
    return total


def _tally(layer: _Layer, ran: _Batch, step_state_bits: int) -> None:
    plan, samples = layer.plan, ran.steps.size
    active = np.maximum(ran.steps - plan.start, 0)
    row = {name: np.zeros(samples, np.int64) for name in COLUMNS}
    read = np.zeros(samples, np.int64)
    for path in plan.synaptic:
        for frames, times in ran.arrivals(path.edge, path.lag):
            unit = _units(frames)
            acs = _reached(frames, times, unit, path.reach)
            macs = _reached(frames, times, ~unit, path.reach)
            row["acs"] += acs
            row["macs"] += macs
            read += (acs + macs) * path.bits
    if plan.product is not None:
        _tally_product(row, plan.product, ran)
    row["synops"] = row["acs"] + row["macs"]
    row["dense_ops"], row["padded_ops"] = plan.dense * ran.steps, plan.padded * ran.steps
    work = {key: n * active for key, n in plan.fixed.items()}
    if plan.adding is not None:
        path, key = plan.adding
        everything = np.ones((samples, ran.timesteps), np.bool_)
        for frames, times in ran.arrivals(path.edge):
            added = _reached(frames, times, everything[:, : frames.shape[1]], path.reach)
            work[key] = work.get(key, np.zeros(samples, np.int64)) + added
    for (verb, _), amount in work.items():
        row["other_ops" if verb == "other" else plan.purpose] += amount
    row["neuron_updates"] = plan.updates * active
    read += plan.bias * plan.bias_bits * ran.steps + plan.update_weight_bits * active
    row["weight_traffic"] = (read + 7) // 8
    row["state_traffic"] = (plan.update_state_bits * active + step_state_bits * ran.steps + 7) // 8
    for output, projections in plan.sends.items():
        row["messages"] += projections * _nonzero(ran.frames(plan.node.name, output), ran.steps)
    if plan.activations is not None:
        _tally_activity(layer, row, plan.activations, ran, active)
    layer.rows.append(row)
    layer.work.append(work)


def _tally_product(row: dict[str, Counts64], product: tuple[str, Edge, Edge], ran: _Batch) -> None:
    """Count pairs of nonzero factors; a pair is an AC if one of the factors is a unit signal."""
    equation, *edges = product
    factors = [ran.delivered(e) for e in edges]
    unit = _units(factors[0]) | _units(factors[1])
    shapes = [ran.graph.signal(e).shape for e in edges]
    a, b, _ = parse_equation(equation)
    live = [
        (f != 0).astype(np.int64).reshape(*f.shape[:2], *shape)
        for f, shape in zip(factors, shapes, strict=True)
    ]
    # labels of one factor alone are summed first, so that no outer product is built
    shared = "".join(label for label in a if label in b)
    left = np.einsum(f"NT{a}->NT{shared}", live[0])
    right = np.einsum(f"NT{b}->NT{shared}", live[1])
    pairs = (left * right).reshape(*unit.shape, -1).sum(axis=2)
    pairs = pairs * (np.arange(ran.timesteps) < ran.steps[:, None])
    row["acs"] += (pairs * unit).sum(axis=1)
    row["macs"] += (pairs * ~unit).sum(axis=1)


def _tally_activity(
    layer: _Layer, row: dict[str, Counts64], output: str, ran: _Batch, active: Counts64
) -> None:
    frames = ran.frames(layer.plan.node.name, output)
    live = frames != 0
    inside = np.arange(frames.shape[1]) < ran.steps[:, None]
    if not inside.all():
        live &= inside[:, :, None]
    hits = np.count_nonzero(live, axis=1)
    row["activations"] = hits.sum(axis=1, dtype=np.int64)
    if layer.plan.spiking:
        row["spikes"] = row["activations"]
    bins = np.minimum(hits * BINS // np.maximum(active, 1)[:, None], BINS - 1)
    found = np.bincount(bins.ravel(), minlength=BINS)
    old = layer.activity
    fired = hits.any(axis=0)
    layer.seen = fired if layer.seen is None else layer.seen | fired
    layer.activity = Activity(
        histogram=tuple(a + int(b) for a, b in zip(old.histogram, found, strict=True)),
        pairs=old.pairs + int(hits.size),
        silent=old.silent + int((hits == 0).sum()),
        saturated=old.saturated + int(((hits == active[:, None]) & (active[:, None] > 0)).sum()),
        steps=old.steps + int(active.sum()) * int(hits.shape[1]),
        dead=int((~layer.seen).sum()),
    )


def _finished(graph: Graph, layers: list[_Layer]) -> tuple[LayerCounts, ...]:
    held = storage(graph)
    found: list[LayerCounts] = []
    for layer in layers:
        plan, name = layer.plan, layer.plan.node.name
        held_bytes = held.weight_bytes[name] + held.initial_bytes[name] + held.state_bytes[name]
        if plan.structural and not held_bytes:
            continue
        row = {c: np.concatenate([r[c] for r in layer.rows]) for c in COLUMNS}
        keys = dict.fromkeys(k for w in layer.work for k in w)
        found.append(
            LayerCounts(
                name=name,
                source=plan.node.source,
                kind=plan.kind,
                neurons=plan.neurons,
                row=Row(**row),
                work={k: np.concatenate([w[k] for w in layer.work]) for k in keys},
                per_update=plan.per_update,
                activity=layer.activity if plan.activations is not None else None,
                weight_bytes=held.weight_bytes[name],
                initial_bytes=held.initial_bytes[name],
                state_bytes=held.state_bytes[name],
            )
        )
    return tuple(found)
