"""Pools fold into the sums behind them; the network computes the same."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurodeploy as nd
from neurodeploy.ir import Graph, GraphBuilder
from neurodeploy.ir.nodes import Map
from neurodeploy.ir.ops import Pool
from neurodeploy.passes.fold_pools import fold_pools


def pools(graph: Graph) -> list[str]:
    return [n.name for n in graph.nodes if isinstance(n, Map) and isinstance(n.op, Pool)]


def network(
    seed: int,
    *,
    dense: bool,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: int,
    mode: Literal["sum", "average"] = "average",
    size: tuple[int, int] = (24, 24),
    late: int = 0,
) -> Graph:
    """A pool, and a sum behind it, with weights on a binary grid."""
    draw = np.random.default_rng(seed)
    b = GraphBuilder()
    x = b.input("x", (2, *size))
    pooled = b.pool("pool", x, kernel, stride=stride, mode=mode)
    if dense:
        flat = b.flatten("flat", pooled)
        weight = draw.integers(-8, 9, (3, flat.shape[0])) / 8
        y = b.dense("y", flat.after(late) if late else flat, weight, draw.integers(-4, 5, 3) / 4)
    else:
        weight = draw.integers(-8, 9, (3, 2, 2, 3)) / 8
        dilation = int(draw.integers(1, 3))
        y = b.conv("y", pooled, weight, None, stride=2, padding=padding, dilation=dilation)
    b.output("out", y)
    return b.build()


@given(
    st.integers(0, 1000),
    st.booleans(),
    st.tuples(st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 4])),
    st.integers(0, 1),
    st.sampled_from(["sum", "average"]),
)
def test_folded_pools_give_the_same_sums(
    seed: int, dense: bool, kernel: tuple[int, int], padding: int, mode: Any
) -> None:
    """On binary grids every sum is exact, and so both graphs give the same bits."""
    graph = network(seed, dense=dense, kernel=kernel, stride=kernel, padding=padding, mode=mode)
    folded = fold_pools(graph)
    assert pools(graph)
    assert not pools(folded)
    x = np.random.default_rng(seed).integers(-16, 17, (3, 2, 24, 24)).astype(np.float32) / 16
    a, b = nd.run(graph, x), nd.run(folded, x)
    assert a.outputs.any()
    assert np.array_equal(a.outputs, b.outputs)


@given(st.integers(0, 1000), st.booleans())
def test_windows_that_overlap_fold_where_nothing_is_padded(seed: int, dense: bool) -> None:
    graph = network(seed, dense=dense, kernel=(4, 2), stride=(2, 1), padding=0)
    folded = fold_pools(graph)
    assert not pools(folded)
    x = np.random.default_rng(seed).integers(-16, 17, (3, 2, 24, 24)).astype(np.float32) / 16
    assert np.array_equal(nd.run(graph, x).outputs, nd.run(folded, x).outputs)


@pytest.mark.parametrize(
    "kept",
    [
        {"dense": False, "kernel": (4, 2), "stride": (2, 2), "padding": 1},
        {"dense": False, "kernel": (2, 2), "stride": (2, 2), "padding": 1, "size": (25, 24)},
        {"dense": True, "kernel": (2, 2), "stride": (2, 2), "padding": 0, "late": 1},
    ],
)
def test_what_would_read_more_than_it_did_stays(kept: Any) -> None:
    graph = network(1, **kept)
    assert fold_pools(graph) is graph
