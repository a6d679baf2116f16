"""MTCNN with its published weights, against PyTorch in eager mode."""

from __future__ import annotations

import numpy as np
import pytest

from neurodeploy.engine import build
from oracles import Ledger

torch = pytest.importorskip("torch", reason="torch is not installed")

from mtcnn import STAGES  # noqa: E402
from neurodeploy.converters.torch import load_torch  # noqa: E402


@pytest.mark.parametrize("name", STAGES)
def test_stage_computes_what_torch_does(name: str, oracle: Ledger) -> None:
    oracle("torch")
    oracle("cc")
    found = oracle("facenet-pytorch")
    module = STAGES[name]()
    path = found.file(f"facenet_pytorch/data/{name}.pt")
    module.load_state_dict(torch.load(path, weights_only=True))
    module.eval()
    x = torch.randn((3, *module.shape), generator=torch.Generator().manual_seed(0))
    graph = load_torch(module, example=x[:2])
    with torch.no_grad():
        due = [y.numpy() for y in module(x)]
    keys = [(n.name, "out") for n in graph.outputs]
    trace = build(graph).run({graph.inputs[0].name: x.numpy()}, 1, record=keys)
    for key, wanted in zip(keys, due, strict=True):
        assert trace[key][:, 0].shape == wanted.shape
        assert np.abs(trace[key][:, 0] - wanted).max() <= 1e-5 * max(1, np.abs(wanted).max())
    assert {c.definition for c in graph.cells} >= {"leaky_relu", "exp", "divide"}
    found.record(len(due))
