"""Cells against SpikingJelly in eager mode: every state at every step, bit for bit."""

from __future__ import annotations

import itertools
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cell_runs import CellRun, assert_same, drive, f32, run_cell
from oracles import Ledger, Oracle

Array = npt.NDArray[Any]
STEPS, NEURONS = 50, 12
# None is a reset by subtraction; a value is also what the membrane decays to
RESETS = (None, 0.0, -0.3)
THRESHOLD = 0.9


@pytest.fixture
def jelly(oracle: Ledger) -> Oracle:
    return oracle("spikingjelly")


def neurons() -> ModuleType:
    from spikingjelly.activation_based import neuron

    return neuron


def steps(node: Any, x: Array, states: tuple[str, ...] = ("v",)) -> dict[str, Array]:
    """Run a single-step node; gives its output and the named memories after each step."""
    import torch

    rows: dict[str, list[Array]] = {name: [] for name in ("out", *states)}
    with torch.no_grad():
        for step in torch.from_numpy(x):
            rows["out"].append(node(step).numpy().copy())
            for name in states:
                rows[name].append(getattr(node, name).numpy().copy())
    return {name: np.stack(values) for name, values in rows.items()}


def reset_options(v_reset: float | None) -> dict[str, str | int | bool]:
    return {"reset": "subtract"} if v_reset is None else {"reset": "value"}


def start_of(v_reset: float | None) -> float:
    """A hard reset also gives the initial membrane."""
    return 0.0 if v_reset is None else v_reset


def compare(run: CellRun, theirs: dict[str, Array], names: dict[str, str] | None = None) -> None:
    """Compare the output, and our states with their memories (by name, ours first)."""
    ours = run.out.astype(np.float32) if run.out.dtype == np.bool_ else run.out
    assert_same("out", ours, theirs["out"])
    pairs = {"v": "v"} if names is None else names
    for ours_name, their_name in pairs.items():
        assert_same(ours_name, run.states[ours_name].astype(np.float32), theirs[their_name])
    assert set(run.states) == set(pairs)
    rate = np.count_nonzero(theirs["out"]) / theirs["out"].size
    assert 0.05 < rate < 0.9, f"a share of {rate} spiking entries tests little"


def compare_lif(
    node: Any, x: Array, v_reset: float | None, params: dict[str, Any], **options: str | bool
) -> dict[str, Array]:
    """Compare a LIF that decays to what it resets to; give what theirs did."""
    theirs = steps(node, x)
    rest = start_of(v_reset)
    run = run_cell(
        "lif",
        x,
        params={**params, "threshold": THRESHOLD, "reset_value": rest, "rest": rest},
        options={**reset_options(v_reset), **options, "rest": rest != 0.0},
        initial={"v": rest},
    )
    compare(run, theirs)
    return theirs


@pytest.mark.parametrize(("v_reset", "detach"), list(itertools.product(RESETS, (True, False))))
def test_if(jelly: Oracle, v_reset: float | None, detach: bool) -> None:
    node = neurons().IFNode(v_threshold=THRESHOLD, v_reset=v_reset, detach_reset=detach)
    x = drive(1, STEPS, NEURONS)
    theirs = steps(node, x)
    run = run_cell(
        "if",
        x,
        params={"threshold": THRESHOLD, "reset_value": start_of(v_reset)},
        options={**reset_options(v_reset), "detach_reset": detach},
        initial={"v": start_of(v_reset)},
    )
    compare(run, theirs)
    jelly.record(spiking=True)


@pytest.mark.parametrize(
    ("kind", "tau", "decay_input", "v_reset"),
    [("LIFNode", *rest) for rest in itertools.product((2.0, 2.3, 7.7), (True, False), RESETS)]
    + [("SimpleLIFNode", 2.3, *rest) for rest in itertools.product((True, False), RESETS[1:])],
)
def test_lif(
    jelly: Oracle, kind: str, tau: float, decay_input: bool, v_reset: float | None
) -> None:
    node = getattr(neurons(), kind)(
        tau=tau, decay_input=decay_input, v_threshold=THRESHOLD, v_reset=v_reset
    )
    x = drive(2, STEPS, NEURONS, mean=2.0 if decay_input else 0.5, spread=2.0)
    if kind == "SimpleLIFNode":
        import torch

        # it starts at 0, whatever it resets to
        node.v = torch.full((NEURONS,), start_of(v_reset))
    compare_lif(node, x, v_reset, {"tau": tau}, decay="tau", decay_input=decay_input)
    jelly.record(spiking=True)


def test_rest_at_zero_needs_no_rest(jelly: Oracle) -> None:
    """Subtracting 0 changes no bit, so that an importer may leave the option out."""
    x = drive(3, STEPS, NEURONS, mean=2.0, spread=2.0)
    runs = [
        run_cell("lif", x, options={"decay": "tau", "decay_input": True, "rest": rest})
        for rest in (True, False)
    ]
    assert_same("v", runs[0].states["v"], runs[1].states["v"])
    node = neurons().LIFNode(tau=2.0, decay_input=True, v_reset=None)
    compare(runs[0], steps(node, x))
    jelly.record(spiking=True)


def test_multi_step_mode_is_the_same_neuron(jelly: Oracle) -> None:
    import torch

    x = drive(4, STEPS, NEURONS, mean=2.0, spread=2.0)
    node = neurons().LIFNode(tau=2.3, v_reset=None, step_mode="m", store_v_seq=True)
    with torch.no_grad():
        spikes = node(torch.from_numpy(x)).numpy()
    options = {"decay": "tau", "decay_input": True}
    run = run_cell("lif", x, params={"tau": 2.3}, options=options)
    compare(run, {"out": spikes, "v": node.v_seq.numpy()})
    jelly.record(spiking=True)


