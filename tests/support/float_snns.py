"""Random float networks of leaky neurons, as people train them for a chip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from neurodeploy.ir import Graph, GraphBuilder
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.types import BOOL

__all__ = ["KINDS", "FloatNetwork", "random_float_snn"]

Array = npt.NDArray[Any]
Draw = np.random.Generator
KINDS = ("dense", "image", "loops")


@dataclass(frozen=True)
class FloatNetwork:
    """A graph, and samples for it, (N, T, ...)."""

    graph: Graph
    x: Array


def random_float_snn(seed: int, kind: str) -> FloatNetwork:
    """Draw a network: ``dense`` layers, an ``image`` with pools, or ``loops`` of 1 to 3 hops."""
    draw = np.random.default_rng(seed)
    b = GraphBuilder()
    graded = bool(draw.random() < 0.4)
    shape = (2, 8, 8) if kind == "image" else (int(draw.integers(3, 9)),)
    x = b.input("x", shape) if graded else b.input("x", shape, type=BOOL)
    at = _image(b, draw, x) if kind == "image" else x
    for index in range(int(draw.integers(1, 3))):
        hops = int(draw.integers(1, 4)) if kind == "loops" else 0
        at = _layer(b, draw, at, f"n{index}", hops)
    if draw.random() < 0.5:
        weight = draw.normal(0, 1, (4, at.shape[0]))
        at = b.dense("logits", at, weight, draw.normal(0, 0.3, 4))
    b.output("out", at, decode="count")
    samples = draw.random((4, 12, *shape))
    given = samples.astype(np.float32) if graded else samples < 0.5
    return FloatNetwork(b.build(), given)


def _neuron(b: GraphBuilder, draw: Draw, name: str, fed: Ref) -> Ref:
    """Add a neuron: integrate-and-fire or leaky, every reset, one threshold or one for each."""
    threshold = draw.uniform(0.6, 1.4, fed.shape[0] if draw.random() < 0.5 else 1)
    params: dict[str, Any] = {"threshold": threshold.reshape(-1, *[1] * (len(fed.shape) - 1))}
    subtract = draw.random() < 0.7
    timings = ["same", "next_before"] + ["next_after"] * bool(subtract)
    options: dict[str, Any] = {
        "strict": bool(draw.random() < 0.5),
        "reset": "subtract" if subtract else "value",
        "timing": str(draw.choice(timings)),
    }
    kind = str(draw.choice(["if", "lif"]))
    if kind == "lif":
        params["beta"] = draw.uniform(0.2, 0.98)
    initial = {"v": draw.uniform(0.1, 0.5)} if draw.random() < 0.4 else {}
    return b.cell(name, kind, fed, params=params, initial=initial, options=options)


def _layer(b: GraphBuilder, draw: Draw, at: Ref, name: str, hops: int) -> Ref:
    """Add a dense layer; with hops, its spikes come back to it through as many neurons less one."""
    size = int(draw.integers(3, 8))
    bias = draw.normal(0.1, 0.2, size) if draw.random() < 0.5 else None
    fed = b.dense(f"{name}.w", at, draw.normal(0.2, 0.8, (size, at.shape[0])), bias)
    if not hops:
        return _neuron(b, draw, name, fed)
    last = name if hops == 1 else f"{name}.hop{hops - 1}"
    delay = int(draw.choice([1, 1, 2]))
    back = b.ref(last, shape=(size,), delay=delay)
    again = b.dense(f"{name}.back", back, draw.normal(0, 0.5, (size, size)))
    made = _neuron(b, draw, name, b.cell(f"{name}.add", "add", fed, again))
    at = made
    for hop in range(1, hops):
        weight = draw.normal(0.3, 0.6, (size, size))
        at = _neuron(b, draw, f"{name}.hop{hop}", b.dense(f"{name}.w{hop}", at, weight))
    return made if draw.random() < 0.5 else at


def _image(b: GraphBuilder, draw: Draw, at: Ref) -> Ref:
    """Add a convolution with a pool of any kind, and flatten."""
    channels = int(draw.integers(2, 4))
    weight = draw.normal(0.1, 0.4, (channels, 2, 3, 3))
    bias = draw.normal(0.1, 0.1, channels) if draw.random() < 0.5 else None
    padding, stride = int(draw.integers(0, 2)), int(draw.integers(1, 3))
    fed = b.conv("conv", at, weight, bias, stride=stride, padding=padding)
    at = _neuron(b, draw, "convolved", fed)
    modes: tuple[Literal["frame", "cumulative"], ...] = ("frame", "cumulative")
    which = int(draw.integers(4))
    if which < 2:
        at = b.max_pool("pool", at, 2 + which % 2, mode=modes[int(draw.integers(2))])
    elif which == 2:
        at = b.pool("pool", at, 2)
    return b.flatten("flat", at)
