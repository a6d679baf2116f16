"""Verdicts of compare: exact, near, differs; roots and margins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import neurodeploy as nd
from neurodeploy.comparison import Side, compare
from neurodeploy.errors import UsageError
from neurodeploy.execute import reference_runner
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


# -- what rounding does not explain ---------------------------------------------------------------


@nd.cell("test_graded_relu", params={"threshold": 1.0})
def graded_relu(p: Any, s: Any, x: Any) -> Any:
    """Sends what exceeds a threshold as the payload of a spike."""
    return nd.where(nd.fire(x, p.threshold, strict=True), x, 0)


def test_a_last_bit_of_a_payload_does_not_excuse_the_layers_behind_it() -> None:
    behind = RNG.normal(size=(30, 30)).astype(F)

    order = np.random.default_rng(1).permutation(200)

    def graded(weight: npt.NDArray[F], *, shuffled: bool) -> Graph:
        b = GraphBuilder()
        x, first = b.input("x", (200,), type=BOOL), WEIGHT
        if shuffled:
            x, first = b.gather("shuffle", x, order), WEIGHT[:, order]
        sent = b.cell("sent", "test_graded_relu", b.dense("fc1", x, first))
        return b.output("out", b.cell("lif", "lif", b.dense("fc2", sent, weight))).build()

    near = compare(graded(behind, shuffled=False), graded(behind, shuffled=True), X)
    assert near.verdict == "near"
    assert {n.name: n.mismatches > 0 for n in near.nodes}["sent"]
    found = compare(graded(behind, shuffled=False), graded(2 * behind, shuffled=True), X)
    assert found.verdict == "differs"
    assert {n.name for n in found.nodes if n.worst > 1} >= {"fc2"}


def test_a_cancelled_sum_does_not_excuse_what_is_added_to_it() -> None:
    """Its relative error is 0.5; the membranes are those of the bias."""

    def biased(threshold: float) -> Graph:
        b = GraphBuilder()
        x = b.input("x", (3,), type=BOOL)
        nothing = b.dense("nothing", x, np.array([[1, 6.1e-8, -1]], F))
        current = b.dense("bias", nothing, np.ones((1, 1), F), np.array([0.37], F))
        cell = b.cell("lif", "lif", current, params={"beta": 0.9, "threshold": threshold})
        return b.output("out", cell).build()

    found = compare(biased(1.0), biased(1.5), np.ones((1, 20, 3), bool))
    assert found.verdict == "differs"


# -- time -----------------------------------------------------------------------------------------


def retimed(graph: Graph) -> Graph:
    """One step for each hop between populations, as a chip takes it."""
    late = {"lif1": 1, "lif2": 2}
    hops = {e.key for e in graph.edges if e.source in ("x", "lif1")}
    edges = tuple(replace(e, delay=e.delay + (e.key in hops)) for e in graph.edges)
    nodes = tuple(replace(n, start=late[n.name]) if n.name in late else n for n in graph.nodes)
    return replace(graph, edges=edges, nodes=nodes)


@pytest.mark.parametrize("wrong", [False, True])
def test_hidden_nodes_of_a_retimed_graph_are_matched_in_time(wrong: bool) -> None:
    order = np.random.default_rng(1).permutation(200)
    plain = Side(network(), reference_runner(network()))
    for graph, verdict in ((network(), "exact"), (network(order), "near")):
        late = retimed(network(threshold=1.3) if wrong else graph)
        other = Side(late, reference_runner(late), latency=2)
        for found in (compare(plain, other, X), compare(other, plain, X)):
            assert found.verdict == ("differs" if wrong else verdict), str(found)
            assert not wrong or (found.first is not None and found.first.name == "lif1")
            assert {n.name for n in found.nodes} == {"fc1", "lif1", "fc2", "lif2", "out"}


def test_an_output_that_leaves_late_does_not_shift_the_hidden_nodes() -> None:
    graph = network()
    edges = tuple(replace(e, delay=1) if e.target == "out" else e for e in graph.edges)
    late = replace(graph, edges=edges)
    found = compare(graph, Side(late, reference_runner(late), latency=1), X)
    assert found.verdict == "exact"


# -- what is reported -----------------------------------------------------------------------------


def cell(beta: float, threshold: float, size: int = 2) -> Graph:
    b = GraphBuilder()
    params = {"beta": beta, "threshold": threshold}
    return b.output("out", b.cell("lif", "lif", b.input("x", (size,)), params=params)).build()


@pytest.mark.parametrize("last", [6, 66])  # in the batch of the other sample, and in the next one
def test_the_first_difference_is_the_earliest_whatever_the_batches(last: int) -> None:
    x = np.zeros((last + 1, 40, 2), F)
    x[0, 30, 0], x[last, 2, 1] = 1.1, 1.15
    found = compare(cell(0.9, 1.0), cell(0.9, 1.2), x)
    assert found.first is not None
    first = found.first.first
    assert first is not None
    assert (first.sample, first.step, first.index) == (last, 2, 1)
    assert first.margin == pytest.approx(0.15)


def test_the_first_difference_may_be_one_of_a_state() -> None:
    x = np.zeros((1, 40, 2), F)
    x[0, 2, 0], x[0, 30, 0] = 0.5, 1.1
    found = compare(cell(0.9, 1.0), cell(0.8, 1.3), x).first
    assert found is not None
    assert found.first is not None
    assert found.first.step == 3
    assert found.first.a == pytest.approx(0.45)


def test_predictions_of_what_classifies_nothing_are_none() -> None:
    one = compare(cell(0.9, 1.0, 1), cell(0.9, 9.0, 1), np.ones((3, 5, 1)))
    assert one.predictions is None  # an only element is the largest, whatever it is
    assert not one.meets("predictions>=0")
    b = GraphBuilder()
    other = b.output("out", b.dense("fc", b.input("x", (200,), type=BOOL), WEIGHT)).build()
    assert compare(network(), other, X).predictions is None


def test_a_source_that_two_nodes_share_matches_none_of_them() -> None:
    def made(*names: str) -> Graph:
        b = GraphBuilder()
        x = b.input("x", (3,))
        for name in names:
            x = b.dense(name, x, np.eye(3, dtype=F), source=["shared"])
        return b.output("out", x).build()

    def compared(*names: str) -> set[str]:
        found = compare(made("fc", "fc_1"), made(*names), np.ones((1, 2, 3)))
        return {n.name for n in found.nodes}

    assert compared("other") == {"out"}
    assert compared("fc") == {"fc", "out"}
