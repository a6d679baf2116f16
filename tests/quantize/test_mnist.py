"""The MNIST network that sinabs ships as spikes and integers, on digits of MNIST."""

from __future__ import annotations

import pytest

import neurodeploy as nd
from oracles import Ledger
from tiers import sample_count

pytest.importorskip("torch", reason="the network is built in torch")

from l2mu import DATA
from sinabs_mnist import mnist, mnist_network

DIGITS, T = sample_count(2000, 400), 4


@pytest.mark.skipif(not (DATA / "mnist10k.npz").is_file(), reason=f"no mnist10k.npz in {DATA}")
def test_accuracy(oracle: Ledger) -> None:
    """Within 0.3 points of floats at 8 bits, within 1.5 at 4; the calibration is apart."""
    files, cc = oracle("sinabs"), oracle("cc")
    files.record()
    x, y = mnist()
    ann = nd.load(mnist_network(files), example=x[:4])
    snn = nd.convert(ann, data=x[2000:2256], timesteps=T)

    def accuracy(graph: nd.Graph) -> float:
        found = nd.run(graph, x[:DIGITS], y[:DIGITS], timesteps=T, on="engine")
        assert all(counts.any() for counts in found.counts.values())
        return 100 * (found.accuracy or 0)

    floats = accuracy(snn)
    assert floats > 95
    for bits, points in ((8, 0.3), (4, 1.5)):
        made = nd.quantize(snn, data=x[2000:2256], bits=bits)
        assert accuracy(made) >= floats - points, bits
        cc.record(spiking=True)
