"""Shape, type and kind of the signal of every operation, and what each refuses."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from neurodeploy.errors import GraphError
from neurodeploy.ir import BOOL, F32, F64, GraphBuilder, QType, tensor
from neurodeploy.ir.builder_maps import Ref
from neurodeploy.ir.ops import ArgMax, Dense, ReduceAxes, Reshape, Synapses, Window
from neurodeploy.ir.rules_map import refuse_empty_windows
from neurodeploy.ir.types import Signal
from neurodeploy.reference import simulate
from small_graphs import GRAPHS

I8 = QType(-8, 7, (0.5,))
SIZES = st.integers(1, 4)


def start(shape: tuple[int, ...], num: Any = F32, kind: Any = None) -> tuple[GraphBuilder, Ref]:
    b = GraphBuilder(**({"float_type": F64} if num == F64 else {}))
    return b, b.input("x", shape, type=num, kind=kind)


def test_dense() -> None:
    b, x = start((4, 3))
    assert b.dense("a", x, np.ones((5, 3)), np.ones(5)).signal == Signal((4, 5), F32, "value")
    assert b.dense("b", x, np.ones((5, 4)), axis=0).signal == Signal((5, 3), F32, "value")
    for axis in (2, -3):
        with pytest.raises(GraphError, match=f"c: axis {axis} of a signal with 2 axes"):
            b.dense("c", x, np.ones((5, 3)), axis=axis)
    with pytest.raises(GraphError, match=r"d: weight of shape \[5, 4\] meets 3 inputs"):
        b.dense("d", x, np.ones((5, 4)))
    with pytest.raises(GraphError, match=r"e \(layer\.3\): bias of shape \[4\], expected \[5\]"):
        b.dense("e", x, np.ones((5, 3)), np.ones(4), source=["layer.3"])


@pytest.mark.parametrize(
    ("kind", "sent"),
    [("spike", "current"), ("graded", "current"), ("signed", "current"), ("value", "value")],
)
def test_a_weighted_sum_of_events_is_a_current(kind: Any, sent: str) -> None:
    b, x = start((3,), BOOL if kind == "spike" else F32, kind=kind)
    assert b.dense("a", x, np.ones((2, 3))).signal == Signal((2,), F32, sent)
    assert b.flatten("b", x).signal == Signal((3,), x.signal.type, kind)


def test_integer_sums_have_the_range_of_the_worst_input() -> None:
    b, x = start((3,), I8)
    w = tensor([[3, -2, 0], [1, 1, 1]], QType(-4, 3, (0.25,)))
    bias = tensor([10, -5], QType(-5, 10))
    signal = b.dense("a", x, w, bias).signal
    values = [
        int(row @ np.array(v)) + c
        for v in product((-8, 7), repeat=3)
        for row, c in zip(w.data.astype(int), (10, -5), strict=True)
    ]
    assert isinstance(signal.type, QType)
    assert signal.type.lo <= min(values)
    assert signal.type.hi >= max(values)
    assert signal.type.scale == (0.125,)
    for declared, text in (
        (QType(-3, 3), "the sum may reach"),
        (QType(-500, 500, overflow="saturate"), "depends on its order"),
    ):
        with pytest.raises(GraphError, match=f"c: .*{text}"):
            b.dense("c", x, w, accumulator=declared)
    wrapped = QType(-8, 7, overflow="wrap")
    assert b.dense("d", x, w, accumulator=wrapped).signal.type == wrapped


def test_types_that_do_not_meet() -> None:
    b, x = start((3,), I8)
    for name, weight, text in (
        ("a", np.ones((2, 3)), "meets f32 weights"),
        ("b", tensor(np.ones((2, 3), bool), BOOL), "bool weights"),
    ):
        with pytest.raises(GraphError, match=f"{name}: .*{text}"):
            b.dense(name, x, weight)
    b, x = start((3,), F64)
    with pytest.raises(GraphError, match="f64 signal meets f32 weights"):
        b.dense("a", x, tensor(np.ones((2, 3)), F32))
    with pytest.raises(GraphError, match="f64 signal meets integer weights"):
        b.dense("b", x, tensor(np.ones((2, 3), int), I8))


@given(
    n=st.integers(1, 9), k=SIZES, stride=SIZES, lo=st.integers(0, 3), hi=st.integers(0, 3), d=SIZES
)
def test_windows_have_as_many_positions_as_fit(
    n: int, k: int, stride: int, lo: int, hi: int, d: int
) -> None:
    places = [p for p in range(0, lo + n + hi, stride) if p + d * (k - 1) < lo + n + hi]
    b, x = start((2, n))
    weight = np.ones((3, 2, k))
    if not places:
        with pytest.raises(GraphError, match="c: "):
            b.conv("c", x, weight, stride=stride, padding=((lo, hi),), dilation=d)
        return
    conv = b.conv("c", x, weight, stride=stride, padding=((lo, hi),), dilation=d)
    assert conv.shape == (3, len(places))
    # each output position of a transposed convolution is reached from the full product
    length = (n - 1) * stride + d * (k - 1) + 1 - lo - hi
    assume(length >= 1)
    up = b.conv_transpose(
        "u", x, np.ones((2, 3, k)), stride=stride, padding=((lo, hi),), dilation=d
    )
    assert up.shape == (3, length)


def test_convolutions_refuse_what_does_not_fit() -> None:
    b, x = start((4, 6, 6))
    ok = b.conv("ok", x, np.ones((6, 2, 3, 3)), np.ones(6), groups=2, padding=(1, 0), stride=2)
    assert ok.shape == (6, 3, 2)
    for weight, more, text in (
        (np.ones((6, 4)), {}, "1 to 3 spatial axes, not 0"),
        (np.ones((6, 4, 3)), {}, "1 spatial axes meets a signal of shape"),
        (np.ones((6, 3, 3, 3)), {}, r"expected \[6, 4, 3, 3\]"),
        (np.ones((6, 2, 3, 3)), {"groups": 3}, "3 groups of 4 inputs"),
        (np.ones((6, 2, 3, 3)), {"groups": 0}, "0 groups"),
        (np.ones((6, 4, 3, 3)), {"stride": 0}, "at least 1"),
        (np.ones((6, 4, 3, 3)), {"padding": -1}, "at least 0"),
        (np.ones((6, 4, 3, 3)), {"padding": (1, 1, 1)}, "differ in rank"),
        (np.ones((6, 4, 7, 3)), {}, "does not fit"),
        (np.ones((6, 4, 3, 3)), {"bias": np.ones(4)}, "bias of shape"),
    ):
        with pytest.raises(GraphError, match=text) as caught:
            b.conv(f"bad{text[:3]}", x, weight, **more)
        assert all(f.node.startswith("bad") for f in caught.value.findings)


def test_structure() -> None:
    b, x = start((2, 3, 4), BOOL)
    assert b.flatten("a", x).signal == Signal((24,), BOOL, "spike")
    assert b.reshape("b", x, (6, 4)).shape == (6, 4)
    assert b.permute("c", x, (2, 0, 1)).shape == (4, 2, 3)
    assert b.gather("d", x, [3, 3, 0, 1, 2], axis=2).shape == (2, 3, 5)
    assert b.concat("e", x, x, x, axis=1).shape == (2, 9, 4)
    assert b.pool("f", x, (3, 2)).signal == Signal((2, 1, 2), F32, "current")
    assert b.max_pool("g", x, 2, stride=1).signal == Signal((2, 2, 3), BOOL, "spike")
    for call, text in (
        (lambda: b.reshape("z", x, (5, 5)), "does not become"),
        (lambda: b.reshape("z", x, (-1, 4)), "does not become"),
        (lambda: b.permute("z", x, (0, 1)), "axes"),
        (lambda: b.permute("z", x, (0, 1, 1)), "axes"),
        (lambda: b.gather("z", x, [4], axis=2), "leaves 0 to 3"),
        (lambda: b.gather("z4", x, [], axis=2), "indices"),
        (lambda: b.gather("z5", x, [0], axis=3), "axis 3"),
        (lambda: b.concat("z", x, b.flatten("z2", x)), "do not join"),
        (lambda: b.concat("z"), "0"),
        (lambda: b.concat("z", x, axis=3), "axis 3"),
        (lambda: b.map("z", Reshape((24,)), x, x), "2 signals arrive at 1 ports"),
        (lambda: b.map("z", Dense("none", "nil"), x), r"'none'(.|\n)*'nil'"),
        (lambda: b.pool("z", b.flatten("z3", x), 2), "0"),
    ):
        with pytest.raises(GraphError, match=text):
            call()


def test_joining_other_kinds_and_types() -> None:
    b, x = start((3,), BOOL)
    y = b.input("y", (3,))
    z = b.input("z", (3,), kind="current")
    assert b.concat("a", y, z).signal == Signal((6,), F32, "value")
    with pytest.raises(GraphError, match="b: types"):
        b.concat("b", x, y)


@pytest.mark.parametrize(
    ("op", "kind", "wanted"),
    [
        (ReduceAxes("sum", (1,)), F32, Signal((2, 4), F32, "value")),
        (ReduceAxes("mean", (0, 2), True), F32, Signal((1, 3, 1), F32, "value")),
        (ReduceAxes("max", (2,)), BOOL, Signal((2, 3), BOOL, "spike")),
        (ReduceAxes("sum", (2,)), BOOL, Signal((2, 3), F32, "current")),
        (ReduceAxes("sum", (2,)), I8, Signal((2, 3), QType(-32, 28, (0.5,)), "value")),
        (ArgMax(1), F32, Signal((2, 3, 4), BOOL, "spike")),
    ],
)
def test_reductions(op: Any, kind: Any, wanted: Signal) -> None:
    b, x = start((2, 3, 4), kind)
    assert b.reduce("r", op, x).signal == wanted
    bad = ArgMax(3) if isinstance(op, ArgMax) else ReduceAxes(op.function, (0, 0))
    with pytest.raises(GraphError, match=r"r \(l\.1\): ax"):
        b.reduce("r", bad, x, source=["l.1"])


def test_products() -> None:
    b, x = start((2, 3), BOOL)
    y = b.input("y", (3, 5))
    assert b.product("a", "ik,kj->ij", x, y).signal == Signal((2, 5), F32, "value")
    assert b.product("b", "ik,ik->", x, x).signal == Signal((), F32, "value")
    for equation, text in (
        ("ik,jk->ij", "stands for 3 and 5"),
        ("ijk,kj->ij", "meets shapes"),
        ("ii,kj->ij", "repeats"),
        ("ik,kj->iz", "no factor has"),
        ("ik->i", "not of the form"),
        ("IK,KJ->IJ", "not of the form"),
    ):
        with pytest.raises(GraphError, match=f"z: .*{text}"):
            b.product("z", equation, x, y)


def test_synapses() -> None:
    b, x = start((2, 3), BOOL)
    made = b.synapses("s", x, (4,), [1.0, 2.0], [0, 5], [3, 0], [7, 1])
    assert made.signal == Signal((4,), F32, "current")
    for arguments, text in (
        (([1.0], [6], [0]), "leaves 0 to 5"),
        (([1.0], [0], [4]), "leaves 0 to 3"),
        (([1.0], [-1], [0]), "leave"),
        (([1.0, 2.0], [0], [0, 1]), "not of one length"),
        (([1.0, 2.0], [0], [0]), r"due are \[2\]: 6 sources and weights \[2\]"),
        (([1.0], [1, 0], [0, 1]), "not of one length"),
        (([1.0], [0], [0], [2**20]), "leaves 0 to"),
        (([1.0], [0.5], [0]), "where integers are due"),
        (([1.0], [0], [0.5]), "where integers are due"),
        (([1.0], [[0]], [[0]]), "where integers are due"),
    ):
        with pytest.raises(GraphError, match=text):
            b.synapses(f"bad {text}", x, (4,), *arguments)


def test_synapses_are_sorted_by_source() -> None:
    b, x = start((3,), BOOL)
    made = b.synapses("s", x, (2,), [1.0, 2.0, 3.0, 4.0], [2, 0, 2, 0], [0, 1, 1, 0], [5, 6, 7, 8])
    held = {name: t.data.tolist() for name, t in b.tensors.items()}
    assert held["s.weight"] == [2.0, 4.0, 1.0, 3.0]
    assert held["s.starts"] == [0, 2, 2, 4]
    assert held["s.target"] == [1, 0, 0, 1]
    assert held["s.delay"] == [6, 8, 5, 7]
    shared = b.synapses("t", x, (2,), "s.weight", [0, 0, 2, 2], [0, 1, 0, 1])
    assert made.signal == shared.signal
    with pytest.raises(GraphError, match=r"'s\.weight' is not sorted by source"):
        b.synapses("u", x, (2,), "s.weight", [2, 0, 2, 0], [0, 1, 0, 1])


@pytest.mark.parametrize("starts", [[0, 1, 0, 2], [1, 1, 1, 2], [0, 0, 1, 1]])
def test_rows_that_do_not_rise_are_refused(starts: list[int]) -> None:
    b, x = start((3,), BOOL)
    b.synapses("s", x, (2,), [1.0, 2.0], [0, 2], [0, 1])
    b.tensors["bad"] = tensor(starts, QType(0, 2))
    with pytest.raises(GraphError, match="'bad' does not rise from 0 to 2"):
        b.map("t", Synapses((2,), "s.weight", "bad", "s.target"), x)


def test_inference_gives_what_the_builder_said() -> None:
    for make in GRAPHS.values():
        graph = make()
        trace = simulate(
            graph,
            {
                n.name: np.zeros((1, *n.shape), bool if n.type == BOOL else np.int64)
                for n in graph.inputs
            },
            1,
            record=list(graph.signals),
        )
        for key, signal in graph.signals.items():
            assert trace[key].shape == (1, 1, *signal.shape), key


def test_windows_wholly_in_padding_are_found_by_a_closed_form() -> None:
    """Against a plain look at every tap; the closed form stays small where a file claims much."""
    lengths = (range(1, 5), range(1, 4), range(1, 4), range(5), range(5), range(1, 5))
    for n, kernel, stride, lo, hi, dilation in product(*lengths):
        window = Window((kernel,), (stride,), ((lo, hi),), (dilation,))
        out = window.output((n,))[0]
        if out < 1:
            continue
        taps = [[o * stride + k * dilation - lo for k in range(kernel)] for o in range(out)]
        empty = any(all(not 0 <= t < n for t in window_taps) for window_taps in taps)
        try:
            refuse_empty_windows(window, (n,))
        except GraphError:
            assert empty, window
        else:
            assert not empty, window
    with pytest.raises(GraphError, match="padding"):
        refuse_empty_windows(Window((2,), (1,), ((2**40, 0),), (2**31,)), (3,))
