"""The C interface: codes for wrong calls, several networks in one program, inputs, inference."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import neurodeploy as nd
from demo_digits import demo_ann, demo_digits
from edge_runs import WARNINGS, EdgeProgram
from neurodeploy.data import as_samples
from neurodeploy.engine.plan import DTYPES
from neurodeploy.errors import CapabilityError
from neurodeploy.ir import Graph, GraphBuilder, QType
from neurodeploy.recording import Decode
from neurodeploy.targets.edge.boards import boards
from neurodeploy.targets.edge.source import edge_unit
from oracles import Ledger
from tiers import VERIFY

Array = npt.NDArray[Any]
T = 3


@pytest.fixture(scope="module")
def network() -> Graph:
    digits = demo_digits()
    snn = nd.convert(demo_ann(), data=digits["xtr"][:64], timesteps=T)
    return nd.quantize(snn, data=digits["xtr"][:64])


def pointer(array: Array) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


def infer(program: EdgeProgram, x: Array, size: int, steps: int, out: Array) -> int:
    call = getattr(program.code, f"{program.prefix}_infer")
    found: int = call(
        pointer(program.context), pointer(x), ctypes.c_size_t(size), ctypes.c_int32(steps),
        pointer(out), ctypes.c_size_t(out.size),
    )  # fmt: skip
    return found


def test_inference(network: Graph, tmp_path: Path, oracle: Ledger) -> None:
    """One sample presented at every step, and a sequence of samples."""
    digits = demo_digits()
    program = EdgeProgram(edge_unit(network, "net"), "net", tmp_path)
    held = as_samples(network, digits["xte"][:4]).inputs["input"].astype(np.uint8)
    due = nd.run(network, digits["xte"][:4], timesteps=T).outputs
    for x, values in zip(held, due, strict=True):
        out = np.zeros(10, np.int32)
        assert infer(program, x, x.size, T, out) == 0
        assert np.array_equal(out, values.sum(axis=0))
    sequence = np.ascontiguousarray(held[:T])
    out = np.zeros(10, np.int32)
    assert infer(program, sequence, sequence.size, T, out) == 0
    real = digits["xte"][:T][None]
    assert np.array_equal(out, nd.run(network, real).outputs[0].sum(axis=0))
    oracle("gcc").record(spiking=True)


def test_a_step_after_an_inference_reads_its_own_input(
    network: Graph, tmp_path: Path, oracle: Ledger
) -> None:
    """What was computed once for a held input is computed again."""
    digits = demo_digits()
    program = EdgeProgram(edge_unit(network, "net"), "net", tmp_path)
    held = as_samples(network, digits["xte"][:2]).inputs["input"].astype(np.uint8)
    out = np.zeros(10, np.int32)
    assert infer(program, held[0], held[0].size, T, out) == 0
    now = np.zeros(10, np.int64)
    code = program.code.net_step(
        pointer(program.context), pointer(held[1]), ctypes.c_size_t(held[1].size),
        pointer(now), ctypes.c_size_t(now.size),
    )  # fmt: skip
    assert code == 0
    real = digits["xte"][[0] * T + [1]][None]
    due = nd.run(network, real).outputs[0, T].reshape(-1)
    kind = DTYPES[program.unit.plan.stored(network.signals[(network.outputs[0].name, "out")].type)]
    assert np.array_equal(now.view(kind)[:10], due)
    oracle("gcc").record(spiking=True)


@pytest.mark.parametrize(
    ("size", "steps", "scores", "code"),
    [(63, T, 10, 1), (64 * T + 1, T, 10, 1), (64, T, 9, 1), (64, 0, 10, 2), (64, -1, 10, 2),
     (64, 40_000, 10, 2)],
)  # fmt: skip
def test_wrong_calls_touch_nothing(
    network: Graph, tmp_path: Path, size: int, steps: int, scores: int, code: int
) -> None:
    program = EdgeProgram(edge_unit(network, "net"), "net", tmp_path)
    program.context[:] = 77
    x, out = np.ones(4096, np.uint8), np.full(scores, 5, np.int32)
    assert infer(program, x, size, steps, out) == code
    assert (out == 5).all()
    assert (program.context == 77).all()


def test_numbers_are_rounded_as_everywhere(network: Graph, tmp_path: Path, oracle: Ledger) -> None:
    program = EdgeProgram(edge_unit(network, "net"), "net", tmp_path)
    random = np.random.default_rng(0)
    steps = (np.arange(-10, 600) / 2 / 255).astype(np.float32)  # whole steps, halves, beyond
    x = np.concatenate([random.random(1000, np.float32) * 1.2 - 0.1, steps])
    x = np.resize(x, (-(-x.size // 64), 64)).astype(np.float32)
    due = as_samples(network, x.reshape(-1, 1, 8, 8)).inputs["input"].reshape(x.shape)
    found = np.zeros(x.shape, np.uint8)
    program.code.net_quantize0(pointer(x), pointer(found), ctypes.c_size_t(x.size))
    assert np.array_equal(found, due)
    assert {0, 255} <= set(found.reshape(-1).tolist())
    oracle("gcc").record()


@pytest.mark.parametrize(
    ("decode", "high", "most"),
    [("count", 40_000_000, 53), ("mean", 2**31 - 1, 1), ("max", 2**31 - 1, 2**31 - 1),
     ("membrane", 2**31, 0), ("count", 2**40, 0)],
)  # fmt: skip
def test_no_result_leaves_its_32_bits(
    decode: Decode, high: int, most: int, tmp_path: Path, oracle: Ledger
) -> None:
    """Sums of large values: the last number of steps that fits, and one step more."""
    b = GraphBuilder("1ms")
    x = b.input("x", (1,), type=QType(-high, high))
    graph = b.output("out", x, decode=decode).build()
    unit = edge_unit(graph, "net")
    assert f"#define NET_MOST_INFER_STEPS {most}\n" in unit.header
    program = EdgeProgram(unit, "net", tmp_path)
    stored = DTYPES[unit.plan.stored(graph.signals[("out", "out")].type)]
    steps, out = min(most, 60), np.zeros(1, np.int32)
    given = np.array([high], stored)
    if steps:
        assert infer(program, given, 1, steps, out) == 0
        assert out[0] == high * (steps if decode in ("count", "mean") else 1)
    if most < 60:
        assert infer(program, given, 1, most + 1, out) == 2
    oracle("gcc").record()


def test_an_input_with_a_zero_point(tmp_path: Path, oracle: Ledger) -> None:
    b = GraphBuilder("1ms")
    kind = QType(0, 250, (0.1,), zero_point=100)
    graph = b.output("out", b.input("x", (400,), type=kind)).build()
    program = EdgeProgram(edge_unit(graph, "net"), "net", tmp_path)
    x = np.linspace(-20, 30, 400, dtype=np.float32)[None]
    found = np.zeros(x.shape, np.uint8)
    program.code.net_quantize0(pointer(x), pointer(found), ctypes.c_size_t(x.size))
    assert np.array_equal(found, as_samples(graph, x).inputs["x"])
    assert (found.min(), found.max()) == (0, 250)
    oracle("gcc").record()


def test_two_networks_in_one_program_of_cpp(network: Graph, tmp_path: Path, oracle: Ledger) -> None:
    """Names do not clash, and a C++ compiler takes both headers."""
    gcc = oracle("gcc")
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    digits = demo_digits()
    other = nd.quantize(demo_ann(), data=digits["xtr"][:64])
    objects = []
    for prefix, graph in (("first", network), ("second", other)):
        unit = edge_unit(graph, prefix)
        (tmp_path / f"{prefix}.h").write_text(unit.header, encoding="ascii")
        (tmp_path / f"{prefix}.c").write_text(unit.source, encoding="ascii")
        call = ["gcc", *WARNINGS, "-c", f"{prefix}.c"]
        subprocess.run(call, cwd=tmp_path, check=True, capture_output=True)
        objects.append(f"{prefix}.o")
    (tmp_path / "main.cpp").write_text(
        """
