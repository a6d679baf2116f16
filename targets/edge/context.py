"""Reads states and signals out of the bytes of a context: for runners, tests and debuggers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.engine.plan import DTYPES
from neurodeploy.targets.edge.memory import StaticPlan

__all__ = ["read_context", "visible"]

Array = npt.NDArray[Any]
Key = tuple[str, str]


def visible(plan: StaticPlan) -> dict[Key, int]:
    """Give what can be read after a step, by place: states; without reuse, every signal."""
    cells = {(c.name, s.name) for c in plan.graph.cells for s in c.states}
    shown = {k: v for k, v in plan.slots.items() if k in cells}
    if plan.reuse:
        return shown
    ends = {n.name for n in plan.graph.outputs}
    return {**{k: v for k, v in plan.buffers.items() if k[0] not in ends}, **shown}


def read_context(plan: StaticPlan, held: npt.NDArray[np.uint8], key: Key) -> Array:
    """Give a state or signal from the bytes of a little-endian context.

    Args:
        plan: The plan.
        held: The context.
        key: What to read; one of `visible`.
    """
    signal = plan.graph.signals[key]
    kind = plan.stored(signal.type)
    place = visible(plan)[key]
    begin = plan.head_bytes + place * DTYPES[kind].itemsize
    totals: Mapping[str, int] = plan.totals()
    for other, count in totals.items():
        if other == kind:
            break
        begin += count * DTYPES[other].itemsize
    raw = held[begin : begin + signal.size * DTYPES[kind].itemsize]
    return raw.view(DTYPES[kind]).reshape(signal.shape).copy()
