"""Verdicts of compare: exact, near, differs; roots and margins."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

import neurodeploy as nd
from neurodeploy.comparison import compare
from neurodeploy.errors import UsageError
from neurodeploy.ir import BOOL, Graph, GraphBuilder

F = np.float32
RNG = np.random.default_rng(0)
WEIGHT = RNG.normal(size=(30, 200)).astype(F)
READ = RNG.normal(size=(4, 30)).astype(F)
X = RNG.random((5, 40, 200)) < 0.1


def network(
    order: npt.NDArray[np.int64] | None = None,
    threshold: float = 1.0,
    *,
    strict: bool = True,
    weight: npt.NDArray[F] = WEIGHT,
) -> Graph:
    """A two-layer net; ``order`` permutes the inputs, so that its sums are added differently."""
    b = GraphBuilder("1ms")
    x = b.input("x", (200,), type=BOOL)
    if order is None:
        current = b.dense("fc1", x, weight)
    else:
        current = b.dense("fc1", b.gather("shuffle", x, order), weight[:, order])
    options = {"strict": strict}
    params = {"beta": 0.97, "threshold": threshold}
    hidden = b.cell("lif1", "lif", current, params=params, options=options)
    out = b.cell("lif2", "lif", b.dense("fc2", hidden, READ), params={"beta": 0.9})
    return b.output("out", out).build()


def test_a_graph_equals_itself_exactly() -> None:
    found = nd.compare(network(), network(), X)
    assert found.verdict == "exact"
    assert found.equal
    assert found.first is None
    assert found.predictions == 1.0
    spikes = {n.name: n.count_a for n in found.nodes}
    assert spikes["lif1"] > 1000
    assert spikes["lif2"] > 100


def test_another_order_of_sums_is_near_and_not_exact() -> None:
    order = np.random.default_rng(1).permutation(200)
    found = compare(network(), network(order), X)
    assert found.verdict == "near"
    assert sum(n.state_mismatches for n in found.nodes) > 100


def test_a_slightly_different_threshold_differs_and_names_the_first_node() -> None:
    assert compare(network(), network(threshold=1.001), X).verdict == "differs"
    found = compare(network(), network(threshold=1.3), X)
    assert found.verdict == "differs"
    assert found.first is not None
    assert found.first.name == "lif1"
    assert found.first.first is not None
    assert found.first.first.margin is not None
    document = found.to_json()
    assert document["equal"] is False


def test_a_slightly_different_weight_differs() -> None:
    weight = WEIGHT.copy()
    weight[3, 7] += F(1e-3)
    found = compare(network(), network(weight=weight), X)
    assert found.verdict == "differs"
    assert found.first is not None
    assert found.first.name == "fc1"


def test_strictness_on_exact_sums_differs_although_the_margin_is_zero() -> None:
    """With sums that are exact nothing is explained by rounding, not even a margin of 0."""
    weight = np.round(WEIGHT * 4) / 4
    kept = {"beta": 1.0, "threshold": 1.0}

    def made(strict: bool) -> Graph:
        b = GraphBuilder()
        current = b.dense("fc", b.input("x", (200,), type=BOOL), weight)
        cell = b.cell("lif", "lif", current, params=kept, options={"strict": strict})
        return b.output("out", cell).build()

    found = compare(made(strict=True), made(strict=False), X)
    assert found.verdict == "differs"


def test_a_node_without_a_partner_differs() -> None:
    b = GraphBuilder()
    x = b.input("x", (200,), type=BOOL)
    other = b.output("out", b.cell("other", "lif", b.dense("fc", x, WEIGHT))).build()
    found = compare(network(), other, X)
    assert found.verdict == "differs"
    assert found.unmatched == ("lif1", "lif2", "out")  # the outputs are of different shapes


@pytest.mark.parametrize(
    ("expected", "met"),
    [("near", True), ("exact", False), ("predictions>=0.5", True), ("predictions>=1", True)],
)
def test_expectations(expected: str, met: bool) -> None:
    order = np.random.default_rng(1).permutation(200)
    assert compare(network(), network(order), X).meets(expected) is met


@pytest.mark.parametrize("expected", ["equal", "predictions", "predictions>=2", "spikes>=0.5"])
def test_an_expectation_that_is_none_is_refused(expected: str) -> None:
    found = compare(network(), network(), X[:1], timesteps=2)
    with pytest.raises(UsageError, match="expectation"):
        found.meets(expected)
