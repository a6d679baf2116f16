"""Thresholds from activations, checked against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from neurodeploy.converters.ann_to_snn.observe import Observed, observe
from neurodeploy.converters.ann_to_snn.runner import Meter, reference_runner
from neurodeploy.converters.ann_to_snn.thresholds import (
    FACTORS,
    METHODS,
    choose_thresholds,
    clip_floor_shift,
)
from neurodeploy.ir import GraphBuilder
from neurodeploy.reference import simulate

RNG = np.random.default_rng(9)


def seen(values: np.ndarray, upper: float = np.inf) -> Observed:
    return Observed(
        (len(values),), values.max(axis=1).astype(float), values, np.full(len(values), upper)
    )


@pytest.mark.parametrize("timesteps", [1, 4, 15])
def test_the_formula_is_what_the_neuron_does(timesteps: int) -> None:
    b = GraphBuilder()
    x = b.input("x", (64,))
    b.output("out", b.cell("if", "if", x, params={"threshold": 0.75}, initial={"v": 0.375}))
    current = (RNG.integers(-64, 128, (1, 64)) / 64).astype(np.float32)
    trace = simulate(b.build(), {"x": current}, timesteps, record=[("out", "out")])
    rate = trace[("out", "out")].sum(axis=1) * 0.75 / timesteps
    # currents on a binary grid: sums in float32 and quotients in float64 are exact enough
    expected = clip_floor_shift(current.astype(np.float64), np.array(0.75), timesteps)
    np.testing.assert_allclose(rate, expected, atol=1e-12)


@pytest.mark.parametrize("timesteps", [1, 4, 32])
def test_mse_takes_the_best_factor_of_each_channel(timesteps: int) -> None:
    values = RNG.exponential(size=(3, 500)).astype(np.float32)
    chosen = choose_thresholds(seen(values), "mse", timesteps)
    for channel in range(3):
        errors = []
        for factor in FACTORS:
            h = float(values[channel].max()) * factor
            k = [min(timesteps, int(a * timesteps / h + 0.5)) for a in values[channel].tolist()]
            errors.append(np.mean((np.array(k) * h / timesteps - values[channel]) ** 2))
        best = FACTORS[int(np.argmin(errors))] * values[channel].max()
        assert chosen.values[channel] == pytest.approx(best, rel=1e-6)
    assert 0 < chosen.clipped < 0.2


def test_percentile_and_max() -> None:
    values = np.arange(2000, dtype=np.float32).reshape(1, -1)
    assert choose_thresholds(seen(values), "max", 4).values == [1999]
    assert choose_thresholds(seen(values), "percentile", 4).values == pytest.approx([1997.001])


@pytest.mark.parametrize("method", sorted(METHODS))
def test_dead_channels_take_the_mean_of_the_others(method: str) -> None:
    values = RNG.random((4, 200)).astype(np.float32)
    values[1] = 0
    values[3, 1:] = 0  # active once: its percentile would be nearly 0
    chosen = choose_thresholds(seen(values), method, 8)
    assert chosen.dead.tolist() == [False, True, False, False]
    assert chosen.values[1] == pytest.approx(chosen.values[[0, 2, 3]].mean())
    assert (chosen.values > 0).all()
    assert choose_thresholds(seen(np.zeros((2, 9))), method, 8).values.tolist() == [1, 1]


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_ceiling_is_never_passed(method: str) -> None:
    values = np.minimum(RNG.exponential(size=(2, 400)), 0.5).astype(np.float32)
    assert (choose_thresholds(seen(values, upper=0.5), method, 8).values <= 0.5).all()
    assert (choose_thresholds(seen(values, upper=0.5), "max", 8).values == 0.5).all()


def test_a_dead_channel_with_a_low_ceiling() -> None:
    values = np.array([[2.0, 3.0], [0.0, 0.0]], np.float32)
    observed = Observed((2,), values.max(axis=1).astype(float), values, np.array([6.0, 0.5]))
    assert choose_thresholds(observed, "max", 8).values.tolist() == [3, 0.5]


def test_observation_covers_all_data_by_channel() -> None:
    b = GraphBuilder()
    x = b.input("x", (3, 4, 4))
    graph = b.output("out", b.cell("act", "clipped_relu", x, params={"upper": 2.0})).build()
    data = RNG.normal(size=(150, 3, 4, 4)).astype(np.float32)
    found = observe(graph, {"x": data}, reference_runner, Meter())["act"]
    expected = np.clip(data, 0, 2).transpose(1, 0, 2, 3).reshape(3, -1)
    np.testing.assert_array_equal(found.maximum, expected.max(axis=1))
    np.testing.assert_array_equal(np.sort(found.values), np.sort(expected))
    assert found.upper.tolist() == [2, 2, 2]


def test_a_large_layer_is_sampled() -> None:
    b = GraphBuilder()
    graph = b.output("out", b.cell("act", "relu", b.input("x", (2, 100, 100)))).build()
    data = RNG.random((8, 2, 100, 100)).astype(np.float32)
    found = observe(graph, {"x": data}, reference_runner, Meter())["act"]
    assert found.values.shape == (2, 8192)
    np.testing.assert_array_equal(found.maximum, data.transpose(1, 0, 2, 3).reshape(2, -1).max(1))
    assert found.values.mean() == pytest.approx(0.5, abs=0.02)
