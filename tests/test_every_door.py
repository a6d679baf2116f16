"""Random graphs go out and come back: by file, as a trainable module, and as NIR."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import neurodeploy as nd
from neurodeploy.errors import ConversionError
from neurodeploy.testing.random_graphs import random_graph
from oracles import Ledger
from tiers import sample_count

COUNT = sample_count(1000, 60)
CHUNK = 20


@pytest.mark.parametrize("start", range(0, COUNT, CHUNK))
def test_graphs_come_back_or_are_refused_by_name(
    start: int, tmp_path: Path, oracle: Ledger
) -> None:
    oracle("torch")
    oracle("nir")
    found = oracle("brute force")
    seen: Counter[str] = Counter()
    for seed in range(start, min(COUNT, start + CHUNK)):
        graph = random_graph(np.random.default_rng(seed)).graph
        before = graph.digest
        nd.save(graph, tmp_path / "a.nd")
        assert nd.load(tmp_path / "a.nd") == graph
        assert nd.load(nd.to_torch(graph)) == graph
        try:
            nd.save(graph, tmp_path / "a.nir")
        except ConversionError as error:
            # what NIR cannot say is told node by node
            nameless = [f for f in error.findings if f.node not in graph or not f.message]
            seen["nameless"] += len(nameless)
        else:
            back = nd.load(tmp_path / "a.nir")
            seen["changed"] += back != graph
        assert graph.digest == before
        found.record()
    assert not seen["nameless"]
    assert not seen["changed"]
