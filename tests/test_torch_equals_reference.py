"""Random graphs in torch: exact where every sum is exact, near otherwise (the rule of compare)."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from neurodeploy.comparison import compare
from neurodeploy.errors import InternalError
from neurodeploy.testing.random_graphs import RandomProfile, random_graph
from oracles import Ledger
from tiers import sample_count

COUNT = sample_count(300, 24)
CHUNK = 12


VERDICTS: dict[str, int] = {}


@pytest.mark.parametrize("start", range(0, COUNT, CHUNK))
@pytest.mark.parametrize("grid", ["binary", "none"])
def test_torch_agrees(start: int, grid: Any, oracle: Ledger) -> None:
    torch = oracle("torch")
    from neurodeploy.training import to_torch
    from neurodeploy.training.side import module_side

    for seed in range(start, min(COUNT, start + CHUNK)):
        case = random_graph(np.random.default_rng(seed), RandomProfile(grid=grid))
        found = compare(
            case.graph, module_side(to_torch(case.graph)), case.inputs, timesteps=case.timesteps
        )
        allowed = ("exact",) if grid == "binary" else ("exact", "near")
        assert found.verdict in allowed, f"graph {seed}, grid {grid}: {found}\n{case.graph}"
        spiking = any(n.count_a for n in found.nodes)
        torch.record(spiking=spiking)
        VERDICTS[f"{grid}/{found.verdict}"] = VERDICTS.get(f"{grid}/{found.verdict}", 0) + 1


def test_share() -> None:
    if not VERDICTS:
        raise InternalError("nothing was compared")
    sys.stdout.write(f"\ntorch and reference: {VERDICTS}\n")
