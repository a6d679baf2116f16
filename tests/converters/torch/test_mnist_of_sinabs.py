"""The MNIST network that sinabs ships: read from torch, equal to it, and turned into spikes."""

from __future__ import annotations

import io

import numpy as np
import pytest

import neurodeploy as nd
from l2mu import DATA
from oracles import Ledger, Oracle

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402

DIGITS = 300


def network(files: Oracle) -> nn.Module:
    """Build the layers that the weights belong to: three convolutions, two dense layers."""
    net = nn.Sequential(
        nn.Conv2d(1, 20, 5, 1, bias=False), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(20, 32, 5, 1, bias=False), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(32, 128, 3, 1, bias=False), nn.ReLU(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(128, 500, bias=False), nn.ReLU(), nn.Linear(500, 10, bias=False),
    )  # fmt: skip
    packed = files.member("tests/mnist_params.pt")
    state = torch.load(io.BytesIO(packed), weights_only=True, map_location="cpu")
    values = [v for k, v in state.items() if k.endswith("weight")]
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), values, strict=True):
            parameter.copy_(value)
    return net.eval()


def test_read_and_converted(oracle: Ledger) -> None:
    files, found = oracle("sinabs"), oracle("torch")
    if not (DATA / "mnist10k.npz").is_file():
        pytest.skip(f"no mnist10k.npz in {DATA}")
    with np.load(DATA / "mnist10k.npz") as data:
        x = (data["x"].astype(np.float32) / 255)[:, None]
        y = data["y"].astype(np.int64)
    pick = np.random.default_rng(0).permutation(len(x))
    calibration, test = pick[:256], pick[256 : 256 + DIGITS]
    net = network(files)
    ann = nd.load(net, example=x[:4])
    got = nd.run(ann, x[test], y[test], on="engine")
    with torch.no_grad():
        due = net(torch.from_numpy(x[test])).numpy()
    assert np.abs(got.decoded - due).max() <= 1e-4 * np.abs(due).max()
    assert got.accuracy is not None
    assert got.accuracy > 0.95
    snn = nd.convert(ann, data=x[calibration], timesteps=16)
    spiking = nd.run(snn, x[test], y[test], on="engine", timesteps=16)
    assert spiking.accuracy is not None
    assert spiking.accuracy >= got.accuracy - 0.02
    found.record(spiking=bool(sum(c.sum() for c in spiking.counts.values())))
