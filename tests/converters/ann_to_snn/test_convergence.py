"""A converted network comes nearer to the analog one as T grows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ann_graphs import mean_output, random_ann
from neurodeploy.converters.ann_to_snn import ann_to_snn, layer_report
from neurodeploy.ir import BOOL, Graph, GraphBuilder
from neurodeploy.passes.recognise import computes, fires
from neurodeploy.reference import simulate
from tiers import sample_count

RNG = np.random.default_rng(10)


def data(graph: Graph, count: int = 6) -> np.ndarray:
    shape = (count, *graph.inputs[0].shape)
    return np.random.default_rng(2).normal(size=shape).astype(np.float32)


def distance(ann: Graph, snn: Graph, x: np.ndarray, steps: int) -> float:
    """Return the largest difference of the outputs, relative to the largest output."""
    wanted = mean_output(ann, x, 1)
    return float(np.abs(mean_output(snn, x, steps) - wanted).max() / np.abs(wanted).max())


@settings(max_examples=sample_count(60, 6))
@given(st.integers(0, 10_000), st.booleans())
def test_the_error_falls_as_one_over_t(seed: int, spiking_only: bool) -> None:
    graph = random_ann(seed, layers=3, spiking_only=spiking_only)
    x = data(graph)
    wanted = mean_output(graph, x, 1)
    scale = np.sqrt(np.mean(wanted**2))
    errors = {}
    for steps in (16, 256):
        snn = ann_to_snn(graph, x, timesteps=steps, method="max")
        errors[steps] = np.sqrt(np.mean((mean_output(snn, x, steps) - wanted) ** 2)) / scale
    assert errors[256] < max(errors[16] / 4, 2e-3), errors
    assert errors[256] < 0.1, errors


def test_residuals_skips_and_late_batch_norms_spike() -> None:
    b = GraphBuilder()
    x = b.input("x", (2, 6, 6))
    y = b.cell("act1", "relu", b.conv("conv1", x, RNG.normal(size=(2, 2, 3, 3)), padding=1))
    y = b.cell("bn", "affine", y, params={"scale": [[[-0.5]], [[2.0]]], "shift": 0.3})
    z = b.conv("conv2", y, RNG.normal(size=(2, 2, 3, 3)), padding=1)
    y = b.cell("act2", "relu", b.cell("sum", "add", b.cell("sum2", "add", z, y), x))
    y = b.flatten("flat", b.pool("mean", y, 6))
    graph = b.output("out", b.dense("fc", y, RNG.normal(size=(3, 2)))).build()
    values = data(graph, 16)
    snn = ann_to_snn(graph, values, timesteps=512, method="max")
    assert distance(graph, snn, values, 512) < 2 / 512
    assert snn.signals[("act2", "out")].type == BOOL
    # the batch norm is added as well as convolved: it cannot fold, and acts at every step
    assert [c.name for c in snn.cells if computes(c, "affine")] == ["bn"]


def test_a_pool_in_front_of_the_activation() -> None:
    b = GraphBuilder()
    y = b.conv("conv1", b.input("x", (1, 6, 6)), RNG.normal(size=(3, 1, 3, 3)))
    y = b.cell("act1", "relu", b.max_pool("pool1", y, 2))
    y = b.conv("conv2", y, RNG.normal(size=(3, 3, 1, 1)))
    y = b.flatten("flat", b.cell("act2", "relu", b.max_pool("pool2", y, 2)))
    graph = b.output("out", b.dense("fc", y, RNG.normal(size=(3, 3)))).build()
    values = data(graph, 16)
    snn = ann_to_snn(graph, values, timesteps=512, method="max")
    assert distance(graph, snn, values, 512) < 2 / 512
    changed = {c.node for c in snn.changes if c.step == "cumulative_max_pool"}
    assert changed == {"pool2"}  # the first one reads no spikes


@pytest.mark.parametrize("upper", [0.25, 1.0])
def test_a_clipped_relu_reaches_its_ceiling_and_no_more(upper: float) -> None:
    b = GraphBuilder()
    x = b.input("x", (4,))
    y = b.cell("act", "clipped_relu", x, params={"upper": upper})
    graph = b.output("out", b.dense("fc", y, np.eye(4))).build()
    values = np.linspace(-1, 9, 80, dtype=np.float32).reshape(20, 4)
    snn = ann_to_snn(graph, values, timesteps=16, method="max")
    given = mean_output(snn, values, 16)
    assert given.max() == upper
    assert np.abs(given - np.clip(values, 0, upper)).max() <= upper / 32 + 1e-6
    assert snn.timesteps == 16


def test_double_precision_networks_convert() -> None:
    from neurodeploy.ir import F64

    b = GraphBuilder(float_type=F64)
    y = b.cell("act", "relu", b.dense("fc", b.input("x", (3,)), RNG.normal(size=(5, 3))))
    graph = b.output("out", b.dense("last", y, RNG.normal(size=(2, 5)))).build()
    snn = ann_to_snn(graph, data(graph, 30), timesteps=256)
    assert distance(graph, snn, data(graph), 256) < 0.05
    assert snn.tensors["act.threshold"].type == F64


def test_other_decodings_become_means() -> None:
    b = GraphBuilder()
    y = b.cell("act", "relu", b.input("x", (3,)))
    graph = b.output("out", y, decode="membrane").build()
    snn = ann_to_snn(graph, data(graph), timesteps=8, method="max")
    assert snn.outputs[0].decode == "mean"
    assert any(c.node == "out" and "membrane" in c.what for c in snn.changes)


def test_the_report_counts_what_a_run_shows() -> None:
    graph = random_ann(11, layers=2)
    x = data(graph, 20)
    snn = ann_to_snn(graph, x, timesteps=8, method="percentile")
    report = layer_report(graph, snn, x)
    names = [c.name for c in snn.cells if fires(c)]
    assert [layer.name for layer in report.layers] == names
    assert report.timesteps == 8
    for layer in report.layers:
        keys = [(layer.name, "out"), (layer.name, "v")]
        trace = simulate(snn, {"x": x}, 8, record=keys)
        analog = simulate(graph, {"x": x}, 1, record=[(layer.name, "out")])[(layer.name, "out")]
        h = snn.tensors[f"{layer.name}.threshold"].data.astype(np.float64)
        spikes = trace[keys[0]]
        assert layer.spikes == pytest.approx(spikes.mean())
        assert layer.rate_snn == pytest.approx((spikes * h).mean())
        assert layer.rate_ann == pytest.approx(analog.mean(dtype=np.float64))
        assert layer.clipped == pytest.approx((analog[:, 0] > h).mean())
        assert layer.dead == pytest.approx((~spikes.any(axis=(0, 1))).mean())
        left = np.maximum(trace[keys[1]][:, -1] - h / 2, 0) / h
        assert layer.residual == pytest.approx(left.mean(), abs=1e-6)
        assert layer.method == "percentile"
    assert report.to_json()["samples"] == 20
