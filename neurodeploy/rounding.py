"""How far rounding alone can carry a network: the float64 shadow of a reference run.

A second reference runs in float64 beside the first and takes over all its decisions (spikes,
comparisons, integers), so that both follow the same path. The largest ``|v32 - v64|`` of a node
then measures what float32 rounding does to it, whatever its threshold is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell
from neurodeploy.reference import Stepper

__all__ = ["FACTOR", "Bounds", "Judgement", "rounding_bounds"]

Array = npt.NDArray[Any]
Key = tuple[str, str]
FACTOR = 4.0


@dataclass(frozen=True)
class Judgement:
    """What became of the root divergences of one node.

    Attributes:
        roots: Their number.
        worst: The worst of them, as a multiple of what rounding explains; at most 1 is near.
        margin: ``|v - threshold|`` at the earliest; None where no spike differs.
    """

    roots: int
    worst: float
    margin: float | None


@dataclass(frozen=True)
class Bounds:
    r"""What the shadow measured.

    Attributes:
        graph: The graph.
        drift: By (node, output), the largest ``|v32 - v64|`` over samples, steps and elements.
        fire_drift: By cell, the same for what its `fire` compares.
        margins: By cell, (N, T, \*shape), the smallest ``|v - threshold|`` of its fires.
    """

    graph: Graph
    drift: Mapping[Key, float]
    fire_drift: Mapping[str, float]
    margins: Mapping[str, Array]

    def later(self, steps: int) -> Bounds:
        """Give the bounds of what happens from ``steps`` on."""
        return replace(self, margins={name: m[:, steps:] for name, m in self.margins.items()})

    def judge(
        self,
        name: str,
        left: Mapping[Key, Array],
        right: Mapping[Key, Array],
        unequal: Mapping[Key, Array],
    ) -> Judgement:
        """Judge the root divergences of a node: those where all delivered events are equal.

        A spike is judged by its margin at the first step at which its neuron differs. A number
        is judged by its error at every step before its neuron's own spikes differ.
        """
        keys = [(name, out) for out in self.graph.node(name).outputs if (name, out) in unequal]
        clean = self._inputs_equal(name, unequal)
        events = [k for k in keys if _is_event(self.graph, k)]
        fired = {k: (left[k] != 0) != (right[k] != 0) for k in events}
        unlike = np.zeros(unequal[keys[0]].shape, np.bool_)
        for key in events:
            unlike |= fired[key]
        so_far = np.logical_or.accumulate(unlike, axis=1)
        clean = np.broadcast_to(clean.reshape(*clean.shape, *[1] * (unlike.ndim - 2)), unlike.shape)
        roots, worst, margin = 0, 0.0, None
        for key in events:
            root = fired[key] & clean & ~_before(so_far)
            if root.any():
                roots += int(root.sum())
                near = self.margins[name][root] if name in self.margins else np.array([np.inf])
                worst = max(worst, _ratio(float(near.max()), FACTOR * self.fire_drift.get(name, 0)))
                margin = float(near.flat[0]) if margin is None else margin
        for key in keys:
            root = unequal[key] & clean & ~so_far
            if root.any():
                error = np.abs(left[key].astype(np.float64) - right[key].astype(np.float64))[root]
                worst = max(worst, _ratio(float(error.max()), FACTOR * self.drift.get(key, 0.0)))
        return Judgement(roots, worst, margin)

    def _inputs_equal(self, name: str, unequal: Mapping[Key, Array]) -> npt.NDArray[np.bool_]:
        """Say for each sample and step whether all events delivered until then are equal."""
        some = next(iter(unequal.values()))
        clean = np.ones(some.shape[:2], np.bool_)
        for source, output, delay in _event_sources(self.graph, name):
            if (source, output) not in unequal:
                continue
            bad = np.asarray(unequal[(source, output)].reshape(*some.shape[:2], -1).any(axis=2))
            late = np.zeros_like(bad)
            late[:, delay:] = bad[:, : max(0, bad.shape[1] - delay)]
            clean &= ~np.logical_or.accumulate(late, axis=1)
        return clean


def _ratio(value: float, bound: float) -> float:
    """Give what was found as a multiple of what rounding explains."""
    return value / bound if bound > 0 else float("inf")


def _before(so_far: Array) -> Array:
    """Shift an accumulated condition by one step: true where it held before this step."""
    shifted = np.zeros_like(so_far)
    shifted[:, 1:] = so_far[:, :-1]
    return shifted


def _is_event(graph: Graph, key: Key) -> bool:
    return graph.signals[key].kind in ("spike", "graded", "signed")


def _event_sources(graph: Graph, name: str) -> list[tuple[str, str, int]]:
    """Give the events that reach a node, directly or through numbers, with the summed delay.

    Numbers in between carry rounding, which the drift of the node itself accounts for.
    """
    found: dict[Key, int] = {}
    visited: set[str] = set()
    stack = [(name, 0)]
    while stack:
        at, delay = stack.pop()
        for edge in graph.edges_into[at]:
            key, total = (edge.source, edge.output), delay + edge.delay
            if _is_event(graph, key):
                found[key] = min(total, found.get(key, total))
                continue
            sender = graph.node(edge.source)
            for out in sender.outputs:  # a state that is read also hangs on its cell's spikes
                if _is_event(graph, (sender.name, out)):
                    own = (sender.name, out)
                    found[own] = min(total, found.get(own, total))
            if edge.source not in visited:
                visited.add(edge.source)
                stack.append((edge.source, total))
    return [(source, output, delay) for (source, output), delay in found.items()]


def rounding_bounds(
    graph: Graph,
    inputs: Mapping[str, Array],
    timesteps: int,
    *,
    seed: int = 0,
    first_sample: int = 0,
) -> Bounds:
    r"""Run the reference and its float64 shadow in step, and measure how they drift apart.

    Args:
        graph: The graph.
        inputs: By input node, (N, \*shape) or (N, T, \*shape).
        timesteps: Steps.
        seed: Seed of the random bits.
        first_sample: Ordinal of the first sample.
    """
    samples = next(iter(inputs.values())).shape[0]
    single = Stepper(graph, samples, seed=seed, first_sample=first_sample)
    shadow = Stepper(
        graph, samples, seed=seed, first_sample=first_sample, widen=True, follow=single
    )
    drift: dict[Key, float] = {}
    fire_drift: dict[str, float] = {}
    margins: dict[str, list[Array]] = {}
    for step in range(timesteps):
        now = {
            n.name: inputs[n.name][:, step]
            if inputs[n.name].ndim > len(n.shape) + 1
            else inputs[n.name]
            for n in graph.inputs
        }
        values = single.step(now)
        wide = shadow.step(now)
        for key, value in values.items():
            if value.dtype.kind == "f":
                apart = float(np.abs(value.astype(wide[key].dtype) - wide[key]).max(initial=0.0))
                drift[key] = max(drift.get(key, 0.0), apart)
        for cell in graph.cells:
            _fires(cell, single, shadow, samples, fire_drift, margins)
    return Bounds(
        graph, drift, fire_drift, {name: np.stack(m, axis=1) for name, m in margins.items()}
    )


def _fires(
    cell: Cell,
    single: Stepper,
    shadow: Stepper,
    samples: int,
    drift: dict[str, float],
    margins: dict[str, list[Array]],
) -> None:
    smallest: Array | None = None
    shape = (samples, *cell.shape)
    if cell.name not in single.cell_values:
        if any(i.op == "fire" for i in cell.program.instrs):
            margins.setdefault(cell.name, []).append(np.full(shape, np.inf))
        return
    values, wide = single.cell_values[cell.name], shadow.cell_values[cell.name]
    for instr in cell.program.instrs:
        if instr.op != "fire":
            continue
        v, threshold = instr.args
        margin = np.abs(values[v].astype(wide[v].dtype) - values[threshold])
        apart = np.abs(
            (values[v].astype(wide[v].dtype) - values[threshold]) - (wide[v] - wide[threshold])
        )
        drift[cell.name] = max(drift.get(cell.name, 0.0), float(apart.max(initial=0.0)))
        margin = np.broadcast_to(margin, shape)
        smallest = margin if smallest is None else np.minimum(smallest, margin)
    if smallest is not None:
        margins.setdefault(cell.name, []).append(smallest)
