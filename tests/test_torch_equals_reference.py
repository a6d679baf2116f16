"""Random graphs in torch: exact where every sum is exact, near otherwise (the rule of compare)."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import numpy as np
import pytest

from neurodeploy.comparison import compare
from neurodeploy.ir import Input
from neurodeploy.testing.random_graphs import RandomProfile, populations, random_graph
from oracles import Ledger
from tiers import sample_count

COUNT = sample_count(300, 24)
CHUNK = 12

VERDICTS: Counter[str] = Counter()
SPIKING = "spiking in every population"


@pytest.mark.parametrize("start", range(0, COUNT, CHUNK))
@pytest.mark.parametrize("grid", ["binary", "none"])
def test_torch_agrees(start: int, grid: Any, oracle: Ledger) -> None:
    torch = oracle("torch")
    from neurodeploy.training import to_torch
    from neurodeploy.training.side import module_side

    for seed in range(start, min(COUNT, start + CHUNK)):
        case = random_graph(np.random.default_rng(seed), RandomProfile(grid=grid))
        graph = case.graph
        found = compare(graph, module_side(to_torch(graph)), case.inputs, timesteps=case.timesteps)
        allowed = ("exact",) if grid == "binary" else ("exact", "near")
        assert found.verdict in allowed, f"graph {seed}, grid {grid}: {found}\n{graph}"
        # every output and every state at every step was compared
        due = {
            n.name: sum(graph.signals[n.name, out].size for out in n.outputs)
            for n in graph.nodes
            if not isinstance(n, Input)
        }
        runs = case.timesteps * found.samples
        assert {n.name: n.compared for n in found.nodes} == {k: v * runs for k, v in due.items()}
        events = {name for name, _ in populations(graph)}
        fired = [n.count_a > 0 for n in found.nodes if n.name in events]
        torch.record(spiking=any(fired))
        VERDICTS[f"{grid}/{found.verdict}"] += 1
        VERDICTS[SPIKING] += bool(fired) and all(fired)


def test_share(oracle: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    """At least 70 % of the graphs compared above spike in every population."""
    oracle("torch")
    verdicts = {name: n for name, n in sorted(VERDICTS.items()) if name != SPIKING}
    drawn = sum(verdicts.values())
    if not drawn:
        pytest.skip("no graph was compared in this run")
    share = VERDICTS[SPIKING] / drawn
    with capsys.disabled():
        sys.stdout.write(f"\ntorch and reference: {verdicts}, {share:.0%} {SPIKING}\n")
    assert share >= 0.7
