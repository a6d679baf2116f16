"""Files written by PyTorch's exporter, over opsets, against onnxruntime."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import pytest

from neurodeploy.converters.onnx import load_onnx
from neurodeploy.ir import Graph
from neurodeploy.reference import simulate
from oracles import Ledger

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")

from plain_nets import NETS, build, samples  # noqa: E402

OPSETS = (11, 12, 13, 14, 15, 16, 17, 18, 19, 20)
# not in the exporter of TorchScript
NOT_EXPORTED = {"adaptive average", "conv2d same", "sum", "flip", "in place on a view"}
# the exporter declares an output of 4 positions where torch and onnxruntime give 3
NOT_EXPORTED.add("max pool ceil in the padding")
EXPORTED = [name for name in NETS if name not in NOT_EXPORTED]


def export(name: str, opset: int, *, open_batch: bool, **options: Any) -> bytes:
    file = io.BytesIO()
    axes = {"x": {0: "N"}, "y": {0: "N"}} if open_batch else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            build(name),
            (samples(name, 3),),
            file,
            dynamo=False,
            opset_version=opset,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes=axes,
            **options,
        )
    return file.getvalue()


def run(graph: Graph, x: np.ndarray) -> np.ndarray:
    return simulate(graph, {"x": x}, 1, record=[("y", "out")])[("y", "out")][:, 0]


@pytest.mark.parametrize(("name", "turn"), [(n, i) for i, n in enumerate(EXPORTED)])
def test_graph_computes_what_onnxruntime_does(name: str, turn: int, oracle: Ledger) -> None:
    runtime = oracle("onnxruntime")
    x = samples(name, 3, seed=1).numpy()
    opset = OPSETS[turn % len(OPSETS)]
    data = export(name, opset, open_batch=bool(turn % 2))
    session = runtime.module.InferenceSession(data, providers=["CPUExecutionProvider"])
    [due] = session.run(None, {"x": x})
    value = run(load_onnx(data), x)
    assert value.shape == due.shape
    assert due.any()
    assert np.abs(value - due).max() <= 1e-5 * np.abs(due).max()
    runtime.record()


def test_batch_norm_that_the_exporter_did_not_fold(oracle: Ledger) -> None:
    runtime = oracle("onnxruntime")
    training = torch.onnx.TrainingMode.PRESERVE
    data = export("bn before relu", 15, open_batch=True, training=training)
    x = samples("bn before relu", 4, seed=2).numpy()
    graph = load_onnx(data)
    assert "affine" in {c.definition for c in graph.cells}
    [due] = runtime.module.InferenceSession(data).run(None, {"x": x})
    assert np.abs(run(graph, x) - due).max() <= 1e-5 * np.abs(due).max()
    runtime.record()
