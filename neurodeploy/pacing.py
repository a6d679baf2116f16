"""Runs a lowered graph in steps of the network: what is late is read late, the slow is paced."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.ir.graph import Graph
from neurodeploy.targets.base import Run

__all__ = ["PacedRun", "paced_inputs", "sent_at"]

Array = npt.NDArray[Any]
Key = tuple[str, str]


def sent_at(graph: Graph, latency: int) -> dict[str, int]:
    """Give the step at which each node sends what it would send at step 0 without latency.

    A lowering that makes a cell late lets it start late. A node without a start, or a cell that
    has neither state nor start, sends when it must, for what it sends to arrive in time.

    Args:
        graph: The lowered graph.
        latency: Steps by which its outputs come late.
    """
    found = {n.name: n.start for n in graph.cells if n.states or n.start}
    found |= {n.name: latency for n in graph.outputs}
    left = [n.name for n in reversed(graph.nodes) if n.name not in found]
    while left:  # delayed edges run against the order of the nodes
        known = {
            name: max(times)
            for name in left
            if (
                times := [
                    found[e.target] - e.delay for e in graph.edges_from[name] if e.target in found
                ]
            )
        }
        found |= known or dict.fromkeys(left, 0)
        left = [name for name in left if name not in found]
    return found


def paced_inputs(
    graph: Graph, inputs: Mapping[str, Array], timesteps: int, latency: int, pace: int
) -> tuple[dict[str, Array], int]:
    """Spread samples over the steps of a chip; give them with their number.

    Args:
        graph: The lowered graph.
        inputs: Samples in steps of the network, by input node.
        timesteps: Steps of the network.
        latency: Steps of the chip by which outputs come late, for which it runs on.
        pace: Steps of the chip to one of the network.
    """
    steps = pace * timesteps + latency
    made = {}
    for node in graph.inputs:
        x = inputs[node.name]
        constant = x.ndim == len(node.shape) + 1
        spread = np.zeros((len(x), steps, *node.shape), x.dtype)
        spread[:, : pace * timesteps : pace] = x[:, None] if constant else x
        made[node.name] = spread
    return made, steps


class PacedRun:
    """A runner of a lowered graph whose steps are those of the network.

    Inputs enter at every ``pace`` steps of the chip, and nothing in between; each signal is read
    at every ``pace`` steps from the one on at which it has its first value.

    Args:
        graph: The lowered graph.
        run: What runs it, step by step of the chip.
        latency: Steps of the chip by which its outputs come late.
        pace: Steps of the chip to one of the network.
    """

    def __init__(self, graph: Graph, run: Run, latency: int, pace: int) -> None:
        self.graph = graph
        self.run = run
        self.pace = pace
        self.latency = latency
        self.late = sent_at(graph, latency)
        for node in graph.inputs:
            self.late[node.name] = 0

    def __call__(
        self,
        inputs: Mapping[str, Array],
        timesteps: int,
        *,
        record: Collection[Key],
        seed: int = 0,
        first_sample: int = 0,
    ) -> dict[Key, Array]:
        """Run a batch; see `neurodeploy.reference.simulate`."""
        keys = list(record)
        last = max((self.late[name] for name, _ in keys), default=0)
        if self.pace == 1 and all(
            inputs[n.name].ndim == len(n.shape) + 1 for n in self.graph.inputs
        ):
            given, steps = dict(inputs), timesteps + max(0, last)  # constants stay constant
        else:
            more = max(0, last)
            given, steps = paced_inputs(self.graph, inputs, timesteps, more, self.pace)
        trace = self.run(given, steps, record=keys, seed=seed, first_sample=first_sample)
        return {
            key: np.ascontiguousarray(self._read(trace[key], self.late[key[0]], timesteps))
            for key in keys
        }

    def _read(self, values: Array, late: int, timesteps: int) -> Array:
        return values[:, late :: self.pace][:, :timesteps]
