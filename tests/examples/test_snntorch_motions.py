"""The example that trains a spiking network and deploys it runs as it stands."""

from __future__ import annotations

import importlib

import pytest

from distribution import ROOT
from oracles import Ledger
from tiers import sample_count


def test_it_learns_and_runs(
    oracle: Ledger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = oracle("snntorch")
    monkeypatch.syspath_prepend(ROOT / "examples")
    accuracy = importlib.import_module("snntorch_motions").main(epochs=sample_count(60, 20))
    assert accuracy > 0.7
    shown = capsys.readouterr().out
    assert shown.startswith(("exact:", "near:"))
    assert "hidden" in shown
    found.record(spiking=True)
