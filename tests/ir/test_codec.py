from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields, replace
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurodeploy.errors import FileFormatError, GraphError
from neurodeploy.ir.codec import Network, content_digest, graph_header, read_header
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Edge, Input, Map, Output, ParamRef, Product, Reduce
from neurodeploy.ir.ops import (
    ArgMax,
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Gather,
    MapOp,
    MaxPool,
    Permute,
    Pool,
    ReduceAxes,
    ReduceOp,
    Reshape,
    Synapses,
    Window,
)
from neurodeploy.ir.strict_json import dump, parse
from neurodeploy.ir.structure import MAX_FINDINGS, Found, decode, encode
from neurodeploy.ir.types import F32, F64, NumType, QType, tensor
from neurodeploy.semantics.program import Program
from small_graphs import GRAPHS, conv_net, recurrent_net

WINDOW = Window((3, 2), (1, 2), ((0, 1), (2, 2)), (1, 3))
SUM = QType(-(2**31), 2**31 - 1, (0.1, 3.5e-45), -7, axis=0, rounding="floor", overflow="saturate")
OPS: tuple[MapOp | ReduceOp, ...] = (
    Dense("w"),
    Dense("w", "b", 0, SUM),
    Conv("w", WINDOW, "b", 2, SUM),
    ConvTranspose("w", WINDOW, (1, 0), None, 1, SUM),
    Synapses((2, 3), "w", "s", "t", "d", "b", SUM),
    Pool(WINDOW, "sum", "valid"),
    Reshape(()),
    Permute((1, 0, 2)),
    Concat(-1, 3),
    Gather(0, "i"),
    MaxPool(WINDOW, "cumulative"),
    ReduceAxes("mean", (0, 2), keepdims=True),
    ArgMax(1),
)


def read(data: Any, hint: Any) -> tuple[Any, list[str]]:
    found = Found()
    value = decode(data, hint, "x", found)
    return value, [str(f) for f in found]


def again(value: Any, hint: Any) -> Any:
    """Through text and back."""
    result, found = read(parse(dump(encode(value, hint))), hint)
    assert found == []
    return result


@pytest.mark.parametrize("op", OPS, ids=lambda op: type(op).__name__)
def test_every_operation_comes_back(op: MapOp | ReduceOp) -> None:
    assert again(op, MapOp | ReduceOp) == op


def test_the_operations_above_are_all_that_there_are() -> None:
    assert {type(op) for op in OPS} == {*MapOp.__args__, *ReduceOp.__args__}


@pytest.mark.parametrize("name", GRAPHS)
def test_every_field_of_a_graph_comes_back(name: str) -> None:
    graph = GRAPHS[name]()
    header = read_header(parse(dump(graph_header(graph))))
    # repr shows what equality leaves out: sources, provenance, definition, options
    assert repr(header.graph.nodes) == repr(graph.nodes)
    assert repr(header.graph.edges) == repr(graph.edges)
    assert header.graph.metadata == graph.metadata
    assert header.changes == graph.changes
    assert dict(header.tensors) == {name: t.type for name, t in graph.tensors.items()}


def test_values_that_look_alike_stay_apart() -> None:
    hint = float | int | bool | str
    for value in (0, 0.0, False, "0", 1, 1.0, True, "1.0", "", 2**63):
        result = again(value, hint)
        assert (type(result), result) == (type(value), value)
    assert str(again(-0.0, hint)) == "-0.0"


def test_numbers_of_numpy_become_plain() -> None:
    assert encode((np.int64(3), 4), tuple[int, ...]) == [3, 4]
    assert encode(np.float32(0.1), float) == float(np.float32(0.1))
    assert dump(encode(1, float)) == "1.0"
    assert type(encode(np.bool_(True), bool)) is bool
    assert dump(encode(np.float64(0.5), float | int | bool | str)) == "0.5"
    assert QType(np.int8(-8), np.int8(7), (np.float64(1),)) == QType(-8, 7)
    assert repr(QType(np.int8(-8), 7, (1,))) == repr(QType(-8, 7))


@given(
    st.tuples(
        st.floats(allow_nan=False, allow_infinity=False),
        st.integers(-(2**63), 2**64 - 1),
        st.booleans(),
        st.text(st.characters(exclude_categories=["Cs"])),
        st.none() | st.integers(0, 9),
        st.lists(st.tuples(st.text("ab"), st.floats(width=32, allow_nan=False).map(abs))).map(
            lambda pairs: tuple(p for p in pairs if p[1] < float("inf"))
        ),
    )
)
def test_leaves_come_back_exactly(value: tuple[object, ...]) -> None:
    hint = tuple[float, int, bool, str, int | None, tuple[tuple[str, float], ...]]
    assert repr(again(value, hint)) == repr(value)


