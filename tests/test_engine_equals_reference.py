"""Random graphs: the compiled program gives what the reference gives, bit for bit.

Every output and every state at every step; float32, float64 and integer graphs; batches of 1 and
7; one thread and two. Seeds are fixed, so a failure repeats; its seed is in the message.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest

from neurodeploy.engine import build
from neurodeploy.errors import NeurodeployError
from neurodeploy.reference import Trace, all_outputs, simulate
from neurodeploy.testing.random_graphs import RandomCase, random_graph, spiking_share
from oracles import Ledger
from tiers import sample_count

COUNT = sample_count(300, 40)
CHUNK = 10


def _bits(values: np.ndarray) -> np.ndarray:
    """Give the bit pattern, with -0 as +0."""
    if values.dtype.kind != "f":
        return values
    return (values + 0.0).view(f"u{values.dtype.itemsize}")


def _compare(expected: Trace, found: Trace, what: str) -> None:
    assert set(found) == set(expected), what
    for (node, output), a in expected.items():
        b = found[node, output]
        assert b.dtype == a.dtype, f"{what}: {node}.{output} is {b.dtype}, not {a.dtype}"
        assert b.shape == a.shape, f"{what}: {node}.{output} is {b.shape}, not {a.shape}"
        off = np.argwhere(_bits(a) != _bits(b))
        assert not off.size, (
            f"{what}: {node}.{output} differs in {len(off)} of {a.size} values, first at "
            f"(sample, step, ...) {off[0].tolist()}: {b[tuple(off[0])]!r} instead of "
            f"{a[tuple(off[0])]!r}"
        )


def _check(case: RandomCase, seed: int) -> tuple[bool, bool]:
    """Compare one case; say whether it was accepted, and whether every population spiked."""
    keys = all_outputs(case.graph)
    expected = simulate(case.graph, case.inputs, case.timesteps, record=keys, seed=seed)
    if not all(np.isfinite(v).all() for v in expected.values()):
        return False, False
    try:
        engine = build(case.graph)
    except NeurodeployError:
        return False, False
    for threads in (1, 2):
        what = f"graph {seed}, {case.numbers}, {threads} threads"
        whole = engine.run(case.inputs, case.timesteps, record=keys, seed=seed, threads=threads)
        _compare(expected, whole, f"{what}, batch of 7")
        first = case.first(1)
        alone = engine.run(first.inputs, case.timesteps, record=keys, seed=seed, threads=threads)
        _compare({k: v[:1] for k, v in expected.items()}, alone, f"{what}, batch of 1")
    return True, spiking_share(expected, case.graph) == 1


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
