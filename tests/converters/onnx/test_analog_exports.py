"""Analog networks as both of PyTorch's exporters write them, against onnxruntime."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import numpy as np
import pytest

from neurodeploy.converters.onnx import load_onnx
from neurodeploy.reference import simulate
from oracles import Ledger
from tiers import sample_count

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")

from torch import Tensor, nn  # noqa: E402

from analog_nets import ANALOG_NETS  # noqa: E402
from plain_nets import Net  # noqa: E402

OPSETS = (12, 13, 14, 15, 16, 17, 18)


class Folded(nn.Module):
    """Attention of torch's own layers, which fold the heads into the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.TransformerEncoderLayer(12, 2, 24, batch_first=True, dropout=0.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


NETS = {**ANALOG_NETS, "encoder layer": Net(Folded, (3, 12))}
# not in the exporter of TorchScript, or only from a later opset on
LATER = {
    "gelu tanh": 18, "layer norm": 18, "layer norm of images": 18, "attention fused": 14,
    "hardswish": 14, "encoder layer": 17, "mish": 18,
}  # fmt: skip


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out what the exporters say of themselves."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def export(net: Net, x: Tensor, *, dynamo: bool, opset: int) -> bytes:
    file = io.BytesIO()
    names = {"input_names": ["x"], "output_names": ["y"], "opset_version": opset}
    torch.manual_seed(0)
    module = net.make().eval()
    with quiet():
        if dynamo:
            shapes = ({0: torch.export.Dim("N")},)
            program = torch.onnx.export(
                module, (x,), dynamo=True, dynamic_shapes=shapes, verbose=False, **names
            )
            program.save(file)
        else:
            axes = {"x": {0: "N"}, "y": {0: "N"}}
            torch.onnx.export(module, (x,), file, dynamo=False, dynamic_axes=axes, **names)
    return file.getvalue()


def compare(name: str, oracle: Ledger, *, dynamo: bool, opset: int) -> None:
    runtime = oracle("onnxruntime")
    net = NETS[name]
    generator = torch.Generator().manual_seed(1)
    example, x = (torch.randn((n, *net.shape), generator=generator) for n in (3, 5))
    data = export(net, example, dynamo=dynamo, opset=opset)
    options = runtime.module.SessionOptions()
    options.log_severity_level = 4
    [due] = runtime.module.InferenceSession(data, options).run(None, {"x": x.numpy()})
    graph = load_onnx(data)
    value = simulate(graph, {"x": x.numpy()}, 1, record=[("y", "out")])[("y", "out")][:, 0]
    assert value.shape == due.shape
    assert np.abs(value - due).max() <= 1e-5 * max(1, np.abs(due).max())
    runtime.record()


@pytest.mark.parametrize(("name", "turn"), [(n, i) for i, n in enumerate(NETS)])
def test_exporter_of_torchscript(name: str, turn: int, oracle: Ledger) -> None:
    oracle("torch")
    compare(name, oracle, dynamo=False, opset=max(OPSETS[turn % len(OPSETS)], LATER.get(name, 0)))


# it resizes a line by a fraction with gathers of computed rows (GatherND)
NEWER = [name for name in NETS if name != "upsample by a fraction"]


@pytest.mark.parametrize("name", NEWER[::-1][: sample_count(len(NEWER), 4)])
def test_exporter_of_dynamo(name: str, oracle: Ledger) -> None:
    oracle("onnxscript")
    compare(name, oracle, dynamo=True, opset=20)


def test_import_of_fifty_layers_is_quick(oracle: Ledger) -> None:
    """Under 2 s on an idle machine; the bound leaves room for a busy one."""
    oracle("torch")
    layers: list[nn.Module] = []
    for i in range(50):
        layers += [nn.Conv2d(16 if i else 3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.SiLU()]
    net = Net(lambda: nn.Sequential(*layers), (3, 8, 8))
    data = export(net, torch.randn(1, 3, 8, 8), dynamo=False, opset=17)
    begin = perf_counter()
    graph = load_onnx(data)
    assert perf_counter() - begin < 10
    assert sum(c.definition in ("sigmoid", "multiply") for c in graph.cells) == 100
