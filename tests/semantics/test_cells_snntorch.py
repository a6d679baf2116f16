"""Cells against snnTorch in eager mode: every state at every step, bit for bit."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cell_runs import CellRun, assert_same, drive, f32, run_cell
from oracles import Ledger

Array = npt.NDArray[Any]
STEPS, NEURONS = 50, 12
MECHANISMS = ("subtract", "zero", "none")
# one number for all neurons, and one for each
GRANULARITIES = ("scalar", "neuron")
CASES = list(itertools.product(MECHANISMS, (True, False), GRANULARITIES))


def parameters(
    seed: int, granularity: str, names: dict[str, tuple[float, float]]
) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    shape = () if granularity == "scalar" else (NEURONS,)
    return {name: f32(rng.uniform(lo, hi, shape)) for name, (lo, hi) in names.items()}


def timing_of(mechanism: str, reset_delay: bool, zero: str) -> dict[str, str]:
    """Translate snnTorch's two arguments; ``zero`` is where the class resets to zero."""
    if mechanism == "none":
        return {"reset": "none"}
    place = "after" if mechanism == "subtract" else zero
    return {
        "reset": "subtract" if mechanism == "subtract" else "value",
        "timing": f"{'next' if reset_delay else 'corrected'}_{place}",
    }


def compare(run: CellRun, states: dict[str, Array], spikes: Array, factor: Array | None) -> None:
    for name, theirs in states.items():
        assert_same(name, run.states[name], theirs)
    assert set(run.states) == set(states)
    ours = run.out if factor is not None else run.out.astype(np.float32)
    assert_same("out", ours, spikes)
    rate = np.count_nonzero(spikes) / spikes.size
    assert 0.05 < rate < 0.9, f"a share of {rate} spiking entries tests little"


