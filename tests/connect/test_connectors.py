"""Random synapses: their law, their types, the same ones again, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import neurodeploy as nd
from neurodeploy import connect
from neurodeploy.connect import values
from neurodeploy.connect.rows import distinct
from neurodeploy.errors import DataError, UsageError
from neurodeploy.ir.synapse_rows import SynapseRows, sources_of
from neurodeploy.reference import simulate
from oracles import Ledger

SIGNIFICANT = 1e-4  # seeds are fixed: a test that passes once passes always


def matrix(rows: SynapseRows, targets: int) -> np.ndarray:
    """Give how many synapses join each pair."""
    found = np.zeros((rows.starts.size - 1, targets), int)
    np.add.at(found, (sources_of(rows.starts), rows.target), 1)
    return found


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=6),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_sets_are_sets(counts: list[int], leave: bool, seed: int) -> None:
    left = np.arange(len(counts)) if leave else None
    wanted = np.array(counts) - (leave & (np.array(counts) == 9))
    found = distinct(np.random.default_rng(seed), wanted, 9, left)
    for row, members in enumerate(np.split(found, np.cumsum(wanted)[:-1])):
        assert len(members) == wanted[row]
        assert all(a < b for a, b in pairwise(members.tolist()))
        assert set(members.tolist()) <= set(range(9)) - ({row} if leave else set())


@pytest.mark.parametrize(("count", "size"), [(2, 6), (3, 5), (1, 4)])
def test_each_set_is_as_likely(count: int, size: int, oracle: Ledger) -> None:
    drawn = distinct(np.random.default_rng(0), np.full(20_000, count), size).reshape(-1, count)
    _, seen = np.unique(drawn, axis=0, return_counts=True)
    assert len(seen) == comb(size, count)
    assert stats.chisquare(seen).pvalue > SIGNIFICANT
    oracle("scipy").record(spiking=False)


@pytest.mark.parametrize("probability", [0.0, 0.01, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("itself", [True, False])
def test_fixed_probability(probability: float, itself: bool, oracle: Ledger) -> None:
    rows = connect.fixed_probability(90, 110, probability, weight=1.0, to_itself=itself, seed=3)
    found = matrix(rows, 110)
    assert found.max(initial=0) <= 1
    pairs = np.ones((90, 110), bool)
    if not itself:
        np.fill_diagonal(pairs, False)
    assert not found[~pairs].any()
    seen, many = int(found.sum()), int(pairs.sum())
    assert stats.binomtest(seen, many, probability).pvalue > SIGNIFICANT
    if 0 < probability < 1:  # so are the sums of rows and of columns
        for axis in (0, 1):
            size = pairs.sum(axis)
            z = (found.sum(axis) - size * probability) / np.sqrt(
                size * probability * (1 - probability)
            )
            assert stats.chi2.sf((z**2).sum(), z.size) > SIGNIFICANT
    oracle("scipy").record(spiking=False)


@pytest.mark.parametrize("itself", [True, False])
@pytest.mark.parametrize("number", [0, 3, 39])
def test_fixed_fans(number: int, itself: bool) -> None:
    out = matrix(connect.fixed_fan_out(30, 40, number, weight=1.0, to_itself=itself, seed=1), 40)
    into = matrix(connect.fixed_fan_in(40, 30, number, weight=1.0, to_itself=itself, seed=1), 30)
    assert (out.sum(1) == number).all()
    assert (into.sum(0) == number).all()
    assert out.max(initial=0) <= 1
    assert into.max(initial=0) <= 1
    if not itself:
        assert not np.diagonal(out).any()
        assert not np.diagonal(into).any()


@pytest.mark.parametrize("wrapped", [True, False])
def test_by_distance(wrapped: bool, oracle: Ledger) -> None:
    shape, radius = (9, 11), 3.5

    def law(d: np.ndarray) -> np.ndarray:
        return np.exp(-d / 2)

    place = np.indices(shape).reshape(2, -1)
    apart = np.abs(place[:, :, None] - place[:, None])
    if wrapped:
        apart = np.minimum(apart, np.array(shape)[:, None, None] - apart)
    far = np.sqrt((apart**2).sum(0))
    chance = np.where((far <= radius) & (far > 0), law(far), 0.0)
    seen = np.zeros((99, 99), int)
    runs = 200
    for seed in range(runs):
        made = connect.by_distance(shape, law, radius, weight=1.0, wrapped=wrapped, seed=seed)
        seen += matrix(made, 99)
    assert not seen[chance == 0].any()
    live = chance > 0
    z = (seen - runs * chance)[live] / np.sqrt(runs * chance * (1 - chance))[live]
    assert stats.chi2.sf((z**2).sum(), z.size) > SIGNIFICANT
    oracle("scipy").record(spiking=False)


def test_values_and_their_types() -> None:
    rows = connect.fixed_fan_out(
        200, 300, 50, weight=connect.normal(1, 0.5, 0), delay=connect.whole(2, 9), seed=5
    )
    assert (rows.weight.dtype, rows.target.dtype) == (np.float32, np.uint16)
    assert (rows.delay.dtype, rows.starts.dtype) == (np.uint8, np.uint16)
    assert not any(a.flags.writeable for a in (rows.weight, rows.target, rows.delay, rows.starts))
    assert rows.weight.min() == 0
    assert abs(rows.weight.mean() - 1.004) < 0.02
    assert sorted(set(rows.delay.tolist())) == list(range(2, 10))
    flat = connect.fixed_fan_out(200, 300, 50, weight=connect.uniform(-1, 1), seed=5)
    assert np.array_equal(flat.target, rows.target)
    assert abs(float(flat.weight.mean())) < 0.03
    assert flat.delay is None


MAKERS: dict[str, Callable[..., SynapseRows]] = {
    "probability": partial(connect.fixed_probability, 50, 60, 0.2),
    "out": partial(connect.fixed_fan_out, 50, 60, 7),
    "in": partial(connect.fixed_fan_in, 50, 60, 7),
    "distance": partial(connect.by_distance, (8, 8), lambda d: 0.5 / d, 2.0),
}


@pytest.mark.parametrize("name", MAKERS)
def test_the_same_ones_again(name: str) -> None:
    make = partial(MAKERS[name], weight=connect.normal(0, 1), delay=connect.whole(1, 5))
    first, again, other = make(seed=1), make(seed=1), make(seed=2)
    for field in ("weight", "starts", "target", "delay"):
        assert np.array_equal(getattr(first, field), getattr(again, field)), field
    assert not np.array_equal(first.target, other.target)
    assert not np.array_equal(first.weight, other.weight)


def test_blocks_are_drawn_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one block: every connector keeps its law across the border."""
    for module in ("rows", "fan_in", "distance", "values"):
        monkeypatch.setattr(f"neurodeploy.connect.{module}.BLOCK", 64)
    rows = {name: make(weight=connect.uniform(0, 1), seed=1) for name, make in MAKERS.items()}
    assert (matrix(rows["out"], 60).sum(1) == 7).all()
    assert (matrix(rows["in"], 60).sum(0) == 7).all()
    for made in rows.values():
        assert np.unique(made.weight).size > 0.99 * made.weight.size  # no block is repeated
        assert made.weight.size > 3 * 64
    assert len(values.blocks(130, 64)) == 3


