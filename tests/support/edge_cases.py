"""Random graphs that the edge target takes."""

from __future__ import annotations

import numpy as np

from neurodeploy.errors import CapabilityError
from neurodeploy.targets.edge import TARGET
from neurodeploy.testing.random_graphs import RandomCase, RandomProfile, random_graph

__all__ = ["DRAWN", "drawn", "taken"]

CAPABILITIES = next(p for p in TARGET.profiles if p.name == "host")
DRAWN = {"drawn": 0, "taken": 0}


def drawn(seed: int) -> RandomCase | None:
    """Give a case that the target takes, or None."""
    case = random_graph(np.random.default_rng(seed), RandomProfile.within(CAPABILITIES))
    options = {o.name: o.default for o in CAPABILITIES.options}
    DRAWN["drawn"] += 1
    try:
        TARGET.lower(case.graph, CAPABILITIES, options)
    except CapabilityError:
        return None
    DRAWN["taken"] += 1
    return case


def taken(number: int) -> RandomCase:
    """Give the case of a number: the first of its seeds that the target takes."""
    return next(c for c in map(drawn, range(number, 100_000, 1000)) if c is not None)
