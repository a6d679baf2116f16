"""Divides populations into slices that a core holds each, and counts what a slice takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import CapabilityError, Finding
from neurodeploy.targets.loihi.cores.fans import Fan, Population
from neurodeploy.targets.loihi.cores.limits import CoreLimit
from neurodeploy.targets.loihi.cores.memory import WEIGHT_BITS, WORD, axon_bits, index_bits

__all__ = ["Slice", "sliced", "slices_of"]

Array = npt.NDArray[Any]
Use = Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Slice:
    """Neighbouring neurons of a population on one core.

    Attributes:
        population: The population.
        first: Its first neuron.
        count: Its neurons.
        use: What it takes of a core, by the name of the limit.
        decays: Numbers of the pairs of decays in it.
        thresholds: Thresholds in it.
        forms: Formats of its synapses.
    """

    population: str
    first: int
    count: int
    use: dict[str, int]
    decays: frozenset[int]
    thresholds: frozenset[int]
    forms: frozenset[tuple[int, str, bool]]


@dataclass
class _Slicing:
    """The division in the making: how many slices each population has."""

    populations: Mapping[str, Population]
    fans: Sequence[Fan]
    limits: Mapping[str, CoreLimit]
    share: bool
    pieces: dict[str, int] = field(default_factory=dict)

    def bounds(self, name: str) -> list[tuple[int, int]]:
        size = self.populations[name].size
        each = -(-size // self.pieces[name])
        return [(lo, min(size, lo + each)) for lo in range(0, size, each)]


def sliced(
    populations: Sequence[Population],
    fans: Sequence[Fan],
    limits: Mapping[str, CoreLimit],
    *,
    share: bool,
) -> list[Slice]:
    """Divide every population into as few equal slices as the limits of a core allow.

    Args:
        populations: All populations.
        fans: All connections.
        limits: Limits of a core.
        share: Whether a core stores a kernel once for all neurons that use it.

    Raises:
        CapabilityError: all populations of which a single neuron is too much for a core.
    """
    work = _Slicing({p.name: p for p in populations}, fans, limits, share)
    found: list[Finding] = []
    for population in populations:
        work.pieces[population.name] = 1
        over = _divide(work, population)
        found += over
    if found:
        raise CapabilityError(found)
    _divide_senders(work)
    return [s for p in populations for s in _slices(work, p)]


def slices_of(
    populations: Sequence[Population],
    fans: Sequence[Fan],
    pieces: Mapping[str, int],
    *,
    share: bool,
) -> list[Slice]:
    """Divide populations into given numbers of equal slices, and count what each takes.

    Args:
        populations: All populations.
        fans: All connections.
        pieces: Number of slices of each population.
        share: Whether a core stores a kernel once for all neurons that use it.
    """
    work = _Slicing({p.name: p for p in populations}, fans, {}, share, dict(pieces))
    return [s for p in populations for s in _slices(work, p)]


def _divide(work: _Slicing, population: Population) -> list[Finding]:
    """Find the fewest slices of a population; say why where there are none."""
    while True:
        slices = _slices(work, population, senders=False)
        over = [(s, k) for s in slices for k in _over(s, work.limits)]
        if not over:
            return []
        if work.pieces[population.name] >= population.size:
            return [_finding(s, kind, work.limits[kind]) for s, kind in over[:8]]
        work.pieces[population.name] = _next(work, population, slices)


def _next(work: _Slicing, population: Population, slices: Sequence[Slice]) -> int:
    """Give the next number of slices to try, not more than what is over its limit asks for."""
    now = work.pieces[population.name]
    ratio = max(
        s.use[kind] / limit.value
        for s in slices
        for kind, limit in work.limits.items()
        if kind in ("neurons", "synapse_bits") and kind in s.use
    )
    wanted = max(now + 1, int(np.floor(now * ratio)))
    size = population.size
    # two numbers of slices of the same size are the same division
    while -(-size // wanted) == -(-size // now) and wanted < size:
        wanted += 1
    return min(wanted, size)


def _divide_senders(work: _Slicing) -> None:
    """Divide further what reaches more cores than a core has output axons.

    Raises:
        CapabilityError: one neuron alone reaches more.
    """
    limit = work.limits.get("output_axons")
    if limit is None:
        return
    moved = True
    while moved:
        moved = False
        for name, population in work.populations.items():
            slices = _slices(work, population)
            if all(s.use["output_axons"] <= limit.value for s in slices):
                continue
            if work.pieces[name] >= population.size:
                worst = max(slices, key=lambda s: s.use["output_axons"])
                raise CapabilityError(_finding(worst, "output_axons", limit))
            worst_use = max(s.use["output_axons"] for s in slices)
            work.pieces[name] = min(
                population.size,
                max(work.pieces[name] + 1, work.pieces[name] * worst_use // limit.value),
            )
            moved = True


def _over(piece: Slice, limits: Mapping[str, CoreLimit]) -> list[str]:
    return [k for k, used in piece.use.items() if k in limits and used > limits[k].value]


def _finding(piece: Slice, kind: str, limit: CoreLimit) -> Finding:
    what = {"input_axons": "fan-in"}.get(kind, kind.replace("_", " "))
    return Finding(
        f"{what} {piece.use[kind]} of {piece.count} neuron{'s' * (piece.count > 1)} exceeds the "
        f"{limit.value} {limit.unit}s that a core holds",
        node=piece.population,
        hint=f"prune, or a smaller layer ({limit.source})",
        value=piece.use[kind],
        limit=limit.value,
    )


def _slices(work: _Slicing, population: Population, *, senders: bool = True) -> list[Slice]:
    """Give the slices of a population as it is divided now, and what each takes."""
    heard = [f for f in work.fans if f.target == population.name]
    sent = [f for f in work.fans if f.source == population.name] if senders else []
    made = []
    for lo, hi in work.bounds(population.name):
        decays = frozenset(population.decays[lo:hi].tolist())
        thresholds = frozenset(population.thresholds[lo:hi].tolist())
        axons, bits, forms = 0, 0, set()
        for fan in heard:
            more, stored = _received(fan, lo, hi, share=work.share)
            axons, bits = axons + more, bits + stored
            if more:
                forms.add(fan.form)
        use = {
            "neurons": hi - lo,
            "input_axons": axons,
            "synapse_bits": bits,
            "neuron_settings": len(decays),
            "thresholds": len(thresholds),
            "synapse_formats": len(forms),
        }
        if senders:
            use["output_axons"] = sum(_sent(fan, lo, hi, work.bounds(fan.target)) for fan in sent)
        made.append(Slice(population.name, lo, hi - lo, use, decays, thresholds, frozenset(forms)))
    return made


def _received(fan: Fan, lo: int, hi: int, *, share: bool) -> tuple[int, int]:
    """Give input axons and bits of the synapses that reach neurons from ``lo`` to ``hi``."""
    inside = (fan.end >= lo) & (fan.end < hi)
    counts = np.unique(fan.begin[inside], return_counts=True)[1]
    if not counts.size:
        return 0, 0
    if fan.shared and share:
        stored = len(np.unique(fan.weight[inside])) * WEIGHT_BITS
        return len(counts), -(-stored // WORD) * WORD
    full = counts == hi - lo
    dense = axon_bits(counts[full], index=0, delays=fan.delays).sum()
    sparse = axon_bits(counts[~full], index=index_bits(hi - lo), delays=fan.delays).sum()
    return len(counts), int(dense + sparse)


def _sent(fan: Fan, lo: int, hi: int, bounds: Sequence[tuple[int, int]]) -> int:
    """Give the output axons of neurons from ``lo`` to ``hi``: one to each core that hears."""
    inside = (fan.begin >= lo) & (fan.begin < hi)
    each = bounds[0][1] - bounds[0][0]
    pairs = fan.begin[inside] * len(bounds) + fan.end[inside] // each
    return len(np.unique(pairs))
