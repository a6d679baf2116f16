"""Where the result goes: stdout for it alone, whatever a model prints, and a word if it is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from command_line import Tool, one_document

CODE = "from neurodeploy.cli import main; main()"
LOUD = """
import os, sys
from torch import nn

def build():
    os.system("echo from the shell")
    sys.__stdout__.write("past the redirection")
    print("plainly")
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
"""


def test_whatever_the_model_prints_stays_off_stdout(folder: Path) -> None:
    (folder / "loud.py").write_text(LOUD)
    inspect = [sys.executable, "-c", CODE, "inspect", "loud.py:build", "--input-shape", "1,8,8"]
    done = subprocess.run([*inspect, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert one_document(done.stdout)["inputs"]
    for text in ("from the shell", "past the redirection", "plainly"):
        assert text in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no full device")
@pytest.mark.parametrize(
    "line",
    ["inspect net.nd", "inspect net.nd --json", "run nowhere.nd --json --input x.npz", "--help"],
)
def test_a_result_that_cannot_be_written(folder: Path, line: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", CODE, *line.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "the result cannot be written: No space left on device\n"


@pytest.mark.skipif(os.name != "posix", reason="the shell closes the channels")
@pytest.mark.parametrize("channel", [">&-", "2>&-"])
def test_a_closed_channel(folder: Path, channel: str) -> None:
    line = f"run net.nd --input x.npz --json {channel}"
    done = subprocess.run(
        ["sh", "-c", f'"$0" -c "$1" {line}', sys.executable, CODE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (not done.stdout) if channel == ">&-" else one_document(done.stdout)["samples"] == 6


def test_control_characters_do_not_reach_the_terminal(tool: Tool) -> None:
    shown = tool("run", "net.nd", "--input", "x.npz", "--record", "a\x1b[31m\x9b")
    assert shown.code == 2
    assert "a\\x1b[31m\\x9b" in shown.err
    assert "\x1b" not in shown.err


def test_a_report_that_cannot_be_written(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("far too clever")

    def full(**kwargs: object) -> str:
        raise OSError("no room")

    monkeypatch.setattr("neurodeploy.api.run", broken)
    strange = os.fsdecode(b"\xff.npz")  # no Unicode, and a report holds the arguments
    shown = tool("run", "net.nd", "--input", strange, "--json")
    assert (shown.code, shown.document["error"]) == (70, "InternalError")
    monkeypatch.setattr("tempfile.mkdtemp", full)
    shown = tool("run", "net.nd", "--input", "x.npz", "--json")
    assert shown.code == 70
    assert "--debug" in shown.told


@pytest.mark.parametrize("debug", [False, True])
def test_c_that_no_compiler_takes_is_kept_under_debug(
    debug: bool, tool: Tool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = folder / "fakecc"
    fake.write_text('#!/bin/sh\n[ "$1" = --version ] && echo fake 1 && exit\nexit 3\n')
    fake.chmod(0o755)
    monkeypatch.setenv("CC", str(fake))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    line = "run net.nd --input x.npz --on engine --json" + " --debug" * debug
    outcome = tool(*line.split())
    assert outcome.code == 3
    assert "exit status 3" in outcome.told
    kept = list(folder.glob("neurodeploy-*/unit.c"))
    assert len(kept) == debug
    if debug:
        assert str(kept[0]) in outcome.told
        assert "nd_run" in kept[0].read_text(encoding="ascii")
