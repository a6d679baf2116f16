"""Loihi's cells against lava-nc's fixed-point models: every state, every step, random networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine_runs import assert_same
from lava_runs import differences, run_in_lava
from loihi_graphs import graph_of, inputs_of
from loihi_nets import FAMILIES, random_network
from neurodeploy.engine import build
from neurodeploy.reference import simulate
from oracles import Ledger
from tiers import sample_count

NETWORKS = sample_count(500, 20)
BATCH = 20
SHARE = 0.7  # of the networks, in which every population sends something


@pytest.mark.parametrize("first", range(0, NETWORKS, BATCH))
def test_random_networks(first: int, oracle: Ledger, tmp_path: Path) -> None:
    lava = oracle("lava")
    networks = [random_network(np.random.default_rng(5000 + first + n)) for n in range(BATCH)]
    results = run_in_lava(lava.interpreter, networks, tmp_path)
    spiking = 0
    for number, (network, theirs) in enumerate(zip(networks, results, strict=True)):
        graph = graph_of(network)
        # the engine gives what the reference gives, bit by bit
        ours = assert_same(graph, build(graph), inputs_of(network), network.steps)
        said = differences(network, graph, ours, theirs)
        assert not said, f"network {5000 + first + number}, {network.family}: {said}"
        populations = range(len(network.made["populations"]))
        spiking += all(bool(theirs[f"{i}/s"].any()) for i in populations)
    lava.record(BATCH, spiking=spiking)


def test_most_networks_spike() -> None:
    """The same networks: silent ones agree on everything."""
    spiking = 0
    for number in range(NETWORKS):
        network = random_network(np.random.default_rng(5000 + number))
        graph = graph_of(network)
        keys = [(f"p{i}", "out") for i in range(len(network.made["populations"]))]
        trace = simulate(graph, inputs_of(network), network.steps, record=keys)
        spiking += all(bool(trace[key].any()) for key in keys)
    assert spiking >= SHARE * NETWORKS


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family(family: str, oracle: Ledger, tmp_path: Path) -> None:
    lava = oracle("lava")
    networks = [random_network(np.random.default_rng(n), family) for n in range(2)]
    results = run_in_lava(lava.interpreter, networks, tmp_path)
    for network, theirs in zip(networks, results, strict=True):
        graph = graph_of(network)
        ours = assert_same(graph, build(graph), inputs_of(network), network.steps)
        assert not differences(network, graph, ours, theirs)
        lava.record(spiking=any(bool(v.any()) for k, v in theirs.items() if k.endswith("/s")))


def test_currents_reach_both_ends_of_their_range(oracle: Ledger, tmp_path: Path) -> None:
    """The upper end stays, the lower end comes in at the upper one: no two's complement."""
    lava = oracle("lava")
    network = random_network(np.random.default_rng(0), "extreme")
    (theirs,) = run_in_lava(lava.interpreter, [network], tmp_path)
    # the first input acts in the second step; neurons 0 and 1 get 2**23 and -2**23
    assert theirs["0/u"][1, :2].tolist() == [2**23, 2**23]
    lava.record(spiking=bool(theirs["0/s"].any()))
