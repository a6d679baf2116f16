"""The generated source: harmless names, no weights in it, no warnings, no undefined behaviour."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine_runs import assert_same
from neurodeploy.engine import build, find_compiler, source
from neurodeploy.ir import Graph, GraphBuilder
from neurodeploy.testing.random_cells import random_cell
from neurodeploy.testing.random_graphs import random_graph
from oracles import Ledger
from tiers import sample_count

HOSTILE = (
    "*/ #error no /*",
    "a\nb\r#error\n",
    "back\\slash at the end \\",
    "trigraph ??/ \n",
    "\"quoted\" 'and' %s {0}",
    "// line",
    "\N{SNOWMAN} \x00 \u2028 \x7f",
    "x" * 5000,
)


def _named(name: str, weight: float = 1.0) -> Graph:
    b = GraphBuilder("1ms")
    x = b.input(f"in {name}", (3,))
    y = b.dense(f"w {name}", x, np.full((4, 3), weight), np.full(4, weight))
    y = b.cell(name, "lif", y, params={"threshold": 2 * weight})
    return b.output(f"out {name}", y.after(1)).build()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_can_do_nothing(name: str, oracle: Ledger) -> None:
    cc = oracle("cc")
    graph = _named(name)
    text = source(graph)
    assert text.isascii()
    assert "#error no" not in text
    assert max(map(len, text.splitlines())) < 2000
    x = {f"in {name}": np.random.default_rng(0).normal(1, 1, (2, 3)).astype(np.float32)}
    trace = assert_same(graph, build(graph), x, 5)
    cc.record(spiking=bool(trace[(name, "out")].any()))


def test_weights_are_data() -> None:
    assert source(_named("n", 1.0)) == source(_named("n", 0.3))
    assert build(_named("n", 1.0)).library == build(_named("n", 0.3)).library


def test_the_same_graph_has_the_same_source() -> None:
    code = """
import sys
import numpy as np
from neurodeploy.engine import source
from neurodeploy.testing.random_graphs import random_graph
sys.stdout.write(source(random_graph(np.random.default_rng(5)).graph))
"""
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert seen == {source(random_graph(np.random.default_rng(5)).graph).encode()}


def test_no_warnings(oracle: Ledger, tmp_path: Path) -> None:
    gcc = oracle("gcc")
    flags = ("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-std=c11", "-O2", "-ffp-contract=off")
    cases = [random_graph(np.random.default_rng(s)) for s in range(sample_count(60, 8))]
    cases += [
        random_cell(np.random.default_rng(s), operations=40) for s in range(sample_count(30, 4))
    ]
    for number, case in enumerate(cases):
        unit = tmp_path / f"unit{number}.c"
        unit.write_text(source(case.graph), encoding="ascii")
        command = ["gcc", *flags, "-march=native", "-c", str(unit), "-o", str(tmp_path / "unit.o")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        gcc.record()


def test_kernels_of_every_vector_width(oracle: Ledger) -> None:
    gcc = oracle("gcc")
    found = find_compiler()
    assert found is not None
    if found.kind != "gcc" or os.uname().machine != "x86_64":
        pytest.skip("vector widths are chosen by flags of gcc on x86-64")
    graph, cell = _wide(), random_cell(np.random.default_rng(3), operations=40)
    for level in ("x86-64", "x86-64-v3"):
        if level != "x86-64" and "avx2" not in Path("/proc/cpuinfo").read_text(encoding="utf-8"):
            continue
        flags = tuple(f"-march={level}" if f == "-march=native" else f for f in found.flags)
        narrow = replace(found, flags=flags)
        x = {"x": np.random.default_rng(0).normal(size=(2, 3, 33)).astype(np.float32)}
        assert_same(graph, build(graph, compiler=narrow), x, 3)
        engine = build(cell.graph, compiler=narrow)
        assert_same(cell.graph, engine, cell.inputs, cell.timesteps)
        gcc.record()


def _wide() -> Graph:
    """Give layers whose widths end in whole tiles, in parts of one, and in single neurons."""
    rng = np.random.default_rng(0)
    b = GraphBuilder()
    y = b.input("x", (33,))
    for number, width in enumerate((64, 63, 129, 17, 1)):
        y = b.dense(f"d{number}", y, rng.normal(size=(width, y.shape[0])))
    return b.output("out", y).build()


_SANITIZED = """
import sys
from dataclasses import replace
sys.path.insert(0, "tests/support")
import numpy as np
from engine_runs import assert_same
from neurodeploy.engine import build, find_compiler
from neurodeploy.testing.random_cells import random_cell
from neurodeploy.testing.random_graphs import random_graph
found = find_compiler()
flags = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
found = replace(found, flags=(*(f for f in found.flags if f != "-O3"), "-O1", *flags))
for seed in range(int(sys.argv[1])):
    rng = np.random.default_rng(seed)
    case = random_graph(rng)
    engine = build(case.graph, compiler=found)
    for inputs in (case.inputs, case.extreme(rng).inputs):
        assert_same(case.graph, engine, inputs, case.timesteps, threads=2)
for seed in range(int(sys.argv[2])):
    case = random_cell(np.random.default_rng(seed), operations=40)
    assert_same(case.graph, build(case.graph, compiler=found), case.inputs, case.timesteps)
print("clean")
"""


def test_no_undefined_behaviour(oracle: Ledger) -> None:
    gcc = oracle("gcc")
    named = subprocess.run(
        ["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not Path(named).is_file():
        pytest.skip("gcc has no libasan.so")
    graphs, cells = sample_count(40, 2), sample_count(30, 2)
    done = subprocess.run(
        [sys.executable, "-c", _SANITIZED, str(graphs), str(cells)],
        cwd=Path(__file__).parents[2],
        env={
            **os.environ,
            "CC": "gcc",
            "LD_PRELOAD": named,
            "ASAN_OPTIONS": "detect_leaks=0",
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "clean", done.stderr[-3000:]
    gcc.record(graphs + cells)
