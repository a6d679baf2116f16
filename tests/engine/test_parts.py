"""A unit that is compiled in parts computes what it computes in one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurodeploy.engine import build, find_compiler
from neurodeploy.engine.parts import _balanced, in_parts, whole
from neurodeploy.engine.source import translate
from neurodeploy.reference import all_outputs, simulate
from neurodeploy.testing.random_graphs import random_graph
from oracles import Ledger
from small_graphs import conv_net
from tiers import sample_count


@given(st.lists(st.integers(1, 500), min_size=3, max_size=40), st.integers(1, 3))
def test_no_group_is_longer_than_need_be(sizes: list[int], count: int) -> None:
    groups = _balanced(sizes, [0] * count)
    assert sorted(i for g in groups for i in g) == list(range(len(sizes)))
    totals = [sum(sizes[i] for i in g) for g in groups]
    assert max(totals) - min(totals) <= max(sizes)


@pytest.mark.parametrize("count", [2, 3])
def test_parts_compute_the_same(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, oracle: Ledger
) -> None:
    cc = oracle("cc")
    monkeypatch.setenv("NEURODEPLOY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("neurodeploy.engine.parts.PART_LINES", 10)
    monkeypatch.setattr("os.cpu_count", lambda: count)
    for seed in range(3000, 3000 + sample_count(30, 3)):
        case = random_graph(np.random.default_rng(seed))
        pieces = translate(case.graph).pieces
        assert len(in_parts(pieces, count)) == count
        keys = all_outputs(case.graph)
        want = simulate(case.graph, case.inputs, case.timesteps, record=keys)
        found = build(case.graph).run(case.inputs, case.timesteps, record=keys)
        for key in keys:
            assert found[key].tobytes() == want[key].tobytes(), key
        cc.record(spiking=any(v.any() for v in want.values()))


def test_small_units_stay_whole() -> None:
    pieces = translate(conv_net()).pieces
    assert in_parts(pieces, 8) == (whole(pieces),)


def test_no_warnings_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, oracle: Ledger
) -> None:
    cc = oracle("cc")
    monkeypatch.setattr("neurodeploy.engine.parts.PART_LINES", 10)
    found = find_compiler()
    assert found is not None
    for seed in range(3100, 3100 + sample_count(20, 2)):
        case = random_graph(np.random.default_rng(seed))
        for number, text in enumerate(in_parts(translate(case.graph).pieces, 3)):
            (tmp_path / f"p{number}.c").write_text(text)
            flags = ["-O1", "-std=c11", "-Wall", "-Wextra", "-Werror", "-DND_NODE=ND_APART"]
            done = subprocess.run(
                [*found.command, *flags, "-c", "-o", "p.o", f"p{number}.c"],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
        cc.record(spiking=False)
