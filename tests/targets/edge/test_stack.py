"""The stack that a folder states, against gcc's own figures and call graph."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import neurodeploy as nd
from demo_digits import demo_ann, demo_digits
from edge_cases import drawn, taken
from neurodeploy.ir import Graph
from neurodeploy.targets.edge.boards import boards
from neurodeploy.targets.edge.source import edge_unit
from neurodeploy.targets.edge.stack import FIXED
from oracles import Ledger
from stack_depth import stack_depths
from tiers import sample_count

LIBRARY = re.compile(r"mem(cpy|set|move)|__aeabi_\w+|__indirect_call")
BOARDS = ["host", "cortex-m0+", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33"]


def networks() -> list[Graph]:
    cases = [drawn(seed) for seed in range(7000, 7000 + sample_count(60, 3))]
    return [c.graph for c in cases if c is not None]


def digits() -> Graph:
    data = demo_digits()["xtr"][:64]
    return nd.quantize(nd.convert(demo_ann(), data=data, timesteps=2), data=data)


@pytest.mark.parametrize("name", BOARDS)
def test_the_stated_stack_is_enough(name: str, tmp_path: Path, oracle: Ledger) -> None:
    """No recursion, no call through a pointer, no frame of unknown size, and not too deep."""
    board = boards()[name]
    compiler = oracle(board.compiler)
    shares = []
    for graph in [*networks(), digits()]:
        unit = edge_unit(graph, "net")
        (tmp_path / "net.h").write_text(unit.header, encoding="ascii")
        (tmp_path / "net.c").write_text(unit.source, encoding="ascii")
        flags = [*board.flags, "-std=c99", "-O2"]
        depths, outside = stack_depths(tmp_path / "net.c", [board.compiler, *flags])
        deepest = max(depths.values()) + FIXED
        assert deepest <= unit.stack_bytes, (name, depths)
        assert {c for c in outside if not LIBRARY.fullmatch(c)} == set()
        assert "__indirect_call" not in outside
        shares.append(deepest / unit.stack_bytes)
        compiler.record()
    assert max(shares) > 0.3  # a bound, and not just a large number


@pytest.mark.parametrize("name", ["host", "cortex-m4"])
def test_make_stack_measures(name: str, tmp_path: Path, oracle: Ledger) -> None:
    """The folder's own measurement is no less than the call graph's, and within what is stated."""
    board = boards()[name]
    compiler = oracle(board.compiler)
    case = taken(7000)
    nd.compile(case.graph, name, out=tmp_path / "fw")
    readme = (tmp_path / "fw/README.md").read_text("utf-8")
    stated = int(re.findall(r"stack, computed \| (\d+) \|", readme)[0])
    call = ["make", "-s", "stack"]
    done = subprocess.run(call, cwd=tmp_path / "fw", capture_output=True, text=True, check=True)
    measured = int(re.findall(r"stack: at most (\d+) bytes", done.stdout)[0])
    flags = [*board.flags, "-std=c99", "-O2"]
    depths, _ = stack_depths(tmp_path / "fw/net.c", [board.compiler, *flags])
    assert max(depths.values()) <= measured <= stated
    compiler.record()


def test_a_compiler_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same folder, byte for byte, where there is none."""
    case = taken(7000)
    nd.compile(case.graph, "linux-riscv64", out=tmp_path / "with")
    monkeypatch.setenv("PATH", str(tmp_path))
    nd.compile(case.graph, "linux-riscv64", out=tmp_path / "without")
    kept = {p.name: p.read_bytes() for p in (tmp_path / "with").iterdir() if p.is_file()}
    assert kept == {p.name: p.read_bytes() for p in (tmp_path / "without").iterdir()}
