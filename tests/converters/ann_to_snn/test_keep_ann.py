"""Parts that cannot spike stay floats beside spikes, and see rates."""

from __future__ import annotations

import numpy as np
import pytest

from neurodeploy import api
from neurodeploy.converters.ann_to_snn import ann_to_snn
from neurodeploy.errors import ConversionError
from neurodeploy.ir import Graph, GraphBuilder
from oracles import Ledger

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 2, 6, 6)).astype(np.float32)


def gated() -> Graph:
    """Squeeze and excitation, SiLU, a max pool and a softmax among ReLUs."""
    b = GraphBuilder()
    x = b.input("x", (2, 6, 6))
    h = b.cell("r1", "relu", b.conv("c1", x, RNG.normal(size=(4, 2, 3, 3)) * 0.3, padding=1))
    y = b.cell("r2", "relu", b.conv("c2", h, RNG.normal(size=(4, 4, 3, 3)) * 0.2, padding=1))
    pooled = b.pool("mean", y, 6)
    squeezed = b.cell("r3", "relu", b.conv("c3", pooled, RNG.normal(size=(3, 4, 1, 1))))
    gate = b.cell("gate", "sigmoid", b.conv("c4", squeezed, RNG.normal(size=(4, 3, 1, 1))))
    y = b.cell("excited", "multiply", y, gate)
    y = b.cell("sum", "add", b.cell("silu", "silu", y), h)
    y = b.cell("r4", "relu", b.max_pool("pool", y, 2))
    logits = b.dense("fc", b.flatten("flat", y), RNG.normal(size=(5, 36)) * 0.3)
    b.output("logits", logits)
    b.output("class", b.cell("p", "sigmoid", logits))
    return b.build()


GRAPH = gated()


def error(timesteps: int) -> dict[str, float]:
    ann = api.run(GRAPH, X[:12], on="engine").decoded
    snn = api.convert(GRAPH, data=X, timesteps=timesteps, method="max", keep_ann=True)
    found = api.run(snn, X[:12], on="engine").decoded
    assert isinstance(ann, dict)
    assert isinstance(found, dict)
    return {k: float(np.sqrt(((found[k] - v) ** 2).mean() / (v**2).mean())) for k, v in ann.items()}


def test_outputs_converge_to_those_of_the_analog_network(oracle: Ledger) -> None:
    """As 1 / T: eight times the steps give at most a quarter of the error."""
    oracle("cc")
    few, many = error(16), error(128)
    for name in few:
        assert many[name] < 0.03
        assert many[name] < few[name] / 4
    oracle("closed form").record(len(few), spiking=True)


def test_every_kept_node_is_named_and_sees_no_spike() -> None:
    snn = ann_to_snn(GRAPH, X[:16], timesteps=8, method="max", keep_ann=True)
    kept = {c.node for c in snn.changes if c.what == "kept as float: not spikes"}
    assert kept == {"gate", "excited", "silu", "p"}
    assert {o.name: o.decode for o in snn.outputs} == {"logits": "mean", "class": "membrane"}
    for name in kept:
        for edge in snn.edges_into[name]:
            before = snn.node(edge.source)
            assert before.name in {*kept, "c4"} or before.name.endswith(".mean")
    [into] = snn.edges_into["gate"]
    assert into.source == "c4.mean"
    assert [n.name for n in snn.cells if n.definition == "if"] == ["r1", "r2", "r3", "r4"]


def test_without_it_all_of_them_are_refused_with_the_way_out() -> None:
    with pytest.raises(ConversionError) as caught:
        ann_to_snn(GRAPH, X, timesteps=8)
    found = caught.value.findings
    assert [f.node for f in found] == ["gate", "excited", "silu", "p"]
    assert all("--keep-ann" in f.hint for f in found)


def test_network_in_which_nothing_would_spike_is_refused() -> None:
    b = GraphBuilder()
    y = b.cell("s", "silu", b.dense("d", b.input("x", (3,)), np.ones((2, 3))))
    graph = b.output("y", y).build()
    with pytest.raises(ConversionError, match="nothing would spike"):
        ann_to_snn(graph, np.ones((9, 3)), keep_ann=True)
    assert ann_to_snn(graph, method="none", keep_ann=True) == graph


def test_published_network_keeps_its_recurrence(oracle: Ledger) -> None:
    """silero-vad: five ReLUs spike; the spectrum before and the LSTM behind stay floats."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    oracle("cc")
    found = oracle("silero-vad")
    graph = api.load(found.file("silero_vad/data/silero_vad_openvino_16k.onnx"))
    x = {n.name: RNG.uniform(-0.5, 0.5, (16, *n.shape)).astype(np.float32) for n in graph.inputs}
    ann = api.run(graph, x, on="engine").decoded
    snn = api.convert(graph, data=x, timesteps=128, method="max", keep_ann=True)
    assert sum(c.definition == "if" for c in snn.cells) == 5
    kept = {c.node for c in snn.changes if c.what == "kept as float: not spikes"}
    assert any(snn.node(n).definition == "lstm_step" for n in kept)  # type: ignore[union-attr]
    run = api.run(snn, x, on="engine")
    assert isinstance(ann, dict)
    assert isinstance(run.decoded, dict)
    for name, due in ann.items():
        assert np.abs(run.decoded[name] - due).max() < 0.05
    found.record(spiking=True)
