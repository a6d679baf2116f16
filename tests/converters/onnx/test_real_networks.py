"""Trained networks that others published, against onnxruntime.

They come from packages that are not imported: only their ``.onnx`` files are read. Whole networks
run on the engine; the reference is the same bit for bit, and slow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
import pytest

from oracles import Ledger
from tiers import sample_count

pytest.importorskip("onnx", reason="onnx is not installed")

from neurodeploy.converters.onnx import load_onnx
from neurodeploy.engine import build
from neurodeploy.errors import ConversionError
from neurodeploy.ir import Graph
from onnx_files import Array

TOLERANCE = 1e-4


@dataclass(frozen=True)
class Net:
    """A published network.

    Attributes:
        oracle: The package that it comes from.
        path: Its file.
        inputs: Shapes of the file's inputs, and smallest and largest value.
        load: Options for reading it.
        kind: Type of its inputs.
        settings: Inputs that are no signals.
        turned: Inputs and outputs that have their batch on axis 1.
    """

    oracle: str
    path: str
    inputs: Mapping[str, tuple[tuple[int, ...], float, float]]
    load: Mapping[str, Any] = field(default_factory=dict)
    kind: Any = np.float32
    settings: Mapping[str, int] = field(default_factory=dict)
    turned: tuple[str, ...] = ()


SILERO, OCR = "silero_vad/data/", "rapidocr_onnxruntime/models/"
SOUND = ((2, 576), -0.5, 0.5)
STATE = ((2, 2, 128), -0.5, 0.5)
RATE = {"sr": 16000}

# cheapest first: a short run takes the first few
NETS: dict[str, Net] = {
    "silero, batch of one": Net(
        "silero-vad", f"{SILERO}silero_vad_openvino_16k.onnx",
        {"input": ((1, 576), -0.5, 0.5), "state": ((2, 1, 128), -0.5, 0.5)},
    ),
    "silero, batch on axis 1": Net(
        "silero-vad", f"{SILERO}silero_vad_16k_op15.onnx", {"input": SOUND, "state": STATE},
        {"input_shape": {"input": (576,)}, "constants": RATE}, settings=RATE,
        turned=("state", "stateN"),
    ),
    "silero, a sequence without batch": Net(
        "silero-vad", f"{SILERO}silero_vad_16k_sequence.onnx",
        {"input": ((6, 576), -0.5, 0.5), "h": ((1, 1, 128), -0.5, 0.5),
         "c": ((1, 1, 128), -0.5, 0.5)},
        {"input_shape": {"input": (6, 576)}},
    ),
    "silero, inside an If": Net(
        "silero-vad", f"{SILERO}silero_vad.onnx", {"input": SOUND, "state": STATE},
        {"input_shape": {"input": (576,)}, "constants": RATE}, settings=RATE,
        turned=("state", "stateN"),
    ),
    "magika": Net(
        "magika", "magika/models/standard_v3_3/model.onnx", {"bytes": ((1, 2048), 0, 256)},
        kind=np.int32,
    ),
    "rapidocr direction": Net(
        "rapidocr", f"{OCR}ch_ppocr_mobile_v2.0_cls_infer.onnx", {"x": ((2, 3, 48, 64), -1, 1)},
        {"input_shape": (3, 48, 64)},
    ),
    "basic-pitch": Net(
        "basic-pitch", "basic_pitch/saved_models/icassp_2022/nmp.onnx",
        {"serving_default_input_2:0": ((1, 43844, 1), -0.5, 0.5)},
    ),
    "rapidocr detection": Net(
        "rapidocr", f"{OCR}ch_PP-OCRv4_det_infer.onnx", {"x": ((1, 3, 64, 64), -1, 1)},
        {"input_shape": (3, 64, 64)},
    ),
    "rapidocr recognition": Net(
        "rapidocr", f"{OCR}ch_PP-OCRv4_rec_infer.onnx", {"x": ((1, 3, 48, 96), -1, 1)},
        {"input_shape": (3, 48, 96)},
    ),
    "ddddocr detection": Net(
        "ddddocr", "ddddocr/common_det.onnx", {"images": ((1, 3, 416, 416), 0, 255)}
    ),
    "ddddocr recognition": Net(
        "ddddocr", "ddddocr/common.onnx", {"input1": ((1, 1, 64, 96), 0, 1)},
        {"input_shape": (1, 64, 96)},
    ),
}  # fmt: skip


def draw(net: Net) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    return {
        name: np.round(x) if net.kind is np.int32 else x
        for name, (shape, low, high) in net.inputs.items()
        for x in [rng.uniform(low, high, shape).astype(np.float32)]
    }


def sample(x: Array, shape: tuple[int, ...], turned: bool) -> Array:
    """Give the samples of an input of the file, batch first."""
    if turned:
        return np.moveaxis(x, 1, 0)
    return x if x.ndim == len(shape) + 1 else x[None]


def run(graph: Graph, net: Net, inputs: Mapping[str, Array]) -> dict[str, Array]:
    given = {
        n.name: sample(inputs[n.source[0]], n.shape, n.source[0] in net.turned)
        for n in graph.inputs
    }
    trace = build(graph).run(given, 1, record=[(n.name, "out") for n in graph.outputs])
    return {n.source[0]: trace[(n.name, "out")][:, 0] for n in graph.outputs}


@pytest.mark.parametrize("name", list(NETS)[: sample_count(len(NETS), 6)])
def test_network_computes_what_onnxruntime_does(name: str, oracle: Ledger) -> None:
    runtime, net = oracle("onnxruntime"), NETS[name]
    oracle("cc")
    found = oracle(net.oracle)
    path = found.file(net.path)
    begin = perf_counter()
    graph = load_onnx(path, **net.load)
    assert perf_counter() - begin < 20  # far above the 2 s that it takes, for a busy machine
    inputs = draw(net)
    options = runtime.module.SessionOptions()
    options.log_severity_level = 3
    session = runtime.module.InferenceSession(str(path), options)
    feed: dict[str, Any] = {n: x.astype(net.kind) for n, x in inputs.items()}
    feed |= {n: np.array(v) for n, v in net.settings.items()}
    due = session.run(None, feed)
    values = run(graph, net, inputs)
    for wanted, output in zip(due, session.get_outputs(), strict=True):
        value = values[output.name]
        value = np.moveaxis(value, 0, 1) if output.name in net.turned else value
        assert value.size == wanted.size
        assert wanted.any()
        error = np.abs(value.reshape(wanted.shape) - wanted).max()
        assert error <= TOLERANCE * max(1, np.abs(wanted).max())
    found.record()


def test_quantised_lstm_is_refused_by_name(oracle: Ledger) -> None:
    """A vendor's operator; everything else in this file is handled."""
    found = oracle("ddddocr")
    with pytest.raises(ConversionError) as caught:
        load_onnx(found.file("ddddocr/common_old.onnx"), input_shape=(1, 64, 96))
    assert [f.message for f in caught.value.findings] == [
        "the operator com.microsoft::DynamicQuantizeLSTM is not handled"
    ]
    found.record()
