"""How long an inference takes: steps always, seconds where they are known."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from neurodeploy.ir.graph import Graph
from neurodeploy.profile.constants import Interval

if TYPE_CHECKING:
    from neurodeploy.targets.base import Run

__all__ = ["Latency", "measure_latency"]

Method = Literal["measured", "modelled", "not measured"]
MAX_RUNS = 20
MAX_SECONDS = 1.0


@dataclass(frozen=True)
class Latency:
    """Time of one inference.

    Attributes:
        steps: Mean number of steps.
        seconds: Median, smallest and largest wall time of one sample where measured; where
            modelled, the time and its interval; None where there is neither.
        method: How the seconds were found.
        model_seconds: Steps times dt, the time that the sample lasts for the network; None where
            dt is unset.
        reasons: Why a figure is missing, one sentence each.
    """

    steps: float
    seconds: Interval | None
    method: Method
    model_seconds: float | None
    reasons: tuple[str, ...]

    @staticmethod
    def of(
        graph: Graph, steps: float, measured: Interval | None, modelled: Interval | None = None
    ) -> Latency:
        """Give the latency of ``graph`` at a mean number of steps; what was measured comes first.

        Args:
            graph: The graph.
            steps: Mean number of steps.
            measured: Measured seconds of one sample.
            modelled: Seconds that the cycles of one sample take.
        """
        reasons: list[str] = []
        seconds = measured or modelled
        method: Method = "not measured"
        if seconds is not None:
            method = "modelled" if measured is None else "measured"
        else:
            reasons.append("seconds: not measured, and no model of the target's time exists")
        if graph.dt is None:
            reasons.append("model time: the graph has no dt, which `convert --dt` would set")
        duration = None if graph.dt is None else float(graph.dt) * steps
        return Latency(steps, seconds, method, duration, tuple(reasons))

    def to_json(self) -> dict[str, object]:
        """Give the latency with the keys of the JSON contract."""
        empty = {"value": None, "low": None, "high": None}
        return {
            "seconds": self.seconds.to_json() if self.seconds else empty,
            "steps": int(self.steps) if self.steps == int(self.steps) else self.steps,
            "method": self.method,
            "model_seconds": self.model_seconds,
            "reasons": list(self.reasons),
        }


def measure_latency(
    graph: Graph,
    runner: Run,
    inputs: Mapping[str, npt.NDArray[Any]],
    timesteps: int,
    *,
    seed: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> Interval:
    """Measure the wall time of single samples, one per call, outputs recorded only.

    The first call is left out (caches, lazy set-up); then different samples run, at most 20, for
    about a second.

    Returns:
        Median, smallest and largest seconds per sample.
    """
    record = tuple((n.name, "out") for n in graph.outputs)
    samples = next(iter(inputs.values())).shape[0]
    taken: list[float] = []
    for call in range(MAX_RUNS + 1):
        at = call % samples
        one = {name: x[at : at + 1] for name, x in inputs.items()}
        started = clock()
        runner(one, timesteps, record=record, seed=seed, first_sample=at)
        taken.append(clock() - started)
        if call > 0 and sum(taken) > MAX_SECONDS:
            break
    kept = taken[1:]
    return Interval(float(np.median(kept)), min(kept), max(kept))
