"""Chooses how thresholds are set, by how near the spiking network comes to the analog one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.converters.ann_to_snn.observe import Observed
from neurodeploy.converters.ann_to_snn.runner import (
    Inputs,
    MakeRunner,
    Meter,
    batch_size,
    batches,
    count,
)
from neurodeploy.converters.ann_to_snn.spiking import spiking_graph
from neurodeploy.converters.ann_to_snn.thresholds import choose_thresholds
from neurodeploy.ir.graph import Graph

__all__ = ["Trial", "mean_outputs", "split", "try_methods"]

Array = npt.NDArray[Any]
HELD_SHARE = 5  # one fifth of the samples
HELD_MOST = 128
HELD_LEAST = 8


@dataclass(frozen=True, eq=False)
class Trial:
    """One way to set thresholds, and what it gave on the held-out samples.

    Attributes:
        method: Its name.
        graph: The spiking network.
        distance: Root mean square distance of the outputs to those of the analog network,
            relative to the latter's root mean square.
        agreement: Share of the samples with the same largest output.
    """

    method: str
    graph: Graph
    distance: float
    agreement: float


def split(inputs: Inputs, seed: int) -> tuple[Inputs, Inputs]:
    """Split samples into those that set thresholds, and held-out ones that judge them.

    The held-out ones are drawn by ``seed``: a fifth, at most 128. Below 40 samples, all do both.
    """
    samples = count(inputs)
    held = min(samples // HELD_SHARE, HELD_MOST)
    if held < HELD_LEAST:
        return inputs, inputs
    judged = np.zeros(samples, bool)
    judged[np.random.default_rng(seed).permutation(samples)[:held]] = True
    return (
        {name: x[~judged] for name, x in inputs.items()},
        {name: x[judged] for name, x in inputs.items()},
    )


def mean_outputs(
    graph: Graph,
    inputs: Inputs,
    timesteps: int,
    make_runner: MakeRunner,
    meter: Meter,
) -> list[Array]:
    """Give the mean over the steps of each output, (N, size).

    Of an output that is decoded by its last value, give that.
    """
    last = {(node.name, "out") for node in graph.outputs if node.decode == "membrane"}
    keys = [(node.name, "out") for node in graph.outputs]
    parts: list[list[Array]] = [[] for _ in keys]
    run = make_runner(graph)
    size = batch_size(graph, timesteps, keys)
    for trace in batches(run, inputs, timesteps, keys, size, meter):
        for part, key in zip(parts, keys, strict=True):
            values = trace[key][:, -1:] if key in last else trace[key]
            mean = values.mean(axis=1, dtype=np.float64)
            part.append(mean.reshape(mean.shape[0], -1))
    return [np.concatenate(part) for part in parts]


def try_methods(
    ann: Graph,
    seen: Mapping[str, Observed],
    methods: Iterable[str],
    held: Inputs,
    timesteps: int,
    make_runner: MakeRunner,
    meter: Meter,
    kept: Collection[str] = (),
) -> list[Trial]:
    """Convert with each method and measure the distance to the analog network; nearest first."""
    wanted = mean_outputs(ann, held, 1, make_runner, meter)
    trials = []
    for method in methods:
        chosen = {n: choose_thresholds(o, method, timesteps) for n, o in seen.items()}
        graph = spiking_graph(ann, chosen, timesteps, kept)
        given = mean_outputs(graph, held, timesteps, make_runner, meter)
        trials.append(Trial(method, graph, _distance(given, wanted), _agreement(given, wanted)))
    return sorted(trials, key=lambda t: t.distance)


def _distance(given: list[Array], wanted: list[Array]) -> float:
    off = sum(float(((g - w) ** 2).sum()) for g, w in zip(given, wanted, strict=True))
    size = sum(float((w**2).sum()) for w in wanted)
    return float(np.sqrt(off / size)) if size > 0 else float(np.sqrt(off))


def _agreement(given: list[Array], wanted: list[Array]) -> float:
    same = [g.argmax(1) == w.argmax(1) for g, w in zip(given, wanted, strict=True)]
    return float(np.mean(np.all(same, axis=0)))
