"""Instructions of a machine on the bill: cycles, seconds and joules, each with its evidence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import neurodeploy as nd
from command_line import tool_for
from demo_digits import demo_ann, demo_digits
from neurodeploy.errors import UsageError
from neurodeploy.profile import compare_bills
from neurodeploy.targets.edge.boards import boards
from oracles import Ledger

Array = npt.NDArray[Any]
NOTHING = {"value": None, "low": None, "high": None}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    digits = demo_digits()
    made = nd.quantize(demo_ann(), data=digits["xtr"][:64])
    where = tmp_path_factory.mktemp("cycles")
    nd.compile(made, "cortex-m4", where / "fw")
    for name, more in (("bare", ""), ("mine", "clock = 50_000_000\nenergy_per_cycle = 1e-9\n")):
        (where / "b.toml").write_text(
            f'[{name}]\ndescription = "d"\ncompiler = "cc"\nflags = []\n'
            f'machine = "mps2-an386"\nsource = "{name}"\nenergy_evidence = "B"\n{more}',
            encoding="utf-8",
        )
        nd.compile(made, "host", where / name, {"board": str(where / "b.toml")})
    np.savez(where / "x.npz", x=digits["xte"][:3], y=digits["yte"][:3])
    return where


@pytest.fixture
def machine(oracle: Ledger) -> Ledger:
    oracle("arm-none-eabi-gcc").record()
    oracle("qemu-system-arm").record()
    return oracle


def test_the_bill_of_a_cortex_m4(folder: Path, machine: Ledger) -> None:
    program, few = nd.open(folder / "fw"), demo_digits()["xte"][:3]
    assert program.run(few).instructions is None
    ran = program.run(few, on="qemu")
    assert ran.instructions is not None
    assert ran.instructions.shape == (3,)
    bill = nd.profile(program, few, on="qemu")
    # the counts are those of any runner, and the instructions those of the run
    plain = nd.profile(program, few)
    assert bill.to_json()["layers"] == plain.to_json()["layers"]
    assert plain.cycles is None
    assert plain.to_json()["processor"] is None
    mean = float(ran.instructions.mean())
    found = json.loads(json.dumps(bill.to_json()))["processor"]
    board = boards()["cortex-m4"]
    assert board.clock is not None
    assert board.energy_per_cycle is not None
    assert found["instructions_per_sample"] == mean > 100_000
    assert found["cycles_per_sample"] == {"value": mean, "low": mean / 2, "high": mean * 2}
    assert found["cycles_evidence"] == "B"
    assert found["clock_hertz"] == 180e6
    seconds = mean / board.clock
    assert found["seconds_per_sample"] == pytest.approx(
        {"value": seconds, "low": seconds / 2, "high": seconds * 2}
    )
    joules = mean * board.energy_per_cycle
    assert found["joules_per_sample"] == pytest.approx(
        {"value": joules, "low": joules / 10, "high": joules * 10}
    )
    assert found["joules_per_cycle"]["evidence"] == "C"
    assert "DS10693" in found["joules_per_cycle"]["source"]
    assert found["reasons"] == []
    latency = bill.to_json()["latency"]
    assert latency["method"] == "modelled"
    assert latency["seconds"] == pytest.approx(found["seconds_per_sample"])
    text = bill.table()
    assert "one instruction counted as one cycle, class B" in text
    assert "ms (" in text.partition("processor  cortex-m4: ")[2]
    bill.to_html(folder / "r.html")
    page = (folder / "r.html").read_text(encoding="utf-8")
    assert "one instruction counted as one cycle" in page
    assert "time on cortex-m4, modelled" in page


@pytest.mark.parametrize("name", ["bare", "mine"])
def test_what_a_board_does_not_give_is_left_out(name: str, folder: Path, machine: Ledger) -> None:
    bill = nd.profile(nd.open(folder / name), demo_digits()["xte"][:1], on="qemu")
    found = bill.to_json()["processor"]
    assert found["name"] == name
    if name == "mine":  # the user's own figures, on the machine of the same processor
        assert found["seconds_per_sample"]["value"] == found["instructions_per_sample"] / 50e6
        assert found["joules_per_cycle"]["evidence"] == "B"
        assert found["joules_per_cycle"]["source"] == "mine"
        return
    assert found["cycles_per_sample"]["value"] > 100_000
    assert found["seconds_per_sample"] == found["joules_per_sample"] == NOTHING
    assert bill.to_json()["latency"]["seconds"] == NOTHING
    assert [r.partition(":")[0] for r in found["reasons"]] == ["seconds", "joules"]
    assert "no seconds: bare has no clock in its data" in bill.table()


def test_padding_costs_nothing(folder: Path, machine: Ledger) -> None:
    """A sample that is shorter than the batch is billed for its own steps."""
    program = nd.open(folder / "fw")
    x = np.repeat(demo_digits()["xte"][:1][None], 4, axis=1)
    both = [x[0], x[0][:2]]
    padded = np.zeros((2, 4, *x.shape[2:]), np.float32)
    for i, steps in enumerate(both):
        padded[i, : len(steps)] = steps
    found = program.run({"x": padded, "lengths": np.array([4, 2])}, on="qemu").instructions
    alone = program.run(x[:, :2], on="qemu").instructions
    assert found is not None
    assert alone is not None
    assert abs(int(found[1]) - int(alone[0])) <= 2 * 40  # to the tick of each step
    assert found[0] > found[1]


def test_on_the_command_line(
    folder: Path,
    machine: Ledger,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    tool = tool_for(capsys)
    ran = tool("run", "fw", "--input", "x.npz", "--on", "qemu", "--json", "-o", "rec.npz")
    assert ran.code == 0
    mean = ran.document["instructions_mean"]
    kept = nd.Recording.load("rec.npz").instructions
    assert kept is not None
    assert kept.mean() == mean
    call = ("profile", "fw", "--input", "x.npz", "--on", "qemu")
    assert tool(*call, "--json").document["processor"]["instructions_per_sample"] == mean
    other = tool(*call, "--option", "machine=cortex-m3", "--json").document["processor"]
    assert (other["name"], other["clock_hertz"]) == ("cortex-m3", 72_000_000)
    refused = tool(*call, "--targets", "cpu", "--json")
    assert refused.code == 2
    assert "runs cortex-m4, not cpu" in refused.told


def test_no_count_no_figure(folder: Path, machine: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    from neurodeploy.targets.edge.harness import Rows

    monkeypatch.setattr(Rows, "ticks", None)
    program, few = nd.open(folder / "fw"), demo_digits()["xte"][:1]
    found = nd.profile(program, few, on="qemu").to_json()["processor"]
    assert found["instructions_per_sample"] is None
    assert found["cycles_per_sample"] == NOTHING
    assert found["reasons"][0].startswith("instructions")
    assert program.run(few, on="qemu").instructions is None
    with pytest.raises(UsageError, match="takes no options"):
        nd.profile(program, few, options={"machine": "cortex-m3"})


@pytest.mark.parametrize("board", boards().values(), ids=lambda b: b.name)
def test_every_energy_names_its_source(board: Any) -> None:
    if board.energy_per_cycle is None:
        return
    assert 1e-11 < board.energy_per_cycle < 1e-8  # tens of pJ to nJ: microcontrollers
    assert board.energy_source
    assert board.energy_evidence == "C"
    assert board.clock


def test_which_of_two_networks_is_cheaper_on_the_chip(
    folder: Path,
    machine: Ledger,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The ANN against its spiking form of two steps, by function and on the command line."""
    digits = demo_digits()
    snn = nd.convert(demo_ann(), data=digits["xtr"][:64], timesteps=2)
    ann, few = nd.open(folder / "fw"), digits["xte"][:3]
    program = nd.compile(nd.quantize(snn, data=digits["xtr"][:64]), "cortex-m4", folder / "snn")
    a, b = (nd.profile(p, few, on="qemu") for p in (program, ann))
    found = compare_bills(a, b)
    counted = [p.run(few, on="qemu").instructions for p in (program, ann)]
    due = [float(c.mean()) for c in counted if c is not None]
    assert found.instructions == tuple(due)
    assert found.instruction_ratio == due[0] / due[1]
    cheaper = "a is cheaper" if due[0] < due[1] else "b is cheaper"
    assert found.chip_verdict.startswith(f"on cortex-m4 {cheaper}: a takes ")
    assert compare_bills(a, a).chip_verdict.startswith("on cortex-m4 both are equal: a takes 1.00")
    # another processor, or none: nothing is said about the chip
    other = nd.profile(nd.open(folder / "mine"), few, on="qemu")
    assert compare_bills(a, other).instructions is None
    assert compare_bills(a, nd.profile(ann, few)).chip_verdict == ""
    monkeypatch.chdir(folder)
    tool = tool_for(capsys)
    call = ("profile", "snn", "--against", "fw", "--input", "x.npz", "--on", "qemu")
    assert found.chip_verdict in tool(*call).out
    document = tool(*call, "--json").document
    assert document["contrast"]["instruction_ratio"] == found.instruction_ratio
    assert document["against"]["processor"]["name"] == "cortex-m4"
