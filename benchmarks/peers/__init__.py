"""The peers that the engine is measured against, each with the same network and the same input.

A peer takes a batch of spikes as numpy gives them, (samples, steps, ...) of bool, and gives the
spikes of each output neuron: what it takes to bring them into its own form is part of its time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Run = Callable[[Array], Array]


@dataclass(frozen=True)
class Peer:
    """One way of running a network.

    Attributes:
        name: What it is, with its version.
        run: Gives the counts of a batch.
        note: How its network differs, where it does.
        spiking: It gives counts of spikes.
    """

    name: str
    run: Run
    note: str = ""
    spiking: bool = True


def ours(workload: Any, threads: int) -> Peer:
    """The engine."""
    from neurodeploy.engine import build

    engine = build(workload.graph)
    key = (workload.population, "out")

    def run(x: Array) -> Array:
        trace = engine.run({"x": x}, x.shape[1], record=[key], threads=threads)
        return np.asarray(trace[key].sum(axis=1))

    return Peer("neurodeploy engine", run)
