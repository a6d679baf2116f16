"""The MNIST network that sinabs ships, and the digits; both are optional files."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from l2mu import DATA
from oracles import Oracle

__all__ = ["mnist", "mnist_network"]

Array = npt.NDArray[Any]


def mnist_network(files: Oracle) -> nn.Module:
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


def mnist() -> tuple[Array, Array]:
    """Give 10,000 digits, (N, 1, 28, 28) from 0 to 1, in an order that is always the same."""
    with np.load(DATA / "mnist10k.npz") as data:
        x = (data["x"].astype(np.float32) / 255)[:, None]
        y = data["y"].astype(np.int64)
    pick = np.random.default_rng(0).permutation(len(x))
    return x[pick], y[pick]
