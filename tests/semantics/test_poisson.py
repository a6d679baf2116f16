"""The random source: its law against scipy, and the same spikes in C."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import neurodeploy as nd
from neurodeploy.engine import build
from neurodeploy.reference import simulate
from oracles import Ledger

CHANCES = (0.0, 2.0**-24, 0.003, 0.1, 0.5, 0.97, 1.0)


def network() -> nd.Graph:
    b = nd.GraphBuilder("1ms")
    gain = np.repeat(np.float32(CHANCES), 20)
    x = b.input("x", (1,))
    return b.output("y", b.cell("p", "poisson", x, shape=gain.shape, params={"gain": gain})).build()


def test_the_law_of_its_spikes(oracle: Ledger) -> None:
    steps, samples = 200, 3
    found = build(network()).run({"x": np.ones((samples, 1))}, steps, record=[("y", "out")], seed=4)
    spikes = found[("y", "out")].reshape(samples * steps, len(CHANCES), -1)
    for number, chance in enumerate(CHANCES):
        own = spikes[:, number]
        assert stats.binomtest(int(own.sum()), own.size, chance).pvalue > 1e-4
        if 0.01 < chance < 1:  # no neuron and no step stands out, and none foretells the next
            for axis in (0, 1):
                n = own.shape[axis]
                z = (own.sum(axis) - n * chance) / np.sqrt(n * chance * (1 - chance))
                assert stats.chi2.sf((z**2).sum(), z.size) > 1e-4
            both = int((own[1:] & own[:-1]).sum())
            assert stats.binomtest(both, own[1:].size, chance**2).pvalue > 1e-4
    oracle("scipy").record(spiking=True)


@pytest.mark.parametrize("drive", [0.5, 3.0, -1.0])
def test_engine_and_reference_draw_the_same(drive: float, oracle: Ledger) -> None:
    graph = network()
    x = np.full((4, 1), drive, np.float32)
    for seed in (0, 2**40 + 1):
        wanted = simulate(graph, {"x": x}, 30, record=[("y", "out")], seed=seed)[("y", "out")]
        for threads in (1, 2):
            found = build(graph).run(
                {"x": x}, 30, record=[("y", "out")], seed=seed, threads=threads
            )
            assert found[("y", "out")].tobytes() == wanted.tobytes()
        assert wanted.any() == (drive > 0)
    oracle("cc").record(spiking=drive > 0)
