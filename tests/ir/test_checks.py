"""The rules of a graph: each one refused with its place, all of them at once, without delay."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from neurodeploy.errors import GraphError
from neurodeploy.ir import BOOL, F32, F64, Cell, Graph, GraphBuilder, QType, tensor
from neurodeploy.ir.nodes import Input, Map, Output, ParamRef, Product, Reduce
from neurodeploy.ir.ops import Dense, MaxPool, ReduceAxes, Reshape, Window
from neurodeploy.ir.types import Signal
from plain_nodes import OUT, edge, findings, flat, x

# -- structure ------------------------------------------------------------------------------------


def test_every_broken_rule_at_once() -> None:
    nodes = [
        x(),
        x(),
        flat("a", source=("layer.a",)),
        flat("a"),
        flat(""),
        Map(name="fc", op=Dense("fc.weight", "fc.bias")),
        flat("twice"),
        OUT,
    ]
    edges = [
        edge("x", "a"),
        edge("ghost", "fc"),
        edge("x", "spirit"),
        edge("x", "twice"),
        edge("a", "twice"),
        edge("a", "out", delay=-1),
        edge("out", "", initial="lost"),
        edge("x", "x", port="in"),
        edge("a", "fc", port="other", output="spikes", delay=2**20 + 1),
    ]
    found = findings(nodes, edges, {"unused": tensor(1.0, F32)})
    assert sorted(found) == sorted(
        [
            ("x", "the name 'x' is used by 2 nodes"),
            ("a", "the name 'a' is used by 2 nodes"),
            ("", "a node has an empty name"),
            ("fc.in", "an edge names the node 'ghost', which does not exist"),
            ("spirit.in", "an edge names the node 'spirit', which does not exist"),
            ("out.in", "delay -1 is not in 0 to 1048576 steps"),
            ("out", "an edge leaves an output node"),
            (".in", "there is no tensor 'lost'"),
            ("x", "there is no port 'in'"),
            ("a", "there is no output 'spikes'"),
            ("fc", "there is no port 'other'"),
            ("fc.other", "delay 1048577 is not in 0 to 1048576 steps"),
            ("twice", "port 'in' is fed by 2 edges"),
            ("fc", "there is no tensor 'fc.weight'"),
            ("fc", "there is no tensor 'fc.bias'"),
            ("", "no node uses the tensor 'unused'"),
        ]
    )


def test_ports_that_nothing_feeds() -> None:
    nodes = [x(), Product(name="p", equation="i,i->", source=("att",)), OUT]
    found = findings(nodes, [edge("x", "p", "a"), edge("p", "out")])
    assert found == [("p", "port 'b' is fed by 0 edges")]


def test_no_input_and_no_output() -> None:
    assert findings([], []) == [("", "the graph has no input"), ("", "the graph has no output")]
    assert ("", "the graph has no output") in findings([x()], [])


def test_time_of_a_graph() -> None:
    nodes, edges = [x(), OUT], [edge("x", "out")]
    found = findings(nodes, edges, dt=Fraction(0), timesteps=0)
    assert [m for _, m in found] == ["dt is 0 s", "timesteps is 0"]
    found = findings(nodes, edges, dt=Fraction(-1, 1000), timesteps=-5)
    assert [m for _, m in found] == ["dt is -1/1000 s", "timesteps is -5"]


# -- meaning --------------------------------------------------------------------------------------


def passed(node: Any, signal: Input, *more: Any, tensors: Any = None) -> list[tuple[str, str]]:
    edges = [edge(signal.name, node.name, p) for p in node.ports]
    return findings([signal, node, OUT, *more], [*edges, edge(node.name, "out")], tensors)


def test_inputs() -> None:
    edges = [edge("x", "out")]
    for shape in ((0,), (3, -1), (1,) * 9):
        assert (
            "x", f"shape {list(shape)} of an input",
        ) in findings([x(shape=shape), OUT], edges)  # fmt: skip
    assert (
        findings([x(shape=(2**16, 2**16)), OUT], edges)[0][1] == "4294967296 elements in one signal"
    )
    assert findings([x(kind="spike"), OUT], edges) == [("x", "kind 'spike' with type f32")]
    assert findings([x(type=BOOL), OUT], edges) == [("x", "kind 'value' with type bool")]


def test_words_that_nobody_knows() -> None:
    nodes = [x(kind="loud"), x("y", encoding="morse"), OUT, Output(name="o2", decode="guess")]
    found = findings(nodes, [edge("x", "out"), edge("y", "o2")])
    assert found == [
        ("x", "there is no kind 'loud'"),
        ("y", "there is no encoding 'morse'"),
        ("o2", "there is no decoding 'guess'"),
    ]


def test_a_rule_names_the_node_and_its_layer() -> None:
    node = Map(name="flat", op=Reshape((7,)), source=("features.3",))
    with pytest.raises(GraphError, match=r"flat \(features\.3\): \[3\] does not become \[7\]"):
        Graph((x(), node, OUT), (edge("x", "flat"), edge("flat", "out")), {})


def test_what_follows_from_one_mistake_is_told_once() -> None:
    nodes = [
        x(),
        Map(name="a", op=Reshape((7,))),
        flat("b"),
        Reduce(name="c", op=ReduceAxes("sum", (0,))),
    ]
    edges = [edge("x", "a"), edge("a", "b"), edge("b", "c"), edge("c", "out")]
    assert [n for n, _ in findings([*nodes, OUT], edges)] == ["a"]


def test_independent_mistakes_are_told_together() -> None:
    window = Window((5,), (1,), ((0, 0),), (1,))
    nodes = [x(), Map(name="a", op=Reshape((7,))), Reduce(name="b", op=MaxPool(window)), OUT]
    nodes.append(Output(name="o2"))
    edges = [edge("x", "a"), edge("x", "b"), edge("a", "out"), edge("b", "o2")]
    assert [n for n, _ in findings(nodes, edges)] == ["a", "b"]


def test_a_shape_that_depends_on_itself() -> None:
    nodes = [x(), flat("a"), flat("b"), OUT, Output(name="o2")]
    edges = [edge("x", "out"), edge("b", "a", delay=1), edge("a", "b"), edge("a", "o2")]
    assert findings(nodes, edges)[0][1].endswith("depends on itself")


def test_a_maximum_that_no_input_wins() -> None:
    window = Window((2,), (1,), ((2, 0),), (1,))
    found = passed(Reduce(name="p", op=MaxPool(window)), x(shape=(1, 3)))
    assert found == [("p", "padding leaves windows of [2] without a position")]


# -- cells ----------------------------------------------------------------------------------------


def lif(**more: Any) -> Graph:
    b = GraphBuilder()
    n = b.cell("n", "lif", b.input("x", (2, 3)), source=("lif1",), **more)
    return b.output("out", n).build()


def altered(**fields: Any) -> list[tuple[str, str]]:
    graph = lif()
    new = replace(graph.cells[0], **fields)
    nodes = tuple(new if isinstance(n, Cell) else n for n in graph.nodes)
    return findings(nodes, graph.edges, graph.tensors)


def test_cells_that_do_not_fit_their_program() -> None:
    cell = lif().cells[0]
    assert altered(params=())[0][1].startswith("no node uses the tensor")
    renamed = tuple(replace(p, name=p.name + "x") for p in cell.params)
    assert altered(params=renamed) == [("n", "its parameters are not those of its program")]
    states = tuple(replace(s, name="w") for s in cell.states)
    assert altered(states=states) == [("n", "its states are not those of its program")]
    assert altered(states=tuple(replace(s, type=F64) for s in cell.states)) == [
        ("n", "state 'v' is stored in another type than it is computed in"),
    ]
    assert altered(shape=(3,)) == [
        ("n", "input 'x' of shape [2, 3] does not broadcast to [3]"),
    ]
    assert altered(start=-1) == [("n", "start -1 and stream 0 are not both at least 0")]
    timed = tuple(ParamRef(p.name, p.tensor, timed=True) for p in cell.params)
    assert {m for _, m in altered(params=timed)} == {
        "parameter 'beta' has no time axis",
        "parameter 'threshold' has no time axis",
    }


@pytest.mark.parametrize(
    ("shape", "fits"), [((), True), ((3,), True), ((2, 1), True), ((2,), False), ((1, 2, 3), False)]
)
def test_parameters_and_initial_values_broadcast(shape: tuple[int, ...], fits: bool) -> None:
    for more in (
        {"params": {"beta": np.full(shape, 0.5)}},
        {"initial": {"v": np.full(shape, 0.5)}},
    ):
        if fits:
            assert lif(**more).signals[("n", "v")] == Signal((2, 3), F32, "value")
        else:
            with pytest.raises(GraphError, match=r"n \(lif1\): .*does not broadcast"):
                lif(**more)


def test_types_that_a_cell_was_not_traced_for() -> None:
    graph = lif()
    nodes = tuple(replace(n, type=F64) if isinstance(n, Input) else n for n in graph.nodes)
    assert findings(nodes, graph.edges, graph.tensors) == [
        ("n", "input 'x' is f64, the cell was traced for f32"),
    ]
    tensors = dict(graph.tensors) | {"n.beta": tensor(0.5, F64), "n.v.initial": tensor(0.0, F64)}
    assert findings(graph.nodes, graph.edges, tensors) == [
        ("n", "parameter 'beta' is f64, the cell was traced for f32"),
        ("n", "initial value of 'v' is f64"),
    ]


# -- what arrives before the first value -----------------------------------------------------------


def initial(kind: Any, value: Any, delay: int = 1) -> Graph:
    b = GraphBuilder()
    b.tensors |= {
        "t": tensor([1, 0, 1], kind) if isinstance(kind, QType) else tensor(np.ones(3), F32)
    }
    a = b.input("x", (3,), type=kind)
    b.output("late", a.after(delay, value))
    b.output("held", b.input("y", (3,), type=b.tensors["t"].type).after(1, "t"))
    return b.build()


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (F32, 0), (F32, -1.5), (F32, 3.4e38), (F32, True), (F64, 1e300), (BOOL, 1), (BOOL, False),
        (QType(-4, 4), -4), (QType(-4, 4), 2.0), (QType(-4, 4), "t"),
    ],
)  # fmt: skip
def test_initial_values(kind: Any, value: Any) -> None:
    assert initial(kind, value).edges


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (F32, float("nan"), "is not finite"),
        (F32, float("-inf"), "is not finite"),
        (F32, 1e39, "is no f32"),
        (F32, 10**400, "an integer of 1329 bits is no f32"),
        (F64, -(10**400), "is no f64"),
        (F32, "nothing", "no tensor 'nothing'"),
        (F64, "t", "is f32"),
        (BOOL, 2, "is no spike"),
        (BOOL, 0.5, "is no spike"),
        (BOOL, float("nan"), "is not finite"),
        (QType(-4, 4), 5, r"is no int\[-4,4\]"),
        (QType(-4, 4), 0.5, r"is no int\[-4,4\]"),
        (QType(-4, 4), float("inf"), "is not finite"),
        (QType(-4, 4), float("nan"), "is not finite"),
    ],
)
def test_initial_values_that_are_none(kind: Any, value: Any, text: str) -> None:
    with pytest.raises(GraphError, match=f"late.in: .*{text}"):
        initial(kind, value)


@pytest.mark.parametrize("value", [1, 0.5, "t", float("nan")])
def test_an_edge_without_delay_has_no_initial_value(value: Any) -> None:
    with pytest.raises(GraphError, match=r"late\.in: an edge without delay has an initial value"):
        initial(F32, value, delay=0)


def test_an_initial_tensor_of_another_shape() -> None:
    b = GraphBuilder()
    b.tensors["t"] = tensor([1.0], F32)
    b.output("out", b.input("x", (3,)).after(1, "t"))
    with pytest.raises(GraphError, match=r"f32\[1\], the signal f32\[3\]"):
        b.build()


def test_two_states_of_one_name() -> None:
    b = GraphBuilder()
    a = b.input("x", (3,))
    n = b.cell("a.in", "lif", a)
    made = b.output("a", n.after(1)).build()  # its line is a.in/line, the cell's state a.in/v
    assert made.cells[0].name == "a.in"
    cell = made.cells[0]
    program = replace(
        cell.program,
        states=tuple(replace(p, name="line") for p in cell.program.states),
        updates=tuple(("line", i) for _, i in cell.program.updates),
        instrs=tuple(
            replace(i, attrs=(("name", "line"),)) if i.op == "state" else i
            for i in cell.program.instrs
        ),
    )
    clash = replace(
        cell, program=program, states=tuple(replace(s, name="line") for s in cell.states)
    )
    nodes = tuple(clash if n is cell else n for n in made.nodes)
    assert findings(nodes, made.edges, made.tensors) == [
        ("a.in", "two states are both called 'line' of 'a.in'"),
    ]