#include "first.h"
#include "second.h"
static first_context a, b;
static second_context c;
int main() {
  static uint8_t x[FIRST_INPUT0_SIZE];
  int32_t one[FIRST_OUTPUT0_SIZE], two[FIRST_OUTPUT0_SIZE], three[SECOND_OUTPUT0_SIZE];
  for (unsigned i = 0; i < sizeof x; i++) x[i] = (uint8_t)(i * 3);
  if (first_infer(&a, x, sizeof x, 3, one, FIRST_OUTPUT0_SIZE) != FIRST_OK) return 1;
  if (second_infer(&c, x, sizeof x, 1, three, SECOND_OUTPUT0_SIZE) != SECOND_OK) return 2;
  if (first_infer(&b, x, sizeof x, 3, two, FIRST_OUTPUT0_SIZE) != FIRST_OK) return 3;
  for (int i = 0; i < FIRST_OUTPUT0_SIZE; i++) if (one[i] != two[i]) return 4;
  return 0;
}
""",
        encoding="ascii",
    )
    call = ["g++", "-Wall", "-Wextra", "-Werror", "-o", "both", "main.cpp", *objects]
    subprocess.run(call, cwd=tmp_path, check=True, capture_output=True)
    assert subprocess.run([tmp_path / "both"], check=False).returncode == 0
    gcc.record()


@pytest.mark.skipif(not VERIFY, reason="zig takes its time for each further processor")
@pytest.mark.parametrize("board", boards())
def test_zig_makes_the_object_for_every_board(
    board: str, network: Graph, tmp_path: Path, oracle: Ledger
) -> None:
    """For the processor of the board, says the object itself."""
    zig = oracle("ziglang")
    nd.compile(network, board, tmp_path / "fw", {"ram": 0, "flash": 0})
    call = ["make", "zig", f"ZIG={sys.executable} -m ziglang"]
    done = subprocess.run(
        call, cwd=tmp_path / "fw", check=True, capture_output=True, text=True, env=plain_make()
    )
    assert "warning" not in done.stderr
    machine = int.from_bytes((tmp_path / "fw" / "net.o").read_bytes()[18:20], "little")
    # e_machine of ELF: 40 ARM, 183 AArch64, 243 RISC-V, 62 x86-64
    due = {"linux-arm64": 183, "linux-riscv64": 243}.get(board, 40)
    assert machine == due or board == "host"
    zig.record()


def plain_make() -> dict[str, str]:
    """Give the environment without what a make around the tests hands on."""
    return {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ("Net", "letters, digits and _"),
        ("9net", "letters, digits and _"),
        ("net; system(", "letters, digits and _"),
        ("ctypes", "would hide a module of Python"),
    ],
)
def test_prefixes_that_are_refused(
    prefix: str, message: str, network: Graph, tmp_path: Path
) -> None:
    with pytest.raises(CapabilityError, match=message):
        nd.compile(network, "host", tmp_path / "fw", {"prefix": prefix})
    assert not (tmp_path / "fw").exists()


def test_every_layer_is_on_the_bill(network: Graph, tmp_path: Path) -> None:
    program = nd.compile(network, "cortex-m4", tmp_path / "fw")
    rows = program.manifest["resources"]
    flash, ram = (
        {r["node"]: r["used"] for r in rows if r["name"] == name and r["node"]}
        for name in ("constants in flash", "states and signals in RAM")
    )
    # what has weights, and what has states or sends something
    assert {"0", "4", "9", "11"} <= set(flash)
    assert {"2", "3", "6", "7", "10"} <= set(ram)
    whole = {r["name"]: r["used"] for r in rows if not r["node"]}
    assert sum(flash.values()) <= whole["constants in flash"]
    assert ram["10"] < whole["context in RAM"]
    text = (tmp_path / "fw" / "README.md").read_text(encoding="utf-8")
    number = [n.name for n in program.graph.nodes].index("10")
    assert f"| node {number} | {flash['10']} | {ram['10']} |" in text


def test_what_does_not_fit_is_told_layer_by_layer(network: Graph, tmp_path: Path) -> None:
    with pytest.raises(CapabilityError) as caught:
        nd.compile(
            network, "cortex-m4", out=tmp_path / "fw", options={"flash": "8KiB", "ram": "1k"}
        )
    text = str(caught.value)
    assert "constants in flash: 3" in text
    assert "8192 available" in text
    assert "context in RAM" in text
    named = {f.node for f in caught.value.findings}
    assert {"4", "9", "2", "3"} <= named
    assert not (tmp_path / "fw").exists()
