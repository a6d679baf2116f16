"""The example that brings the demo's digits onto Loihi runs, and says what it found."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_digits_on_loihi(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(EXAMPLES)])
    example = importlib.import_module("digits_on_loihi")
    assert example.main(str(tmp_path / "net")) == 0
    told = capsys.readouterr().out
    assert "accuracy on 500 digits: 99.2% in floats, 99." in told
    assert "compiled against rounded: exact" in told
    cores = json.loads((tmp_path / "net" / "map.json").read_text())["cores"]
    assert len(cores) == 2
