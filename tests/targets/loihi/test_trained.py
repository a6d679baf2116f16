"""Trained networks on Loihi: digits, MNIST and the Braille network, within 0.3 points of floats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oracles import Ledger

pytest.importorskip("torch", reason="the networks are read from torch")
pytest.importorskip("snntorch", reason="the Braille network is built in snnTorch")

import neurodeploy as nd
from demo_digits import demo_ann, demo_digits
from l2mu import DATA, braille, l2mu_graph
from neurodeploy.artifact import Artifact
from sinabs_mnist import mnist, mnist_network
from tiers import VERIFY, sample_count

POINTS = 0.003
NO_MNIST = not (DATA / "mnist10k.npz").exists()
NO_BRAILLE = not (DATA / "l2mu_braille7_weights.npz").exists()
Samples = tuple[Any, Any]


def on_loihi(
    graph: nd.Graph, calibration: Any, test: Samples, out: Path, timesteps: int | None = None
) -> Artifact:
    """Round and compile a network; hold its accuracy to the float one's, its states to exact."""
    made = nd.quantize(graph, data=calibration, timesteps=timesteps, target="lava")
    art = nd.compile(made, "lava", out / "net")
    given: Any = {"timesteps": timesteps}
    before = nd.run(graph, *test, on="engine", **given)
    after, compiled = nd.run(made, *test, on="engine", **given), art.run(*test, **given)
    assert before.accuracy is not None
    assert compiled.accuracy is not None
    assert compiled.accuracy >= before.accuracy - POINTS, (before.accuracy, compiled.accuracy)
    assert np.array_equal(after.outputs, compiled.outputs)
    assert nd.compare(made, art, test[0][:4], **given).verdict == "exact"
    return art


def in_lava(art: Artifact, oracle: Ledger, x: Any, timesteps: int | None = None) -> None:
    """The generated program gives what the engine gives, at every step."""
    lava = oracle("lava")
    options: Any = {"python": str(lava.interpreter), "seconds": 900.0}
    ours = art.run(x, timesteps=timesteps)
    theirs = art.run(x, timesteps=timesteps, on="lava", options=options)
    assert np.array_equal(ours.outputs, theirs.outputs)
    assert np.array_equal(ours.predictions, theirs.predictions)
    lava.record(spiking=bool(ours.outputs.any()))


def test_digits(oracle: Ledger, tmp_path: Path) -> None:
    digits = demo_digits()
    snn = nd.convert(demo_ann(), data=digits["xtr"][:256], timesteps=4)
    test = digits["xte"], digits["yte"]
    art = on_loihi(snn, digits["xtr"][:256], test, tmp_path, timesteps=4)
    in_lava(art, oracle, digits["xte"][: sample_count(20, 1)], timesteps=4)


def test_digits_at_more_timesteps_are_within_the_bound_either_way(tmp_path: Path) -> None:
    digits = demo_digits()
    snn = nd.convert(demo_ann(), data=digits["xtr"][:256], timesteps=8)
    test = digits["xte"], digits["yte"]
    art = on_loihi(snn, digits["xtr"][:256], test, tmp_path, timesteps=8)
    before = nd.run(snn, *test, on="engine", timesteps=8).accuracy
    after = art.run(*test, timesteps=8).accuracy
    assert before is not None
    assert after is not None
    assert abs(after - before) <= POINTS, (before, after)


@pytest.mark.skipif(NO_MNIST, reason="the MNIST digits are not there")
def test_mnist(oracle: Ledger, tmp_path: Path) -> None:
    x, y = mnist()
    files = oracle("sinabs")
    files.record()
    ann = nd.load(mnist_network(files), example=x[:4])
    count = sample_count(len(x), 2000)
    snn = nd.convert(ann, data=x[-256:], timesteps=4)
    art = on_loihi(snn, x[-256:], (x[:count], y[:count]), tmp_path, timesteps=4)
    in_lava(art, oracle, x[: sample_count(3, 1)], timesteps=4)


@pytest.mark.skipif(NO_BRAILLE, reason="the Braille network and its data are not there")
def test_braille(oracle: Ledger, tmp_path: Path) -> None:
    """Its loops have three hops for one step of delay, so it runs at a third of the pace."""
    x, y = braille()
    graph = l2mu_graph()
    art = on_loihi(graph, x[:128], (x, y), tmp_path)
    assert art.pace == 3
    if VERIFY:
        in_lava(art, oracle, x[:2])
