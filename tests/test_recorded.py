"""Recordings compared: one with another, and with what may have made them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import neurodeploy as nd
from neurodeploy.errors import DataError, UsageError
from neurodeploy.ir import Graph, GraphBuilder
from neurodeploy.recording import Recording

N, T = 70, 9  # more samples than a batch of the comparison


def network(scale: float = 1.0, beta: float = 0.9) -> Graph:
    """Two layers that spike."""
    random = np.random.default_rng(1)
    b = GraphBuilder()
    first = b.dense("fc1", b.input("x", (5,)), scale * random.normal(size=(8, 5)))
    hidden = b.cell("hidden", "lif", first, params={"beta": beta})
    last = b.dense("fc2", hidden, random.normal(size=(3, 8)))
    return b.output("y", b.cell("last", "lif", last, params={"beta": 0.8})).build()


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N, T, 5)).astype(np.float32)


@pytest.fixture(scope="module")
def whole(x: np.ndarray) -> Recording:
    recording = nd.run(network(), x, record="states")
    assert all(recording.counts[n].any() for n in ("hidden", "last"))
    return recording


def flipped(recording: Recording, sample: int, step: int, index: int) -> Recording:
    """Take one spike of the hidden layer away, or put one in."""
    spikes = recording.spikes["hidden"].copy()
    spikes[sample, step, index] ^= True
    states = {n: dict(s) for n, s in recording.states.items()}
    states["hidden"]["out"] = spikes
    return replace(
        recording, events={**recording.events, "hidden": np.argwhere(spikes)}, states=states
    )


def test_two_recordings(x: np.ndarray, whole: Recording, tmp_path: Path) -> None:
    whole.save(tmp_path / "a.npz")
    art = nd.compile(network(), "cpu", out=tmp_path / "net")
    art.run(x, record="states").save(tmp_path / "b.npz")
    found = nd.compare(tmp_path / "a.npz", tmp_path / "b.npz")
    assert (found.verdict, found.samples, found.timesteps) == ("exact", N, T)
    assert found.predictions == 1.0
    values = {n.name: n.compared for n in found.nodes}
    assert values["hidden"] == 2 * N * T * 8  # spikes and membrane
    assert values["output"] == N * T * 3


@pytest.mark.parametrize("where", [(0, 0, 0), (66, 5, 7), (69, 8, 3)])
def test_one_spike_is_found(whole: Recording, where: tuple[int, int, int]) -> None:
    found = nd.compare(whole, flipped(whole, *where))
    assert found.verdict == "differs"
    first = found.first
    assert first is not None
    assert first.name == "hidden"
    assert (first.mismatches, first.state_mismatches) == (1, 0)
    assert first.first is not None
    assert (first.first.sample, first.first.step, first.first.index) == where


def test_a_state_that_differs(whole: Recording) -> None:
    states = {n: dict(s) for n, s in whole.states.items()}
    states["last"]["v"] = states["last"]["v"] + np.float32(1e-6)
    found = nd.compare(whole, replace(whole, states=states))
    assert found.verdict == "differs"
    assert [n.name for n in found.nodes if n.state_mismatches] == ["last"]
    assert not any(n.mismatches for n in found.nodes)


def test_numbers_of_spikes_where_no_more_was_recorded(x: np.ndarray) -> None:
    plain = nd.run(network(), x)
    assert nd.compare(plain, plain).verdict == "exact"
    counts = {**plain.counts, "hidden": plain.counts["hidden"] + (np.arange(N) == 3)}
    found = nd.compare(plain, replace(plain, counts=counts))
    assert found.verdict == "differs"
    assert {n.name: n.mismatches for n in found.nodes} == {"output": 0, "hidden": 1, "last": 0}


def test_beside_what_was_run(x: np.ndarray, whole: Recording, tmp_path: Path) -> None:
    whole.save(tmp_path / "a.npz")
    art = nd.compile(network(), "cpu", out=tmp_path / "net")
    for pair in ((whole, network()), (art, tmp_path / "a.npz")):
        found = nd.compare(*pair, x)
        assert found.verdict == "exact"
        assert {"hidden", "last", "y"} == {n.name for n in found.nodes}
    found = nd.compare(network(), flipped(whole, 66, 5, 7), x)
    assert found.verdict == "differs"
    assert found.first is not None
    assert found.first.first is not None
    assert found.first.first.sample == 66
    assert found.first.first.margin is not None


def test_rounding_is_judged_beside_a_graph(x: np.ndarray, whole: Recording) -> None:
    states = {n: dict(s) for n, s in whole.states.items()}
    states["hidden"]["v"] = np.nextafter(states["hidden"]["v"], np.float32(9))
    moved = replace(whole, states=states)
    assert nd.compare(network(), moved, x).verdict == "near"
    assert nd.compare(whole, moved).verdict == "differs"  # nothing tells how far rounding reaches


def test_what_does_not_belong_together_is_refused(x: np.ndarray, whole: Recording) -> None:
    with pytest.raises(DataError, match="of 70 and of 10 samples"):
        nd.compare(whole, nd.run(network(), x[:10]))
    with pytest.raises(DataError, match="over 9 and 4 steps"):
        nd.compare(whole, nd.run(network(), x[:, :4]))
    with pytest.raises(DataError, match="70 samples of 9 steps, and sample 63 at 18 steps"):
        nd.compare(network(), whole, np.concatenate([x, x], axis=1))
    with pytest.raises(UsageError, match="needs samples"):
        nd.compare(network(), whole)
    with pytest.raises(UsageError, match="has seed 0, the comparison 5"):
        nd.compare(network(), whole, x, seed=5)
    b = GraphBuilder()
    other = b.output("z", b.cell("hidden", "lif", b.input("x", (5,)), params={"beta": 0.9}))
    with pytest.raises(DataError) as caught:
        nd.compare(other.build(), whole, x)
    text = str(caught.value)
    assert "hidden: the recording holds [8], the graph has [5]" in text
    assert "last: the recording holds 'out' of a node that the graph has not" in text


def test_nodes_of_one_side_alone(x: np.ndarray, whole: Recording) -> None:
    states = {n: s for n, s in whole.states.items() if n != "last"}
    less = {k: v for k, v in whole.counts.items() if k != "last"}
    events = {k: v for k, v in whole.events.items() if k != "last"}
    found = nd.compare(whole, replace(whole, states=states, counts=less, events=events))
    assert found.verdict == "differs"
    assert found.unmatched == ("last",)
