"""A folder of sound files, and the command line called inside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import neurodeploy as nd
from command_line import Tool, tool_for


@pytest.fixture(scope="session")
def sound_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that every test gets a copy of."""
    pytest.importorskip("torch", reason="the models of these tests are made with torch")
    pytest.importorskip("onnx", reason="the models of these tests are written with onnx")
    from cli_files import fill

    folder = tmp_path_factory.mktemp("sound")
    fill(folder)
    _warm_up(folder)
    return folder


def _warm_up(folder: Path) -> None:
    """Import torch and its exporter once, which takes seconds that are not ours."""
    from neurodeploy.converters.callable_model import build_model

    example = np.zeros((2, 1, 8, 8), np.float32)
    nd.load(build_model(f"{folder / 'nets.py'}:build"), example=example)


@pytest.fixture
def folder(sound_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a fresh copy of the sound files, which is the current folder."""
    from cli_files import copied

    monkeypatch.chdir(tmp_path)
    return copied(sound_files, tmp_path)


@pytest.fixture
def tool(folder: Path, capfd: pytest.CaptureFixture[str]) -> Tool:
    """Return the command line, called in the folder of sound files."""
    return tool_for(capfd)