@pytest.mark.parametrize(("decay_input", "v_reset"), list(itertools.product((True, False), RESETS)))
def test_parametric_lif(jelly: Oracle, decay_input: bool, v_reset: float | None) -> None:
    """Its rate sigmoid(w) is evaluated once, in torch."""
    node = neurons().ParametricLIFNode(
        init_tau=2.7, decay_input=decay_input, v_threshold=THRESHOLD, v_reset=v_reset
    )
    x = drive(5, STEPS, NEURONS, mean=2.0 if decay_input else 0.5, spread=2.0)
    params = {"rate": node.w.sigmoid().detach().numpy()}
    compare_lif(node, x, v_reset, params, decay="rate", decay_input=decay_input)
    jelly.record(spiking=True)


@pytest.mark.parametrize("v_reset", RESETS)
def test_cuba_lif(jelly: Oracle, v_reset: float | None) -> None:
    """Its membrane decays to 0, wherever it resets to."""
    node = neurons().CUBALIFNode(c_decay=0.45, v_decay=0.7, v_threshold=THRESHOLD, v_reset=v_reset)
    x = drive(6, STEPS, NEURONS, mean=0.2)
    theirs = steps(node, x, ("v", "c"))
    run = run_cell(
        "cuba_lif",
        x,
        params={
            "alpha": 0.45,
            "beta": 0.7,
            "threshold": THRESHOLD,
            "reset_value": start_of(v_reset),
        },
        options=reset_options(v_reset),
        initial={"v": start_of(v_reset)},
    )
    compare(run, theirs, {"v": "v", "i": "c"})
    jelly.record(spiking=True)


@pytest.mark.parametrize("v_reset", RESETS)
def test_ternary_if(jelly: Oracle, v_reset: float | None) -> None:
    node = neurons().TernaryIFNode(v_threshold=THRESHOLD, v_reset=v_reset)
    x = drive(7, STEPS, NEURONS, mean=0.0, spread=0.8)
    theirs = steps(node, x)
    assert (theirs["out"] < 0).any()
    run = run_cell(
        "if",
        x,
        params={"threshold": THRESHOLD, "reset_value": start_of(v_reset)},
        options={**reset_options(v_reset), "payload": "signed"},
        initial={"v": start_of(v_reset)},
    )
    compare(run, theirs)
    jelly.record(spiking=True)


@pytest.mark.parametrize(("decay_input", "v_reset"), list(itertools.product((True, False), RESETS)))
def test_ternary_lif(jelly: Oracle, decay_input: bool, v_reset: float | None) -> None:
    node = neurons().TernaryLIFNode(
        tau=1.9, decay_input=decay_input, v_threshold=THRESHOLD, v_reset=v_reset
    )
    x = drive(8, STEPS, NEURONS, mean=0.0, spread=2.5 if decay_input else 1.0)
    theirs = compare_lif(
        node, x, v_reset, {"tau": 1.9}, decay="tau", decay_input=decay_input, payload="signed"
    )
    assert (theirs["out"] < 0).any()
    jelly.record(spiking=True)


def test_spikes_with_a_net_count(jelly: Oracle) -> None:
    """STBIFNode: a negative spike below 0 (not at it), while the net count is positive."""
    import torch

    scale = 0.625  # a division by it is exact on this grid
    node = neurons().STBIFNode(torch.tensor(scale), level=1000, sym=False)
    x = np.round(drive(9, STEPS, NEURONS, mean=0.1, spread=0.8) * 64) / np.float32(64)
    theirs = steps(node, x.astype(np.float32), ("q", "acc_q"))
    assert (theirs["out"] < 0).any()
    run = run_cell(
        "if",
        (x / np.float32(scale)).astype(np.float32),
        params={"amplitude": scale, "lower": -(2.0**-149)},
        options={"payload": "signed_net", "lower": True},
        initial={"v": 0.5},
    )
    compare(run, theirs, {"v": "q", "net": "acc_q"})
    jelly.record(spiking=True)


def test_integrators(jelly: Oracle) -> None:
    import torch

    x = drive(10, STEPS, NEURONS)
    for node, options, params in (
        (neurons().NonSpikingIFNode(), {"decay": "none"}, {}),
        (neurons().NonSpikingLIFNode(tau=2.3), {"decay": "tau", "decay_input": True}, {"tau": 2.3}),
    ):
        with torch.no_grad():
            theirs = torch.stack(node(torch.from_numpy(x))).numpy()
        run = run_cell("li", x, params=params, options=options)
        assert_same("v", run.states["v"], theirs)
        assert_same("out", run.out, theirs)
    jelly.record(2)


def test_a_python_float_is_rounded_once(jelly: Oracle) -> None:
    """tau = 2.3 is a double in SpikingJelly and a float32 in the cell: torch rounds it first."""
    x = drive(11, 200, 64, mean=2.0, spread=2.0)
    node = neurons().LIFNode(tau=2.3, v_threshold=0.1, v_reset=None)
    theirs = steps(node, x)
    params = {"tau": f32(2.3), "threshold": f32(0.1)}
    options = {"decay": "tau", "decay_input": True}
    run = run_cell("lif", x, params=params, options=options)
    assert_same("v", run.states["v"], theirs["v"])
    jelly.record(spiking=True)
