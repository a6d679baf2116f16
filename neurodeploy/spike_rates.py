"""How often the neurons of a graph spike, measured and noted: a placement on cores needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.execute import spiking_outputs
from neurodeploy.ir.graph import Graph
from neurodeploy.targets.base import Run

__all__ = ["noted_rates", "with_spike_rates"]

PREFIX = "spike_rate."
SAMPLES = 64


def with_spike_rates(
    graph: Graph, run: Run, inputs: Mapping[str, npt.NDArray[Any]], timesteps: int
) -> Graph:
    """Note in the metadata of a graph the spikes of a neuron in a step, by node.

    Args:
        graph: The graph.
        run: What runs it.
        inputs: Samples by input node; the first 64 are used.
        timesteps: Steps.
    """
    keys = list(spiking_outputs(graph))
    few = {name: np.ascontiguousarray(x[:SAMPLES]) for name, x in inputs.items()}
    trace = run(few, timesteps, record=keys)
    kept = {k: v for k, v in graph.metadata if not k.startswith(PREFIX)}
    for name, output in keys:
        kept[PREFIX + name] = repr(float(np.mean(trace[(name, output)] != 0)))
    return replace(graph, metadata=tuple(sorted(kept.items())))


def noted_rates(graph: Graph) -> dict[str, float]:
    """Give the rates that were noted, by node; what is no number is left out."""
    found = {}
    for key, text in graph.metadata:
        if key.startswith(PREFIX):
            try:
                rate = float(text)
            except ValueError:
                continue
            if 0 <= rate <= 1:
                found[key[len(PREFIX) :]] = rate
    return found