REFUSED = [
    (int, True, "x: True stands where an integer is due."),
    (bool, 1, "x: 1 stands where a bool is due."),
    (float, 1, "x: 1 stands where a float is due."),
    (int, 1.0, "x: 1.0 stands where an integer is due."),
    (int | None, "1", "x: '1' stands where an integer or null is due."),
    (str, None, "x: None stands where a text is due."),
    (str, {}, "x: an object of 0 stands where a text is due."),
    (tuple[int, ...], "123", "x: '123' stands where a list is due."),
    (tuple[int, ...], [1, None], "x[1]: None stands where an integer is due."),
    (tuple[str, str], ["a"], "x: 1 values, 2 are due."),
    (Literal["sum", "mean"], "max", "x: 'max' stands where one of 'sum', 'mean' is due."),
    (Literal["sum", "mean"], ["sum"], "x: a list of 1 stands where one of 'sum', 'mean' is due."),
    (ParamRef, [], "x: a list of 0 stands where a ParamRef is due."),
    (NumType, {}, "x: class is None, not one of Bool, Float, QType."),
    (NumType, {"class": ["Bool"]}, "x: class is a list of 1, not one of Bool, Float, QType."),
    (NumType, {"class": "Float", "bits": 16}, "x: a float has 32 or 64 bits, not 16."),
    (NumType, {"class": "Bool", "bits": 1}, "x: there is no field 'bits'."),
    (MapOp, {"class": "MaxPool"}, "x: class is 'MaxPool', not one of Dense, Conv, ConvTranspose, "),
    (MapOp, {"class": "Concat", "axis": 0, "count": 10**18}, "x: a concatenation joins 1 to "),
    (Program, [], "x: a list of 0 stands where a program is due."),
    (Program, {}, "x: damaged program: 'inputs'."),
]


@pytest.mark.parametrize(("hint", "data", "message"), REFUSED)
def test_another_type_is_refused(hint: Any, data: Any, message: str) -> None:
    _, found = read(data, hint)
    assert len(found) == 1
    assert found[0].startswith(message)


def test_everything_wrong_is_said_at_once() -> None:
    edge = encode(Edge("a", "out", "b", "in"), Edge)
    op = encode(Conv("w", WINDOW), MapOp)
    assert isinstance(edge, dict)
    assert isinstance(op, dict)
    del edge["port"]
    edge |= {"delay": "2", "Delay": 2}
    op["window"] = {**op["window"], "kernel": [0, True], "stride": [[]]}  # type: ignore[dict-item]
    _, found = read([edge, op], tuple[Edge, MapOp])
    assert found == [
        "x[0]: the field 'port' is missing.",
        "x[0].delay: '2' stands where an integer is due.",
        "x[0]: there is no field 'Delay'.",
        "x[1].window.kernel[1]: True stands where an integer is due.",
        "x[1].window.stride[0]: a list of 0 stands where an integer is due.",
    ]


def test_findings_have_an_end() -> None:
    _, found = read([None] * 5000, tuple[int, ...])
    assert len(found) == MAX_FINDINGS + 1
    assert found[-1] == f"{5000 - MAX_FINDINGS} more findings of this kind."


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (float("nan"), float),
        (float("inf"), float | int),
        (True, int),
        (2**64, int),
        (10**400, float),
        pytest.param(10**5000, int, id="huge"),
        ([1], tuple[int, ...]),
        ((1,), tuple[int, int]),
        ("half \ud800", str),
        ("max", Literal["sum"]),
        (Dense("w"), ReduceOp),
        (None, str),
    ],
)
def test_what_cannot_be_read_is_not_written(value: object, hint: Any) -> None:
    with pytest.raises(GraphError):
        encode(value, hint)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no JSON: Expecting value at character 0"),
        ("{} {}", "no JSON: Extra data at character 3"),
        ('{"a":1,"b":2,"a":1}', "the JSON key 'a' occurs twice"),
        ("[" * 100_000, "the JSON is nested too deeply"),
        ('{"a":' * 100_000, "the JSON is nested too deeply"),
        ("[1" + "0" * 5000 + "]", "the JSON holds an integer of 5001 digits"),
        ("[1e999]", "the JSON holds the number 1e999, which no float holds"),
        ("[NaN]", "the JSON holds NaN"),
        ("[-Infinity]", "the JSON holds -Infinity"),
        ('["\\ud83d"]', "a text of the JSON holds half a surrogate pair"),
        ('["a\nb"]', "no JSON: Invalid control character at at character 3"),
    ],
    ids=str.__len__,
)
def test_hostile_json_is_refused(text: str, message: str) -> None:
    with pytest.raises(FileFormatError) as caught:
        parse(text)
    assert str(caught.value) == message + "."


