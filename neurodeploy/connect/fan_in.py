"""Synapses whose number is given for each target: its sources are a random set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.connect.rows import BYTES, check_sizes, distinct
from neurodeploy.connect.values import BLOCK, PAIRS, Values, blocks, finished, stream
from neurodeploy.errors import Finding, UsageError
from neurodeploy.ir.synapse_rows import SynapseRows
from neurodeploy.ir.types import QType
from neurodeploy.memory import require_bytes

__all__ = ["by_source", "fixed_fan_in"]

Array = npt.NDArray[Any]


def fixed_fan_in(
    sources: int,
    targets: int,
    fan_in: int,
    *,
    weight: Values,
    delay: Values | None = None,
    to_itself: bool = True,
    seed: int = 0,
) -> SynapseRows:
    """Join each target with so many different sources, each set of them as likely.

    Args:
        sources: Neurons that send.
        targets: Neurons that receive.
        fan_in: Synapses of each target.
        weight: Weight of all, or what draws them.
        delay: Steps, likewise; None for none.
        to_itself: Whether source i may be joined with target i.
        seed: Seed of all that is drawn.

    Raises:
        UsageError: a number out of its range.
        DataError: more synapses than memory can hold.
    """
    check_sizes(sources, targets, seed)
    most = sources - (0 if to_itself else 1)
    if not 0 <= fan_in <= most:
        raise UsageError(Finding(f"{fan_in} of {most} sources", node="fan_in"))
    require_bytes(BYTES * fan_in * targets, f"{fan_in * targets} synapses")

    def pairs() -> Iterator[tuple[Array, Array]]:
        """Give sources and targets, the same ones each time."""
        for number, part in enumerate(blocks(targets, max(1, BLOCK // max(1, fan_in)))):
            first = np.arange(part.start, part.stop)
            counts = np.full(first.size, fan_in)
            rng = stream(seed, PAIRS, number)
            found = distinct(rng, counts, sources, None if to_itself else first)
            yield found, np.repeat(first, fan_in)

    starts, target = by_source(pairs, sources, targets)
    return finished(starts, target, weight, delay, seed)


def by_source(
    pairs: Callable[[], Iterator[tuple[Array, Array]]], sources: int, targets: int
) -> tuple[Array, Array]:
    """Sort pairs by source without holding them all: count them first, then put them in place.

    Args:
        pairs: Gives an iterator over arrays of sources and targets, the same in each call.
        sources: Neurons that send.
        targets: Neurons that receive.

    Returns:
        Where the synapses of each source begin, and the targets.
    """
    counts = np.zeros(sources, np.int64)
    for source, _ in pairs():
        counts += np.bincount(source, minlength=sources)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    made = np.empty(int(starts[-1]), QType(0, max(1, targets - 1)).storage)
    free = starts[:-1].copy()
    for source, target in pairs():
        order = np.argsort(source, kind="stable")
        here = np.bincount(source, minlength=sources)
        rank = np.arange(source.size) - np.repeat(np.cumsum(here) - here, here)
        made[np.repeat(free, here) + rank] = target[order]
        free += here
    return starts, made
