"""Tells, layer by layer, what quantisation changed on samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.execute import Progress, reference_runner
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.types import BOOL, QType
from neurodeploy.tables import aligned
from neurodeploy.targets.base import Run

__all__ = ["LayerError", "QuantisationReport", "layer_errors"]

Array = npt.NDArray[Any]
BATCH = 32


@dataclass(frozen=True)
class LayerError:
    """What became of one population.

    Attributes:
        name: Name of the node.
        spikes: It sends spikes.
        before: Spikes per sample, or root mean square, of the float graph.
        after: The same of the integer graph, as real values.
        different: Share of the spikes that one graph has and the other has not; for numbers, the
            noise as a share of the signal's root mean square.
        saturated: Share of the steps at which a state stands at an end of its range.
    """

    name: str
    spikes: bool
    before: float
    after: float
    different: float
    saturated: float

    def to_json(self) -> dict[str, object]:
        """Give the fields by name."""
        return dict(vars(self))


@dataclass(frozen=True)
class QuantisationReport:
    """The layers of a graph before and after quantisation.

    Attributes:
        layers: One entry for each cell that both graphs have.
        samples: Samples.
        timesteps: Steps.
    """

    layers: tuple[LayerError, ...]
    samples: int
    timesteps: int

    def to_json(self) -> dict[str, object]:
        """Give the report for ``--json``."""
        return {
            "samples": self.samples,
            "timesteps": self.timesteps,
            "layers": [layer.to_json() for layer in self.layers],
        }

    def table(self) -> str:
        """Give the report for people."""
        head = ("layer", "sends", "float", "integer", "different", "saturated")
        rows = [
            (
                layer.name,
                "spikes/sample" if layer.spikes else "rms",
                f"{layer.before:.4g}",
                f"{layer.after:.4g}",
                f"{layer.different:.2%}",
                f"{layer.saturated:.3%}",
            )
            for layer in self.layers
        ]
        title = f"{self.samples} samples, {self.timesteps} timesteps:"
        return "\n".join([title, *aligned([head, *rows], left=2)])


def layer_errors(
    before: Graph,
    after: Graph,
    inputs_before: Mapping[str, Array],
    inputs_after: Mapping[str, Array],
    timesteps: int,
    *,
    make_runner: Callable[[Graph], Run] = reference_runner,
    progress: Progress | None = None,
) -> QuantisationReport:
    """Run a float graph and its integer form side by side.

    Args:
        before: The float graph.
        after: What `quantised` made of it.
        inputs_before: Samples as the float graph takes them.
        inputs_after: The same samples as the integer graph takes them.
        timesteps: Steps.
        make_runner: Gives what runs a graph.
        progress: Called with (samples done, samples in all).
    """
    names = [
        c.name
        for c in before.cells
        if c.name in after and _comparable(before, after, (c.name, c.outputs[0]))
    ]
    keys = [(n, before.node(n).outputs[0]) for n in names]
    ranged = [
        (c.name, s.name, s.type)
        for c in after.cells
        for s in c.states
        if c.name in names and isinstance(s.type, QType) and s.type.overflow == "saturate"
    ]
    left, right = make_runner(before), make_runner(after)
    samples = int(next(iter(inputs_before.values())).shape[0])
    totals = {key: np.zeros(4) for key in keys}
    ends = {name: np.zeros(2) for name, _, _ in ranged}
    record = [*keys, *((n, s) for n, s, _ in ranged)]
    for start in range(0, samples, BATCH):
        parts = [
            {n: np.ascontiguousarray(x[start : start + BATCH]) for n, x in inputs.items()}
            for inputs in (inputs_before, inputs_after)
        ]
        a = left(parts[0], timesteps, record=keys, first_sample=start)
        b = right(parts[1], timesteps, record=record, first_sample=start)
        for key in keys:
            totals[key] += _sums(before, after, key, a[key], b[key])
        for name, state, kind in ranged:
            values = b[(name, state)]
            ends[name] += [np.isin(values, (kind.lo, kind.hi)).sum(), values.size]
        if progress is not None:
            progress(min(start + BATCH, samples), samples)
    layers = tuple(_layer(before, key, totals[key], ends.get(key[0]), samples) for key in keys)
    return QuantisationReport(layers, samples, timesteps)


def _comparable(before: Graph, after: Graph, key: tuple[str, str]) -> bool:
    """Say whether a cell sends the same kind of thing in both, of one shape."""
    a, b = before.signals[key], after.signals.get(key)
    return b is not None and a.shape == b.shape and (a.type == BOOL) == (b.type == BOOL)


def _sums(before: Graph, after: Graph, key: tuple[str, str], a: Array, b: Array) -> Array:
    """Give count or square of both, of their difference, and the number of values."""
    if before.signals[key].type == BOOL:
        return np.array([a.sum(), b.sum(), (a != b).sum(), a.size], np.float64)
    x = np.asarray(a, np.float64)
    kind = after.signals[key].type
    scale = kind.scale[0] if isinstance(kind, QType) else 1.0
    y = np.asarray(b, np.float64) * scale
    return np.array([np.square(x).sum(), np.square(y).sum(), np.square(x - y).sum(), x.size])


def _layer(
    graph: Graph, key: tuple[str, str], sums: Array, ends: Array | None, samples: int
) -> LayerError:
    saturated = 0.0 if ends is None else float(ends[0] / max(1.0, ends[1]))
    a, b, apart, size = (float(v) for v in sums)
    if graph.signals[key].type == BOOL:
        different = apart / max(1.0, a + b)
        return LayerError(key[0], True, a / samples, b / samples, different, saturated)
    rms = (a / size) ** 0.5, (b / size) ** 0.5
    return LayerError(key[0], False, *rms, (apart / a) ** 0.5 if a else 0.0, saturated)
