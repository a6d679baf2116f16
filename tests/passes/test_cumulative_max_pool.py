"""The sum of what a cumulative max pool sends is the maximum of the sums."""

from __future__ import annotations

import numpy as np
import pytest

from neurodeploy.ir import BOOL, Graph, GraphBuilder, Reduce
from neurodeploy.ir.ops import MaxPool
from neurodeploy.passes.cumulative_max_pool import cumulative_max_pool
from neurodeploy.reference import simulate

RNG = np.random.default_rng(7)
STEPS = 40


def modes(graph: Graph) -> dict[str, str]:
    pools = [n for n in graph.nodes if isinstance(n, Reduce)]
    return {n.name: n.op.mode for n in pools if isinstance(n.op, MaxPool)}


@pytest.mark.parametrize("spiking", [True, False])
def test_sums_are_pooled_exactly(spiking: bool) -> None:
    b = GraphBuilder()
    x = b.input("x", (2, 5, 5), **({"type": BOOL} if spiking else {}))
    graph = b.output("out", b.max_pool("pool", x, 2, padding=1, mode="cumulative")).build()
    values = (
        RNG.random((3, STEPS, 2, 5, 5)) < 0.3
        if spiking
        else RNG.normal(size=(3, STEPS, 2, 5, 5)).astype(np.float32)
    )
    sent = simulate(graph, {"x": values}, STEPS, record=[("out", "out")])[("out", "out")]
    sums = np.cumsum(values, axis=1, dtype=np.float64)
    padded = np.full((3, STEPS, 2, 7, 7), -np.inf)
    padded[..., 1:6, 1:6] = sums
    blocks = padded[..., :6, :6].reshape(3, STEPS, 2, 3, 2, 3, 2).max(axis=(4, 6))
    np.testing.assert_allclose(
        np.cumsum(sent, axis=1, dtype=np.float64), blocks, atol=0 if spiking else 1e-5, rtol=0
    )
    assert sent.dtype == (np.bool_ if spiking else np.float32)


def test_only_pools_behind_spikes_change() -> None:
    b = GraphBuilder()
    x = b.max_pool("early", b.input("x", (2, 8, 8)), 2)
    x = b.conv("conv", b.cell("if", "if", x), RNG.normal(size=(2, 2, 3, 3)), padding=1)
    x = b.max_pool("late", x, 2)
    graph = b.output("out", x).build()
    changed = cumulative_max_pool(graph)
    assert modes(graph) == {"early": "frame", "late": "frame"}
    assert modes(changed) == {"early": "frame", "late": "cumulative"}
    assert [c.node for c in changed.changes] == ["late"]
    assert cumulative_max_pool(changed) is changed


def test_an_analog_network_stays() -> None:
    b = GraphBuilder()
    graph = b.output("out", b.max_pool("pool", b.input("x", (1, 4)), 2)).build()
    assert cumulative_max_pool(graph) is graph
