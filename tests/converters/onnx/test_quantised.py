"""Quantised models, as onnxruntime's own tool writes them, against onnxruntime."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine_runs import assert_same
from oracles import Ledger

pytest.importorskip("onnx", reason="onnx is not installed")

import onnx
from onnx import numpy_helper

from neurodeploy.converters.onnx import load_onnx
from neurodeploy.engine import build
from neurodeploy.errors import ConversionError
from neurodeploy.ir import QType
from neurodeploy.reference import simulate
from onnx_files import Array, model, node, save

RNG = np.random.default_rng(0)
SHAPE = (2, 8, 7)
W = {
    "w": RNG.normal(size=(4, 2, 3, 3)), "b": RNG.normal(size=4),
    "v": RNG.normal(size=(5, 4, 2, 2)), "m": RNG.normal(size=(20, 3)),
}  # fmt: skip
NODES = [
    node("Conv", ["x", "w", "b"], "c", pads=[1, 0, 0, 1], strides=[1, 2]),
    node("Relu", ["c"], "r"),
    node("MaxPool", ["r"], "p", kernel_shape=[2, 1], strides=[2, 1]),
    node("Conv", ["p", "v"], "d"),
    node("Flatten", ["d"], "f"),
    node("MatMul", ["f", "m"], "y"),
]


def draw(count: int, seed: int = 1) -> Array:
    return np.random.default_rng(seed).normal(size=(count, *SHAPE)).astype(np.float32)


class Reader:
    """Calibration data, one batch at a time, as the tool wants it."""

    def __init__(self) -> None:
        self.batches = iter([{"x": draw(16)}])

    def get_next(self) -> dict[str, Array] | None:
        return next(self.batches, None)


def quantised(folder: Path, form: str, oracle: Ledger) -> bytes:
    oracle("onnxruntime")
    tool = pytest.importorskip("onnxruntime.quantization", reason="onnxruntime is not installed")
    plain, made = folder / "plain.onnx", folder / "made.onnx"
    plain.write_bytes(save(model(NODES, ("N", *SHAPE), W, opset=17)))
    kinds = {"weight_type": tool.QuantType.QInt8}
    if form == "dynamic":
        tool.quantize_dynamic(plain, made, op_types_to_quantize=["Conv", "MatMul"], **kinds)
    else:
        layout = tool.QuantFormat.QOperator if form == "operators" else tool.QuantFormat.QDQ
        more = {"per_channel": form == "per channel"}
        more |= {"activation_type": tool.QuantType.QInt8} if form == "per channel" else {}
        tool.quantize_static(plain, made, Reader(), quant_format=layout, **kinds, **more)
    return made.read_bytes()


def due(data: bytes, x: Array, oracle: Ledger) -> Any:
    """Run the operators as they are: the optimised form of QDQ rounds elsewhere."""
    runtime = oracle("onnxruntime").module
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return runtime.InferenceSession(data, options).run(None, {"x": x})[0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("form", ["QDQ", "per channel", "operators", "dynamic"])
def test_graph_computes_what_onnxruntime_does(form: str, tmp_path: Path, oracle: Ledger) -> None:
    oracle("cc")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = quantised(tmp_path, form, oracle)
    operators = {n.op_type for n in onnx.load_model_from_string(data).graph.node}
    expected = {
        "QDQ": {"QuantizeLinear", "DequantizeLinear"},
        "per channel": {"QuantizeLinear", "DequantizeLinear"},
        "operators": {"QLinearConv", "QLinearMatMul"},
        "dynamic": {"DynamicQuantizeLinear", "ConvInteger", "MatMulInteger"},
    }
    assert expected[form] <= operators
    x = draw(6, seed=2)
    # a dynamic range is that of the batch in onnxruntime, and of each sample here
    wanted = np.concatenate([due(data, x[i : i + 1], oracle) for i in range(6)])
    graph = load_onnx(data)
    trace = assert_same(graph, build(graph), {"x": x}, 1)
    assert np.abs(trace[("y", "out")][:, 0] - wanted).max() <= 1e-5 * np.abs(wanted).max()
    whole = {n for n, t in graph.tensors.items() if isinstance(t.type, QType)}
    assert any(n.endswith("weight") for n in whole) == (form in ("operators", "dynamic"))
    told = {c.what for c in graph.changes}
    assert ("dynamic range of each sample by itself" in told) == (form == "dynamic")
    oracle("onnxruntime").record(6)


def single(nodes: list[Any], weights: dict[str, Any]) -> bytes:
    return save(model(nodes, (1, 2, 3), weights, opset=19))


CODES = {
    "halves": ([node("QuantizeLinear", ["x", "s", "z"], "q"),
                node("DequantizeLinear", ["q", "s", "z"], "y")],
               {"s": np.float32(0.5), "z": np.uint8(3)}),
    "saturated": ([node("QuantizeLinear", ["x", "s", "z"], "q"),
                   node("DequantizeLinear", ["q", "s", "z"], "y")],
                  {"s": np.float32(0.01), "z": np.int8(-5)}),
    "per row": ([node("QuantizeLinear", ["x", "s", "z"], "q", axis=1),
                 node("DequantizeLinear", ["q", "s", "z"], "y", axis=1)],
                {"s": np.array([0.5, 0.03], np.float32), "z": np.array([3, 200], np.uint8)}),
    "without zero point": ([node("QuantizeLinear", ["x", "s"], "q"), node("Cast", ["q"], "f", to=1),
                            node("Mul", ["f", "s"], "y")], {"s": np.float32(0.25)}),
    "dynamic": ([node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
                 node("DequantizeLinear", ["q", "s", "z"], "y")], {}),
}  # fmt: skip


@pytest.mark.parametrize("name", CODES)
def test_codes_are_those_of_onnxruntime(name: str, oracle: Ledger) -> None:
    data = single(*CODES[name])
    x = np.array([[[-1.25, -0.75, 0.25], [0.75, 1.25, 3.0]]], np.float32)
    value = simulate(load_onnx(data), {"x": x}, 1, record=[("y", "out")])[("y", "out")][:, 0]
    assert np.array_equal(value, due(data, x, oracle))
    oracle("onnxruntime").record()


def test_a_silent_sample_has_a_range() -> None:
    graph = load_onnx(single(*CODES["dynamic"]))
    zeros = np.zeros((1, 2, 3), np.float32)
    value = simulate(graph, {"x": zeros}, 1, record=[("y", "out")])[("y", "out")]
    assert not value.any()


def test_codes_of_other_types_are_refused() -> None:
    wide = numpy_helper.from_array(np.zeros((), np.int32), "z")
    nodes = [node("QuantizeLinear", ["x", "s", "z"], "q"), node("Cast", ["q"], "y", to=1)]
    made = model(nodes, (1, 2, 3), {"s": np.float32(1)}, opset=19)
    made.graph.initializer.append(wide)
    with pytest.raises(ConversionError, match="codes of type int32"):
        load_onnx(save(made))
