"""The emitted C on machines of QEMU, in every state: Cortex-M, and Linux on ARM and RISC-V."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import neurodeploy as nd
from demo_digits import demo_ann, demo_digits
from edge_cases import taken
from neurodeploy.data import as_samples
from neurodeploy.errors import MissingDependencyError, UnavailableTargetError, UsageError
from neurodeploy.instructions import CountsInstructions
from neurodeploy.ir import Graph
from neurodeploy.reference import all_outputs, simulate
from neurodeploy.targets.edge.boards import boards
from neurodeploy.targets.edge.harness import WRAPPED, Rows
from neurodeploy.targets.edge.instruction_log import logged_run, step_counts
from neurodeploy.targets.edge.qemu import QemuRun
from neurodeploy.targets.edge.source import edge_unit
from neurodeploy.testing.random_graphs import spiking_share
from oracles import Ledger
from tiers import VERIFY, sample_count

Array = npt.NDArray[Any]
DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
COUNT = sample_count(20, 3)
LINUX = sample_count(20, 1)
CODE = 12 * 1024  # bytes of code without constants


def on_machine(run: QemuRun, inputs: dict[str, Array], timesteps: int, what: str) -> bool:
    """Compare all signals with the reference; say whether all populations spike."""
    graph = run.unit.plan.graph
    keys = [k for k in all_outputs(graph) if k[0] not in run.unit.plan.inputs]
    found = run(inputs, timesteps, record=keys)
    due = simulate(graph, inputs, timesteps, record=keys)
    for key in keys:
        assert np.array_equal(found[key], due[key].astype(found[key].dtype)), (what, key)
    return spiking_share(due, graph) == 1


@pytest.fixture
def machine(oracle: Ledger) -> Ledger:
    oracle("arm-none-eabi-gcc").record()
    return oracle


@pytest.mark.parametrize("seed", range(COUNT))
def test_random_networks(seed: int, machine: Ledger) -> None:
    qemu = machine("qemu-system-arm")
    case = taken(seed)
    few = case.first(2)
    qemu.record(spiking=on_machine(QemuRun(case.graph), few.inputs, case.timesteps, f"{seed}"))


@pytest.fixture(scope="module")
def digits() -> dict[str, Array]:
    return demo_digits()


@pytest.mark.parametrize("name", ["cortex-m3", "cortex-m4", "cortex-m7"])
def test_digits(name: str, digits: dict[str, Array], machine: Ledger) -> None:
    """From flash, in little code, in every state; the same counts of instructions each time."""
    qemu = machine("qemu-system-arm")
    ann = demo_ann()
    snn = nd.convert(ann, data=digits["xtr"][:256], timesteps=4)
    for graph, timesteps in ((snn, 4), (ann, 1)):
        made = nd.quantize(graph, data=digits["xtr"][:256])
        run = QemuRun(made, name)
        inputs = dict(as_samples(made, digits["xte"][:2]).inputs)
        qemu.record(spiking=on_machine(run, inputs, timesteps, name))
        first = run.instructions
        run(inputs, timesteps, record=[])
        assert first is not None
        assert np.array_equal(run.instructions, first)
        assert first.shape == (2, timesteps)
        assert first.sum(axis=1).min() > 100_000
        constants = sum(run.unit.flash.values()) + run.unit.reset_bytes
        assert 0 < run.text_bytes - constants < CODE


@pytest.mark.skipif(
    not (DATA / "l2mu_braille7_weights.npz").is_file(), reason=f"no L2MU weights in {DATA}"
)
def test_l2mu(machine: Ledger) -> None:
    """The recurrent Braille network: a whole sample of 256 steps, every state."""
    pytest.importorskip("torch", reason="the network is built in torch")
    pytest.importorskip("snntorch", reason="the network is built in snnTorch")
    from l2mu import braille, l2mu_graph

    qemu = machine("qemu-system-arm")
    x, _ = braille()
    made = nd.quantize(l2mu_graph(), data=x[:64])
    run = QemuRun(made, "cortex-m4")
    inputs = dict(as_samples(made, x[:1]).inputs)
    qemu.record(spiking=on_machine(run, inputs, x.shape[1], "l2mu"))
    constants = sum(run.unit.flash.values()) + run.unit.reset_bytes
    assert run.text_bytes - constants < CODE
    assert constants < 128 * 1024


def test_as_a_runner(digits: dict[str, Array], tmp_path: Path, machine: Ledger) -> None:
    qemu = machine("qemu-system-arm")
    ann = demo_ann()
    made: Graph = nd.quantize(ann, data=digits["xtr"][:64])
    program = nd.compile(made, "cortex-m4", out=tmp_path / "fw", options={"prefix": "digits"})
    few = digits["xte"][:8]
    found = program.run(few, digits["yte"][:8], on="qemu")
    assert np.array_equal(found.outputs, nd.run(made, few).outputs)
    assert nd.compare(made, program, few, on_b="qemu").verdict == "exact"
    with pytest.raises(UsageError, match="no option 'speed'"):
        program.run(few, on="qemu", options={"speed": 1})
    with pytest.raises(UsageError, match="QEMU has no machine for 'z80'"):
        program.run(few, on="qemu", options={"machine": "z80"})
    # a folder for another processor runs on that one, or says that QEMU has none
    small = nd.compile(made, "cortex-m0+", out=tmp_path / "m0", options={"ram": "64KiB"})
    with pytest.raises(UsageError, match=r"QEMU has no machine for 'cortex-m0\+'"):
        small.run(few, on="qemu")
    again = small.run(few, on="qemu", options={"machine": "cortex-m3"})
    assert np.array_equal(again.outputs, found.outputs)
    qemu.record()


@pytest.fixture(params=["linux-arm64", "linux-riscv64"])
def linux(request: pytest.FixtureRequest, oracle: Ledger) -> str:
    """A board whose programs QEMU runs in user mode, and a compiler for it."""
    own = boards()[request.param].compiler
    if shutil.which(own) is not None:
        oracle(own).record()
    elif VERIFY:
        oracle("ziglang").record()
    else:
        pytest.skip(f"no {own}, and zig's first build for another processor takes minutes")
    return str(request.param)


@pytest.mark.parametrize("seed", range(LINUX))
def test_random_networks_of_linux(seed: int, linux: str, tmp_path: Path, oracle: Ledger) -> None:
    qemu = oracle(boards()[linux].machine)
    case = taken(seed)
    few = case.first(2)
    run = QemuRun(case.graph, linux)
    qemu.record(spiking=on_machine(run, few.inputs, case.timesteps, f"{seed}"))
    assert run.instructions is None  # none were asked for, and none are made up
    if seed > 1:
        return
    folder = nd.compile(case.graph, linux, out=tmp_path / "app")
    _, counting = folder.runner("qemu", {"count": "yes"})
    assert isinstance(counting, CountsInstructions)
    counts = []
    for _ in range(2):
        counting(few.inputs, case.timesteps, record=[])
        assert counting.instructions is not None
        counts.append(counting.instructions)
    assert np.array_equal(*counts)
    assert counts[0].shape == (2, case.timesteps)
    assert counts[0].min() > 100


def test_linux_as_a_runner(
    linux: str, digits: dict[str, Array], tmp_path: Path, oracle: Ledger
) -> None:
    qemu = oracle(boards()[linux].machine)
    snn = nd.convert(demo_ann(), data=digits["xtr"][:64], timesteps=4)
    made = nd.quantize(snn, data=digits["xtr"][:64])
    program = nd.compile(made, linux, out=tmp_path / "app")
    few = digits["xte"][:8]
    found = program.run(few, digits["yte"][:8], on="qemu", record="states")
    assert np.array_equal(found.outputs, nd.run(made, few).outputs)
    assert found.states
    assert nd.compare(made, program, few, on_b="qemu").verdict == "exact"
    assert found.instructions is None
    with pytest.raises(UsageError, match="'often' is not yes or no"):
        program.run(few, on="qemu", options={"count": "often"})
    qemu.record(spiking=True)


def test_the_log_and_the_clock_count_alike(
    machine: Ledger,
) -> None:
    """QEMU's log of every instruction against SysTick, on one machine that has both."""
    qemu = machine("qemu-system-arm")
    case = taken(0)
    run = QemuRun(case.graph)
    few = case.first(2)
    run(few.inputs, case.timesteps, record=[])
    assert run.instructions is not None
    arguments = [a for a in run.machine.arguments if a not in ("-icount", "shift=0")]
    log = ["-singlestep", "-d", "exec,nochain"]
    call = [run.emulator, *log, *arguments, "net.elf"]
    done = subprocess.run(call, cwd=run.folder, capture_output=True, check=True)
    counts = np.array(step_counts([done.stderr[:999], done.stderr[999:]]))
    # a tick is 40 instructions, and the clock's own last instructions are in its count
    assert np.abs(counts.reshape(2, -1) - run.instructions).max() <= 80
    qemu.record()


