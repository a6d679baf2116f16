"""The builder: what it spares its user, and what it never touches."""

from __future__ import annotations

import copy
import pickle
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import neurodeploy as nd
from neurodeploy.errors import GraphError, SemanticsError
from neurodeploy.ir import BOOL, F32, F64, GraphBuilder, QType, tensor
from neurodeploy.ir.builder_maps import Ref, window
from neurodeploy.ir.nodes import Cell
from neurodeploy.ir.types import Signal
from neurodeploy.reference import simulate
from neurodeploy.semantics.types import Int
from small_graphs import GRAPHS


def start(shape: tuple[int, ...], num: Any = F32, kind: Any = None) -> tuple[GraphBuilder, Ref]:
    b = GraphBuilder(**({"float_type": F64} if num == F64 else {}))
    return b, b.input("x", shape, type=num, kind=kind)


# -- cells -----------------------------------------------------------------------------------------


def test_a_cell_takes_the_broadcast_of_what_arrives() -> None:
    b, x = start((3, 1))
    y = b.input("y", (4,))
    assert b.cell("a", "add", x, y).shape == (3, 4)
    assert b.cell("n", "lif", y, shape=(2, 4)).shape == (2, 4)
    with pytest.raises(GraphError, match=r"c: shapes \[\[3, 1\], \[2, 4\]\] do not broadcast"):
        b.cell("c", "add", x, b.input("z", (2, 4)))


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"params": {"colour": 1.0}}, "no parameter 'colour'"),
        ({"params": {"low": 1.0}}, "'low' has no effect with these options"),
        ({"initial": {"w": 0.0}}, "no state 'w'"),
        ({"options": {"colour": "red"}}, "no option 'colour'"),
        ({"options": {"reset": "sometimes"}}, "sometimes"),
        ({"timed": ["beta"]}, "called timed, but it is not given"),
        ({"state_types": {"w": F32}}, "no state 'w'"),
        ({"params": {"beta": float("nan")}}, "nan"),
        ({"params": {"beta": "much"}}, "no tensor"),
        ({"params": {"beta": 1e300}}, "overflows f32"),
    ],
)
def test_a_cell_refuses_what_it_has_not(more: dict[str, Any], text: str) -> None:
    b, x = start((3,))
    if "low" in more.get("params", {}):
        more = {"params": {"rest": 1.0}}
        text = "'rest' has no effect with these options"
    with pytest.raises(GraphError, match=text) as caught:
        b.cell("n", "lif", x, **more)
    assert all(f.node.startswith("n") or "lif" in f.message for f in caught.value.findings)
    assert b.nodes == [b.nodes[0]]


def test_a_cell_with_another_number_of_inputs() -> None:
    b, x = start((3,))
    with pytest.raises(SemanticsError, match=r"n: cell 'lif' has the inputs \['x'\], but 2"):
        b.cell("n", "lif", x, x)


def test_other_outputs_and_states() -> None:
    b, x = start((3,))
    n = b.cell("n", "lif", x, params={"beta": 0.5})
    assert b.state(n, "v").signal == Signal((3,), F32, "value")
    assert b.state(n, "out").signal == Signal((3,), BOOL, "spike")
    for ref, name, text in (
        (n, "w", "'n' has no output 'w'.*'out', 'v'"),
        (x, "v", "'x' has no output 'v'"),
        (b.ref("later", shape=(3,)), "v", "no node 'later' yet"),
    ):
        with pytest.raises(GraphError, match=text):
            b.state(ref, name)
    b.output("spikes", n)
    b.output("v", b.state(n, "v"))
    assert [o.decode for o in b.build().outputs] == ["count", "mean"]


def test_forward_references_make_recurrences() -> None:
    b, x = start((2,))
    back = b.ref("n", shape=(2,), delay=3, initial=True)
    n = b.cell("n", "lif", b.cell("sum", "add", x, b.dense("w", back, np.eye(2))))
    value = b.ref("n", "v", shape=(2,), type=F32, delay=1, initial=0.5)
    graph = b.output("out", n).output("late", value).build()
    (edge,) = graph.edges_into["w"]
    assert (edge.source, edge.delay, edge.initial) == ("n", 3, True)
    assert graph.signals[("late", "out")] == Signal((2,), F32, "value")
    out = simulate(graph, {"x": np.zeros((1, 2), np.float32)}, 5, record=[("w", "out")])
    assert out[("w", "out")][0, :, 0].tolist() == [1, 1, 1, 1, 1]  # it keeps itself alive


def test_a_forward_reference_that_was_wrong_is_found() -> None:
    b, x = start((2,))
    sum_ = b.cell("sum", "add", x, b.dense("w", b.ref("n", shape=(3,)), np.ones((2, 3))))
    b.output("out", b.cell("n", "lif", sum_))
    with pytest.raises(GraphError, match=r"w: weight of shape \[2, 3\] meets 2 inputs"):
        b.build()
    b, x = start((2,))
    b.output("out", b.cell("sum", "add", x, b.ref("never", shape=(2,), type=F32)))
    with pytest.raises(GraphError, match="'never', which does not exist"):
        b.build()


