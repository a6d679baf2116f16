"""Finding a compiler, and the cache of what it made."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neurodeploy.engine import Engine, build, find_compiler
from neurodeploy.engine import engine as engine_module
from neurodeploy.engine.cache import cache_folder
from neurodeploy.errors import MissingDependencyError, UnavailableTargetError
from neurodeploy.ir import Graph, GraphBuilder
from oracles import Ledger


def _graph(size: int = 3) -> Graph:
    b = GraphBuilder("1ms")
    y = b.dense("d", b.input("x", (size,)), np.ones((2, size)))
    return b.output("out", y).build()


def _works(engine: Engine, size: int = 3) -> bool:
    x = {"x": np.ones((1, size), np.float32)}
    got = engine.run(x, 1, record=[("out", "out")])
    return bool((got[("out", "out")] == size).all())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, oracle: Ledger) -> Path:
    oracle("cc")
    monkeypatch.setenv("NEURODEPLOY_CACHE", str(tmp_path / "c"))
    return tmp_path / "c" / "engine"


def test_a_second_build_takes_the_first_ones_code(folder: Path) -> None:
    first = build(_graph())
    at = Path(first.library).stat().st_mtime_ns
    assert Path(build(_graph()).library).stat().st_mtime_ns == at
    assert [p.name for p in folder.iterdir()] == [Path(first.library).name]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "foreign"])
def test_a_damaged_entry_is_built_again(folder: Path, damage: str) -> None:
    size = {"truncated": 11, "flipped": 12, "empty": 13, "foreign": 14}[damage]
    # made in another process: what this one has loaded stays mapped
    code = "import numpy as np; from neurodeploy.engine import build;"
    code += "from neurodeploy.ir import GraphBuilder; b = GraphBuilder('1ms');"
    code += f"y = b.dense('d', b.input('x', ({size},)), np.ones((2, {size})));"
    code += "print(build(b.output('out', y).build()).library)"
    made = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[2], env={**os.environ, "PYTHONPATH": "."},
    )  # fmt: skip
    entry = Path(made.stdout.strip())
    content = entry.read_bytes()
    half = len(content) // 2
    entry.write_bytes(
        {
            "truncated": content[:half],
            "flipped": content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :],
            "empty": b"",
            "foreign": b"\x7fELF of somebody else",
        }[damage]
    )
    assert _works(build(_graph(size)), size)
    assert entry.read_bytes() == content


def test_many_may_write_at_once(folder: Path) -> None:
    engines: list[Engine] = []
    threads = [threading.Thread(target=lambda: engines.append(build(_graph(5)))) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(engines) == 6
    assert all(_works(e, 5) for e in engines)
    assert not list(folder.glob(".new-*"))


def test_flags_and_compiler_are_part_of_the_key(folder: Path) -> None:
    found = find_compiler()
    assert found is not None
    plain = build(_graph(), compiler=found).library
    other = build(_graph(), compiler=replace(found, flags=(*found.flags, "-g"))).library
    newer = build(_graph(), compiler=replace(found, version="another")).library
    assert len({plain, other, newer}) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_a_folder_that_others_can_write_is_refused(folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    with pytest.raises(UnavailableTargetError, match="NEURODEPLOY_CACHE"):
        build(_graph())


def test_a_cache_that_is_no_folder_is_refused(folder: Path) -> None:
    folder.parent.mkdir()
    folder.write_text("a file", encoding="utf-8")
    with pytest.raises(UnavailableTargetError, match="cannot be written"):
        build(_graph())


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEURODEPLOY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere/cache")
    if sys.platform.startswith("linux"):
        assert cache_folder() == Path("/somewhere/cache/neurodeploy")
        monkeypatch.setenv("XDG_CACHE_HOME", "relative")
        assert cache_folder() == Path.home() / ".cache" / "neurodeploy"


def test_a_named_compiler_is_taken_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -m64")
    with pytest.raises(UnavailableTargetError, match="no-such-compiler"):
        find_compiler()


def test_a_named_compiler_comes_first(oracle: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    oracle("gcc")
    monkeypatch.setenv("CC", "gcc -DUNUSED=1")
    found = find_compiler()
    assert found is not None
    assert (found.kind, found.command[1:]) == ("gcc", ("-DUNUSED=1",))
    assert Path(found.path).is_file()


def test_without_a_compiler_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "find_compiler", lambda: None)
    with pytest.raises(MissingDependencyError, match=r"pip install neurodeploy\[toolchain\]"):
        build(_graph())


def test_a_failing_compiler_is_told(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "fakecc"
    fake.write_text('#!/bin/sh\n[ "$1" = --version ] && echo fake 1 && exit\n'
                    "echo no room >&2; exit 3\n", encoding="utf-8")  # fmt: skip
    fake.chmod(0o755)
    monkeypatch.setenv("CC", str(fake))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with pytest.raises(UnavailableTargetError, match=r"3: no room\. Hint"):
        build(_graph())
    assert not list(folder.glob("*"))
    assert not list((tmp_path / "temporary").glob("*"))


def test_a_compiler_that_is_not_exact_is_refused(folder: Path, oracle: Ledger) -> None:
    oracle("gcc")
    found = find_compiler()
    assert found is not None
    if found.kind != "gcc":
        pytest.skip("the flags are gcc's")
    with pytest.raises(UnavailableTargetError, match="fast-math"):
        build(_graph(), compiler=replace(found, flags=(*found.flags, "-ffast-math")))
    fused = tuple(f for f in found.flags if f != "-ffp-contract=off")
    if "fma" in Path("/proc/cpuinfo").read_text(encoding="utf-8").split():
        with pytest.raises(UnavailableTargetError, match="products are fused"):
            build(_graph(), compiler=replace(found, flags=(*fused, "-ffp-contract=fast")))
