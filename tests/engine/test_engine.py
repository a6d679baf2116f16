"""The engine's own promises: input checks, memory, progress, threads, float modes."""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine_runs import assert_same
from neurodeploy import memory
from neurodeploy.engine import Engine, build
from neurodeploy.errors import DataError, UnavailableTargetError, UsageError
from neurodeploy.ir import BOOL, GraphBuilder, QType
from oracles import Ledger

OUT = [("out", "out")]


@pytest.fixture(scope="module")
def engine(oracle: Ledger) -> Engine:
    oracle("cc")
    b = GraphBuilder("1ms")
    x, y = b.input("x", (2, 3)), b.input("y", (3,), type=QType(-4, 4))
    x = b.conv("c", b.reshape("r", x, (1, 2, 3)), np.ones((9, 1, 2, 2)), padding=1)
    x = b.cell("l", "lif", b.dense("d", b.flatten("f", x), np.ones((3, 108))),
               params={"threshold": np.ones((6, 1))}, timed=["threshold"])  # fmt: skip
    b.output("spikes", x)
    b.output("out", y)
    return build(b.build())


def _inputs(samples: int = 4, steps: int | None = None) -> dict[str, Any]:
    lead = (samples,) if steps is None else (samples, steps)
    rng = np.random.default_rng(0)
    return {
        "x": rng.normal(0.02, 0.1, (*lead, 2, 3)).astype(np.float32),
        "y": rng.integers(-4, 5, (samples, 3)),
    }


@pytest.mark.parametrize("steps", [None, 5, 9])
def test_constant_and_stepwise_inputs(engine: Engine, steps: int | None) -> None:
    assert_same(engine.graph, engine, _inputs(3, steps), 5)


def test_inputs_are_converted_as_the_reference_converts_them(engine: Engine) -> None:
    inputs = {k: v.astype(np.float64)[::2] for k, v in _inputs(8).items()}
    inputs["x"] = np.asfortranarray(inputs["x"])
    assert_same(engine.graph, engine, inputs, 4)


def test_nothing_to_run(engine: Engine) -> None:
    for samples, steps in ((0, 3), (2, 0)):
        got = engine.run(_inputs(samples), steps, record=[("l", "v"), *OUT], threads=2)
        assert got[("l", "v")].shape == (samples, steps, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": None}, "x: no value is given"),
        ({"z": np.zeros((4, 1))}, "z: the graph has no such input"),
        ({"x": np.zeros((4, 3, 2))}, r"shape \[4, 3, 2\] stands where \(samples, steps, 2, 3\)"),
        ({"x": np.zeros(3)}, "is due"),
        ({"x": np.zeros((4, 2, 2, 3))}, "2 steps are given, 3 are to be run"),
        ({"x": np.zeros((5, 2, 3))}, r"the inputs have \[4, 5\] samples"),
        ({"x": np.full((4, 2, 3), "a")}, "holds no numbers"),
        ({"y": np.full((4, 3), 5)}, "values 5 to 5 leave int"),
    ],
)
def test_wrong_inputs_are_refused(engine: Engine, change: dict[str, Any], message: str) -> None:
    inputs = {k: v for k, v in {**_inputs(), **change}.items() if v is not None}
    with pytest.raises(DataError, match=message):
        engine.run(inputs, 3, record=OUT)


def test_wrong_numbers_are_refused(engine: Engine) -> None:
    with pytest.raises(UsageError, match=r"seed -1.*\n.*threads is 0"):
        engine.run(_inputs(), 3, record=OUT, seed=-1, threads=0)
    with pytest.raises(UsageError, match="no output"):
        engine.run(_inputs(), 3, record=[("l", "w"), ("nobody", "out")])
    with pytest.raises(DataError, match="-1 timesteps"):
        engine.run(_inputs(), -1, record=OUT)
    with pytest.raises(DataError, match="'threshold' has values for 6 steps, 7 are to be run"):
        engine.run(_inputs(), 7, record=OUT)


def test_a_record_that_memory_cannot_hold_is_refused(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    b = GraphBuilder()
    big = build(b.output("out", b.input("x", (1000,), type=BOOL)).build())
    x = {"x": np.zeros((2, 1000), bool)}
    with pytest.raises(DataError, match=r"needs 2\d{12} bytes, and \d+ bytes") as caught:
        big.run(x, 10**9, record=OUT)
    assert int(caught.value.findings[0].value or 0) > 2 * 10**12
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    with pytest.raises(DataError, match="cannot be had"):
        big.run({"x": np.zeros((2**12, 1000), bool)}, 2**31 - 1, record=[*OUT, ("x", "out")])


def test_only_what_is_asked_for_is_recorded(engine: Engine) -> None:
    got = engine.run(_inputs(), 3, record=[("l", "v")])
    assert list(got) == [("l", "v")]
    assert engine.run(_inputs(), 3, record=[]) == {}


@pytest.mark.parametrize("threads", [1, 3])
def test_progress_counts_every_step_once(engine: Engine, threads: int) -> None:
    seen: list[int] = []
    engine.run(_inputs(200), 5, record=OUT, threads=threads, progress=seen.append)
    assert seen == [0, 1, 2, 3, 4]


def test_an_interrupt_in_progress_ends_the_run(engine: Engine) -> None:
    def stop(step: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.run(_inputs(200), 5, record=OUT, threads=2, progress=stop)


def test_any_split_into_threads_and_batches_gives_the_same(engine: Engine) -> None:
    inputs = _inputs(65, 6)
    whole = assert_same(engine.graph, engine, inputs, 6)
    for threads in (2, 5, 100):
        got = engine.run(inputs, 6, record=list(whole), threads=threads)
        assert all((got[key] == whole[key]).all() for key in whole)
    tail = engine.run({k: v[60:] for k, v in inputs.items()}, 6, record=list(whole))
    assert all((tail[key] == whole[key][60:]).all() for key in whole)


def test_a_process_that_flushes_subnormals_is_refused(
    engine: Engine, oracle: Ledger, tmp_path: Path
) -> None:
    oracle("gcc")
    if os.uname().machine != "x86_64":
        pytest.skip("the float mode is set by an instruction of x86-64")
    unit, library = tmp_path / "mode.c", tmp_path / "mode.so"
    unit.write_text(
        "#include <xmmintrin.h>\n"
        "unsigned swap(unsigned m) { unsigned old = _mm_getcsr(); _mm_setcsr(m); return old; }\n",
        encoding="ascii",
    )
    subprocess.run(["gcc", "-shared", "-fPIC", str(unit), "-o", str(library)], check=True)
    swap = ctypes.CDLL(str(library)).swap
    swap.argtypes, swap.restype = [ctypes.c_uint32], ctypes.c_uint32
    inputs = _inputs()
    normal = swap(0x1F80)
    try:
        swap(normal | 0x8040)
        with pytest.raises(UnavailableTargetError, match="subnormals are flushed"):
            engine.run(inputs, 2, record=OUT)
    finally:
        swap(normal)
    assert_same(engine.graph, engine, inputs, 2)
