"""Comparisons and clamps that the ranges decide: no compiler warns of them, and C agrees."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from engine_runs import assert_same
from neurodeploy.engine import build, source
from neurodeploy.ir import Graph, GraphBuilder, QType
from neurodeploy.semantics.language import Sym, constant, saturate, where
from neurodeploy.semantics.trace import CellDefinition
from oracles import Ledger

FAR = 2**40


def decided(p: object, s: object, x: Sym) -> Sym:
    """Every comparison with a number beyond the range, and clamps to either end."""
    one, none = constant(x, 1), constant(x, 0)
    total = saturate(x, FAR, FAR + 1) + saturate(x, -FAR - 1, -FAR)
    for far in (FAR, -FAR):
        for met in (x > far, x >= far, x < far, x <= far, x == far, x != far):
            total = total * 2 + where(met, one, none)
    return total


def _graph() -> Graph:
    b = GraphBuilder()
    x = b.input("x", (5,), type=QType(-128, 127, (1.0,)), kind="signed")
    return b.output("out", b.cell("c", CellDefinition("decided", decided), x)).build()


def test_no_compiler_warns(oracle: Ledger, tmp_path: Path) -> None:
    gcc = oracle("gcc")
    unit = tmp_path / "unit.c"
    unit.write_text(source(_graph()), encoding="ascii")
    command = ["gcc", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-std=c11", "-O2", "-c"]
    done = subprocess.run(
        [*command, str(unit), "-o", str(tmp_path / "unit.o")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    gcc.record()


def test_c_agrees(oracle: Ledger) -> None:
    cc = oracle("cc")
    graph = _graph()
    x = {"x": np.array([[-128, -1, 0, 1, 127]], dtype=np.int64)}
    out = assert_same(graph, build(graph), x, 1)[("out", "out")]
    bits = int("".join("1" if met else "0" for met in (0, 0, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1)), 2)
    assert (out == bits).all()
    cc.record()
