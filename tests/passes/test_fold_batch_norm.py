"""Batch norms fold into weights; the network computes the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ann_graphs import mean_output, random_ann
from neurodeploy.ir import Graph, GraphBuilder, Map
from neurodeploy.ir.builder import Ref
from neurodeploy.passes.fold_affine_backward import fold_affine_backward
from neurodeploy.passes.fold_affine_forward import fold_affine_forward
from neurodeploy.passes.fold_batch_norm import fold_batch_norm
from neurodeploy.passes.recognise import computes
from tiers import sample_count

RNG = np.random.default_rng(5)


def affines(graph: Graph) -> list[str]:
    return [c.name for c in graph.cells if computes(c, "affine", "scale")]


def samples(graph: Graph, count: int = 5) -> Any:
    return np.random.default_rng(1).normal(size=(count, *graph.inputs[0].shape)).astype(np.float32)


def same(before: Graph, after: Graph) -> None:
    """Compare in float64, so that only the roundings of the weights are left."""
    x = samples(before)
    a, b = (mean_output(g, x, 1, widen=True) for g in (before, after))
    assert np.abs(a - b).max() <= 2e-6 * max(1.0, np.abs(a).max())


def norm(b: GraphBuilder, x: Ref, name: str, scale: Any = None, source: str = "") -> Ref:
    shape = (x.shape[0], *[1] * (len(x.shape) - 1))
    params = {
        "scale": RNG.uniform(0.5, 2, shape) if scale is None else np.reshape(scale, shape),
        "shift": RNG.normal(size=shape),
    }
    return b.cell(name, "affine", x, params=params, source=[source] if source else [])


@settings(max_examples=sample_count(300, 25))
@given(st.integers(0, 10_000))
def test_random_networks_compute_the_same(seed: int) -> None:
    graph = random_ann(seed)
    digest = graph.digest
    folded = fold_batch_norm(graph)
    same(graph, folded)
    assert graph.digest == digest
    assert len(affines(folded)) <= len(affines(graph))
    assert fold_batch_norm(folded) is folded
    if len(affines(folded)) < len(affines(graph)):
        assert all("bounded" in c.amount or c.amount == "exact" for c in folded.changes)
    else:
        assert folded is graph


@pytest.mark.parametrize("kind", ["dense", "dense_axis", "conv", "transposed", "synapses"])
@pytest.mark.parametrize("bias", [False, True])
def test_backward(kind: str, bias: bool) -> None:
    b = GraphBuilder()
    x = b.input("x", (4,) if kind in ("dense", "synapses") else (4, 5))
    added = RNG.normal(size=6) if bias else None
    if kind == "dense":
        y = b.dense("map", x, RNG.normal(size=(6, 4)), added, source=["fc"])
    elif kind == "dense_axis":
        y = b.dense("map", x, RNG.normal(size=(6, 4)), added, axis=0, source=["fc"])
    elif kind == "conv":
        y = b.conv("map", x, RNG.normal(size=(6, 2, 3)), added, groups=2, padding=1, source=["fc"])
    elif kind == "transposed":
        y = b.conv_transpose("map", x, RNG.normal(size=(4, 3, 3)), added, groups=2, source=["fc"])
    else:
        w, at, to = RNG.normal(size=9), RNG.integers(0, 4, 9), RNG.integers(0, 6, 9)
        y = b.synapses("map", x, (6,), w, at, to, bias=added, source=["fc"])
    y = norm(b, y, "bn", RNG.choice([-1.0, 0.5, 2.0], y.shape[0]), source="bn")
    graph = b.output("out", y).build()
    folded = fold_affine_backward(graph)
    assert affines(folded) == []
    assert folded.node("map").source == ("fc", "bn")
    assert [c.node for c in folded.changes] == ["map"]
    same(graph, folded)


@pytest.mark.parametrize("kind", ["dense", "dense_axis", "conv", "transposed"])
def test_forward(kind: str) -> None:
    b = GraphBuilder()
    x = b.cell("relu", "relu", b.input("x", (4,) if kind == "dense" else (4, 5)), source=["relu"])
    x = norm(b, x, "bn", RNG.choice([-1.0, 0.5, 2.0], 4), source="bn")
    if kind == "dense":
        y = b.dense("map", x, RNG.normal(size=(6, 4)), source=["fc"])
    elif kind == "dense_axis":
        y = b.dense("map", x, RNG.normal(size=(6, 4)), RNG.normal(size=6), axis=0, source=["fc"])
    elif kind == "conv":
        w = RNG.normal(size=(6, 2, 3))
        y = b.conv("map", x, w, RNG.normal(size=6), groups=2, padding=1, source=["fc"])
    else:
        y = b.conv_transpose("map", x, RNG.normal(size=(4, 3, 3)), groups=2, source=["fc"])
    graph = b.output("out", y).build()
    folded = fold_affine_forward(graph)
    assert affines(folded) == []
    assert folded.node("map").source == ("fc", "bn")
    same(graph, folded)


def test_padding_gives_a_bias_for_each_position() -> None:
    b = GraphBuilder()
    x = norm(b, b.input("x", (2, 4, 4)), "bn")
    y = b.conv("conv", x, RNG.normal(size=(3, 2, 3, 3)), RNG.normal(size=3), padding=1)
    graph = b.output("out", y).build()
    folded = fold_batch_norm(graph)
    node = folded.node("conv")
    assert isinstance(node, Map)
    bias = folded.tensors[str(node.op.bias)].data
    assert bias.shape == (3, 4, 4)
    assert np.ptp(bias, axis=(1, 2)).min() > 1e-3  # corners see less of the shift
    same(graph, folded)


@pytest.mark.parametrize(("scale", "folds"), [([0.5, 2.0], True), ([0.5, -2.0], False)])
def test_through_a_max_pool_only_with_positive_scales(scale: list[float], folds: bool) -> None:
    b = GraphBuilder()
    x = norm(b, b.cell("relu", "relu", b.input("x", (2, 4, 4))), "bn", scale)
    x = b.flatten("flat", b.max_pool("pool", x, 2, stride=1, padding=1))
    graph = b.output("out", b.dense("fc", x, RNG.normal(size=(3, 50)))).build()
    folded = fold_batch_norm(graph)
    assert affines(folded) == ([] if folds else ["bn"])
    assert (folded is graph) != folds
    same(graph, folded)


@pytest.mark.parametrize("divisor", ["kernel", "valid"])
def test_through_an_average_pool_with_padding(divisor: Any) -> None:
    b = GraphBuilder()
    x = norm(b, b.cell("relu", "relu", b.input("x", (2, 4, 4))), "bn", [-1.0, 2.0])
    x = b.pool("pool", x, 3, stride=2, padding=1, divisor=divisor)
    graph = b.output("out", b.conv("conv", x, RNG.normal(size=(3, 2, 2, 2)))).build()
    folded = fold_batch_norm(graph)
    assert affines(folded) == []
    same(graph, folded)


def test_through_permute_gather_and_concat() -> None:
    b = GraphBuilder()
    image = b.input("x", (2, 3))
    x = norm(b, b.cell("relu", "relu", image), "bn")
    x = b.concat("cat", x, image)
    x = b.gather("gather", b.permute("turn", x, (1, 0)), [3, 0, 2, 1, 1], axis=1)
    graph = b.output("out", b.dense("fc", x, RNG.normal(size=(2, 5)))).build()
    folded = fold_batch_norm(graph)
    assert affines(folded) == []
    same(graph, folded)


def test_two_in_a_row_fold_together() -> None:
    b = GraphBuilder()
    x = norm(b, norm(b, b.cell("relu", "relu", b.input("x", (3,))), "bn1"), "bn2")
    graph = b.output("out", b.dense("fc", x, RNG.normal(size=(2, 3)))).build()
    folded = fold_batch_norm(graph)
    assert affines(folded) == []
    same(graph, folded)


def test_stays_where_something_else_reads_it() -> None:
    b = GraphBuilder()
    x = b.input("x", (3,))
    y = b.dense("fc", x, RNG.normal(size=(3, 3)))
    z = norm(b, y, "bn")
    graph = b.output("out", b.cell("sum", "add", y, z)).build()
    assert fold_batch_norm(graph) is graph
    b = GraphBuilder()
    x = norm(b, b.cell("relu", "relu", b.input("x", (3,))), "bn")
    y = b.dense("fc", x, RNG.normal(size=(3, 3)))
    graph = b.output("out", b.cell("sum", "add", x, y)).build()
    assert fold_batch_norm(graph) is graph


def test_a_delay_is_not_crossed() -> None:
    b = GraphBuilder()
    y = b.dense("fc", b.input("x", (3,)), RNG.normal(size=(3, 3)))
    graph = b.output("out", norm(b, y.after(1), "bn")).build()
    assert fold_batch_norm(graph) is graph


def test_shared_weights_are_not_changed_for_the_other_node() -> None:
    b = GraphBuilder()
    x = b.input("x", (3,))
    y = b.dense("fc1", x, RNG.normal(size=(3, 3)))
    z = norm(b, b.dense("fc2", x, "fc1.weight"), "bn")
    graph = b.output("out", b.cell("sum", "add", y, z)).build()
    folded = fold_batch_norm(graph)
    assert affines(folded) == []
    assert folded.tensors["fc1.weight"] == graph.tensors["fc1.weight"]
    same(graph, folded)


def test_weights_that_would_overflow_stay() -> None:
    b = GraphBuilder()
    y = b.dense("fc", b.input("x", (2,)), np.full((2, 2), 1e30))
    graph = b.output("out", norm(b, y, "bn", [1e20, 1.0])).build()
    assert fold_batch_norm(graph) is graph
