"""Gives cores places on the meshes of chips: little traffic over many hops."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["hop_distances", "improved", "traffic_cost"]

Array = npt.NDArray[Any]
ROUNDS = 50


def hop_distances(count: int, cores: int, columns: int) -> Array:
    """Give the hops between places: columns and rows apart, chips side by side.

    >>> hop_distances(5, cores=4, columns=2)[0].tolist()  # the last place is on another chip
    [0, 1, 1, 2, 2]

    Args:
        count: Number of places.
        cores: Cores of a chip.
        columns: Columns of its mesh.
    """
    place = np.arange(count)
    chip, inside = np.divmod(place, cores)
    row, column = np.divmod(inside, columns)
    column = column + chip * columns
    distances: Array = np.abs(row[:, None] - row) + np.abs(column[:, None] - column)
    return distances


def traffic_cost(traffic: Array, distances: Array, place: Array) -> float:
    """Give spikes times hops in a step of the chip."""
    return float((traffic * distances[np.ix_(place, place)]).sum())


def improved(traffic: Array, distances: Array) -> Array:
    """Give a place for each core: from one beside the other, by swaps while one helps.

    In each round every core looks for the core, or the free place, with which to swap saves most.

    Args:
        traffic: Spikes in a step from core to core, (cores, cores).
        distances: Hops from place to place, (places, places), as many places as cores or more.
    """
    cores, places = len(traffic), len(distances)
    both = np.zeros((places, places))
    both[:cores, :cores] = traffic + traffic.T  # places that are free have no traffic
    place = np.arange(places)
    for _ in range(ROUNDS):
        changed = False
        for core in range(cores):
            saved = _savings(both, distances, place, core)
            other = int(np.argmax(saved))
            if saved[other] > 1e-9:
                place[[core, other]] = place[[other, core]]
                changed = True
        if not changed:
            break
    return place[:cores]


def _savings(both: Array, distances: Array, place: Array, core: int) -> Array:
    """Give what it saves to swap the place of a core with that of each other."""
    here = distances[place[core]][place]
    now = both @ distances[np.ix_(place, place)]
    own = float(both[core] @ here)
    each = np.diag(now)
    # the core where the other is, the other where the core is, less what is between the two
    moved = distances[np.ix_(place, place)] @ both[core]
    others = both @ here
    between = both[core] * here
    saved: Array = own + each - moved - others - 2 * between
    saved[core] = 0
    return saved
