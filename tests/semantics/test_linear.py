"""Maps and reductions against plain Python loops in float32, in the canonical order of sums."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
import pytest

from neurodeploy.ir import GraphBuilder
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.ops import ArgMax, ReduceAxes
from neurodeploy.reference import simulate

Array = npt.NDArray[np.float32]
F = np.float32


def run(b: GraphBuilder, y: Ref, **inputs: Array) -> Array:
    graph = b.output("out", y, decode="membrane").build()
    return simulate(graph, inputs, 1, record=[("out", "out")])[("out", "out")][:, 0]


def ordered_sum(terms: list[tuple[int, F]], bias: F | None = None) -> F:
    """Add products one after another in ascending source order, the bias last."""
    total = F(0)
    for _, term in sorted(terms, key=lambda t: t[0]):
        total = F(total + term)
    return total if bias is None else F(total + bias)


CONVS = [
    # channels, groups, spatial, kernel, stride, padding, dilation
    (2, 1, (5,), (3,), (1,), ((1, 1),), (1,)),
    (4, 2, (6,), (3,), (2,), ((0, 2),), (2,)),
    (2, 1, (5, 4), (3, 2), (1, 2), ((1, 0), (2, 1)), (1, 1)),
    (4, 4, (5, 5), (3, 3), (2, 1), ((1, 1), (1, 1)), (1, 2)),
    (2, 1, (3, 4, 3), (2, 2, 2), (1, 1, 1), ((0, 1), (1, 0), (0, 0)), (1, 1, 1)),
]


@pytest.mark.parametrize(("c", "groups", "spatial", "kernel", "stride", "pad", "dil"), CONVS)
def test_conv_adds_in_canonical_order(c, groups, spatial, kernel, stride, pad, dil) -> None:
    rng = np.random.default_rng(1)
    out_channels = 2 * groups
    w = rng.normal(size=(out_channels, c // groups, *kernel)).astype(F)
    bias = rng.normal(size=out_channels).astype(F)
    x = rng.normal(size=(2, c, *spatial)).astype(F)
    b = GraphBuilder()
    y = b.conv(
        "c",
        b.input("x", (c, *spatial)),
        w,
        bias,
        stride=stride,
        padding=pad,
        dilation=dil,
        groups=groups,
    )
    got = run(b, y, x=x)
    strides = np.arange(x[0].size).reshape(x[0].shape)
    for n, o, *at in product(*(range(k) for k in got.shape)):
        terms = []
        first = (o // (out_channels // groups)) * (c // groups)
        for ci, *tap in product(range(c // groups), *(range(k) for k in kernel)):
            axes = zip(at, stride, tap, dil, pad, strict=True)
            where = [a * s + k * d - p[0] for a, s, k, d, p in axes]
            if all(0 <= i < m for i, m in zip(where, spatial, strict=True)):
                index = (first + ci, *where)
                terms.append((strides[index], F(w[(o, ci, *tap)] * x[(n, *index)])))
        assert got[(n, o, *at)] == ordered_sum(terms, bias[o])


@pytest.mark.parametrize(
    ("stride", "pad", "dil", "extra", "groups"),
    [((1, 1), ((0, 0), (0, 0)), (1, 1), (0, 0), 1), ((2, 3), ((1, 0), (1, 2)), (1, 2), (1, 0), 2)],
)
def test_transposed_conv_adds_in_canonical_order(stride, pad, dil, extra, groups) -> None:
    rng = np.random.default_rng(2)
    w = rng.normal(size=(4, 3, 3, 2)).astype(F)
    x = rng.normal(size=(2, 4, 3, 4)).astype(F)
    b = GraphBuilder()
    y = b.conv_transpose(
        "c",
        b.input("x", x.shape[1:]),
        w,
        stride=stride,
        padding=pad,
        dilation=dil,
        extra=extra,
        groups=groups,
    )
    got = run(b, y, x=x)
    terms: dict[tuple[int, ...], list[tuple[int, F]]] = {}
    flat = np.arange(x[0].size).reshape(x[0].shape)
    for n, i, r, q, o, u, v in product(*(range(k) for k in (*x.shape, 3, 3, 2))):
        row = r * stride[0] + u * dil[0] - pad[0][0]
        col = q * stride[1] + v * dil[1] - pad[1][0]
        at = (n, (i // (4 // groups)) * 3 + o, row, col)
        terms.setdefault(at, []).append((flat[i, r, q], F(w[i, o, u, v] * x[n, i, r, q])))
    assert got.shape[1] == 3 * groups
    for at in product(*(range(k) for k in got.shape)):
        assert got[at] == ordered_sum(terms.get(at, []))


def test_dense_on_an_inner_axis_with_bias_of_the_output_shape() -> None:
    rng = np.random.default_rng(3)
    w, bias = rng.normal(size=(5, 7)).astype(F), rng.normal(size=(2, 5, 3)).astype(F)
    x = rng.normal(size=(4, 2, 7, 3)).astype(F)
    b = GraphBuilder()
    got = run(b, b.dense("d", b.input("x", (2, 7, 3)), w, bias, axis=1), x=x)
    for n, a, o, c in product(range(4), range(2), range(5), range(3)):
        terms = [(i, F(w[o, i] * x[n, a, i, c])) for i in range(7)]
        assert got[n, a, o, c] == ordered_sum(terms, bias[a, o, c])


def test_delayed_synapses_add_oldest_first_then_by_source_then_by_pair() -> None:
    rng = np.random.default_rng(4)
    k, steps = 60, 9
    source, target, delay = (rng.integers(0, m, k) for m in (6, 5, 4))
    w = rng.normal(size=k).astype(F)
    x = rng.normal(size=(2, steps, 6)).astype(F)
    b = GraphBuilder()
    y = b.synapses("s", b.input("x", (6,)), (5,), w, source, target, delay)
    graph = b.output("out", y).build()
    got = simulate(graph, {"x": x}, steps, record=[("out", "out")])[("out", "out")]
    for n, t, j in product(range(2), range(steps), range(5)):
        mine = sorted(
            (i for i in range(k) if target[i] == j), key=lambda i: (-delay[i], source[i], i)
        )
        total = F(0)
        for i in mine:
            value = x[n, t - delay[i], source[i]] if t >= delay[i] else F(0)
            total = F(total + F(w[i] * value))
        assert got[n, t, j] == total


@pytest.mark.parametrize("divisor", ["kernel", "valid"])
def test_average_pool_is_a_sum_and_one_division(divisor) -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(2, 3, 5, 6)).astype(F)
    b = GraphBuilder()
    y = b.pool("p", b.input("x", (3, 5, 6)), (3, 2), stride=2, padding=1, divisor=divisor)
    got = run(b, y, x=x)
    for n, c, r, q in product(*(range(k) for k in got.shape)):
        inside = [
            (2 * r + u - 1, 2 * q + v - 1)
            for u, v in product(range(3), range(2))
            if 0 <= 2 * r + u - 1 < 5 and 0 <= 2 * q + v - 1 < 6
        ]
        total = ordered_sum([(i * 6 + j, x[n, c, i, j]) for i, j in inside])
        assert got[n, c, r, q] == F(total / F(6 if divisor == "kernel" else len(inside)))


def test_max_pool_ignores_padding() -> None:
    x = -np.abs(np.random.default_rng(6).normal(size=(2, 3, 7))).astype(F)
    b = GraphBuilder()
    got = run(b, b.max_pool("m", b.input("x", (3, 7)), 3, stride=2, padding=1), x=x)
    for n, c, q in product(*(range(k) for k in got.shape)):
        assert got[n, c, q] == max(x[n, c, i] for i in range(2 * q - 1, 2 * q + 2) if 0 <= i < 7)


def test_cumulative_max_pool_sums_to_the_maximum_of_the_sums() -> None:
    rng = np.random.default_rng(7)
    x = rng.random((3, 40, 2, 6)) < 0.4
    b = GraphBuilder()
    from neurodeploy.ir import BOOL

    y = b.max_pool("m", b.input("x", (2, 6), type=BOOL), 2, mode="cumulative")
    graph = b.output("out", y).build()
    got = simulate(graph, {"x": x}, 40, record=[("out", "out")])[("out", "out")]
    assert got.dtype == np.bool_  # a maximum of counts grows by at most one spike a step
    counts = x.astype(int).cumsum(axis=1).reshape(3, 40, 2, 3, 2).max(axis=-1)
    assert np.array_equal(got.astype(int).cumsum(axis=1), counts)


def test_reductions_and_products() -> None:
    rng = np.random.default_rng(8)
    x, z = rng.normal(size=(2, 3, 4)).astype(F), rng.normal(size=(2, 4, 5)).astype(F)
    b = GraphBuilder()
    r = b.reduce("mean", ReduceAxes("mean", (1,)), b.input("x", (3, 4)))
    got = run(b, r, x=x)
    for n, i in product(range(2), range(3)):
        assert got[n, i] == F(ordered_sum([(j, x[n, i, j]) for j in range(4)]) / F(4))
    b = GraphBuilder()
    p = b.product("p", "ik,kj->ji", b.input("x", (3, 4)), b.input("z", (4, 5)))
    got = run(b, p, x=x, z=z)
    for n, j, i in product(range(2), range(5), range(3)):
        terms = [(k, F(x[n, i, k] * z[n, k, j])) for k in range(4)]
        assert got[n, j, i] == ordered_sum(terms)
    b = GraphBuilder()
    ties = np.array([[[1, 3, 3], [0, 0, 0]]], F)
    got = run(b, b.reduce("a", ArgMax(1), b.input("x", (2, 3))), x=ties)
    assert got.tolist() == [[[False, True, False], [True, False, False]]]


def test_structure() -> None:
    x = np.arange(24, dtype=F).reshape(1, 2, 3, 4)
    b = GraphBuilder()
    i = b.input("x", (2, 3, 4))
    y = b.concat("c", b.permute("p", i, (2, 0, 1)), b.reshape("r", i, (4, 2, 3)), axis=2)
    got = run(b, b.gather("g", y, [5, 0, 0], axis=2), x=x)
    want = np.concatenate([x[0].transpose(2, 0, 1), x[0].reshape(4, 2, 3)], axis=2)
    assert np.array_equal(got[0], want[:, :, [5, 0, 0]])
