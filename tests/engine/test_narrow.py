"""Narrow integer weights, added in 16 bits: the reference's sums, at their extremes too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine_runs import assert_same
from neurodeploy.engine import build
from neurodeploy.engine.narrow_kernel import rows_together
from neurodeploy.engine.source import source
from neurodeploy.ir import BOOL, F32, Graph, GraphBuilder
from neurodeploy.ir.types import QType, tensor
from oracles import Ledger
from tiers import sample_count

SOURCES, TARGETS = 700, 261  # several groups of rows; slabs, smaller tiles and a part of one


def _graph(values: Any, kind: QType, accumulator: QType | None = None) -> Graph:
    b = GraphBuilder()
    x = b.input("x", (values.shape[1],), type=BOOL)
    return b.output("y", b.dense("d", x, tensor(values, kind), accumulator=accumulator)).build()


def test_types_that_are_added_in_16_bits() -> None:
    """Of so many rows no sum leaves 16 bits, and of one more it could."""
    for lo, hi in ((-128, 127), (-256, 255), (0, 255), (-3, 4095), (-4095, 0), (-1, 1)):
        rows, largest = rows_together(QType(lo, hi)), max(-lo, hi)
        assert rows * largest <= 2**15 - 1 < (rows + 1) * largest
    assert rows_together(QType(-4096, 4095)) == 0
    assert rows_together(QType(-(2**15), 2**15 - 1)) == 0
    assert rows_together(F32) == 0


@pytest.mark.parametrize("bound", [1, 128, 256, 4095])
@pytest.mark.parametrize("overflow", [None, "saturate", "wrap", "wide", "long"])
def test_extreme_weights_of_every_source(bound: int, overflow: Any, oracle: Ledger) -> None:
    """All sources spike, and all weights are the type's smallest or largest."""
    cc = oracle("cc")
    one_sign = overflow == "saturate"  # of both signs, a sum would depend on its order
    kind = QType(0 if one_sign else -bound, bound - (bound > 1))
    declared = {
        None: None,
        "saturate": QType(0, 300, overflow="saturate"),
        "wrap": QType(-128, 127, overflow="wrap"),
        "long": QType(-(2**40), 2**40 - 1),
        "wide": QType(-(2**40), 2**40 - 1, overflow="wrap"),
    }[overflow]
    values = np.full((TARGETS, SOURCES), kind.lo)
    values[1::3] = kind.hi
    values[2::3, ::2] = kind.hi
    graph = _graph(values, kind, declared)
    assert "nd_narrow_" in source(graph)
    x = np.ones((2, 5, SOURCES), bool)
    x[1, 2:4] = False
    x[1, 3, -1] = True
    trace = assert_same(graph, build(graph), {"x": x}, 5)
    if overflow in (None, "long"):
        assert trace["d", "out"].min() == SOURCES * kind.lo  # far beyond 16 bits
    cc.record(spiking=True)


@settings(max_examples=sample_count(150, 15), deadline=None)
@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.sampled_from([1, 7, 127, 255, 2000, 4095]),
    st.floats(0, 1),
    st.integers(0, 2**32 - 1),
)
def _any_sizes(sources: int, targets: int, bound: int, rate: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(-bound, bound + 1, (targets, sources))
    graph = _graph(values, QType(-bound, bound))
    assert_same(graph, build(graph), {"x": rng.random((2, 6, sources)) < rate}, 6)


def test_any_sizes_and_rates(oracle: Ledger) -> None:
    cc = oracle("cc")
    _any_sizes()
    cc.record(spiking=True)


def test_weights_of_other_values_need_no_other_program() -> None:
    """What is generated depends on the type of the weights, not on their values."""
    kind = QType(-128, 127)
    few, many = np.zeros((5, 9), np.int64), np.full((5, 9), -128)
    assert source(_graph(few, kind)) == source(_graph(many, kind))
