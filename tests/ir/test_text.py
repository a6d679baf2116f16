from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from neurodeploy.ir.file import graph_bytes, load_graph
from neurodeploy.ir.graph import Change, Graph
from neurodeploy.ir.nodes import Output
from neurodeploy.ir.text import graph_text, program_text
from neurodeploy.semantics import language
from neurodeploy.semantics.language import (
    absolute,
    clip,
    constant,
    declare,
    mod,
    step_index,
    to_int,
)
from neurodeploy.semantics.numpy_eval import Frame, evaluate
from neurodeploy.semantics.program import Program
from neurodeploy.semantics.trace import CellDefinition, State, trace
from neurodeploy.semantics.types import F32, F64, Int
from small_graphs import GRAPHS, conv_net, odd_net, recurrent_net
from tiers import sample_count

GOLDEN = Path(__file__).parent / "golden"
# set NEURODEPLOY_GOLDEN=write to write the files anew, then read the difference
WRITE = os.environ.get("NEURODEPLOY_GOLDEN") == "write"


@pytest.mark.parametrize("name", GRAPHS)
def test_the_text_is_the_golden_one(name: str) -> None:
    text = graph_text(GRAPHS[name]()) + "\n"
    path = GOLDEN / f"{name}.txt"
    if WRITE:
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_there_is_no_golden_file_without_a_graph() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(GRAPHS)


@pytest.mark.parametrize("name", GRAPHS)
def test_the_text_survives_the_file(name: str, tmp_path: Path) -> None:
    graph = GRAPHS[name]()
    (tmp_path / "net.nd").write_bytes(graph_bytes(graph))
    assert str(load_graph(tmp_path / "net.nd")) == graph_text(graph) == str(graph)


def test_the_text_is_the_same_under_any_hash_seed() -> None:
    code = "from small_graphs import GRAPHS\nfor make in GRAPHS.values(): print(make())"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUTF8": "1"}
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**environment, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "7")
    }
    assert len(seen) == 1


def lines_of(graph: Graph, part: str) -> list[str]:
    """Give the lines of a part of the text, up to the next empty line."""
    text = graph_text(graph).split("\n")
    begin = text.index(part) + 1
    return text[begin : text.index("", begin) if "" in text[begin:] else len(text)]


def test_each_node_tensor_and_change_has_one_line() -> None:
    for make in GRAPHS.values():
        graph = make()
        assert len(lines_of(graph, "nodes")) == len(graph.nodes)
        assert len(lines_of(graph, "tensors")) == len(graph.tensors)
    assert len(lines_of(conv_net(), "changes")) == 2


def test_no_text_of_a_graph_steers_a_terminal() -> None:
    nasty = "\x1b[31m\r\n\u202e\x00\u2028end"
    graph = odd_net()
    graph = replace(
        graph,
        metadata=((nasty, nasty),),
        changes=(Change(nasty, (nasty,), nasty, nasty, nasty, nasty),),
    )
    graph = graph.map_nodes(lambda n: replace(n, source=(nasty,)))
    text = graph_text(graph)
    assert all(c.isprintable() or c == "\n" for c in text)
    assert len(text.split("\n")) == len(graph_text(odd_net()).split("\n")) + 2


def test_sources_are_told_where_they_are_not_the_name() -> None:
    graph = conv_net().map_nodes(lambda n: replace(n, source=(n.name,)))
    assert not any(" from " in line for line in lines_of(graph, "nodes"))
    graph = graph.map_nodes(lambda n: replace(n, source=("a layer", n.name)))
    assert all(
        line.endswith(f' from "a layer", {node.name}')
        for node, line in zip(graph.nodes, lines_of(graph, "nodes"), strict=True)
    )


def test_what_changes_a_graph_changes_its_text() -> None:
    graph = recurrent_net()
    graphs = [graph, replace(graph, timesteps=3)]
    for late in (e for e in graph.edges if e.delay):
        others = [replace(late, delay=late.delay + 1)]
        if late.initial == 1:
            others.append(replace(late, initial=0))
        for other in others:
            edges = tuple(other if e is late else e for e in graph.edges)
            graphs.append(replace(graph, edges=edges))
    out = graph.node("v")
    assert isinstance(out, Output)
    for decode in ("first", "count"):
        changed = replace(out, decode=decode)
        graphs.append(graph.map_nodes(lambda n, c=changed: c if n.name == "v" else n))
    assert len({graph_text(g) for g in graphs}) == len(graphs) == 7


# -- programs -------------------------------------------------------------------------------------


def text_of(function: Any, kind: Any = F32, **definition: Any) -> list[str]:
    cell = CellDefinition("cell", function, **definition)
    names = cell.inputs
    return program_text(trace(cell, inputs=dict.fromkeys(names, kind)).program).split("\n")


