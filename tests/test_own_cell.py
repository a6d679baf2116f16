"""A user's own cell: one function and one registration; file and evaluators take it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodeploy as nd
from neurodeploy.engine import build
from neurodeploy.errors import SemanticsError
from neurodeploy.ir import Graph
from neurodeploy.reference import all_outputs, simulate
from neurodeploy.semantics.language import clip
from neurodeploy.semantics.math import exp


@nd.cell(
    "test_exponential_if",
    params={"decay": 0.9, "sharpness": 0.2, "threshold": 1.0},
    states={"v": 0.0, "fatigue": 0.0},
)
def exponential_if(p: Any, s: Any, x: Any) -> Any:
    """An integrate-and-fire neuron with an exponential upstroke that tires with each spike."""
    kick = p.sharpness * exp(clip((s.v - p.threshold) / p.sharpness, -20.0, 3.0))
    v = p.decay * s.v + x + kick - s.fatigue
    spike = nd.fire(v, p.threshold, strict=False)
    fatigue = 0.8 * s.fatigue + nd.where(spike, p.sharpness, 0.0)
    return {"spike": spike, "kick": kick}, nd.State(v=nd.where(spike, v - v, v), fatigue=fatigue)


def network() -> Graph:
    rng = np.random.default_rng(0)
    b = nd.GraphBuilder("1ms")
    current = b.dense("fc", b.input("x", (8,)), rng.integers(-8, 9, (12, 8)) / 16)
    sharpness = {"sharpness": rng.uniform(0.1, 0.5, 12)}
    own = b.cell("own", "test_exponential_if", current, params=sharpness)
    return b.output("out", own).build()


X = np.random.default_rng(1).integers(0, 9, (5, 40, 8)).astype(np.float32) / 8


def test_file_reference_and_c_agree(tmp_path: Path) -> None:
    graph = network()
    nd.save(graph, tmp_path / "net.nd")
    again = nd.load(str(tmp_path / "net.nd"))
    assert again == graph
    keys = all_outputs(graph)
    assert {("own", n) for n in ("spike", "kick", "v", "fatigue")} <= set(keys)
    expected = simulate(graph, {"x": X}, 40, record=keys)
    found = build(again).run({"x": X}, 40, record=keys)
    assert 0.05 < expected[("own", "spike")].mean() < 0.95
    for key in keys:
        assert np.array_equal(expected[key], found[key]), key


def test_torch_agrees() -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    graph = network()
    assert nd.compare(graph, nd.to_torch(graph), X).verdict == "exact"


def test_a_name_is_taken_once() -> None:
    with pytest.raises(SemanticsError, match="already registered"):
        nd.cell("test_exponential_if")(exponential_if)
