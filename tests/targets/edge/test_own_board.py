"""A board of the user's own: read on compiling, kept in the folder, opened without its file."""

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
from neurodeploy.artifact import MANIFEST
from neurodeploy.errors import CapabilityError, UsageError
from neurodeploy.ir import Graph
from neurodeploy.targets.edge.boards import boards
from neurodeploy.targets.edge.own_board import board_from_file, board_from_text, board_text
from oracles import Ledger

Array = npt.NDArray[Any]
MINE = """
[my-board]
description = "the part on my desk"
compiler = "arm-none-eabi-gcc"
flags = ["-mcpu=cortex-m4", "-mthumb"]
flash = 100000
ram = 50000
clock = 64000000
source = "my data sheet"
machine = "mps2-an386"
"""
PLAIN = '[plain]\ndescription = "d"\ncompiler = "cc"\nflags = []\n'


@pytest.fixture(scope="module")
def network() -> Graph:
    return nd.quantize(demo_ann(), data=demo_digits()["xtr"][:64])


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    file = tmp_path / "my.toml"
    file.write_text(MINE, encoding="utf-8")
    return file


def limits(program: nd.Artifact) -> dict[str, Any]:
    whole = [r for r in program.manifest["resources"] if not r["node"]]
    return {r["name"]: (r["limit"], r["source"]) for r in whole}


def test_it_replaces_the_profile(network: Graph, mine: Path, tmp_path: Path) -> None:
    program = nd.compile(network, "cortex-m0+", tmp_path / "fw", {"board": str(mine)})
    found = limits(program)
    assert found["constants in flash"] == (100000, "my data sheet")
    assert found["context in RAM"] == (50000, "my data sheet")
    assert "a network for my-board" in (tmp_path / "fw" / "README.md").read_text(encoding="utf-8")
    make = (tmp_path / "fw" / "Makefile").read_text(encoding="utf-8")
    assert "-mcpu=cortex-m4 -mthumb\n" in make
    assert "m0plus" not in make


def test_the_folder_opens_without_the_file(network: Graph, mine: Path, tmp_path: Path) -> None:
    options = {"board": str(mine), "flash": "64KiB"}
    made = nd.compile(network, "cortex-m4", tmp_path / "fw", options)
    assert limits(made)["constants in flash"][0] == 65536  # what is given beats the file
    mine.unlink()
    again = nd.open(tmp_path / "fw")
    assert again.options == made.options
    assert board_from_text(str(again.options["board"])).clock == 64_000_000
    few = demo_digits()["xte"][:4]
    assert np.array_equal(again.run(few).outputs, nd.run(network, few).outputs)


