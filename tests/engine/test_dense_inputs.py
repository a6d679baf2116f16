"""Dense inputs: every source of four rows is added at a time, with the bits of the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neurodeploy.engine import build
from neurodeploy.engine.source import source
from neurodeploy.ir import BOOL, F32, F64, GraphBuilder
from neurodeploy.ir.types import Float
from neurodeploy.reference import all_outputs, simulate
from oracles import Ledger


def _same(b: GraphBuilder, y: Any, x: np.ndarray, steps: int, ledger: Ledger) -> None:
    graph = b.output("y", y).build()
    assert "nd_all_" in source(graph)
    keys = all_outputs(graph)
    want = simulate(graph, {"x": x}, steps, record=keys)
    found = build(graph).run({"x": x}, steps, record=keys)
    for key in keys:
        assert found[key].tobytes() == want[key].tobytes(), key
    ledger.record(spiking=bool(want["a", "out"].any()))


@pytest.mark.parametrize("share", [0.3, 0.69, 0.75, 1.0])
@pytest.mark.parametrize(("sources", "targets"), [(1, 1), (7, 130), (70, 64), (33, 203)])
@pytest.mark.parametrize("kind", [BOOL, F32, F64])
def test_shares_and_sizes(
    share: float, sources: int, targets: int, kind: Any, oracle: Ledger
) -> None:
    cc = oracle("cc")
    rng = np.random.default_rng(0)
    # 70 steps: a tile of 64, and one whose last two are no four
    x = rng.random((2, 70, sources)) < share
    if isinstance(kind, Float):
        x = x * rng.normal(size=x.shape).astype(kind.dtype)
        x[0, :9] *= -1.0  # zeros of either sign
        x[1, 9] *= 1e-41  # and subnormal numbers
    b = GraphBuilder(float_type=kind) if isinstance(kind, Float) else GraphBuilder()
    weight = rng.normal(0.2, 1, (targets, sources))
    into = b.dense("d", b.input("x", (sources,), type=kind), weight, rng.normal(size=targets))
    _same(b, b.cell("a", "lif", into, params={"beta": 0.9}), x, 70, cc)


@pytest.mark.parametrize("share", [0.75, 1.0])
def test_several_rows_of_one_step(share: float, oracle: Ledger) -> None:
    cc = oracle("cc")
    rng = np.random.default_rng(1)
    x = (rng.random((2, 5, 6, 20)) < share) * rng.normal(size=(2, 5, 6, 20)).astype(np.float32)
    b = GraphBuilder()
    into = b.dense("d", b.input("x", (6, 20)), rng.normal(size=(37, 20)))
    _same(b, b.cell("a", "lif", into, params={"beta": 0.9}), x, 5, cc)


def test_in_a_loop_only_steps_of_one_row_are_listed(oracle: Ledger) -> None:
    """A loop runs step by step: there are no four rows, and nothing changes."""
    oracle("cc")
    b = GraphBuilder()
    x = b.input("x", (8,), type=BOOL)
    back = b.dense("r", b.ref("a", shape=(8,), delay=1), np.eye(8))
    b.output("y", b.cell("a", "lif", b.cell("s", "add", b.dense("d", x, np.eye(8)), back)))
    text = source(b.build())
    assert "nd_all_" in text  # of the projection outside
    assert text.count("const nd_int all =") == 1
