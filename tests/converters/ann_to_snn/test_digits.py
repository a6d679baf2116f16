"""The demo's CNN on real scanned digits: accuracy by T, thresholds from training data only."""

from __future__ import annotations

import numpy as np
import pytest

from ann_graphs import digits_ann, load_digits, mean_output
from neurodeploy.converters.ann_to_snn import ann_to_snn
from neurodeploy.ir import BOOL
from neurodeploy.passes.recognise import computes, fires
from tiers import VERIFY, sample_count

TESTED = sample_count(500, 100)
CALIBRATION = sample_count(1297, 400)
LARGEST_LOSS = {4: 0.008, 8: 0.005, 16: 0.005, 32: 0.005}


@pytest.mark.parametrize("timesteps", [4, 8, 16, 32] if VERIFY else [4, 8])
def test_accuracy(timesteps: int) -> None:
    xtr, _, xte, yte = load_digits()
    ann = digits_ann()
    snn = ann_to_snn(ann, xtr[:CALIBRATION], timesteps=timesteps)
    assert snn.timesteps == timesteps
    x, y = xte[:TESTED], yte[:TESTED]
    wanted, given = mean_output(ann, x, 1), mean_output(snn, x, timesteps)
    accuracy, converted = np.mean(wanted.argmax(1) == y), np.mean(given.argmax(1) == y)
    if VERIFY:
        assert accuracy == 0.996
    # one sample of a hundred is more than the loss that is allowed
    assert converted >= accuracy - max(LARGEST_LOSS[timesteps], 1.001 / TESTED)
    assert np.mean(given.argmax(1) == wanted.argmax(1)) >= 0.98
    if timesteps == 4 and VERIFY:
        assert converted >= 0.99


def test_what_travels_is_spikes() -> None:
    xtr = load_digits()[0]
    snn = ann_to_snn(digits_ann(), xtr[:64], timesteps=4, method="mse")
    assert [c.name for c in snn.cells] == ["relu2", "relu6", "relu10"]
    assert all(fires(c) for c in snn.cells)
    assert not any(computes(c, "affine", "scale", "spike_scale") for c in snn.cells)
    for name in ("relu2", "pool3", "relu6", "pool7", "flatten", "relu10"):
        assert snn.signals[(name, "out")].type == BOOL
    assert snn.node("conv0").source == ("0", "1")
    assert snn.node("conv4").source == ("4", "5")
