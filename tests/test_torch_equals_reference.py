"""Random graphs in torch: exact where every sum is exact, near otherwise (the rule of compare)."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from neurodeploy.comparison import Side, compare
from neurodeploy.errors import InternalError
from neurodeploy.ir import Graph
from neurodeploy.testing.random_graphs import RandomProfile, random_graph
from oracles import Ledger
from tiers import sample_count

Array = npt.NDArray[Any]
Key = tuple[str, str]
COUNT = sample_count(300, 24)
CHUNK = 12


def torch_side(graph: Graph) -> Side:
    """Run a graph by `to_torch`: torch's own kernels for Maps, so its sums have another order."""
    import torch

    from neurodeploy.training import to_torch

    module = to_torch(graph)

    def run(
        inputs: Mapping[str, Array],
        timesteps: int,
        *,
        record: Collection[Key],
        seed: int = 0,
        first_sample: int = 0,
    ) -> dict[Key, Array]:
        given = {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in inputs.items()}
        with torch.no_grad():
            _, trace = module(
                given, timesteps, record=list(record), seed=seed, first_sample=first_sample
            )
        return {k: v.numpy() for k, v in trace.items()}

    return Side(graph, run)


VERDICTS: dict[str, int] = {}


@pytest.mark.parametrize("start", range(0, COUNT, CHUNK))
@pytest.mark.parametrize("grid", ["binary", "none"])
def test_torch_agrees(start: int, grid: Any, oracle: Ledger) -> None:
    torch = oracle("torch")
    for seed in range(start, min(COUNT, start + CHUNK)):
        case = random_graph(np.random.default_rng(seed), RandomProfile(grid=grid))
        found = compare(case.graph, torch_side(case.graph), case.inputs, timesteps=case.timesteps)
        allowed = ("exact",) if grid == "binary" else ("exact", "near")
        assert found.verdict in allowed, f"graph {seed}, grid {grid}: {found}\n{case.graph}"
        spiking = any(n.count_a for n in found.nodes)
        torch.record(spiking=spiking)
        VERDICTS[f"{grid}/{found.verdict}"] = VERDICTS.get(f"{grid}/{found.verdict}", 0) + 1


def test_share() -> None:
    if not VERDICTS:
        raise InternalError("nothing was compared")
    sys.stdout.write(f"\ntorch and reference: {VERDICTS}\n")
