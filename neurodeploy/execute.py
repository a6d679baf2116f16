"""Runs samples through a graph in batches and gathers a Recording; one path for every runner."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.data import Samples
from neurodeploy.errors import Finding, UsageError
from neurodeploy.instructions import CountedRun
from neurodeploy.ir.graph import Graph
from neurodeploy.memory import require_bytes
from neurodeploy.recording import Recording, decode
from neurodeploy.reference import compute_dtype, simulate
from neurodeploy.targets.base import Run

__all__ = [
    "Progress",
    "check_seed",
    "execute",
    "recorded_keys",
    "reference_runner",
    "spiking_outputs",
]

Array = npt.NDArray[Any]
Key = tuple[str, str]
Progress = Callable[[int, int], None]
BATCH_BYTES = 128 * 2**20


def reference_runner(graph: Graph) -> Run:
    """Give the reference as a runner of ``graph``."""
    return partial(simulate, graph)


def recorded_keys(graph: Graph, record: str | tuple[str, ...] | None) -> tuple[Key, ...]:
    """Give the signals that a run records beside outputs and counts.

    Args:
        graph: The graph.
        record: None for none; ``all`` for the spikes of every node; ``states`` for every state
            and output as well; else the names of nodes.

    Raises:
        UsageError: it is none of these, or a name is no node of the graph.
    """
    if record is None:
        return ()
    if record == "all":
        return tuple(spiking_outputs(graph))
    if record == "states":
        nodes = [n.name for n in graph.cells]
    else:
        if not isinstance(record, str | list | tuple):
            raise UsageError(f"record is {record!r}", hint="all, states, or names of nodes")
        nodes = [record] if isinstance(record, str) else list(record)
        unknown = [n for n in nodes if n not in graph]
        if unknown:
            raise UsageError(
                [Finding("there is no such node to record", node=n) for n in unknown],
            )
    return tuple((name, out) for name in nodes for out in graph.node(name).outputs)


def check_seed(seed: int) -> None:
    """Refuse a seed that is no 64-bit word.

    Raises:
        UsageError: it is no whole number from 0 to 2**64 - 1.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**64:
        raise UsageError(Finding(f"seed is {seed!r}", hint="a whole number from 0 to 2**64 - 1"))


def execute(
    graph: Graph,
    run: Run,
    samples: Samples,
    timesteps: int,
    *,
    record: str | tuple[str, ...] | None = None,
    seed: int = 0,
    runner: str = "reference",
    progress: Progress | None = None,
) -> Recording:
    """Run all samples and gather what was asked for.

    Args:
        graph: The graph that ``run`` runs.
        run: The runner.
        samples: The samples.
        timesteps: Steps.
        record: See `recorded_keys`.
        seed: Seed of the random bits.
        runner: Name of the runner, for the recording.
        progress: Called with (samples done, samples in all).

    Raises:
        DataError: what is to be recorded needs more memory than there is.
        UsageError: the seed is out of its range, or there is no such node to record.
    """
    check_seed(seed)
    keys = recorded_keys(graph, record)
    outputs = tuple((n.name, "out") for n in graph.outputs)
    spiking = tuple(spiking_outputs(graph))
    wanted = tuple(dict.fromkeys((*keys, *outputs, *spiking)))
    size = _batch_size(graph, samples.count, timesteps, kept=(*keys, *outputs), wanted=wanted)
    gathered: dict[Key, list[Array]] = {k: [] for k in (*keys, *outputs)}
    events: dict[str, list[Array]] = {n: [] for n, o in keys if (n, o) in spiking}
    counts: dict[str, list[Array]] = {n: [] for n, _ in spiking}
    counted = CountedRun(run)
    started = time.perf_counter()
    for start in range(0, samples.count, size):
        stop = min(samples.count, start + size)
        trace = counted(
            samples.part(start, stop), timesteps, record=wanted, seed=seed, first_sample=start
        )
        if samples.lengths is not None:
            _silence(trace, samples.lengths[start:stop])
        for key, parts in gathered.items():
            if not (key in spiking and record == "all"):
                parts.append(trace[key])
        for name, out in spiking:
            flat = trace[(name, out)].reshape(stop - start, timesteps, -1)
            counts[name].append(np.count_nonzero(flat, axis=(1, 2)).astype(np.int64))
            if name in events:
                events[name].append(np.argwhere(flat) + np.array([start, 0, 0]))
        if progress is not None:
            progress(stop, samples.count)
    seconds = time.perf_counter() - started
    merged = {key: np.concatenate(parts) for key, parts in gathered.items() if parts}
    steps = np.full(samples.count, timesteps, np.int64)
    if samples.lengths is not None:
        steps = np.minimum(steps, samples.lengths)
    shown = {n.name: merged[(n.name, "out")] for n in graph.outputs}
    decoded = {n.name: decode(shown[n.name], n.decode, steps) for n in graph.outputs}
    states: dict[str, dict[str, Array]] = {}
    for node, out in keys:
        if (node, out) in merged:
            states.setdefault(node, {})[out] = merged[(node, out)]
    only = graph.outputs[0].name if len(graph.outputs) == 1 else None
    return Recording(
        outputs=shown if only is None else shown[only],
        decoded=decoded if only is None else decoded[only],
        labels=samples.labels,
        steps=steps,
        counts={n: np.concatenate(c) for n, c in counts.items()},
        events={n: np.concatenate(e) for n, e in events.items()},
        shapes={
            n: (samples.count, timesteps, *graph.signals[(n, o)].shape)
            for n, o in keys
            if n in events
        },
        states=states,
        instructions=counted.per_sample(steps),
        seed=seed,
        seconds=seconds,
        runner=runner,
        graph=graph.digest,
        decoding="" if only is None else graph.outputs[0].decode,
    )


def spiking_outputs(graph: Graph) -> Iterator[Key]:
    """Give the main output of every cell that sends events."""
    for node in graph.cells:
        out = node.outputs[0]
        if graph.signals[(node.name, out)].kind in ("spike", "graded", "signed"):
            yield node.name, out


def _silence(trace: dict[Key, Array], lengths: npt.NDArray[np.int64]) -> None:
    """Clear what lies behind the end of each sample."""
    for values in trace.values():
        for i, n in enumerate(lengths):
            values[i, n:] = 0


def _bytes_per_sample(graph: Graph, timesteps: int, keys: tuple[Key, ...]) -> int:
    return sum(
        graph.signals[k].size * timesteps * compute_dtype(graph.signals[k].type).itemsize
        for k in set(keys)
    )


def _batch_size(
    graph: Graph, samples: int, timesteps: int, *, kept: tuple[Key, ...], wanted: tuple[Key, ...]
) -> int:
    """Give the samples per batch; refuse what does not fit into memory."""
    each = max(1, _bytes_per_sample(graph, timesteps, wanted))
    size = max(1, min(256, BATCH_BYTES // each))
    needed = _bytes_per_sample(graph, timesteps, kept) * samples + each * size
    require_bytes(needed, f"a run of {samples} samples and {timesteps} timesteps")
    return size