def steps(neuron: Callable[..., Any], x: Array, *start: Array) -> list[Array]:
    """Run a neuron with explicit states; gives what it returns, stacked over time."""
    import torch

    states = [torch.from_numpy(value.copy()) for value in start]
    rows = []
    for step in torch.from_numpy(x):
        result = neuron(step[None], *states)
        states = list(result[1:])
        rows.append([value.detach().clone()[0].numpy() for value in result])
    return [np.stack(column) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("factor", [None, 2.5])
@pytest.mark.parametrize(("mechanism", "delay", "granularity"), CASES)
def test_leaky(
    oracle: Ledger, mechanism: str, delay: bool, granularity: str, factor: float | None
) -> None:
    snntorch = oracle("snntorch")
    import torch

    p = parameters(1, granularity, {"beta": (0.6, 1.0), "threshold": (0.7, 1.3)})
    neuron = snntorch.module.Leaky(
        beta=torch.from_numpy(p["beta"]),
        threshold=torch.from_numpy(p["threshold"]),
        reset_mechanism=mechanism,
        reset_delay=delay,
        graded_spikes_factor=1.0 if factor is None else factor,
    )
    x = drive(2, STEPS, NEURONS, mean=0.35 if mechanism != "none" else 0.0)
    # one neuron starts above its threshold: snnTorch resets it in the first step
    start = np.zeros((1, NEURONS), np.float32)
    start[0, 3] = 2.75
    spikes, mem = steps(neuron, x, start)
    options = {**timing_of(mechanism, delay, "before"), "strict": True}
    graded = None if factor is None else f32(factor)
    if graded is not None:
        options["payload"] = "graded"
        p["amplitude"] = graded
    run = run_cell("lif", x, params=p, options=options, initial={"v": start[0]})
    compare(run, {"v": mem}, spikes, graded)
    snntorch.record(spiking=bool(spikes.any()))


@pytest.mark.parametrize(("mechanism", "delay", "granularity"), CASES)
def test_synaptic(oracle: Ledger, mechanism: str, delay: bool, granularity: str) -> None:
    snntorch = oracle("snntorch")
    import torch

    ranges = {"alpha": (0.2, 0.8), "beta": (0.5, 0.9), "threshold": (0.7, 1.3)}
    p = parameters(3, granularity, ranges)
    neuron = snntorch.module.Synaptic(
        alpha=torch.from_numpy(p["alpha"]),
        beta=torch.from_numpy(p["beta"]),
        threshold=torch.from_numpy(p["threshold"]),
        reset_mechanism=mechanism,
        reset_delay=delay,
    )
    x = drive(4, STEPS, NEURONS, mean=0.2 if mechanism != "none" else 0.0)
    start = [np.zeros((1, NEURONS), np.float32) for _ in range(2)]
    start[0][0, 5], start[1][0, 3] = -0.5, 2.75
    spikes, syn, mem = steps(neuron, x, *start)
    options = {**timing_of(mechanism, delay, "after"), "strict": True}
    run = run_cell(
        "cuba_lif", x, params=p, options=options, initial={"i": start[0][0], "v": start[1][0]}
    )
    compare(run, {"i": syn, "v": mem}, spikes, None)
    snntorch.record(spiking=bool(spikes.any()))


@pytest.mark.parametrize(("mechanism", "delay", "granularity"), CASES)
def test_rleaky_without_recurrence(
    oracle: Ledger, mechanism: str, delay: bool, granularity: str
) -> None:
    """RLeaky resets to zero after the input, Leaky before it."""
    snntorch = oracle("snntorch")
    import torch

    p = parameters(5, granularity, {"beta": (0.6, 1.0), "threshold": (0.7, 1.3)})
    neuron = snntorch.module.RLeaky(
        beta=torch.from_numpy(p["beta"]),
        threshold=torch.from_numpy(p["threshold"]),
        V=torch.zeros(NEURONS),
        all_to_all=False,
        reset_mechanism=mechanism,
        reset_delay=delay,
    )
    x = drive(6, STEPS, NEURONS, mean=0.35 if mechanism != "none" else 0.0)
    start = np.zeros((1, NEURONS), np.float32)
    spikes, mem = steps(lambda x, mem: neuron(x, torch.zeros_like(x), mem), x, start)
    options = {**timing_of(mechanism, delay, "after"), "strict": True}
    run = run_cell("lif", x, params=p, options=options)
    compare(run, {"v": mem}, spikes, None)
    snntorch.record(spiking=bool(spikes.any()))


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_lapicque(oracle: Ledger, mechanism: str) -> None:
    """Its two factors are expressions of parameters, evaluated once in torch."""
    snntorch = oracle("snntorch")
    import torch

    neuron = snntorch.module.Lapicque(beta=0.8, threshold=0.9, reset_mechanism=mechanism)
    kept = 1 - (neuron.time_step / (neuron.R * neuron.C))
    gain = 1 / (neuron.R * neuron.C)
    x = drive(7, STEPS, NEURONS, mean=2.0 if mechanism != "none" else 0.2, spread=2.0)
    spikes, mem = steps(neuron, x, np.zeros((1, NEURONS), np.float32))
    options = {**timing_of(mechanism, True, "after"), "strict": True, "decay_input": True}
    p = {"beta": kept.numpy(), "gain": gain.numpy(), "threshold": f32(0.9)}
    assert all(value.dtype == torch.float32 for value in (kept, gain))
    run = run_cell("lif", x, params=p, options=options)
    compare(run, {"v": mem}, spikes, None)
    snntorch.record(spiking=bool(spikes.any()))


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_integrators_are_neurons_without_reset(oracle: Ledger, granularity: str) -> None:
    snntorch = oracle("snntorch")
    import torch

    p = parameters(8, granularity, {"alpha": (0.2, 0.8), "beta": (0.5, 0.95)})
    alpha, beta = (torch.from_numpy(p[name]) for name in ("alpha", "beta"))
    x = drive(9, STEPS, NEURONS)
    zero = np.zeros((1, NEURONS), np.float32)
    leaky = snntorch.module.Leaky(beta=beta, reset_mechanism="none")
    _, mem = steps(leaky, x, zero)
    run = run_cell("li", x, params=p)
    assert_same("v", run.states["v"], mem)
    assert_same("out", run.out, mem)
    synaptic = snntorch.module.Synaptic(alpha=alpha, beta=beta, reset_mechanism="none")
    _, syn, mem = steps(synaptic, x, zero, zero)
    run = run_cell("cuba_li", x, params=p)
    assert_same("i", run.states["i"], syn)
    assert_same("v", run.states["v"], mem)
    assert_same("out", run.out, mem)
    snntorch.record(2)


def test_same_step_resets_differ_from_corrected_ones(oracle: Ledger) -> None:
    """What reset_delay=False does to a membrane past its threshold after a reset is no `same`."""
    snntorch = oracle("snntorch")
    import torch

    x = drive(10, STEPS, NEURONS, mean=0.6)
    p = {"beta": f32(0.9), "threshold": f32(0.8)}
    neuron = snntorch.module.Leaky(
        beta=torch.tensor(0.9), threshold=torch.tensor(0.8), reset_delay=False
    )
    spikes, mem = steps(neuron, x, np.zeros((1, NEURONS), np.float32))
    same = run_cell("lif", x, params=p, options={"strict": True})
    assert (same.states["v"] != mem).any()
    corrected = run_cell("lif", x, params=p, options={"strict": True, "timing": "corrected_after"})
    compare(corrected, {"v": mem}, spikes, None)
    snntorch.record(spiking=True)
