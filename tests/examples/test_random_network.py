"""The example of a random network runs as it stands."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import neurodeploy as nd
from distribution import ROOT
from oracles import Ledger

pytest.importorskip("h5py", reason="the example records to disk")


def test_it_runs(
    tmp_path: Path,
    oracle: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.syspath_prepend(ROOT / "examples")
    example = importlib.import_module("random_network")
    path = tmp_path / "made.h5"
    rate = example.main(500, 400, str(path))
    assert 20 < rate < 120
    assert "50,000 synapses" in capsys.readouterr().out
    graph = example.network(500)
    with nd.LongRecording(path) as made:
        assert made.graph == graph.digest  # the same synapses again
        found = made.spikes("y", end=60).raster()[0]
    whole = nd.run(graph, [[1.0]], timesteps=60, seed=1)
    assert (found == whole.outputs[0]).all()
    assert found.any()
    oracle("cc").record(spiking=True)
