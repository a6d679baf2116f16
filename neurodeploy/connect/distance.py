"""Synapses between neighbours in a grid, with a probability that depends on their distance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.connect.fan_in import by_source
from neurodeploy.connect.rows import BYTES, check_sizes
from neurodeploy.connect.values import BLOCK, PAIRS, Values, blocks, finished, stream
from neurodeploy.errors import Finding, UsageError
from neurodeploy.ir.synapse_rows import SynapseRows
from neurodeploy.memory import require_bytes

__all__ = ["by_distance"]

Array = npt.NDArray[Any]


def by_distance(
    shape: tuple[int, ...],
    probability: Callable[[Array], Array],
    radius: float,
    *,
    weight: Values,
    delay: Values | None = None,
    wrapped: bool = False,
    to_itself: bool = False,
    seed: int = 0,
) -> SynapseRows:
    """Join the neurons of a grid with those around them, each pair independently.

    Places of a grid are one apart along each axis, and the distance is the Euclidean one. Work
    and memory grow with neurons times neighbours within the radius, never with all pairs.

    Args:
        shape: Shape of the population.
        probability: Gives probabilities for an array of distances.
        radius: Largest distance at which neurons are joined.
        weight: Weight of all, or what draws them.
        delay: Steps, likewise; None for none.
        wrapped: Whether the grid continues at its other end (a torus).
        to_itself: Whether a neuron may be joined with itself.
        seed: Seed of all that is drawn.

    Raises:
        UsageError: a number out of its range; or on a torus a radius that meets a neuron twice.
        DataError: more synapses than memory can hold.
    """
    neurons = int(np.prod(shape, dtype=np.int64))
    check_sizes(neurons, neurons, seed)
    if not 0 <= radius < np.inf or (wrapped and 2 * int(radius) >= min(shape)):
        hint = "from 0 on; on a torus below half of each axis"
        raise UsageError(Finding(f"{radius}", node="radius", value=radius, hint=hint))
    reach = np.minimum(int(radius), np.asarray(shape) - 1)
    require_bytes(16 * int(np.prod(2 * reach + 1)), f"the neighbours within {radius}")
    steps = np.indices(2 * reach + 1).reshape(len(shape), -1) - reach[:, None]
    far = np.sqrt((steps**2).sum(axis=0))
    near = (far <= radius) & (to_itself | (far > 0))
    steps, far = steps[:, near], far[near]
    chance = np.asarray(probability(far), np.float64)
    if chance.shape != far.shape or not ((chance >= 0) & (chance <= 1)).all():
        raise UsageError(Finding("it gives no probabilities, 0 to 1 each", node="probability"))
    expected = int(neurons * chance.sum())
    require_bytes(BYTES * expected, f"{expected} synapses")

    def pairs() -> Iterator[tuple[Array, Array]]:
        """Give sources and targets, the same ones each time."""
        for number, part in enumerate(blocks(neurons, max(1, BLOCK // max(1, far.size)))):
            rng = stream(seed, PAIRS, number)
            at, way = np.nonzero(rng.random((len(part), far.size)) < chance)
            source = at + part.start
            place = np.stack(np.unravel_index(source, shape)) + steps[:, way]
            ends = np.asarray(shape)[:, None]
            if wrapped:
                place %= ends
            inside = ((place >= 0) & (place < ends)).all(axis=0)
            yield source[inside], np.ravel_multi_index(place[:, inside], shape)

    starts, target = by_source(pairs, neurons, neurons)
    return finished(starts, target, weight, delay, seed)
