"""The same graphs compiled by zig, which is clang: what the extra ``toolchain`` brings."""

from __future__ import annotations

import sys

import pytest

from draw_programs import draw_cell_graph, extreme_inputs
from engine_graphs import assert_same, draw_graph, draw_inputs
from neurodeploy.engine import build, find_compiler
from oracles import Ledger
from tiers import sample_count


def test_drawn_graphs_agree_bit_by_bit(oracle: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ziglang = oracle("ziglang")
    monkeypatch.setenv("CC", f"{sys.executable} -m ziglang cc")
    zig = find_compiler()
    assert zig is not None
    assert (zig.kind, zig.version[:3]) == ("zig", "zig")
    for seed in range(900, 900 + sample_count(60, 2)):
        graph = draw_graph(seed)
        inputs = draw_inputs(graph, seed, 3, 10)
        trace = assert_same(graph, build(graph, compiler=zig), inputs, 10, threads=2)
        fire = [c.name for c in graph.cells if "fire" in c.program.uses]
        ziglang.record(spiking=all(trace[(name, "out")].any() for name in fire))
        cell = draw_cell_graph(seed)
        assert_same(cell, build(cell, compiler=zig), extreme_inputs(seed, 3, 3), 3)
        ziglang.record()
