"""How far rounding alone can carry a network: the float64 shadow of a reference run.

A second reference runs in float64 beside the first and takes over all its decisions (spikes,
comparisons, integers, whole numbers), so that both follow the same path. The largest
``|v32 - v64|`` of a node then measures what float32 rounding does to it, whatever its threshold
is.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell
from neurodeploy.reference import Stepper
from neurodeploy.semantics.program import Instr

__all__ = ["FACTOR", "Bounds", "Decision", "Judgement", "rounding_bounds"]

Array = npt.NDArray[Any]
Key = tuple[str, str]
FACTOR = 4.0


@dataclass(frozen=True)
class Judgement:
    """What became of the root divergences of one node.

    Attributes:
        roots: Their number.
        worst: The worst of them, as a multiple of what rounding explains; at most 1 is near.
        first: The earliest, as (step, sample within the batch, ``|v - threshold|``); None where
            no decision differs.
    """

    roots: int
    worst: float
    first: tuple[int, int, float] | None


@dataclass
class _Drift:
    """The largest ``|v32 - v64|`` of a signal, and the largest value; infinity is no rounding."""

    apart: float = 0.0
    largest: float = 0.0
    kind: type[np.floating[Any]] = np.float32

    def add(self, value: Array, wide: Array, *, of: Array | None = None) -> None:
        """Take in one step: values, their shadow, and what was rounded where it is not they."""
        with np.errstate(invalid="ignore"):
            error = np.abs(value.astype(wide.dtype) - wide)
        size = np.abs(value if of is None else of)
        self.apart = max(self.apart, float(error.max(initial=0.0, where=np.isfinite(error))))
        self.largest = max(self.largest, float(size.max(initial=0.0, where=np.isfinite(size))))
        self.kind = size.dtype.type

    def bound(self, arrived: float) -> float:
        """Give what one order of sums may be off by; 0 where nothing was rounded.

        A few values may round by less than is usual. So it is at least one unit in the last
        place of the largest, and at least ``arrived`` times the largest: what arrives has been
        rounded by that much of its own largest.
        """
        unit = float(np.spacing(self.kind(self.largest)))
        return max(self.apart, unit, arrived * self.largest) if self.apart else 0.0


@dataclass(frozen=True)
class Decision:
    r"""What a cell decides on.

    Attributes:
        bound: What rounding may do to it, as in `Bounds.drift`.
        margin: (N, T, \*shape), how far it is from where the decision turns: for a spike
            ``|v - threshold|``, for a whole number the distance to where the next one begins.
    """

    bound: float
    margin: Array


@dataclass(frozen=True)
class Bounds:
    r"""What the shadow measured.

    Attributes:
        graph: The graph.
        drift: By (node, output), what rounding may do to a value: the largest ``|v32 - v64|``
            over samples, steps and elements, at least one unit in the last place of the largest
            value and the relative drift of what arrives; 0 where nothing was rounded.
        fires: By cell, what its `fire` compares, one entry for each.
        counts: By cell, what it makes whole numbers of (`floor`, `rint`), one entry for each.
        late: By node, the steps by which its values are looked at later than they were made.
    """

    graph: Graph
    drift: Mapping[Key, float]
    fires: Mapping[str, tuple[Decision, ...]]
    counts: Mapping[str, tuple[Decision, ...]]
    late: Mapping[str, int] = field(default_factory=dict)

    def later(self, late: Mapping[str, int], steps: int) -> Bounds:
        """Give the bounds of ``steps`` steps, those of a node from ``late`` on."""

        def cut(all_: Mapping[str, tuple[Decision, ...]]) -> dict[str, tuple[Decision, ...]]:
            return {
                name: tuple(replace(d, margin=d.margin[:, late[name] :][:, :steps]) for d in made)
                for name, made in all_.items()
                if name in late
            }

        return replace(self, fires=cut(self.fires), counts=cut(self.counts), late=late)

    def judge(
        self,
        name: str,
        left: Mapping[Key, Array],
        right: Mapping[Key, Array],
        unequal: Mapping[Key, Array],
        *,
        ties: bool = False,
    ) -> Judgement:
        """Judge the root divergences of a node: those where all delivered events are equal.

        A spike, or the count in a graded one, is judged by its margin at the first step at which
        its neuron differs. A number is judged by its error at every step before its neuron's own
        spikes differ.

        Args:
            name: The node.
            left: Values on the left, (N, T, ...).
            right: Values on the right.
            unequal: Where they differ.
            ties: The two sides decide differently at a margin of exactly 0 (``>`` against
                ``>=``), so that no rounding is needed for it.
        """
        keys = [(name, out) for out in self.graph.node(name).outputs if (name, out) in unequal]
        clean = self._inputs_equal(name, left, right, unequal)
        fired = np.zeros(unequal[keys[0]].shape, np.bool_)
        counted = fired.copy()
        for key in keys:
            if _is_event(self.graph, key):
                fired |= (left[key] != 0) != (right[key] != 0)
                if name in self.counts:
                    counted |= self._other_events(key, left, right, unequal)
        so_far = np.logical_or.accumulate(fired | counted, axis=1)
        clean = np.broadcast_to(clean.reshape(*clean.shape, *[1] * (fired.ndim - 2)), fired.shape)
        clean = clean & ~_before(so_far)
        roots, worst = 0, 0.0
        first: tuple[int, int, float] | None = None
        for root, decided in ((fired, self.fires), (counted & ~fired, self.counts)):
            at = root & clean
            if at.any():
                roots += int(at.sum())
                earliest, multiple = _judged(decided.get(name, ()), at, ties=ties)
                worst = max(worst, multiple)
                first = earliest if first is None else min(first, earliest)
        for key in keys:
            open_ = unequal[key] & clean & ~so_far
            if open_.any():
                error = _apart(left[key][open_], right[key][open_])
                worst = max(worst, _ratio(float(error.max()), FACTOR * self.drift.get(key, 0.0)))
        return Judgement(roots, worst, first)

    def _other_events(
        self,
        key: Key,
        left: Mapping[Key, Array],
        right: Mapping[Key, Array],
        unequal: Mapping[Key, Array],
    ) -> Array:
        """Say where events differ by more than the rounding of their payload."""
        bound = FACTOR * self.drift.get(key, 0.0)
        if not bound or not unequal[key].any():
            return unequal[key]
        appeared = (left[key] != 0) != (right[key] != 0)
        return np.asarray(unequal[key] & (appeared | (_apart(left[key], right[key]) > bound)))

    def _inputs_equal(
        self,
        name: str,
        left: Mapping[Key, Array],
        right: Mapping[Key, Array],
        unequal: Mapping[Key, Array],
    ) -> npt.NDArray[np.bool_]:
        """Say for each sample and step whether all events delivered until then are equal.

        A payload within its rounding is equal: it is a number that arrives, and the drift of the
        node itself accounts for it. Else one last bit would excuse all that comes behind it.
        """
        some = next(iter(unequal.values()))
        clean = np.ones(some.shape[:2], np.bool_)
        for source, output, delay in _event_sources(self.graph, name):
            if (source, output) not in unequal:
                continue
            other = self._other_events((source, output), left, right, unequal)
            bad = np.asarray(other.reshape(*some.shape[:2], -1).any(axis=2))
            delay = max(0, delay + self.late.get(source, 0) - self.late.get(name, 0))
            late = np.zeros_like(bad)
            late[:, delay:] = bad[:, : max(0, bad.shape[1] - delay)]
            clean &= ~np.logical_or.accumulate(late, axis=1)
        return clean


def _judged(
    decisions: tuple[Decision, ...], at: Array, *, ties: bool
) -> tuple[tuple[int, int, float], float]:
    """Give step, sample and margin of the first root in ``at``, and the worst multiple of a bound.

    Of several decisions in a cell, the one that rounding turns most easily counts.
    """
    sample, step = np.nonzero(at)[:2]
    first = int(np.lexsort((sample, step))[0])
    when = int(step[first]), int(sample[first])
    if not decisions:
        return (*when, float("inf")), float("inf")
    margins = np.stack([d.margin[at] for d in decisions])
    bounds = FACTOR * np.array([d.bound for d in decisions])[:, None]
    multiples = np.full(margins.shape, np.inf)
    np.divide(margins, bounds, out=multiples, where=bounds > 0)
    if ties:
        multiples[margins == 0] = np.inf
    return (*when, float(margins[:, first].min())), float(multiples.min(axis=0).max())


def _ratio(value: float, bound: float) -> float:
    """Give what was found as a multiple of what rounding explains."""
    return value / bound if bound > 0 else float("inf")


def _apart(left: Array, right: Array) -> Array:
    """Give the distance of what differs; to infinity and to NaN it is infinite."""
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(left.astype(np.float64) - right.astype(np.float64))
    return np.asarray(np.where(np.isfinite(error), error, np.inf))


def _before(so_far: Array) -> Array:
    """Shift an accumulated condition by one step: true where it held before this step."""
    shifted = np.zeros_like(so_far)
    shifted[:, 1:] = so_far[:, :-1]
    return shifted


def _is_event(graph: Graph, key: Key) -> bool:
    return graph.signals[key].kind in ("spike", "graded", "signed")


def _event_sources(graph: Graph, name: str) -> list[tuple[str, str, int]]:
    """Give the events that reach a node, directly or through numbers, with the least delay.

    Numbers in between carry rounding, which the drift of the node itself accounts for.
    """
    found: dict[Key, int] = {}
    nearest: dict[str, int] = {name: 0}
    waiting = [(0, name)]
    while waiting:
        delay, at = heapq.heappop(waiting)
        for edge in graph.edges_into[at]:
            key, total = (edge.source, edge.output), delay + edge.delay
            if _is_event(graph, key):
                found[key] = min(total, found.get(key, total))
                continue
            for out in graph.node(edge.source).outputs:  # a state also hangs on its cell's spikes
                own = (edge.source, out)
                if _is_event(graph, own):
                    found[own] = min(total, found.get(own, total))
            if total < nearest.get(edge.source, total + 1):
                nearest[edge.source] = total
                heapq.heappush(waiting, (total, edge.source))
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
    drift: dict[Key, _Drift] = {}
    watched = [_Watch(cell, i) for cell in graph.cells for i in _deciding(cell)]
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
                drift.setdefault(key, _Drift()).add(value, wide[key])
        for watch in watched:
            watch.look(single, shadow)
    bounds, arrived = _bounds(graph, drift)
    fires: dict[str, tuple[Decision, ...]] = {}
    counts: dict[str, tuple[Decision, ...]] = {}
    for watch in watched:
        made = fires if watch.instr.op == "fire" else counts
        name = watch.cell.name
        made[name] = (*made.get(name, ()), watch.decision(arrived[name]))
    return Bounds(graph, bounds, fires, counts)


def _bounds(graph: Graph, drift: Mapping[Key, _Drift]) -> tuple[dict[Key, float], dict[str, float]]:
    """Give the bound of each signal, and the largest relative rounding that arrives at a node.

    What lost more than half of its digits has cancelled, and says nothing about a larger number
    that is added to it: so much is passed on, and no more.
    """
    bounds: dict[Key, float] = {}
    relative: dict[Key, float] = {}
    arrived: dict[str, float] = {}
    for node in graph.nodes:
        read = [(e.source, e.output) for e in graph.edges_into[node.name]]
        arrived[node.name] = max((relative.get(key, 0.0) for key in read), default=0.0)
        for key in ((node.name, out) for out in node.outputs):
            if key in drift:
                seen = drift[key]
                bounds[key] = seen.bound(arrived[node.name])
                half = float(np.sqrt(np.finfo(seen.kind).eps))
                relative[key] = min(half, bounds[key] / seen.largest) if seen.largest else 0.0
    return bounds, arrived


def _deciding(cell: Cell) -> Iterator[Instr]:
    """Give the instructions of a cell that decide on numbers."""
    for instr in cell.program.instrs:
        if instr.op in ("fire", "floor", "rint"):
            yield instr


@dataclass
class _Watch:
    """Follows one decision of a cell."""

    cell: Cell
    instr: Instr
    drift: _Drift = field(default_factory=_Drift)
    margins: list[Array] = field(default_factory=list)

    def look(self, single: Stepper, shadow: Stepper) -> None:
        """Take in one step."""
        shape = (single.samples, *self.cell.shape)
        if self.cell.name not in single.cell_values:  # before its first step
            self.margins.append(np.full(shape, np.inf))
            return
        values, wide = (s.cell_values[self.cell.name] for s in (single, shadow))
        with np.errstate(all="ignore"):
            margin: Array = self._decided(values, wide)
        margin = np.where(np.isnan(margin), np.inf, margin).astype(np.float64)
        self.margins.append(np.broadcast_to(margin, shape))

    def _decided(self, values: list[Array], wide: list[Array]) -> Array:
        """Add to the drift of what is decided on, and give its margin."""
        x, exact = values[self.instr.args[0]], wide[self.instr.args[0]]
        long = exact.dtype
        if self.instr.op == "fire":
            threshold = self.instr.args[1]
            away = x.astype(long) - values[threshold]
            self.drift.add(away, exact - wide[threshold], of=x)
            margin: Array = np.abs(away)
            return margin
        self.drift.add(x, exact)
        offset = 0.5 if self.instr.op == "rint" else 0.0
        part = x.astype(long) + offset
        part = part - np.floor(part)
        return np.asarray(np.minimum(part, 1 - part))

    def decision(self, arrived: float) -> Decision:
        """Give what was seen, with the relative rounding of what arrives at the cell."""
        return Decision(self.drift.bound(arrived), np.stack(self.margins, axis=1))
