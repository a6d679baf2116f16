"""The example of a Loihi network runs as it stands, and Lava gives the same states."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from distribution import ROOT
from oracles import Ledger


def test_it_runs(
    tmp_path: Path,
    oracle: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lava = oracle("lava")
    monkeypatch.syspath_prepend(ROOT / "examples")
    example = importlib.import_module("loihi_network")
    spikes = example.main(str(tmp_path / "made"), str(lava.interpreter))
    said = capsys.readouterr().out
    assert 500 < spikes < 15_000
    assert f"Lava: {spikes} spikes; all of u and v equal: True" in said
    lava.record(spiking=True)
