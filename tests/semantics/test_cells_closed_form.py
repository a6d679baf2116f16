"""Cells against loops over single neurons in plain Python and float32 scalars.

For the choices that no framework has: refractory time, floor, several spikes in a step, net
counts, adaptive thresholds, and all their combinations; and for the cells without a state.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from cell_runs import assert_same, drive, f32, run_cell
from neurodeploy.semantics.trace import cell_definition
from oracles import Ledger
from tiers import sample_count

Array = npt.NDArray[Any]
Options = dict[str, str | int | bool]
NEURONS = 6
PARAMS = {
    "alpha": (0.2, 0.8),
    "input_gain": (0.5, 1.5),
    "beta": (0.6, 0.98),
    "gain": (0.2, 1.2),
    "tau": (1.5, 6.0),
    "rate": (0.1, 0.6),
    "rest": (-0.3, 0.2),
    "threshold": (0.6, 1.2),
    "reset_value": (-0.4, 0.3),
    "floor": (-0.5, -0.1),
    "amplitude": (0.5, 2.0),
    "lower": (-0.9, -0.2),
    "rho": (0.7, 0.97),
    "increment": (0.1, 1.0),
    "adaptation": (0.1, 0.6),
}


class ByHand:
    """One neuron, written with ifs and numbers."""

    def __init__(self, cell: str, options: Options, params: dict[str, np.float32]) -> None:
        self.cell, self.o, self.p = cell, options, params
        self.i = self.v = self.a = np.float32(0)
        self.refractory = self.net = self.last = 0

    @property
    def fired(self) -> bool:
        return self.last != 0

    def get(self, name: str, default: object) -> Any:
        return self.o.get(name, default)

    def decayed(self, x: np.float32) -> np.float32:
        p, v = self.p, self.v
        if self.cell == "if" or self.get("decay", "factor") == "none":
            return v + x
        distance = v - p["rest"] if self.get("rest", False) else v
        if self.get("decay", "factor") == "factor":
            left = p["beta"] * distance
            if self.get("rest", False):
                left = p["rest"] + left
            return left + (p["gain"] * x if self.get("decay_input", False) else x)
        if self.get("decay_input", False):
            pull = x - distance
            return v + (pull / p["tau"] if self.o["decay"] == "tau" else pull * p["rate"])
        leak = distance / p["tau"] if self.o["decay"] == "tau" else distance * p["rate"]
        return v - leak + x

    def polarity(self, v: np.float32, threshold: np.float32) -> int:
        """How many spikes ``v`` is worth; negative ones for a negative spike."""
        if v > threshold or (v == threshold and not self.get("strict", False)):
            most = int(self.get("spikes", 1))
            return 1 if most == 1 else min(most, int(np.floor(v / threshold)))
        if str(self.get("payload", "spike")).startswith("signed"):
            lower = self.p["lower"] if self.get("lower", False) else -threshold
            if v < lower or (v == lower and not self.get("strict", False)):
                return -1
        return 0

    def reset(self, v: np.float32, spikes: int, amount: np.float32) -> np.float32:
        if spikes == 0 or self.get("reset", "subtract") == "none":
            return v
        if self.get("reset", "subtract") == "value":
            return self.p["reset_value"]
        return v - np.float32(spikes) * amount

    def step(self, x: np.float32) -> np.float32:
        timing = self.get("timing", "same")
        threshold = amount = self.p["threshold"]
        if self.cell == "alif":
            threshold = threshold + self.p["adaptation"] * self.a
            amount = threshold if self.get("taken", "adapted") == "adapted" else amount
        if self.cell == "cuba_lif":
            gained = self.p["input_gain"] * x if self.get("input_gain", False) else x
            self.i = x = self.p["alpha"] * self.i + gained
        due = 0
        if timing != "same":
            due = self.last
            if self.cell != "alif" and not self.get("refractory", 0):
                due = self.polarity(self.v, threshold)
        silent = self.refractory > 0
        if silent:
            if self.refractory == self.get("refractory", 0):
                self.v = self.reset(self.v, due, amount)
        else:
            if timing.endswith("_before"):
                self.v = self.reset(self.v, due, amount)
            self.v = self.decayed(x)
            if timing.endswith("_after"):
                self.v = self.reset(self.v, due, amount)
        if self.get("floor", False) and self.v < self.p["floor"]:
            self.v = self.p["floor"]
        spikes = 0 if silent else self.polarity(self.v, threshold)
        if spikes < 0 and self.get("payload", "spike") == "signed_net" and self.net == 0:
            spikes = 0
        self.net += spikes
        self.last = spikes
        if timing == "same":
            self.v = self.reset(self.v, spikes, amount)
        elif timing.startswith("corrected") and spikes != due:
            if spikes:
                self.v = self.reset(self.v, 1, amount)
            elif self.o.get("reset") == "value":
                self.v = self.v + (self.v - self.p["reset_value"])
            else:
                self.v = self.v + amount
        self.refractory = int(self.get("refractory", 0)) if spikes else max(self.refractory - 1, 0)
        if self.cell == "alif":
            self.a = self.p["rho"] * self.a + (self.p["increment"] if spikes else np.float32(0))
        if self.get("payload", "spike") == "spike":
            return np.float32(spikes)
        return np.float32(spikes) * self.p["amplitude"]


@st.composite
def firing_options(draw: st.DrawFn) -> tuple[str, Options]:
    """Draw a cell and options that make sense together."""
    cell = draw(st.sampled_from(["if", "lif", "cuba_lif", "alif"]))
    flag = st.booleans()
    o: Options = {"floor": draw(flag)}
    if cell != "if":
        o["decay"] = draw(st.sampled_from(["none", "factor", "tau", "rate"]))
        o["decay_input"] = o["decay"] != "none" and draw(flag)
        o["rest"] = o["decay"] != "none" and draw(flag)
    if cell == "cuba_lif":
        o["input_gain"] = draw(flag)
    o["reset"] = draw(st.sampled_from(["subtract", "value", "none"]))
    if o["reset"] != "none":
        o["detach_reset"] = draw(flag)
        timings = ["same", "next_before", "next_after"]
        if cell != "alif":
            timings += ["corrected_before", "corrected_after"]
        o["timing"] = draw(st.sampled_from(timings))
    if cell == "alif" and o["reset"] == "subtract":
        o["taken"] = draw(st.sampled_from(["adapted", "base"]))
    corrected = str(o.get("timing")).startswith("corrected")
    if not corrected:
        o["refractory"] = draw(st.sampled_from([0, 1, 3]))
    payloads = ["spike", "graded"]
    if cell != "alif" and not corrected:
        payloads.append("signed")
        if o.get("timing", "same") == "same":
            payloads.append("signed_net")
    o["payload"] = draw(st.sampled_from(payloads))
    if str(o["payload"]).startswith("signed"):
        o["lower"] = draw(flag)
    several = o["payload"] == "graded" and o["reset"] == "subtract" and not corrected
    if several and cell != "alif" and draw(flag):
        o["spikes"] = draw(st.sampled_from([2, 5]))
    else:
        o["strict"] = draw(flag)
    return cell, o


@settings(max_examples=sample_count(1500, 250))
@given(firing_options(), st.integers(0, 2**31), st.booleans(), st.booleans())
def test_every_combination(
    oracle: Ledger, drawn: tuple[str, Options], seed: int, scalar: bool, coarse: bool
) -> None:
    cell, options = drawn
    rng = np.random.default_rng(seed)
    params = {
        name: f32(rng.uniform(lo, hi, () if scalar else NEURONS))
        for name, (lo, hi) in PARAMS.items()
    }
    start = {"v": f32(rng.uniform(-0.5, 1.5, NEURONS))}
    x = drive(seed, 50, NEURONS, mean=0.5, spread=1.2)
    if coarse:
        # on a coarse grid, membranes meet their thresholds exactly
        params = {name: np.round(value * 4) / np.float32(4) for name, value in params.items()}
        start, x = {"v": np.round(start["v"])}, np.round(x * 2) / np.float32(2)
    run = run_cell(
        cell,
        x,
        params={n: v for n, v in params.items() if n in cell_definition(cell).params},
        options=options,
        initial=start,
    )
    expected: dict[str, list[list[Any]]] = {name: [] for name in ("out", *run.states)}
    for n in range(NEURONS):
        one = ByHand(cell, options, {k: np.broadcast_to(v, NEURONS)[n] for k, v in params.items()})
        one.v = start["v"][n]
        rows: dict[str, list[Any]] = {name: [] for name in expected}
        for value in x[:, n]:
            rows["out"].append(one.step(value))
            for name in run.states:
                rows[name].append(getattr(one, name))
        for name, column in rows.items():
            expected[name].append(column)
    out = run.out.astype(np.float32) if run.out.dtype == np.bool_ else run.out
    assert_same("out", out, np.asarray(expected["out"], np.float32).T)
    for name, ours in run.states.items():
        assert_same(name, ours, np.asarray(expected[name], ours.dtype).T)
    assert out.any(), "nothing spiked"
    oracle("closed form").record(spiking=True)


def ints(values: Array) -> list[int]:
    return [int(v) for v in values[:, 0]]


def constant_drive(value: float, steps: int) -> Array:
    return np.full((steps, 1), value, np.float32)


def test_refractory_neuron_fires_every_third_step(oracle: Ledger) -> None:
    run = run_cell("if", constant_drive(1.0, 8), options={"refractory": 2})
    assert ints(run.out) == [1, 0, 0, 1, 0, 0, 1, 0]
    assert ints(run.states["refractory"]) == [2, 1, 0, 2, 1, 0, 2, 1]
    assert ints(run.states["v"]) == [0] * 8
    oracle("closed form").record(spiking=True)


def test_refractory_neuron_resets_once_in_its_first_silent_step(oracle: Ledger) -> None:
    options: Options = {"refractory": 2, "timing": "next_after"}
    run = run_cell("if", constant_drive(2.5, 5), options=options)
    # 2.5 fires; 1.5 is past the threshold still and held; then 1.5 + 2.5 fires
    assert run.states["v"][:, 0].tolist() == [2.5, 1.5, 1.5, 4.0, 3.0]
    assert ints(run.out) == [1, 0, 0, 1, 0]
    oracle("closed form").record(spiking=True)


def test_several_spikes_in_a_step(oracle: Ledger) -> None:
    x = f32([[3.5], [0.25], [9.0], [-2.0], [0.0]])
    options: Options = {"spikes": 4, "payload": "graded"}
    run = run_cell("if", x, params={"amplitude": 0.5}, options=options)
    assert run.out[:, 0].tolist() == [1.5, 0.0, 2.0, 1.5, 0.0]
    assert run.states["v"][:, 0].tolist() == [0.5, 0.75, 5.75, 0.75, 0.75]
    oracle("closed form").record(spiking=True)


def test_net_count_never_falls_below_zero(oracle: Ledger) -> None:
    x = f32([[-3.0], [4.5], [-1.0], [-2.0], [-2.0]])
    run = run_cell("if", x, options={"payload": "signed_net"})
    assert run.out[:, 0].tolist() == [0.0, 1.0, 0.0, -1.0, 0.0]
    assert run.states["v"][:, 0].tolist() == [-3.0, 0.5, -0.5, -1.5, -3.5]
    assert ints(run.states["net"]) == [0, 1, 1, 0, 0]
    oracle("closed form").record(spiking=True)


def test_adaptive_threshold_rises_and_falls_back(oracle: Ledger) -> None:
    params = {"beta": 1.0, "threshold": 1.0, "rho": 0.5, "increment": 1.0, "adaptation": 2.0}
    run = run_cell("alif", constant_drive(1.0, 6), params=params)
    # membranes before the spike 1, 1, 2, 1, 2, 3 against thresholds 1, 3, 2, 3.5, 2.25, 1.625
    assert run.states["a"][:, 0].tolist() == [1.0, 0.5, 1.25, 0.625, 0.3125, 1.15625]
    assert ints(run.out) == [1, 0, 1, 0, 0, 1]
    oracle("closed form").record(spiking=True)
