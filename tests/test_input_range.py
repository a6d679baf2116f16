"""Data far outside of what a network was calibrated on is refused, noise at the edge is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import neurodeploy as nd
from neurodeploy.api import conversion_report
from neurodeploy.errors import DataError
from neurodeploy.ir import Graph, GraphBuilder

X = np.random.default_rng(0).random((30, 6), np.float32)


def ann() -> Graph:
    rng = np.random.default_rng(1)
    b = GraphBuilder()
    hidden = b.cell("relu", "relu", b.dense("fc1", b.input("x", (6,)), rng.normal(size=(8, 6))))
    return b.output("out", b.dense("fc2", hidden, rng.normal(size=(3, 8)))).build()


def test_a_picture_of_bytes_is_refused_where_units_were_calibrated(tmp_path: Path) -> None:
    snn = nd.convert(ann(), data=X, timesteps=4)
    nd.save(snn, tmp_path / "net.nd")
    for graph in (snn, nd.load(str(tmp_path / "net.nd"))):
        assert nd.run(graph, X).steps.tolist() == [4] * 30
        nd.run(graph, X * 1.5)
        with pytest.raises(DataError, match=r"lies in \[0\.\d+, 25\d"):
            nd.run(graph, X * 255)
        with pytest.raises(DataError, match=r"lies in \[-"):
            nd.run(graph, X - 5)


def test_the_range_is_no_content_and_a_damaged_note_is_a_finding() -> None:
    snn = nd.convert(ann(), data=X, timesteps=4)
    assert replace(snn, metadata=()) == snn
    damaged = replace(snn, metadata=(("input_range.x", "nonsense"),))
    with pytest.raises(DataError, match="notes 'nonsense'"):
        nd.run(damaged, X)


def test_the_report_compares_each_activation_with_its_neurons() -> None:
    graph = ann()
    snn = nd.convert(graph, data=X, timesteps=64)
    report = conversion_report(graph, snn, X)
    layer = report.layers[0]
    values = nd.run(graph, X, timesteps=1, record="relu").states["relu"]["out"]
    assert layer.name == "relu"
    assert layer.rate_ann == pytest.approx(float(values.mean()), rel=1e-5)
    assert layer.rate_snn == pytest.approx(layer.rate_ann, rel=0.1)
    assert "relu" in report.table()
