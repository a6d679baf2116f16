"""Which projections visit every source: decided from measured rates, one by one.

An event-driven loop tests each source and adds the weights of those that are not zero; a dense loop
multiplies them all. Which is cheaper depends on the share of sources that are not zero, on how many
sums each one reaches, and on whether packed instructions add the weights. The costs are those of
single layers counted on a Cortex-M4 of QEMU (-O2); the results are the same bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.engine.grid import Grid
from neurodeploy.engine.sums import sum_of
from neurodeploy.errors import Finding
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Map
from neurodeploy.ir.ops import Conv, Dense
from neurodeploy.ir.rules_map import fan_axes
from neurodeploy.targets.edge.memory import StaticPlan

__all__ = ["dense_findings", "dense_of", "dense_projections", "rates_of"]

Array = npt.NDArray[Any]
Key = tuple[str, str]

TEST = 7.0  # instructions that find out whether a source is zero
ADD = {"packed": 1.3, "plain": 6.5}  # that add one weight of an active source
RUN = 7.0  # that begin a run of neighbouring sums, in a convolution
MULTIPLY = {"dense": 5.5, "conv": 9.6}  # that multiply and add one weight, whatever arrives


@dataclass(frozen=True)
class _Reach:
    """What one source of a projection reaches, on average.

    Attributes:
        form: Key of `MULTIPLY`.
        unit: Sums that lie side by side.
        runs: Runs of them.
        count: Sources that reach the same sums.
    """

    form: str
    unit: int
    runs: float
    count: int


def rates_of(trace: Mapping[Key, Array]) -> dict[Key, float]:
    """Give the share of values that are not zero, of each signal of a recorded run."""
    return {key: float(np.mean(values != 0)) for key, values in trace.items()}


def dense_of(text: str) -> frozenset[str]:
    """Split the option ``dense``.

    >>> sorted(dense_of("fc1, fc2"))
    ['fc1', 'fc2']
    """
    return frozenset(part.strip() for part in text.split(",")) if text else frozenset()


def dense_findings(graph: Graph, names: frozenset[str]) -> list[Finding]:
    """Give the names that are no projection with both forms of loops."""
    known = [n.name for n in graph.nodes if isinstance(n, Map) and isinstance(n.op, Conv | Dense)]
    return [
        Finding(f"dense names {name!r}", node="dense", hint=f"projections: {', '.join(known)}")
        for name in sorted(names.difference(known))
    ]


def dense_projections(
    graph: Graph, rates: Mapping[Key, float], *, pack: bool = True
) -> frozenset[str]:
    """Give the projections whose dense loop costs less at the measured rates of their sources.

    Args:
        graph: The integer graph.
        rates: Share of values that are not zero, by signal; see `rates_of`. A projection whose
            source is not among them stays event-driven.
        pack: As for `neurodeploy.targets.edge.source.edge_unit`.
    """
    plan = StaticPlan(graph, pack=pack)
    found = set()
    for node in graph.nodes:
        if not isinstance(node, Map) or not isinstance(node.op, Conv | Dense):
            continue
        edge = graph.edges_into[node.name][0]
        rate = rates.get((edge.source, edge.output))
        reach = _reach(graph, node, node.op)
        if rate is None or reach is None:
            continue
        x, weight = graph.signal(edge), graph.tensors[node.op.weight]
        kind = sum_of(plan, x, weight, graph.signals[(node.name, "out")]).kind
        packed = plan.batch(kind, x.type, weight.type, reach.unit, reach.count) is not None
        begin = RUN * reach.runs if reach.form == "conv" else 0.0
        reached = reach.runs * reach.unit
        events = TEST + rate * (begin + ADD["packed" if packed else "plain"] * reached)
        if MULTIPLY[reach.form] * reached < events:
            found.add(node.name)
    return frozenset(found)


def _reach(graph: Graph, node: Map, op: Conv | Dense) -> _Reach | None:
    x = graph.signal(graph.edges_into[node.name][0])
    out = graph.signals[(node.name, "out")]
    if isinstance(op, Dense):
        axis = fan_axes(op, len(x.shape))
        if prod(x.shape[axis + 1 :]) > 1:
            return None  # shared over later axes: there is the dense form alone
        return _Reach("dense", out.shape[axis], 1.0, x.shape[axis])
    grid = Grid(op.window, x.shape[1:], out.shape[1:])
    unit = out.shape[0] // op.groups
    runs = prod(map(_pairs, grid.k, grid.s, grid.d, grid.p, grid.n, grid.m)) / prod(grid.n)
    return _Reach("conv", unit, runs, x.shape[0] // op.groups)


def _pairs(k: int, s: int, d: int, p: int, n: int, m: int) -> int:
    """Count pairs of a tap and an output position that read inside, along one axis."""
    return sum(0 <= o * s + tap * d - p < n for tap in range(k) for o in range(m))