def test_a_program_is_read_in_its_canonical_form_only() -> None:
    program = conv_net().cells[0].program
    good = program.to_json()
    assert read(good, Program) == (program, [])
    instrs = list(good["instrs"])  # type: ignore[call-overload]
    for bad in (
        {**good, "extra": []},
        {**good, "outputs": [["out", -1]]},
        {**good, "outputs": [["out", True]]},
        {**good, "instrs": [*instrs, ["const", [], {"kind": "f32", "value": "0x1p99999"}]]},
        {**good, "instrs": [*instrs, ["const", [], {"kind": "f32", "value": "0x1.0p+0"}]]},
        {**good, "instrs": [*instrs, ["mul", [0, 0], {"self": 1}]]},
        {**good, "instrs": [*instrs, ["shift_left", [0], {"n": 10**18}]]},
        {**good, "instrs": [*instrs, ["input", [], {"name": {"a": []}}]]},
        {**good, "instrs": "add"},
        {**good, "inputs": [["x", "int[0,99999999999999999999]"]]},
    ):
        _, found = read(bad, Program)
        assert len(found) == 1, bad


# -- the content hash -----------------------------------------------------------------------------


def altered(graph: Graph, name: str, **values: Any) -> Graph:
    return graph.map_nodes(lambda n: replace(n, **values) if n.name == name else n)


def test_history_and_origin_are_no_content() -> None:
    graph = conv_net()
    other = replace(graph, changes=(), metadata=())
    other = altered(other, "lif1", source=(), provenance=(), definition="", options=())
    assert other == graph
    assert hash(other) == hash(graph)
    assert content_digest(other) == content_digest(graph)


def test_all_else_is_content() -> None:
    graph, loop = conv_net(), recurrent_net()
    conv = graph.node("conv1")
    assert isinstance(conv, Map)
    assert isinstance(conv.op, Conv)
    weight = graph.tensors["conv1.weight"].data.copy()
    weight[3, 1, 2, 0] = np.nextafter(weight[3, 1, 2, 0], 9)
    more = {**graph.tensors, "conv1.weight": tensor(weight, F32)}
    stride = replace(conv.op.window, padding=((1, 1), (1, 0)))
    spare = tuple(replace(e, delay=3) if e.delay == 2 else e for e in loop.edges)
    late = tuple(replace(e, initial=0) if e.initial == 1 else e for e in loop.edges)
    graphs = [
        graph,
        replace(graph, dt=None),
        replace(graph, dt=Fraction(1, 999)),
        replace(graph, timesteps=9),
        replace(graph, opset=2),
        replace(graph, tensors=more),
        altered(graph, "out", decode="first"),
        altered(graph, "lif2", start=1),
        altered(graph, "lif2", stream=1),
        altered(graph, "conv1", op=replace(conv.op, window=stride)),
        loop,
        replace(loop, edges=spare),
        replace(loop, edges=late),
    ]
    assert len({g.digest for g in graphs}) == len(graphs)


def test_content_names_every_field_that_equality_compares() -> None:
    # a field that is added to a node later is content unless it says compare=False
    left_out = {
        f.name
        for cls in (Input, Output, Map, Cell, Reduce, Product, Edge, Network)
        for f in fields(cls)
        if not f.compare
    }
    assert left_out == {"source", "provenance", "definition", "options", "metadata"}
    content = encode(
        Input(name="x", shape=(1,), type=F64, source=("s",)), Input | Output, content=True
    )
    assert content == {
        "family": "Input",
        "name": "x",
        "shape": [1],
        "type": {"class": "Float", "bits": 64},
        "kind": "value",
        "encoding": "direct",
    }


def test_an_initial_value_counts_by_its_number() -> None:
    loop = recurrent_net()

    def start(value: float | bool) -> str:
        edges = (replace(e, initial=value) if e.delay == 2 else e for e in loop.edges)
        return replace(loop, edges=tuple(edges)).digest

    assert start(0) == start(0.0) == start(-0.0) == start(False) != start(1)
    assert start(1) == start(1.0) == start(True)


def test_a_field_of_another_type_is_a_typed_error() -> None:
    graph = altered(conv_net(), "x", source=["not", "a", "tuple"])
    with pytest.raises(
        GraphError, match=r"graph\.nodes\[0\]\.source: a list of 3 stands where a tuple is due"
    ):
        graph_header(graph)


def test_the_digest_is_the_same_under_any_hash_seed() -> None:
    code = "from small_graphs import GRAPHS; print([make().digest for make in GRAPHS.values()])"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert seen == {str([make().digest for make in GRAPHS.values()]) + "\n"}