def test_a_reference_read_later() -> None:
    b, x = start((2,))
    graph = b.output("out", x.after(2, 0.25)).build()
    out = simulate(graph, {"x": np.ones((1, 2), np.float32)}, 4, record=[("out", "out")])
    assert out[("out", "out")][0, :, 0].tolist() == [0.25, 0.25, 1, 1]


# -- tensors ---------------------------------------------------------------------------------------


def test_weights_are_shared_by_name() -> None:
    b, x = start((3,))
    y = b.dense("a", x, np.eye(3), np.ones(3))
    y = b.dense("b", y, "a.weight", "a.bias")
    b.tensors["mine"] = tensor(np.eye(3), F32)
    y = b.dense("c", y, "mine")
    graph = b.output("out", y).build()
    assert set(graph.tensors) == {"a.weight", "a.bias", "mine"}
    with pytest.raises(GraphError, match="no tensor 'nothing' to share"):
        b.dense("d", y, "nothing")


def test_two_tensors_of_one_name() -> None:
    b, x = start((3,))
    b.dense("a", x, np.eye(3))
    b._store("a.weight", tensor(np.eye(3), F32))  # the same: shared
    with pytest.raises(GraphError, match=r"two tensors are named 'a\.weight'"):
        b.dense("a", x, 2 * np.eye(3))


def test_what_is_handed_in_is_neither_kept_nor_changed() -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "weight": rng.normal(size=(2, 3)).astype(np.float32),
        "bias": np.ones(2, np.float32),
        "beta": np.full(2, 0.5, np.float32),
        "v": np.zeros(2, np.float32),
        "at": np.array([1, 0]),
    }
    kept = {k: a.copy() for k, a in arrays.items()}
    b, x = start((3,))
    n = b.cell(
        "n",
        "lif",
        b.dense("fc", x, arrays["weight"], arrays["bias"]),
        params={"beta": arrays["beta"]},
        initial={"v": arrays["v"]},
    )
    graph = b.output("out", b.gather("g", n, arrays["at"])).build()
    digest = graph.digest
    for name, array in arrays.items():
        assert array.flags.writeable, name
        assert np.array_equal(array, kept[name]), name
        array += 1  # afterwards it is the caller's alone
    again = nd.Graph(graph.nodes, graph.edges, graph.tensors, graph.dt)
    assert again.digest == digest
    b.dense("more", x, np.ones((1, 3)))
    b.tensors.clear()
    assert set(graph.tensors) == {
        "fc.weight", "fc.bias", "n.beta", "n.threshold", "n.v.initial", "g.indices",
    }  # fmt: skip
    with pytest.raises(ValueError, match="read-only"):
        graph.tensors["fc.weight"].data[0] = 3
    with pytest.raises(TypeError):
        graph.tensors["fc.weight"] = graph.tensors["fc.bias"]  # type: ignore[index]
    with pytest.raises(AttributeError):
        graph.dt = Fraction(1)  # type: ignore[misc]


def test_parameters_are_rounded_once_to_the_float_type() -> None:
    for kind, dtype in ((F32, np.float32), (F64, np.float64)):
        b, x = start((1,), kind)
        b.output("out", b.cell("n", "lif", x, params={"beta": 0.1}))
        data = b.build().tensors["n.beta"].data
        assert data.dtype == dtype
        assert data == dtype(0.1)


def test_integer_tensors_stay_integers() -> None:
    b, x = start((2,), QType(-3, 3))
    y = b.dense("fc", x, tensor([[1, -2]], QType(-2, 1)))
    graph = b.output("out", y).build()
    assert graph.tensors["fc.weight"].data.dtype == np.int8
    assert graph.signals[("fc", "out")].type == QType(-9, 9)
    assert Int(-9, 9).bits == 5


@pytest.mark.parametrize("name", sorted(GRAPHS))
def test_copies_and_pickles(name: str) -> None:
    graph = GRAPHS[name]()
    assert copy.copy(graph) is graph
    assert copy.deepcopy(graph) is graph
    assert copy.deepcopy({"a": [graph]})["a"][0] is graph
    again = pickle.loads(pickle.dumps(graph))
    assert again == graph
    assert hash(again) == hash(graph)
    assert again.changes == graph.changes
    assert [n.source for n in again.nodes] == [n.source for n in graph.nodes]
    assert not any(t.data.flags.writeable for t in again.tensors.values())


def test_windows_by_short_arguments() -> None:
    assert window(3, rank=2) == window((3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), rank=2)
    assert window(3, 2, (1, 0), rank=2).padding == ((1, 1), (0, 0))
    assert window(2, padding=((1, 2),), rank=1).padding == ((1, 2),)


def test_a_cell_keeps_what_it_was_made_with() -> None:
    b, x = start((3,))
    n = b.cell(
        "n", "lif", x, options={"strict": True}, start=2, stream=5, source=["a", "b"],
        provenance=(("tau", "20 ms"),),
    )  # fmt: skip
    cell = b.output("out", n).build().node("n")
    assert isinstance(cell, Cell)
    assert (cell.start, cell.stream, cell.source) == (2, 5, ("a", "b"))
    assert cell.provenance == (("tau", "20 ms"),)
    assert dict(cell.options)["strict"] == "True"
    assert cell.definition == "lif"