def test_lines_of_a_log() -> None:
    line = b"Trace 0: 0x7f [0/%x/1/2] %s\n"
    names = b"main clock_start clock_start main net_step memcpy main clock_ticks clock_ticks main"
    names += b" clock_start main clock_ticks"
    log = b"".join(line % (i, name) for i, name in enumerate(names.split()))
    for cut in range(0, len(log), 7):
        assert step_counts([log[:cut], log[cut:]]) == [4, 1]
    assert step_counts([]) == []


def test_a_log_that_fails_is_told(tmp_path: Path) -> None:
    fake = tmp_path / "qemu-fake"
    lines = ("#!/bin/sh", "[ $1 = -h ] && exit 0", "[ -f go ] && exec sleep 60", "echo no >&2")
    fake.write_text("\n".join([*lines, "exit 3", ""]), encoding="ascii")
    fake.chmod(0o755)
    with pytest.raises(UnavailableTargetError, match="qemu-fake ended with 3: no"):
        logged_run(str(fake), "net.elf", tmp_path, 60)
    (tmp_path / "go").touch()
    with pytest.raises(UnavailableTargetError, match="more than 0 s"):
        logged_run(str(fake), "net.elf", tmp_path, 0.2)


def test_too_long_a_step_has_no_count(digits: dict[str, Array]) -> None:
    plan = edge_unit(nd.quantize(demo_ann(), data=digits["xtr"][:64]), "net").plan
    outputs = bytes(10 * 4)
    ticks = [(5).to_bytes(8, "little"), (7).to_bytes(8, "little")]
    known = Rows(plan, b"".join(t + outputs for t in ticks), 1, 2).ticks
    assert known is not None
    assert known.tolist() == [[5, 7]]
    ticks[1] = WRAPPED.to_bytes(8, "little")
    assert Rows(plan, b"".join(t + outputs for t in ticks), 1, 2).ticks is None


@pytest.mark.parametrize(
    ("name", "missing", "packages"),
    [
        ("cortex-m4", "arm-none-eabi-gcc", "gcc-arm-none-eabi"),
        ("linux-riscv64", "qemu-riscv64|riscv64-linux-gnu-gcc", "qemu-user"),
    ],
)
def test_what_is_missing_is_named(
    name: str,
    missing: str,
    packages: str,
    digits: dict[str, Array],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = nd.quantize(demo_ann(), data=digits["xtr"][:64])
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingDependencyError, match=missing) as caught:
        QemuRun(made, name)
    assert packages in caught.value.findings[0].hint


def test_what_the_compiler_says_is_told(digits: dict[str, Array], machine: Ledger) -> None:
    made = nd.quantize(demo_ann(), data=digits["xtr"][:64])
    machine("qemu-system-arm").record()
    with pytest.raises(UnavailableTargetError, match="gcc ended with 1: cc1: error"):
        QemuRun(made, optimise="-Ono")
