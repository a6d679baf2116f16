"""The same graphs compiled by zig, which is clang: what the extra ``toolchain`` brings."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from engine_runs import assert_same
from neurodeploy.engine import build, find_compiler
from neurodeploy.testing.random_cells import random_cell
from neurodeploy.testing.random_graphs import random_graph, spiking_share
from oracles import Ledger
from tiers import sample_count


def test_drawn_graphs_agree_bit_by_bit(oracle: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ziglang = oracle("ziglang")
    monkeypatch.setenv("CC", f"{sys.executable} -m ziglang cc")
    zig = find_compiler()
    assert zig is not None
    assert (zig.kind, zig.version[:3]) == ("zig", "zig")
    for seed in range(900, 900 + sample_count(60, 2)):
        rng = np.random.default_rng(seed)
        drawn, cell = random_graph(rng), random_cell(rng, operations=40)
        engine = build(drawn.graph, compiler=zig)
        trace = assert_same(drawn.graph, engine, drawn.inputs, drawn.timesteps, threads=2)
        ziglang.record(spiking=spiking_share(trace, drawn.graph) == 1)
        extreme = drawn.extreme(rng)
        assert_same(drawn.graph, engine, extreme.inputs, drawn.timesteps)
        assert_same(cell.graph, build(cell.graph, compiler=zig), cell.inputs, cell.timesteps)
        ziglang.record(2)