def test_the_place_of_the_file_leaves_no_trace(network: Graph, mine: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    moved = other / "boards.toml"
    moved.write_text(MINE + PLAIN, encoding="utf-8")
    texts = []
    for number, name in enumerate((str(mine), f"{moved}:my-board")):
        folder = tmp_path / f"fw{number}"
        nd.compile(network, "cortex-m4", folder, {"board": name})
        texts.append((folder / MANIFEST).read_text(encoding="utf-8"))
        assert str(tmp_path) not in texts[-1]
    assert texts[0] == texts[1]


def test_too_small_a_board_refuses(network: Graph, tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    file.write_text(MINE.replace("100000", "1000"), encoding="utf-8")
    with pytest.raises(CapabilityError, match="1000 available"):
        nd.compile(network, "cortex-m4", tmp_path / "fw", {"board": str(file)})


@pytest.mark.parametrize("board", boards().values(), ids=lambda b: b.name)
def test_text_keeps_everything(board: Any) -> None:
    assert board_from_text(board_text(board)) == board


WRONG = """
["my board"]
description = "two\\nlines"
compiler = "gcc; rm"
flags = ["-O2 $(shell ls)", 3]
flash = 0
ram = true
clock = "fast"
speed = 3
machine = "z80"

[half]
compiler = "/bin/cc"
"""


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(WRONG, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        board_from_file(str(file))
    told = [f"{f.node.rpartition(': ')[2]}: {f.message}" for f in caught.value.findings]
    assert told == [
        "my board: the name of a board holds letters, digits and +._- alone",
        "my board: unknown field 'speed'",
        "my board: description is no line of at most 500 characters",
        "my board: compiler 'gcc; rm' is no name of a program",
        "my board: flag '-O2 $(shell ls)' is no single flag of a compiler",
        "my board: flag 3 is no single flag of a compiler",
        "my board: flash is 0, which is not above 0",
        "my board: ram is True, no int",
        "my board: clock is 'fast', no int",
        "my board: machine 'z80' is none of QEMU's",
        "half: the field 'description' is missing",
        "half: compiler '/bin/cc' is no name of a program",
        "half: the field 'flags' is missing",
    ]
    hints = {f.message: f.hint for f in caught.value.findings}
    assert "mps2-an386" in hints["machine 'z80' is none of QEMU's"]
    assert hints["unknown field 'speed'"].startswith("fields: description, compiler, flags")


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (MINE + PLAIN, "", "holds 2 boards, not one"),
        (MINE, ":other", "has no board 'other'"),
        ("", "", "holds 0 boards, not one"),
        ("x = [", "", "cannot be read as boards"),
        ("x = " + "[" * 5000, "", "cannot be read as boards"),
        ("x = 3", "", "is no table"),
        ("#" * 70_000, "", "too large"),
    ],
)
def test_unusable_files(text: str, name: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "b.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        board_from_file(f"{file}{name}")


def test_no_file_no_text(tmp_path: Path) -> None:
    for name in ("", "nowhere.toml", "nowhere.toml:x", str(tmp_path)):
        with pytest.raises(UsageError, match="there is no file"):
            board_from_file(name)
    (tmp_path / "b").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="no UTF-8"):
        board_from_file(str(tmp_path / "b"))
    for text in ("{", "[]", "{}", '{"a": 1}', '{"a": {}, "b": {}}'):
        with pytest.raises(UsageError):
            board_from_text(text)


def test_on_the_command_line(
    network: Graph,
    mine: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    tool = tool_for(capsys)
    nd.save(network, "q.nd")
    call = ("compile", "q.nd", "--target", "cortex-m4", "-o", "fw", "--json", "--option")
    made = tool(*call, f"board={mine.name}")
    assert made.code == 0
    assert {r["limit"] for r in made.document["resources"]} == {None, 100000, 50000}
    manifest = json.loads(Path("fw", MANIFEST).read_text(encoding="utf-8"))
    assert json.loads(manifest["options"]["board"])["my-board"]["clock"] == 64_000_000
    wrong = tool(*call, "board=my.toml:other")
    assert wrong.code == 2
    assert "it has: my-board" in wrong.told
    with pytest.raises(UsageError, match="there is no file"):  # before hours of work
        nd.deploy(
            "q.nd", target="cortex-m4", data="x.npz", out="all",
            settings={"option.board": "nowhere.toml"},
        )  # fmt: skip


def test_qemu_runs_what_has_a_machine(
    network: Graph, mine: Path, tmp_path: Path, oracle: Ledger
) -> None:
    oracle("arm-none-eabi-gcc").record()
    qemu = oracle("qemu-system-arm")
    program = nd.compile(network, "host", tmp_path / "fw", {"board": str(mine)})
    few = demo_digits()["xte"][:2]
    found = program.run(few, on="qemu")
    assert np.array_equal(found.outputs, nd.run(network, few).outputs)
    qemu.record()
    mine.write_text(PLAIN, encoding="utf-8")
    program = nd.compile(network, "cortex-m4", tmp_path / "no", {"board": str(mine)})
    with pytest.raises(UsageError, match="QEMU has no machine for 'plain'"):
        program.run(few, on="qemu")
