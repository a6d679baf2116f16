"""The MNIST network that sinabs ships: read from torch, equal to it, and turned into spikes."""

from __future__ import annotations

import numpy as np
import pytest

import neurodeploy as nd
from oracles import Ledger

torch = pytest.importorskip("torch", reason="torch is not installed")

from l2mu import DATA  # noqa: E402
from sinabs_mnist import mnist, mnist_network  # noqa: E402

DIGITS = 300


@pytest.mark.skipif(not (DATA / "mnist10k.npz").is_file(), reason=f"no mnist10k.npz in {DATA}")
def test_read_and_converted(oracle: Ledger) -> None:
    files, found = oracle("sinabs"), oracle("torch")
    files.record()
    x, y = mnist()
    test = slice(256, 256 + DIGITS)
    net = mnist_network(files)
    ann = nd.load(net, example=x[:4])
    got = nd.run(ann, x[test], y[test], on="engine")
    with torch.no_grad():
        due = net(torch.from_numpy(x[test])).numpy()
    assert np.abs(got.decoded - due).max() <= 1e-4 * np.abs(due).max()
    assert got.accuracy is not None
    assert got.accuracy > 0.95
    snn = nd.convert(ann, data=x[:256], timesteps=16)
    spiking = nd.run(snn, x[test], y[test], on="engine", timesteps=16)
    assert spiking.accuracy is not None
    assert spiking.accuracy >= got.accuracy - 0.02
    found.record(spiking=bool(sum(c.sum() for c in spiking.counts.values())))
