"""Pools behind a convolution, whose sums have their channels last: windows of every geometry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine_runs import assert_same
from neurodeploy.engine import build
from neurodeploy.engine.source import source
from neurodeploy.ir import BOOL, Graph, GraphBuilder
from neurodeploy.ir.builder import window
from neurodeploy.ir.ops import Pool
from oracles import Ledger

STEPS = 12
# kernel, stride, padding, dilation; whether each window lies inside its input
GEOMETRIES = [
    ((2, 2), (2, 2), 0, (1, 1), True),
    ((2, 3), (3, 2), 0, (1, 1), True),
    ((3, 2), (1, 2), 0, (2, 1), True),
    ((2, 2), (2, 2), ((1, 0), (0, 1)), (1, 1), False),
    ((5, 5), (2, 2), 0, (1, 1), False),  # more taps than are written out
]


def _graph(geometry: Any, mode: Any, divisor: Any) -> Graph:
    kernel, stride, padding, dilation, _ = geometry
    rng = np.random.default_rng(2)
    b = GraphBuilder()
    x = b.input("x", (2, 13, 11), type=BOOL)
    y = b.conv("conv", x, rng.normal(0, 0.6, (9, 2, 3, 3)))
    op = Pool(window(kernel, stride, padding, dilation, rank=2), mode, divisor)
    z = b.cell("cell", "lif", b.map("pool", op, y), params={"beta": 0.9})
    return b.output("y", z).build()


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize(
    ("mode", "divisor"), [("sum", "kernel"), ("average", "kernel"), ("average", "valid")]
)
def test_windows(geometry: Any, mode: str, divisor: str, oracle: Ledger) -> None:
    cc = oracle("cc")
    graph = _graph(geometry, mode, divisor)
    one_by_one = geometry[-1] and divisor == "kernel"
    assert ("v += (float)from[o + 0];" in source(graph)) == one_by_one
    x = np.random.default_rng(1).random((3, STEPS, 2, 13, 11)) < 0.1
    trace = assert_same(graph, build(graph), {"x": x}, STEPS)
    assert len(np.unique(trace["pool", "out"])) > 50
    cc.record(spiking=bool(trace["cell", "out"].any()))
