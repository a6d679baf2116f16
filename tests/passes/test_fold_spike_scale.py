"""Amplitudes move into weights; spikes stay bools, and nothing else changes."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest

from neurodeploy.ir import BOOL, Graph, GraphBuilder
from neurodeploy.ir.builder import Ref
from neurodeploy.passes.fold_spike_scale import fold_spike_scale
from neurodeploy.passes.recognise import computes
from neurodeploy.reference import simulate

RNG = np.random.default_rng(6)
STEPS = 12


def spikes(b: GraphBuilder, x: Ref, name: str, amplitude: Any = None) -> Ref:
    """Add neurons and the amplitude of their spikes, a power of two so that all is exact."""
    shape = (x.shape[0], *[1] * (len(x.shape) - 1))
    values = 2.0 ** RNG.integers(-2, 3, shape) if amplitude is None else amplitude
    return b.cell(f"{name}.amp", "spike_scale", b.cell(name, "if", x), params={"amplitude": values})


def grid(*shape: int) -> Any:
    return RNG.integers(-8, 9, shape) / 8


def amplitudes(graph: Graph) -> list[str]:
    return [c.name for c in graph.cells if computes(c, "spike_scale", "scale")]


def same(before: Graph, after: Graph) -> None:
    x = RNG.integers(-8, 17, (4, STEPS, *before.inputs[0].shape)) / np.float32(8)
    keys = [("out", "out"), *((c.name, "v") for c in before.cells if c.states)]
    a, b = (simulate(g, {"x": x.astype(np.float32)}, STEPS, record=keys) for g in (before, after))
    assert a[("out", "out")].any()
    for key in keys:
        np.testing.assert_array_equal(a[key], b[key])


def test_into_convolution_and_dense() -> None:
    b = GraphBuilder()
    x = spikes(b, b.input("x", (4, 4, 4)), "if1")
    x = b.conv("conv", x, grid(6, 2, 3, 3), grid(6), groups=2, padding=1)
    x = b.flatten("flat", spikes(b, x, "if2"))
    graph = b.output("out", b.dense("fc", x, grid(3, 96))).build()
    folded = fold_spike_scale(graph)
    assert amplitudes(folded) == []
    assert folded.signals[("flat", "out")].type == BOOL
    assert {c.node for c in folded.changes} == {"conv", "flat", "fc", "if1.amp", "if2.amp"}
    assert fold_spike_scale(folded) is folded
    same(graph, folded)


@pytest.mark.parametrize("mode", ["frame", "cumulative"])
def test_a_max_pool_counts_bools(mode: Literal["frame", "cumulative"]) -> None:
    b = GraphBuilder()
    x = b.max_pool("pool", spikes(b, b.input("x", (3, 4, 4)), "if"), 2, mode=mode)
    graph = b.output("out", b.conv("conv", x, grid(2, 3, 2, 2))).build()
    folded = fold_spike_scale(graph)
    assert amplitudes(folded) == []
    assert folded.signals[("pool", "out")].kind == "spike"
    same(graph, folded)


def test_a_max_pool_over_several_amplitudes_stays_graded() -> None:
    b = GraphBuilder()
    amplitude = 2.0 ** RNG.integers(-2, 3, (3, 4, 4))
    x = spikes(b, b.input("x", (3, 4, 4)), "if", amplitude)
    x = b.max_pool("pool", x, 2, mode="cumulative")
    graph = b.output("out", b.conv("conv", x, grid(2, 3, 2, 2))).build()
    assert fold_spike_scale(graph) is graph


def test_an_average_pool_adds_bools() -> None:
    b = GraphBuilder()
    x = b.pool("pool", spikes(b, b.input("x", (3, 4, 4)), "if"), 2)
    graph = b.output("out", b.conv("conv", x, grid(2, 3, 2, 2))).build()
    folded = fold_spike_scale(graph)
    assert amplitudes(folded) == []
    same(graph, folded)


def test_an_average_over_several_amplitudes_stays_graded() -> None:
    b = GraphBuilder()
    x = spikes(b, b.input("x", (3, 4)), "if", 2.0 ** RNG.integers(-2, 3, (3, 4)))
    x = b.pool("pool", x, 2)
    graph = b.output("out", b.conv("conv", x, grid(2, 3, 2))).build()
    assert fold_spike_scale(graph) is graph


def test_concatenated_channels_keep_their_own_amplitude() -> None:
    b = GraphBuilder()
    x = b.input("x", (3, 4))
    x = b.concat("cat", spikes(b, x, "if1"), spikes(b, x, "if2"))
    graph = b.output("out", b.conv("conv", x, grid(2, 6, 3))).build()
    folded = fold_spike_scale(graph)
    assert amplitudes(folded) == []
    same(graph, folded)


def test_an_addition_keeps_the_graded_spike() -> None:
    b = GraphBuilder()
    x = spikes(b, b.input("x", (3, 4)), "if1")
    y = b.cell("sum", "add", b.conv("conv", x, grid(3, 3, 3), padding=1), x)
    graph = b.output("out", spikes(b, y, "if2")).build()
    folded = fold_spike_scale(graph)
    assert amplitudes(folded) == ["if1.amp", "if2.amp"]
    assert folded.signal(folded.edges_into["conv"][0]).type == BOOL
    same(graph, folded)


def test_behind_a_pool_the_sum_is_scaled_once() -> None:
    b = GraphBuilder()
    x = b.pool("pool", spikes(b, b.input("x", (3, 4)), "if"), 2)
    graph = b.output("out", b.cell("sum", "add", x, x)).build()
    folded = fold_spike_scale(graph)
    assert amplitudes(folded) == ["pool.scale"]
    same(graph, folded)


def test_a_concatenation_with_an_analog_branch_stays_graded() -> None:
    b = GraphBuilder()
    image = b.input("x", (3, 4))
    x = b.concat("cat", spikes(b, image, "if"), image)
    graph = b.output("out", b.conv("conv", x, grid(2, 6, 3))).build()
    assert fold_spike_scale(graph) is graph


def test_what_is_in_flight_at_the_start_keeps_its_amplitude() -> None:
    b = GraphBuilder()
    x = spikes(b, b.input("x", (3,)), "if")
    graph = b.output("out", b.dense("fc", x.after(2, 0.5), grid(2, 3))).build()
    assert fold_spike_scale(graph) is graph


def test_a_delayed_return_path_stays_graded() -> None:
    b = GraphBuilder()
    back = b.ref("if.amp", shape=(3,), type=b.float_type)
    x = b.cell("sum", "add", b.input("x", (3,)), b.dense("back", back, grid(3, 3)))
    x = spikes(b, x, "if")
    graph = b.output("out", b.dense("fc", x, grid(2, 3))).build()
    folded = fold_spike_scale(graph)
    assert amplitudes(folded) == ["if.amp"]
    assert folded.edges_into["fc"][0].source == "if"
    same(graph, folded)
