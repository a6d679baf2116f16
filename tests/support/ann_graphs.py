"""Analog networks for tests of passes and of the conversion: the demo's CNN, and random ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

from neurodeploy.ir import Graph, GraphBuilder
from neurodeploy.ir.builder import Ref
from neurodeploy.reference import simulate

__all__ = ["DEMO", "Digits", "digits_ann", "load_digits", "mean_output", "random_ann"]

Array = npt.NDArray[Any]
DEMO = Path(__file__).resolve().parents[2] / "neurodeploy" / "demo"
Digits = tuple[Array, Array, Array, Array]


def load_digits() -> Digits:
    """Return xtr, ytr, xte, yte; pixels as float32 in [0, 1]."""
    with np.load(DEMO / "digits.npz") as data:
        scale = np.float32(data["scale"])
        return (
            data["xtr"].astype(np.float32) / scale,
            data["ytr"].astype(np.int64),
            data["xte"].astype(np.float32) / scale,
            data["yte"].astype(np.int64),
        )


def digits_ann() -> Graph:
    """Return the demo's CNN as a front end gives it: batch norms as affine cells."""
    weights = load_file(DEMO / "digits.safetensors")
    b = GraphBuilder()

    def norm(x: Ref, index: int) -> Ref:
        name = f"{index}."
        deviation = np.sqrt(weights[name + "running_var"].astype(np.float64) + 1e-5)
        scale = weights[name + "weight"] / deviation
        shift = weights[name + "bias"] - weights[name + "running_mean"] * scale
        params = {"scale": scale.reshape(-1, 1, 1), "shift": shift.reshape(-1, 1, 1)}
        return b.cell(f"bn{index}", "affine", x, params=params, source=[str(index)])

    x = b.input("x", (1, 8, 8))
    for first in (0, 4):
        x = b.conv(f"conv{first}", x, weights[f"{first}.weight"], padding=1, source=[str(first)])
        x = norm(x, first + 1)
        x = b.cell(f"relu{first + 2}", "relu", x, source=[str(first + 2)])
        x = b.max_pool(f"pool{first + 3}", x, 2, source=[str(first + 3)])
    x = b.flatten("flatten", x, source=["8"])
    x = b.dense("fc9", x, weights["9.weight"], weights["9.bias"], source=["9"])
    x = b.cell("relu10", "relu", x, source=["10"])
    x = b.dense("fc11", x, weights["11.weight"], weights["11.bias"], source=["11"])
    return b.output("out", x).build()


def random_ann(seed: int, *, layers: int = 4, spiking_only: bool = False) -> Graph:
    """Return a random convolutional network.

    It mixes padded, strided, grouped convolutions, batch norms with scales of both signs before
    and after activations, pools of both kinds, residual additions, concatenations and skips from
    the input. With ``spiking_only``, batch norms behind activations are left out.
    """
    rng = np.random.default_rng(seed)
    b = GraphBuilder()
    x = image = b.input("x", (int(rng.integers(1, 4)), 8, 8))
    for i in range(layers):
        x = _conv(b, rng, x, f"conv{i}")
        if rng.random() < 0.6:
            x = _norm(b, rng, x, f"bn{i}")
        if rng.random() < 0.25:
            other = _conv(b, rng, x, f"branch{i}", same=True)
            x = b.cell(f"add{i}", "add", other, x)
        elif rng.random() < 0.2 and image.shape[1:] == x.shape[1:]:
            x = b.concat(f"cat{i}", x, image)
        clipped = rng.random() < 0.2
        x = b.cell(f"act{i}", "clipped_relu" if clipped else "relu", x)
        if not spiking_only and rng.random() < 0.5:
            x = _norm(b, rng, x, f"late{i}")
        x = _pooled(b, rng, x, f"pool{i}")
    x = b.flatten("flat", x)
    x = b.dense("hidden", x, rng.normal(size=(6, x.shape[0])) / np.sqrt(x.shape[0]))
    x = b.cell("act", "relu", x)
    x = b.dense("logits", x, rng.normal(size=(3, 6)), rng.normal(size=3))
    return b.output("out", x).build()


def _conv(b: GraphBuilder, rng: np.random.Generator, x: Ref, name: str, same: bool = False) -> Ref:
    channels = x.shape[0]
    groups = channels if rng.random() < 0.3 else 1
    out = channels if same else groups * int(rng.integers(1, 3)) if groups > 1 else 4
    fan_in = channels // groups * 9
    weight = rng.normal(size=(out, channels // groups, 3, 3)) / np.sqrt(fan_in)
    bias = None if rng.random() < 0.5 else 0.3 * rng.normal(size=out)
    stride = 1 if same or min(x.shape[1:]) < 6 else int(rng.integers(1, 3))
    padding = 1 if same or min(x.shape[1:]) < 4 else ((1, 0), (0, 1))
    return b.conv(name, x, weight, bias, stride=stride, padding=padding, groups=groups)


def _norm(b: GraphBuilder, rng: np.random.Generator, x: Ref, name: str) -> Ref:
    shape = (x.shape[0], *[1] * (len(x.shape) - 1))
    sign = np.where(rng.random(shape) < 0.3, -1.0, 1.0)
    params = {"scale": sign * rng.uniform(0.5, 1.5, shape), "shift": 0.3 * rng.normal(size=shape)}
    return b.cell(name, "affine", x, params=params)


def _pooled(b: GraphBuilder, rng: np.random.Generator, x: Ref, name: str) -> Ref:
    draw = rng.random()
    if min(x.shape[1:]) < 3 or draw < 0.4:
        return x
    if draw < 0.7:
        return b.max_pool(name, x, 2, stride=1, padding=int(rng.integers(0, 2)))
    divisor = "valid" if rng.random() < 0.5 else "kernel"
    return b.pool(name, x, 2, stride=2, padding=1, divisor=divisor)


def mean_output(graph: Graph, x: Array, timesteps: int, *, widen: bool = False) -> Array:
    """Return the mean of the output over the steps, computed by the reference."""
    trace = simulate(graph, {"x": x}, timesteps, record=[("out", "out")], widen=widen)
    mean: Array = trace[("out", "out")].mean(axis=1, dtype=np.float64)
    return mean