def test_brackets_stand_where_the_order_needs_them() -> None:
    def written(function: Any, kind: Any = F32) -> str:
        line = text_of(lambda p, s, a, b, c: function(a, b, c), kind)[-1]
        return line.partition(" = ")[2]

    assert written(lambda a, b, c: a + b + c) == "a + b + c"
    assert written(lambda a, b, c: a + (b + c)) == "a + (b + c)"
    assert written(lambda a, b, c: a - (b - c)) == "a - (b - c)"
    assert written(lambda a, b, c: a * b + c) == "a * b + c"
    assert written(lambda a, b, c: a * (b + c)) == "a * (b + c)"
    assert written(lambda a, b, c: a / (b * c)) == "a / (b * c)"
    assert written(lambda a, b, c: -(a * b) - -c) == "-(a * b) - (-c)"
    assert written(lambda a, b, c: -a * b) == "(-a) * b"
    assert written(lambda a, b, c: a - -1.0) == "a - (-1.0)"
    assert written(lambda a, b, c: (a > b) & ~((a < c) | (b == c))) == (
        "(a > b) & ~((a < c) | (b == c))"
    )
    assert written(lambda a, b, c: language.fire(a + b, -c, strict=False)) == "fire(a + b >= -c)"
    assert written(lambda a, b, c: absolute(a)) == "where(a < 0.0, -a, a)"
    assert written(lambda a, b, c: a * 0.1, F64) == "a * 0.1"
    assert written(lambda a, b, c: a * 0.1 * 1e-40) == "a * 0.1 * 1e-40"


def test_values_that_are_used_twice_get_a_line() -> None:
    def cell(p: Any, s: Any, x: Any) -> Any:
        total = declare(s.n + p.step + to_int(x, rounding="floor", lo=-4, hi=4), 0, 99)
        return {"n_out": total, "odd name": mod(total, 2) == 1}, State(n=total)

    integers = {"params": {"step": 1}, "states": {"n": 0}, "state_types": {"n": Int(0, 99)}}
    program = trace(
        CellDefinition("cell", cell, **integers),
        inputs={"x": F32},
        params={"step": Int(-1, 1)},
    ).program
    assert program_text(program).split("\n") == [
        "(x: f32; p.step: int[-1,1]; s.n: int[0,99])",
        "  %1: int[0,99] = declare(s.n + p.step + to_int(x, hi=4, lo=-4, rounding=floor), "
        "hi=99, lo=0)",
        "  n_out: int[0,99] = %1",
        '  "odd name": bool = mod(%1, by=2) == 1',
        "  s.n': int[0,99] = %1",
    ]


def test_long_expressions_are_cut_into_lines() -> None:
    def cell(p: Any, s: Any, x: Any) -> Any:
        for number in range(3000):  # deeper than any recursion
            x = x * 0.5 + float(number)
        return x

    lines = text_of(cell)
    assert max(map(len, lines)) < 160
    assert len(lines) > 100


def test_a_program_without_ports_has_text() -> None:
    lines = text_of(lambda p, s, x: constant(step_index(x), 3) + step_index(x))
    assert lines == ["(x: f32)", "  out: int[3,2147483650] = 3 + step()"]


def random_program(draw: random.Random) -> Program:
    def cell(p: Any, s: Any, x: Any, y: Any) -> Any:
        floats, bools = [x, y, p.a, s.v], [x > y]
        for _ in range(draw.randrange(1, 25)):
            a, b = draw.choice(floats), draw.choice(floats)
            c, d = draw.choice(bools), draw.choice(bools)
            k = draw.choice([0.1, -0.7, 3.0, -2.0, 1e-3])
            # what is not chosen is unused, and leaves the program again
            more = [a + b, a - b, a * b, a / k, k - a, a * k, -a]
            floats.append(draw.choice([*more, language.where(c, a, b), clip(a, -5.0, 5.0)]))
            fires = [language.fire(a, b, strict=strict) for strict in (True, False)]
            bools.append(draw.choice([a > b, a <= k, a != b, c & d, c | d, ~c, *fires]))
        return {"out": floats[-1], "flag": bools[-1]}, State(v=draw.choice(floats))

    definition = CellDefinition("drawn", cell, {"a": 1.0}, {"v": 0.0})
    return trace(definition, inputs={"x": F32, "y": F32}).program


def test_read_as_python_the_text_computes_what_the_program_computes() -> None:
    draw, rng = random.Random(3), np.random.default_rng(3)
    for _ in range(sample_count(2000, 200)):
        program = random_program(draw)
        x, y, a, v = rng.normal(0, 2, (4, 50)).astype(np.float32)
        expected = evaluate(program, Frame({"x": x, "y": y}, {"a": a}, {"v": v}))
        names: dict[str, Any] = {"x": x, "y": y, "p": SimpleNamespace(a=a)}
        names |= {"s": SimpleNamespace(v=v), "where": np.where, "fire": lambda condition: condition}
        results: dict[str, Any] = {}
        with np.errstate(all="ignore"):
            for line in program_text(program).split("\n")[1:]:
                left, _, right = line.partition(" = ")
                name = left.strip().partition(": ")[0]
                results[name] = eval(right.replace("%", "t"), names)
                names[name.replace("%", "t")] = results[name]
        for name, index in [*program.outputs, ("s.v'", program.updates[0][1])]:
            value = np.broadcast_to(results[name], (50,))
            assert np.array_equal(value, np.broadcast_to(expected[index], (50,)), equal_nan=True)
            assert value.dtype == expected[index].dtype or not np.ndim(results[name])
