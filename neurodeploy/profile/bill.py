"""The bill: counts, joules, latency and accuracy of one run, and the forms it is shown in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import DataError, Finding
from neurodeploy.instructions import CountedRun
from neurodeploy.ir.graph import Graph
from neurodeploy.profile.constants import Interval
from neurodeploy.profile.costs import CostModel
from neurodeploy.profile.counting import Progress, count
from neurodeploy.profile.counts import Counts
from neurodeploy.profile.cycles import Cycles
from neurodeploy.profile.energy import Energy, energy_of, generic_cmos
from neurodeploy.profile.latency import Latency, measure_latency
from neurodeploy.profile.meter import Measured, NotMeasured, measure_energy
from neurodeploy.recording import decode

if TYPE_CHECKING:
    from neurodeploy.targets.base import Run

__all__ = ["Bill", "profile_graph"]

Array = npt.NDArray[Any]
MEASURED_SAMPLES = 256


@dataclass(frozen=True)
class Bill:
    """What a network did on samples, and what that costs.

    Attributes:
        target: Name of the target.
        counts: The exact counts.
        energy: The modelled energy.
        measured: The measured energy, or why there is none.
        latency: Steps and seconds.
        accuracy: Share of right predictions; None without labels.
        seed: Seed of the run.
        cycles: What the run took on the processor that the runner emulates; None where it
            emulates none.
    """

    target: str
    counts: Counts
    energy: Energy
    measured: Measured | NotMeasured
    latency: Latency
    accuracy: float | None
    seed: int
    cycles: Cycles | None = None

    @cached_property
    def joules_per_sample(self) -> Interval | None:
        """Modelled dynamic joules per sample; None where a layer has no price."""
        return self.energy.per_sample

    def table(self) -> str:
        """Give the bill as plain text for a terminal."""
        from neurodeploy.profile.text import bill_text

        return bill_text(self)

    def to_json(self) -> dict[str, Any]:
        """Give the bill with the keys of the JSON contract."""
        from neurodeploy.profile.document import bill_document

        return bill_document(self)

    def to_frame(self) -> Any:
        """Give one row per layer as a pandas DataFrame.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        from neurodeploy.profile.frame import bill_frame

        return bill_frame(self)

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write one self-contained HTML file with tables and plots.

        Raises:
            UsageError: the file cannot be written.
        """
        from neurodeploy.profile.files import write_text
        from neurodeploy.profile.page import bill_page

        write_text(path, bill_page(self))

    def to_latex(self, path: str | os.PathLike[str]) -> None:
        """Write the table of layers as a LaTeX ``tabular`` (package booktabs).

        Raises:
            UsageError: the file cannot be written.
        """
        from neurodeploy.profile.files import write_text
        from neurodeploy.profile.latex import bill_latex

        write_text(path, bill_latex(self))

    def _repr_html_(self) -> str:
        from neurodeploy.profile.page import bill_fragment

        return bill_fragment(self)

    def __repr__(self) -> str:
        row = self.counts.total
        return (
            f"Bill({self.target}, {self.counts.samples} samples, "
            f"{row.total('spikes')} spikes, {row.total('synops')} synaptic operations)"
        )


def profile_graph(
    graph: Graph,
    runner: Run,
    inputs: Mapping[str, Array],
    timesteps: int,
    *,
    labels: npt.NDArray[np.int64] | None = None,
    lengths: npt.NDArray[np.int64] | None = None,
    target: str = "cpu",
    costs: CostModel | None = None,
    seed: int = 0,
    batch: int | None = None,
    hosted: bool = False,
    require_measured: bool = False,
    progress: Progress | None = None,
) -> Bill:
    r"""Run samples, count what happens, and price it.

    Args:
        graph: The graph that ``runner`` runs.
        runner: ``run(inputs, timesteps, record=, seed=, first_sample=)``.
        inputs: By input node, (N, \*shape) or (N, T, \*shape), in the type of the input.
        timesteps: Steps.
        labels: (N,) class of each sample, for the accuracy.
        lengths: (N,) steps of each sample; None where all last ``timesteps``.
        target: Name of the target, for the report.
        costs: Its cost model; by default the generic one of 45 nm CMOS.
        seed: Seed of the random bits.
        batch: Samples per call of the runner; the counts do not depend on it.
        hosted: Whether the runner is the target itself, so that wall time and energy of this
            computer are those of the target.
        require_measured: Refuse where the energy cannot be measured.
        progress: Called with (samples done, samples in all).

    Raises:
        DataError: samples or labels that do not fit.
        UnavailableTargetError: ``require_measured``, and there is no sensor.
    """
    reason = NotMeasured(f"the runner is a simulation of {target}, not {target} itself")
    if require_measured and not hosted:
        measure_energy(_nothing, 1, require_measured=True, reason=reason)
    guess = _Predictions(graph, labels, next(iter(inputs.values())).shape[0])
    counted = CountedRun(runner)
    counts = count(
        graph,
        counted,
        inputs,
        timesteps,
        batch=batch,
        seed=seed,
        lengths=lengths,
        watch=guess.watched,
        watcher=guess.watch,
        progress=progress,
    )
    measured: Measured | NotMeasured = reason
    seconds: Interval | None = None
    if hosted:
        seconds = measure_latency(graph, runner, inputs, timesteps, seed=seed)
        record = tuple((n.name, "out") for n in graph.outputs)
        part = {name: x[:MEASURED_SAMPLES] for name, x in inputs.items()}
        measured = measure_energy(
            lambda: runner(part, timesteps, record=record, seed=seed),
            min(counts.samples, MEASURED_SAMPLES),
            require_measured=require_measured,
        )
    processor = counted.processor
    cycles = None
    if processor is not None:
        cycles = Cycles(processor, counted.per_sample(counts.steps))
    modelled = None if cycles is None else cycles.seconds
    return Bill(
        target=target,
        counts=counts,
        energy=energy_of(counts, costs or generic_cmos()),
        measured=measured,
        latency=Latency.of(graph, float(counts.steps.mean()), seconds, modelled),
        accuracy=guess.accuracy(counts),
        seed=seed,
        cycles=cycles,
    )


def _nothing() -> None:
    return None


class _Predictions:
    """Decodes the output batch by batch, where there are labels to compare with."""

    def __init__(self, graph: Graph, labels: npt.NDArray[np.int64] | None, samples: int) -> None:
        self.graph, self.labels = graph, labels
        self.found: list[Array] = []
        self.watched: tuple[tuple[str, str], ...] = ()
        if labels is None:
            return
        if len(graph.outputs) != 1:
            raise DataError(
                Finding(f"labels for a graph with {len(graph.outputs)} outputs", node="labels")
            )
        self.output = graph.outputs[0]
        shape = graph.signals[(self.output.name, "out")].shape
        if labels.shape != (samples,):
            text = f"{list(labels.shape)} labels for {samples} samples"
            raise DataError(Finding(text, node="labels"))
        if len(shape) != 1:
            text = f"labels for an output of shape {list(shape)}, which is no vector of classes"
            raise DataError(Finding(text, node="labels"))
        self.watched = ((self.output.name, "out"),)

    def watch(self, trace: Mapping[tuple[str, str], Array], first: int) -> None:
        """Keep the outputs of one batch."""
        if self.labels is not None:
            self.found.append(trace[self.watched[0]])

    def accuracy(self, counts: Counts) -> float | None:
        """Give the share of right predictions: the largest value, or the earliest spike."""
        if self.labels is None:
            return None
        values = decode(np.concatenate(self.found), self.output.decode, counts.steps)
        first = self.output.decode == "first"
        chosen = values.argmin(axis=1) if first else values.argmax(axis=1)
        return float(np.mean(chosen == self.labels))
