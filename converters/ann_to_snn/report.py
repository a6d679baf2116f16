"""What a conversion did, layer by layer, as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.converters.ann_to_snn.check import calibration_inputs, is_activation
from neurodeploy.converters.ann_to_snn.runner import (
    MakeRunner,
    Meter,
    batch_size,
    batches,
    count,
    reference_runner,
)
from neurodeploy.converters.ann_to_snn.spiking import METHOD
from neurodeploy.errors import ConversionError, Finding, InternalError, raise_findings
from neurodeploy.execute import Progress
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Node
from neurodeploy.passes.recognise import fires
from neurodeploy.tables import aligned

__all__ = ["ConversionReport", "LayerReport", "layer_report"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class LayerReport:
    """One population, averaged over neurons and samples.

    Attributes:
        name: Name of the activation, and of the neurons in its place.
        source: Layers of the source model.
        neurons: How many.
        method: How the thresholds were chosen.
        threshold: Smallest, mean and largest threshold, in the activation's units.
        rate_ann: Mean activation.
        rate_snn: Mean spikes a step, times the threshold: what stands for it.
        spikes: Mean spikes a neuron and step.
        error: Root mean square difference of the two rates, neuron by neuron.
        clipped: Share of the activations that lie above the threshold.
        dead: Share of the neurons that never spiked.
        residual: Mean of ``max(v(T) - v(0), 0) / threshold``: charge that no spike carried.
    """

    name: str
    source: tuple[str, ...]
    neurons: int
    method: str
    threshold: tuple[float, float, float]
    rate_ann: float
    rate_snn: float
    spikes: float
    error: float
    clipped: float
    dead: float
    residual: float


@dataclass(frozen=True)
class ConversionReport:
    """All populations of a converted network, on some samples."""

    timesteps: int
    samples: int
    layers: tuple[LayerReport, ...]

    def table(self) -> str:
        """Give the report for a terminal; rates are in the activation's units."""
        rows = [("population", "ANN", "SNN", "error", "clipped [%]", "dead [%]", "residual", "by")]
        rows += [
            (
                x.name,
                f"{x.rate_ann:.4g}",
                f"{x.rate_snn:.4g}",
                f"{x.error:.3g}",
                f"{100 * x.clipped:.2f}",
                f"{100 * x.dead:.1f}",
                f"{x.residual:.3g}",
                x.method,
            )
            for x in self.layers
        ]
        head = f"mean activation of ANN and SNN, {self.samples} samples, T = {self.timesteps}"
        return "\n".join([head, *aligned(rows, left=1)])

    def to_json(self) -> dict[str, object]:
        """Give the report as JSON values."""
        return {
            "timesteps": self.timesteps,
            "samples": self.samples,
            "layers": [
                {**asdict(x), "source": list(x.source), "threshold": list(x.threshold)}
                for x in self.layers
            ],
        }


def layer_report(
    ann: Graph,
    snn: Graph,
    data: object,
    *,
    timesteps: int | None = None,
    make_runner: MakeRunner = reference_runner,
    progress: Progress | None = None,
) -> ConversionReport:
    r"""Run both networks on ``data`` and compare each activation with its neurons.

    Args:
        ann: The analog network.
        snn: What `ann_to_snn` made of it.
        data: Samples, (N, \*input), a mapping by input name, or checked `Samples`.
        timesteps: Steps; those stored at conversion by default.
        make_runner: Gives what runs a graph; the reference by default.
        progress: Called with (done, in all), in samples times steps.

    Raises:
        ConversionError: the samples do not fit, or ``snn`` does not come from ``ann``.
    """
    inputs, found = calibration_inputs(ann, data)
    pairs = [c.name for c in ann.cells if is_activation(c) and c.name in snn]
    pairs = [name for name in pairs if fires(snn.node(name))]
    if not pairs:
        found.append(Finding("no population of the second network stands for an activation"))
    steps = (snn.timesteps or 1) if timesteps is None else timesteps
    if steps < 1:
        found.append(Finding(f"{steps} steps", node="timesteps", hint="at least 1"))
    raise_findings(ConversionError, found)
    meter = Meter(progress, count(inputs) * (1 + steps))
    analog = [(name, ann.node(name).outputs[0]) for name in pairs]
    spiking = [(name, output) for name in pairs for output in ("out", "v")]
    size = batch_size(snn, steps, spiking)
    gathered = {name: _Gathered(snn, name, steps) for name in pairs}
    for one, many in zip(
        batches(make_runner(ann), inputs, 1, analog, size, meter),
        batches(make_runner(snn), inputs, steps, spiking, size, meter),
        strict=True,
    ):
        for key in analog:
            gathered[key[0]].add(one[key][:, 0], many[(key[0], "out")], many[(key[0], "v")][:, -1])
    layers = tuple(gathered[n].report(ann.node(n)) for n in pairs)
    return ConversionReport(steps, count(inputs), layers)


class _Gathered:
    """Sums over the samples, for one population."""

    def __init__(self, snn: Graph, name: str, steps: int) -> None:
        self.cell, self.steps, self.samples = snn.node(name), steps, 0
        if not isinstance(self.cell, Cell):
            raise InternalError(f"{name!r} is no cell")
        tensors = {p.name: p.tensor for p in self.cell.params}
        states = {s.name: s.initial for s in self.cell.states}
        self.threshold = snn.tensors[tensors["threshold"]].data.astype(np.float64)
        self.start = snn.tensors[states["v"]].data.astype(np.float64)
        self.spikes = np.zeros(self.cell.shape, np.int64)
        self.sums = np.zeros(4)  # activation, squared difference, clipped, residual

    def add(self, wanted: Array, spikes: Array, v: Array) -> None:
        """Add the activations, the spikes (N, T, ...) and the last membranes of a batch."""
        counted = spikes.sum(axis=1, dtype=np.int64)
        rate = counted * self.threshold / self.steps
        left = np.maximum(v - self.start, 0) / self.threshold
        self.samples += len(wanted)
        self.spikes += counted.sum(axis=0)
        values = wanted.astype(np.float64)
        self.sums += [
            values.sum(),
            ((rate - values) ** 2).sum(),
            (values > self.threshold).sum(),
            left.sum(),
        ]

    def report(self, node: Node) -> LayerReport:
        """Give the means."""
        neurons = self.spikes.size
        activation, square, clipped, residual = self.sums / (neurons * self.samples)
        return LayerReport(
            name=node.name,
            source=node.source,
            neurons=neurons,
            method=dict(self.cell.provenance).get(METHOD, ""),
            threshold=(
                float(self.threshold.min()),
                float(self.threshold.mean()),
                float(self.threshold.max()),
            ),
            rate_ann=float(activation),
            rate_snn=float((self.spikes * self.threshold).mean() / (self.samples * self.steps)),
            spikes=float(self.spikes.mean() / (self.samples * self.steps)),
            error=float(np.sqrt(square)),
            clipped=float(clipped),
            dead=float(np.mean(self.spikes == 0)),
            residual=float(residual),
        )
