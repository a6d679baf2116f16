"""What cannot be converted is refused by name, all at once; what need not be passes unchanged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ann_graphs import random_ann
from neurodeploy.converters.ann_to_snn import ann_to_snn
from neurodeploy.data import as_samples
from neurodeploy.errors import ConversionError
from neurodeploy.ir import Graph, GraphBuilder
from neurodeploy.ir.ops import ArgMax, ReduceAxes

RNG = np.random.default_rng(8)
X = RNG.normal(size=(12, 3)).astype(np.float32)


def small() -> Graph:
    b = GraphBuilder()
    x = b.cell("act", "relu", b.dense("fc", b.input("x", (3,)), RNG.normal(size=(4, 3))))
    return b.output("out", b.dense("last", x, RNG.normal(size=(2, 4)))).build()


def refused(graph: Graph, data: Any = X, **options: Any) -> dict[str, str]:
    """Return the texts of the findings by node; the graph stays as it was."""
    digest = graph.digest
    with pytest.raises(ConversionError) as raised:
        ann_to_snn(graph, data, **options)
    assert graph.digest == digest
    texts: dict[str, str] = {}
    for f in raised.value.findings:
        texts[f.node] = f"{texts.get(f.node, '')} {f}"
    return texts


def test_all_findings_come_at_once() -> None:
    b = GraphBuilder()
    x = b.input("x", (3,))
    x = b.cell("leaky", "leaky_relu", b.dense("fc", x, RNG.normal(size=(4, 3))), source=["net.1"])
    x = b.cell("memory", "li", x)
    x = b.cell("gate", "multiply", x, x.after(2))
    x = b.product("product", "i,i->i", x, x)
    x = b.reduce("best", ArgMax(0), x)
    graph = b.output("out", x).build()
    found = refused(graph, None, timesteps=0, method="best")
    assert set(found) == {
        *("leaky", "memory", "gate", "product", "best", "", "timesteps", "method", "data"),
    }
    assert "net.1" in found["leaky"]
    assert "leaky_relu" in found["leaky"]
    assert "ReLU" in found["leaky"]
    assert "--calibrate" in found["data"]
    assert "mse" in found["method"]


def test_a_ceiling_below_zero() -> None:
    b = GraphBuilder()
    x = b.cell("act", "clipped_relu", b.input("x", (3,)), params={"upper": -1.0})
    assert set(refused(b.output("out", x).build())) == {"act"}


def test_a_maximum_along_axes() -> None:
    b = GraphBuilder()
    x = b.cell("act", "relu", b.input("x", (3, 4)))
    graph = b.output("out", b.reduce("top", ReduceAxes("max", (1,)), x)).build()
    assert set(refused(graph, np.zeros((2, 3, 4)))) == {"top"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.full((4, 3), np.nan), "nan at [0, 0]"),
        (np.array([[0, 0, 1e300]]), "1e+300 at [0, 2]"),
        (np.zeros((4, 5)), "shape [4, 5], expected [samples, 3]"),
        (np.zeros((0, 3)), "no samples"),
        (np.array([["a", "b", "c"]]), "<U1"),
        ({"y": X}, "no input 'y'"),
    ],
)
def test_damaged_calibration_data(data: Any, words: str) -> None:
    found = refused(small(), data)
    assert any(words in text for text in found.values()), found


@pytest.mark.parametrize("timesteps", [0, -3])
def test_no_time(timesteps: int) -> None:
    assert set(refused(small(), timesteps=timesteps)) == {"timesteps"}


def test_a_spiking_network_passes_and_says_so() -> None:
    snn = ann_to_snn(small(), X, timesteps=4)
    again = ann_to_snn(snn)
    assert again == snn
    assert again.changes[-1].what == "nothing: the network is already spiking"
    assert again.changes[:-1] == snn.changes


def test_none_keeps_the_network() -> None:
    graph = small()
    assert ann_to_snn(graph, method="none") is graph


def test_data_as_the_api_checks_it() -> None:
    graph = small()
    for data in (X.tolist(), {"x": X}, as_samples(graph, X)):
        assert ann_to_snn(graph, data, timesteps=4) == ann_to_snn(graph, X, timesteps=4)


def test_sources_are_carried_and_changes_are_complete() -> None:
    graph = random_ann(3)
    x = np.random.default_rng(0).normal(size=(16, *graph.inputs[0].shape)).astype(np.float32)
    named = graph.map_nodes(lambda n: replace(n, source=(f"layer.{n.name}",)))
    snn = ann_to_snn(named, x, timesteps=4)
    kept = {s for n in snn.nodes for s in n.source}
    assert kept == {s for n in named.nodes for s in n.source}
    before = {n.name: n for n in named.nodes}
    changed = {c.node for c in snn.changes}
    for node in snn.nodes:
        if before.get(node.name) != node:
            assert node.name in changed or node.name.endswith(".amplitude")
    assert all(c.amount and c.why and c.source for c in snn.changes)


def test_progress_runs_from_nothing_to_all() -> None:
    seen: list[tuple[int, int]] = []
    ann_to_snn(small(), np.repeat(X, 10, axis=0), timesteps=3, progress=lambda *a: seen.append(a))
    assert seen[-1][0] == seen[-1][1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len({total for _, total in seen}) == 1
