"""Synapses whose number is given, or drawn, for each source: its targets are a random set."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.connect.values import BLOCK, PAIRS, Values, blocks, finished, stream
from neurodeploy.errors import Finding, UsageError, raise_findings
from neurodeploy.ir.synapse_rows import SynapseRows
from neurodeploy.ir.types import QType
from neurodeploy.memory import require_bytes

__all__ = ["check_sizes", "distinct", "fixed_fan_out", "fixed_probability"]

Array = npt.NDArray[Any]
COUNTS = 3  # purpose of the generator that draws numbers of synapses
ROWS = 1 << 16  # sources whose number of synapses is drawn at a time
BYTES = 13  # of a synapse at most: weight, target, and a delay


def fixed_probability(
    sources: int,
    targets: int,
    probability: float,
    *,
    weight: Values,
    delay: Values | None = None,
    to_itself: bool = True,
    seed: int = 0,
) -> SynapseRows:
    """Join each pair of a source and a target with the same probability, independently.

    A source has a binomial number of targets, which are then a uniformly random set of so many:
    the same law as one draw for each pair, in time that grows with the synapses.

    Args:
        sources: Neurons that send.
        targets: Neurons that receive.
        probability: Of each pair, 0 to 1.
        weight: Weight of all, or what draws them.
        delay: Steps, likewise; None for none.
        to_itself: Whether source i may be joined with target i.
        seed: Seed of all that is drawn.

    Raises:
        UsageError: a number out of its range.
        DataError: more synapses than memory can hold.
    """
    check_sizes(sources, targets, seed)
    if not 0 <= probability <= 1:
        raise UsageError(Finding(f"{probability}", node="probability", hint="0 to 1"))
    counts = np.empty(sources, np.int64)
    own = 0 if to_itself else 1
    for number, part in enumerate(blocks(sources, ROWS)):
        rng = stream(seed, COUNTS, number)
        size = targets - own * (np.arange(part.start, part.stop) < targets)
        counts[part.start : part.stop] = rng.binomial(size, probability)
    return _joined(counts, targets, weight, delay, to_itself, seed)


def fixed_fan_out(
    sources: int,
    targets: int,
    fan_out: int,
    *,
    weight: Values,
    delay: Values | None = None,
    to_itself: bool = True,
    seed: int = 0,
) -> SynapseRows:
    """Join each source with so many different targets, each set of them as likely.

    Args:
        sources: Neurons that send.
        targets: Neurons that receive.
        fan_out: Synapses of each source.
        weight: Weight of all, or what draws them.
        delay: Steps, likewise; None for none.
        to_itself: Whether source i may be joined with target i.
        seed: Seed of all that is drawn.

    Raises:
        UsageError: a number out of its range.
        DataError: more synapses than memory can hold.
    """
    check_sizes(sources, targets, seed)
    most = targets - (0 if to_itself else 1)
    if not 0 <= fan_out <= most:
        raise UsageError(Finding(f"{fan_out} of {most} targets", node="fan_out"))
    return _joined(np.full(sources, fan_out), targets, weight, delay, to_itself, seed)


def check_sizes(sources: int, targets: int, seed: int) -> None:
    """Refuse empty populations and seeds that are no whole numbers from 0 on.

    Raises:
        UsageError: with all findings.
    """
    given = (("sources", sources, 1), ("targets", targets, 1), ("seed", seed, 0))
    raise_findings(
        UsageError,
        [
            Finding(f"{value!r}", node=name, hint=f"a whole number from {least} on")
            for name, value, least in given
            if not isinstance(value, int | np.integer) or value < least
        ],
    )


def _joined(
    counts: Array,
    targets: int,
    weight: Values,
    delay: Values | None,
    to_itself: bool,
    seed: int,
) -> SynapseRows:
    """Give each source so many different targets."""
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    total = int(starts[-1])
    require_bytes(BYTES * total, f"{total} synapses")
    target = np.empty(total, QType(0, max(1, targets - 1)).storage)
    rows = max(1, int(BLOCK * counts.size // max(1, total)))
    for number, part in enumerate(blocks(counts.size, rows)):
        first = np.arange(part.start, part.stop)
        own = None if to_itself else first
        rng = stream(seed, PAIRS, number)
        found = distinct(rng, counts[part.start : part.stop], targets, own)
        target[starts[part.start] : starts[part.stop]] = found
    return finished(starts, target, weight, delay, seed)


def distinct(
    rng: np.random.Generator, counts: Array, size: int, left_out: Array | None = None
) -> Array:
    """Draw sets of different numbers below ``size``, each set of a length as likely.

    Numbers that came up twice are drawn again until none does: no number is preferred, so that
    no set is. Sets of more than half of all numbers are what a smaller set leaves out.

    Args:
        rng: The generator.
        counts: Length of each set.
        size: Numbers to choose from.
        left_out: For each set a number that it must not contain; none where it is ``size`` or more.

    Returns:
        All sets one after another, each in ascending order.
    """
    left = np.full(counts.size, size) if left_out is None else np.minimum(left_out, size)
    width = size - (left < size)
    many = counts > width // 2
    drawn = np.where(many, width - counts, counts)
    values = _sparse(rng, drawn, width, size)
    chosen: Array = values if left_out is None else values + (values >= np.repeat(left, drawn))
    if not many.any():
        return chosen
    sets = np.split(chosen, np.cumsum(drawn)[:-1])
    return np.concatenate(
        [_others(s, size, int(o)) if m else s for s, o, m in zip(sets, left, many, strict=True)]
    )


def _sparse(rng: np.random.Generator, counts: Array, width: Array, size: int) -> Array:
    """Draw sets of at most half of the numbers below ``width``."""
    row = np.repeat(np.arange(counts.size) * size, counts)
    flat: Array = row + rng.integers(0, np.repeat(width, counts))
    flat.sort()
    while (twice := np.flatnonzero(flat[1:] == flat[:-1])).size:
        again = flat[twice] // size
        flat[twice] = again * size + rng.integers(0, width[again])
        flat.sort()
    flat -= row
    return flat


def _others(chosen: Array, size: int, left: int) -> Array:
    keep = np.ones(size, bool)
    keep[chosen] = False
    keep[left : left + 1] = False
    return np.flatnonzero(keep)
