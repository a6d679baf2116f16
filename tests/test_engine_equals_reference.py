"""Random graphs: the compiled program gives what the reference gives, bit for bit.

Every output and every state at every step; float32, float64 and integer graphs; batches of 1 and
7; one thread and two; inputs at which sums are subnormal, reach infinity and give NaN. Seeds are
fixed, so a failure repeats; its seed is in the message.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest

from engine_runs import assert_equal_traces, assert_same
from neurodeploy.engine import build
from neurodeploy.reference import all_outputs, simulate
from neurodeploy.testing.random_graphs import RandomCase, random_graph, spiking_share
from oracles import Ledger
from tiers import sample_count

COUNT = sample_count(400, 40)
CHUNK = 10


def _check(case: RandomCase, seed: int) -> tuple[bool, bool]:
    """Compare one case; say whether it was accepted, and whether every population spiked.

    What a graph may hold the engine has to compile: an error of it is a failure, no refusal.
    """
    graph, keys = case.graph, all_outputs(case.graph)
    expected = simulate(graph, case.inputs, case.timesteps, record=keys, seed=seed)
    if not all(np.isfinite(v).all() for v in expected.values()):
        return False, False
    engine = build(graph)
    for threads in (1, 2):
        what = f"graph {seed}, {case.numbers}, {threads} threads"
        whole = engine.run(case.inputs, case.timesteps, record=keys, seed=seed, threads=threads)
        assert_equal_traces(expected, whole, f"{what}, batch of 7")
        first = case.first(1).inputs
        alone = engine.run(first, case.timesteps, record=keys, seed=seed, threads=threads)
        assert_equal_traces({k: v[:1] for k, v in expected.items()}, alone, f"{what}, batch of 1")
    # the run is shorter than its inputs, and its samples have later numbers
    extreme = case.extreme(np.random.default_rng([seed, 1]))
    assert_same(
        graph, engine, extreme.inputs, case.timesteps - 1, threads=2, seed=seed, first_sample=seed,
        what=f"graph {seed}, {case.numbers}, extreme inputs",
    )  # fmt: skip
    return True, spiking_share(expected, graph) == 1


_TOTALS = {"drawn": 0, "accepted": 0, "spiking": 0}


@pytest.mark.parametrize("start", range(0, COUNT, CHUNK))
def test_engine_equals_reference(start: int, oracle: Ledger) -> None:
    compiler = oracle("cc")
    for seed in range(start, min(COUNT, start + CHUNK)):
        accepted, spiking = _check(random_graph(np.random.default_rng(seed)), seed)
        _TOTALS["drawn"] += 1
        _TOTALS["accepted"] += accepted
        _TOTALS["spiking"] += spiking
        if accepted:
            compiler.record(spiking=spiking)


def test_shares(oracle: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    """At least 90 % of the graphs compared above are accepted, at least 70 % spike everywhere."""
    oracle("cc")
    drawn = _TOTALS["drawn"]
    if not drawn:
        pytest.skip("no graph was compared in this run")
    shares = {name: count / drawn for name, count in _TOTALS.items()}
    with capsys.disabled():
        sys.stdout.write(
            f"\nengine and reference: {shares['accepted']:.0%} of {drawn} graphs accepted, "
            f"{shares['spiking']:.0%} spike in every population\n"
        )
    assert shares["accepted"] >= 0.9
    assert shares["spiking"] >= 0.7
