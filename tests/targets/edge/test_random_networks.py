"""Random integer networks: the emitted C gives what the reference gives, bit for bit.

Every output and every state at every step; without reuse of memory, every signal. gcc, gcc with
its address and undefined-behaviour sanitizers, and zig.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import neurodeploy as nd
from demo_digits import demo_ann, demo_digits
from edge_cases import DRAWN, drawn
from edge_runs import EdgeProgram
from neurodeploy.data import as_samples
from neurodeploy.reference import simulate
from neurodeploy.targets.edge.golden import self_test
from neurodeploy.targets.edge.source import edge_unit
from neurodeploy.testing.random_graphs import RandomCase, spiking_share
from oracles import Ledger
from tiers import sample_count

COUNT = sample_count(200, 24)
CHUNK = 8


def check(case: RandomCase, seed: int, folder: Path, command: tuple[str, ...]) -> bool:
    for reuse in (True, False):
        prefix = f"net{seed}{'r' if reuse else 'k'}"
        program = EdgeProgram(edge_unit(case.graph, prefix, reuse=reuse), prefix, folder, command)
        found = program.run(case.inputs, case.timesteps)
        due = simulate(case.graph, case.inputs, case.timesteps, record=list(found))
        for key, values in found.items():
            assert np.array_equal(values.astype(np.int64), due[key].astype(np.int64)), (seed, key)
    alive = spiking_share(due, case.graph) == 1
    DRAWN["spiking"] += alive
    return alive


@pytest.mark.parametrize("start", range(0, COUNT, CHUNK))
def test_gcc(start: int, tmp_path: Path, oracle: Ledger) -> None:
    gcc = oracle("gcc")
    for seed in range(start, min(COUNT, start + CHUNK)):
        case = drawn(seed)
        if case is not None:
            gcc.record(spiking=check(case, seed, tmp_path, ("gcc", "-O2")))


def test_share_of_graphs(oracle: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    oracle("gcc")
    if not DRAWN["drawn"]:
        pytest.skip("no graph was compared in this run")
    with capsys.disabled():
        sys.stdout.write(f"\nedge: {DRAWN}\n")
    assert DRAWN["taken"] >= 0.9 * DRAWN["drawn"]
    assert DRAWN["spiking"] >= 0.7 * DRAWN["taken"]


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
    due = simulate(made, inputs, 3, record=list(found))
    for key, values in found.items():
        assert np.array_equal(values.astype(np.int64), due[key].astype(np.int64)), key
    # biases and thresholds keep their bytes
    assert sum(packed.flash.values()) < 0.55 * sum(whole.flash.values())
    oracle("gcc").record(spiking=not analog)


@pytest.mark.parametrize("seed", range(sample_count(40, 4)))
def test_sanitizers(seed: int, tmp_path: Path, oracle: Ledger) -> None:
    """The self-test of the folder, built so that every undefined step would end it."""
    gcc = oracle("gcc")
    case = drawn(1000 + seed)
    if case is None:
        pytest.skip("the target does not take this graph")
    unit = edge_unit(case.graph, "net")
    for name, text in (("net.h", unit.header), ("net.c", unit.source)):
        (tmp_path / name).write_text(text, encoding="ascii")
    (tmp_path / "test.c").write_text(self_test(unit, "net"), encoding="ascii")
    flags = ["-std=c99", "-O1", "-g", "-fsanitize=undefined,address", "-fno-sanitize-recover=all"]
    call = ["gcc", *flags, "-o", "test", "net.c", "test.c"]
    subprocess.run(call, cwd=tmp_path, check=True, capture_output=True)
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run([tmp_path / "test"], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    gcc.record()


@pytest.mark.parametrize("seed", range(sample_count(12, 2)))
def test_zig(seed: int, tmp_path: Path, oracle: Ledger) -> None:
    zig = oracle("ziglang")
    case = drawn(2000 + seed)
    if case is not None:
        command = (sys.executable, "-m", "ziglang", "cc", "-O2", "-fno-sanitize=undefined")
        zig.record(spiking=check(case, seed, tmp_path, command))


def test_the_test_notices_a_wrong_constant(tmp_path: Path, oracle: Ledger) -> None:
    """The self-test fails where a weight of the source is another one."""
    gcc = oracle("gcc")
    case = next(c for c in map(drawn, range(3000, 3040)) if c is not None)
    unit = edge_unit(case.graph, "net")
    arrays = re.findall(r"^  -?[0-9, -]+,$", unit.source, re.MULTILINE)
    codes = set()
    for line in arrays[:6]:
        numbers = [int(n) for n in line.strip(" ,").split(", ")]
        changed = "  " + ", ".join(str(1 if n <= 0 else 0) for n in numbers) + ","
        (tmp_path / "net.h").write_text(unit.header, encoding="ascii")
        (tmp_path / "net.c").write_text(unit.source.replace(line, changed), encoding="ascii")
        (tmp_path / "test.c").write_text(self_test(unit, "net"), encoding="ascii")
        call = ["gcc", "-std=c99", "-o", "test", "net.c", "test.c"]
        subprocess.run(call, cwd=tmp_path, check=True, capture_output=True)
        codes.add(subprocess.run([tmp_path / "test"], check=False).returncode)
    assert codes & {2, 3}
    gcc.record()
