"""The published L2MU Braille network, recurrent, as integers."""

from __future__ import annotations

import numpy as np
import pytest

from oracles import Ledger

torch = pytest.importorskip("torch", reason="the network is built in torch")
pytest.importorskip("snntorch", reason="the network is built in snnTorch")

import neurodeploy as nd  # noqa: E402
from l2mu import DATA, braille, l2mu_graph  # noqa: E402

pytestmark = pytest.mark.skipif(
    not (DATA / "l2mu_braille7_weights.npz").is_file(), reason=f"no L2MU weights in {DATA}"
)
CALIBRATION = 64


@pytest.mark.parametrize(("bits", "points"), [(8, 0.3), (4, 1.5)])
def test_accuracy(bits: int, points: float, oracle: Ledger) -> None:
    """On all 1,158 samples, of which the first 64 calibrate."""
    x, y = braille()
    graph = l2mu_graph()
    made = nd.quantize(graph, data=x[:CALIBRATION], bits=bits)
    found = nd.run(made, x, y, on="engine")
    assert found.accuracy is not None
    assert found.accuracy >= 0.9853 - points / 100
    assert all(counts.any() for counts in found.counts.values())
    few = [nd.run(made, x[:1], timesteps=64, record="states", on=on) for on in (None, "engine")]
    assert nd.compare(*few).verdict == "exact"
    assert np.asarray(few[0].outputs).any()
    oracle("cc").record(spiking=True)
