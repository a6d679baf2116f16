"""Random integer networks: the emitted C gives what the reference gives, bit for bit.

Every output and every state at every step; without reuse of memory, every signal. gcc, gcc with
its address and undefined-behaviour sanitizers, and zig.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import neurodeploy as nd
from demo_digits import demo_ann, demo_digits
from edge_cases import DRAWN, taken
from edge_driver import SANITIZED, Driven, build, drive, run_program
from edge_runs import EdgeProgram
from neurodeploy.data import as_samples
from neurodeploy.engine import build as build_engine
from neurodeploy.reference import all_outputs, simulate
from neurodeploy.targets.edge.golden import self_test
from neurodeploy.targets.edge.source import edge_unit
from neurodeploy.testing.random_graphs import RandomCase, spiking_share
from oracles import Ledger
from tiers import sample_count

Array = npt.NDArray[Any]
Key = tuple[str, str]
GROUP = 8  # networks in one program
GCC = ("gcc", "-O2")
# baseline: with AVX-512, LLVM 22 writes beyond arrays of 16 bits (tests/engine/test_zig.py)
ZIG = (
    *(sys.executable, "-m", "ziglang", "cc"),
    *("-O2", "-fno-sanitize=undefined", "-mcpu=baseline"),
)
# by name: the oracle, the command, and how many networks
COMPILERS = {
    "gcc": ("gcc", GCC, sample_count(200, 16)),
    "sanitizers": ("gcc", SANITIZED, sample_count(200, 4)),
    "zig": ("ziglang", ZIG, sample_count(200, 2)),
    "engine": ("cc", (), sample_count(200, 2)),
}
# networks outside, compilers inside: the reference runs once for all of them
GROUPS = [
    (start, name)
    for start in range(0, max(c[2] for c in COMPILERS.values()), GROUP)
    for name in COMPILERS
    if start < COMPILERS[name][2]
]


COMPARED = {"networks": 0, "spiking": 0}


@dataclass(frozen=True)
class Known:
    """A case, all its signals by the reference, and whether all its populations spike."""

    case: RandomCase
    due: dict[Key, Array]
    alive: bool


@lru_cache(maxsize=2 * GROUP)
def reference(number: int) -> Known:
    """Give the network of a number: the first of its seeds that the target takes."""
    case = taken(number)
    due = simulate(case.graph, case.inputs, case.timesteps, record=all_outputs(case.graph))
    alive = spiking_share(due, case.graph) == 1
    COMPARED["networks"] += 1
    COMPARED["spiking"] += alive
    return Known(case, due, alive)


@pytest.mark.parametrize(("start", "compiler"), GROUPS)
def test_every_state_at_every_step(
    start: int, compiler: str, tmp_path: Path, oracle: Ledger
) -> None:
    name, command, count = COMPILERS[compiler]
    found_by = oracle(name)
    numbers = range(start, min(count, start + GROUP))
    if compiler == "engine":
        for number in numbers:
            known = reference(number)
            case = known.case
            engine = build_engine(case.graph)
            found = engine.run(case.inputs, case.timesteps, record=list(known.due))
            assert_equal(found, known.due, number)
    else:
        in_one_program(numbers, command, tmp_path)
    found_by.record(len(numbers), spiking=sum(reference(n).alive for n in numbers))


def in_one_program(numbers: range, command: Sequence[str], folder: Path) -> None:
    """Compare networks that share a program; memory is reused in both ways, or by turns."""
    nets, due = [], []
    for number in numbers:
        case = reference(number).case
        for reuse in (True, False) if command == GCC else (number % 2 == 0,):
            prefix = f"net{number}{'r' if reuse else 'k'}"
            unit = edge_unit(case.graph, prefix, reuse=reuse)
            nets.append(Driven(unit, prefix, case.inputs, case.timesteps))
            due.append(reference(number).due)
    build(nets, folder, command)
    for net, found, values in zip(nets, drive(nets, folder, "dense"), due, strict=True):
        assert_equal(found, values, net.prefix)


def assert_equal(found: dict[Key, Array], due: dict[Key, Array], what: object) -> None:
    for key, values in found.items():
        assert np.array_equal(values.astype(np.int64), due[key].astype(np.int64)), (what, key)


def test_share_of_graphs(oracle: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    oracle("gcc")
    if not COMPARED["networks"]:
        pytest.skip("no graph was compared in this run")
    with capsys.disabled():
        sys.stdout.write(f"\nedge: {DRAWN}, {COMPARED}\n")
    # other modules draw as well; what spikes is counted here alone
    assert DRAWN["taken"] >= 0.9 * DRAWN["drawn"]
    assert COMPARED["spiking"] >= 0.7 * COMPARED["networks"]


@pytest.mark.parametrize("bits", [4, 3])
@pytest.mark.parametrize("analog", [True, False])
def test_weights_of_few_bits_share_bytes(
    bits: int, analog: bool, tmp_path: Path, oracle: Ledger
) -> None:
    """Numbers and spikes, dense layers and convolutions; half the flash of whole bytes."""
    digits = demo_digits()
    graph = demo_ann()
    if not analog:
        graph = nd.convert(graph, data=digits["xtr"][:64], timesteps=3)
    made = nd.quantize(graph, data=digits["xtr"][:64], bits=bits)
    whole, packed = (edge_unit(made, "net", pack=pack) for pack in (False, True))
    inputs = dict(as_samples(made, digits["xte"][:2]).inputs)
    found = EdgeProgram(packed, "net", tmp_path).run(inputs, 3)
    assert_equal(found, simulate(made, inputs, 3, record=list(found)), bits)
    # biases and thresholds keep their bytes
    assert sum(packed.flash.values()) < 0.55 * sum(whole.flash.values())
    oracle("gcc").record(spiking=not analog)


def planted_write(source: str) -> str:
    """Write one element of the first output more than it has."""
    return re.sub(r"memcpy\(out0, (.*), (\d+) \*", r"memcpy(out0, \1, (\2 + 1) *", source)


def planted_overflow(source: str) -> str:
    """Add beyond the largest integer, where nothing reads the sum."""
    far = "volatile nd_int far = INT32_MAX; far = far + t + 1;"
    return source.replace("c->t = t + 1;", f"{far} c->t = t + 1;")


@pytest.mark.parametrize(
    ("plant", "said"),
    [(planted_write, "heap-buffer-overflow"), (planted_overflow, "signed integer overflow")],
)
def test_sanitizers_notice_a_planted_bug(
    plant: Callable[[str], str], said: str, tmp_path: Path, oracle: Ledger
) -> None:
    """A program that gives the right values, and is wrong all the same."""
    gcc = oracle("gcc")
    known = reference(0)
    case, due, alive = known.case, known.due, known.alive
    unit = edge_unit(case.graph, "net")
    wrong = replace(unit, source=plant(unit.source))
    assert wrong.source != unit.source
    net = Driven(wrong, "net", case.inputs, case.timesteps)
    build([net], tmp_path, GCC)
    assert_equal(drive([net], tmp_path, "dense")[0], due, said)
    build([net], tmp_path, SANITIZED)
    done = run_program(tmp_path, "dense")
    assert done.returncode != 0
    assert said in done.stderr
    gcc.record(spiking=alive)


def test_the_self_test_notices_a_wrong_constant(tmp_path: Path, oracle: Ledger) -> None:
    """It fails where a weight of the source is another one, and passes where none is."""
    gcc = oracle("gcc")
    case = taken(3000)
    unit = edge_unit(case.graph, "net")
    (tmp_path / "net.h").write_text(unit.header, encoding="ascii")
    (tmp_path / "test.c").write_text(self_test(unit, "net"), encoding="ascii")
    codes = [self_test_code(unit.source, tmp_path)]
    arrays = re.findall(r"^  -?[0-9, -]+,$", unit.source, re.MULTILINE)
    for line in arrays[:6]:
        numbers = [int(n) for n in line.strip(" ,").split(", ")]
        changed = "  " + ", ".join(str(1 if n <= 0 else 0) for n in numbers) + ","
        codes.append(self_test_code(unit.source.replace(line, changed), tmp_path))
    assert codes[0] == 0
    assert set(codes[1:]) & {2, 3}
    gcc.record()


def self_test_code(source: str, folder: Path) -> int:
    (folder / "net.c").write_text(source, encoding="ascii")
    call = [*SANITIZED, "-std=c99", "-o", "test", "net.c", "test.c"]
    subprocess.run(call, cwd=folder, check=True, capture_output=True)
    return subprocess.run([folder / "test"], check=False).returncode