def test_in_a_graph(oracle: Ledger) -> None:
    """Rows in a graph compute what their matrix computes."""
    rows = connect.fixed_probability(12, 9, 0.4, weight=connect.normal(0, 1), seed=2)
    b = nd.GraphBuilder()
    x = b.input("x", (12,))
    graph = b.output("y", b.synapse_rows("s", x, (9,), rows)).build()
    dense = np.zeros((12, 9))
    dense[sources_of(rows.starts), rows.target] = rows.weight
    given = np.random.default_rng(0).normal(size=(3, 1, 12)).astype(np.float32)
    found = simulate(graph, {"x": given}, 1, record=[("y", "out")])[("y", "out")]
    np.testing.assert_allclose(found, given @ dense, rtol=1e-5, atol=1e-6)
    assert nd.run(graph, given, on="engine").outputs.tobytes() == found.tobytes()
    # the graph holds the arrays themselves
    assert graph.tensors["s.target"].data is rows.target
    assert graph.tensors["s.weight"].data is rows.weight
    oracle("numpy").record(spiking=False)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (partial(connect.fixed_probability, 0, 3, 0.5, weight=1), "sources: 0"),
        (partial(connect.fixed_probability, 3, 2.5, 0.5, weight=1), "targets: 2.5"),
        (partial(connect.fixed_probability, 3, 3, 1.5, weight=1), "probability: 1.5"),
        (partial(connect.fixed_probability, 3, 3, float("nan"), weight=1), "probability: nan"),
        (partial(connect.fixed_fan_out, 3, 3, 4, weight=1), "fan_out: 4 of 3 targets"),
        (partial(connect.fixed_fan_out, 3, 3, 3, weight=1, to_itself=False), "3 of 2 targets"),
        (partial(connect.fixed_fan_in, 3, 3, -1, weight=1), "fan_in: -1 of 3 sources"),
        (partial(connect.fixed_fan_in, 3, 3, 1, weight=1, seed=-1), "seed: -1"),
        (partial(connect.fixed_fan_in, 3, 3, 1, weight=1, delay=1.5), "delays from 1.5 to 1.5"),
        (partial(connect.fixed_fan_in, 3, 3, 1, weight=1, delay=-1), "delays from -1 to -1"),
        (partial(connect.fixed_fan_in, 3, 3, 1, weight=1, delay=1 << 20), "delays from 1048576"),
        (
            partial(connect.fixed_fan_in, 3, 3, 1, weight=lambda r, n: r.random(2)),
            r"3 values were asked for, \(2,\) were drawn",
        ),
        (partial(connect.by_distance, (3, 3), lambda d: d, -1.0, weight=1), "radius: -1.0"),
        (partial(connect.by_distance, (3, 3), lambda d: d, float("nan"), weight=1), "radius: nan"),
        (partial(connect.by_distance, (3, 0), lambda d: d, 1.0, weight=1), "sources: 0"),
        (partial(connect.uniform, 2, 1), "range: 2 to 1"),
        (partial(connect.uniform, 2, float("nan")), "range: 2 to nan"),
        (partial(connect.whole, 0.5, 1), "whole: 0.5 to 1"),
        (partial(connect.normal, 0, -1), "deviation -1"),
        (partial(connect.by_distance, (3, 3), lambda d: d, 3.0, weight=1), "no probabilities"),
        (
            partial(connect.by_distance, (9, 4), lambda d: 0 * d, 2.0, weight=1, wrapped=True),
            "radius: 2.0.*below half of each axis",
        ),
    ],
)
def test_refused(make: Callable[[], SynapseRows], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        make()


def test_more_synapses_than_memory() -> None:
    with pytest.raises(DataError, match="1000000000000 synapses"):
        connect.fixed_fan_out(10**6, 10**6, 10**6, weight=1)
    with pytest.raises(DataError, match="1000000000000 synapses"):
        connect.fixed_fan_in(10**6, 10**6, 10**6, weight=1)
