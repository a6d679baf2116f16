"""Every neuron of NIR under every convention against an integration of its own, all states."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neurodeploy.converters.nir import load_nir
from neurodeploy.converters.nir.conventions import CONVENTIONS
from neurodeploy.errors import ConversionError
from neurodeploy.ir.types import F64
from nir_nets import FIELDS, NEURONS, alone, fields_of, integrate, traced

nir = pytest.importorskip("nir", reason="nir is not installed")
N, T = 6, 80
DT = 1e-4
SPIKING = ("IF", "LIF", "CubaLIF")


def drive(seed: int) -> Any:
    return np.random.default_rng(seed).uniform(-0.3, 1.5, (T, N))


def compare(how: str, kind: str, p: dict[str, Any], dt: float, given: str | None) -> bool:
    """Compare all states and outputs; say whether anything spiked."""
    graph = load_nir(alone(getattr(nir, kind)(**p), (N,)), convention=how, dt=given, float_type=F64)
    x = drive(len(kind) + len(how))
    ours, due = traced(graph, x), integrate(how, kind, p, x, dt)
    z = ours[("n", "out")].astype(float)
    late = CONVENTIONS[how].late and kind in SPIKING
    if late:  # the delay stands on the edges that leave the cell
        assert {e.delay for e in graph.edges if e.source == "n"} == {1}
        z = np.concatenate([np.zeros((1, N)), z[:-1]])
    np.testing.assert_allclose(ours[("n", "v")], due["v"], rtol=1e-9, atol=1e-11)
    if kind.startswith("Cuba"):
        i = ours[("n", "i")]
        if CONVENTIONS[how].lagging:
            i = np.concatenate([i[1:], due["i"][-1:]])
        np.testing.assert_allclose(i, due["i"], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(z, due["z"], rtol=1e-9, atol=1e-11)
    if kind in SPIKING:
        np.testing.assert_array_equal(z, due["z"])
    return bool(kind in SPIKING and z.any())


SPREAD = {
    "tau": np.linspace(3, 30, N) * DT,
    "tau_mem": np.linspace(3, 30, N) * DT,
    "tau_syn": np.linspace(2, 12, N) * DT,
    "r": np.linspace(0.8, 3, N),
    "v_leak": np.linspace(-0.2, 0.3, N),
    "v_threshold": np.linspace(0.3, 0.9, N),
    "v_reset": np.linspace(-0.4, 0.2, N),
    "w_in": np.linspace(0.5, 2.5, N),
}


@pytest.mark.parametrize("how", ["ode", "ode-exponential"])
@pytest.mark.parametrize(
    ("kind", "field"), [(k, f) for k in NEURONS for f in ("none", *FIELDS[k], "all")]
)
def test_each_parameter_in_turn_per_neuron(oracle: Any, how: str, kind: str, field: str) -> None:
    closed = oracle("closed form")
    names = FIELDS[kind] if field == "all" else (field,)
    changed = {f: SPREAD[f] for f in names if f != "none"}
    if kind in ("I", "IF") and "r" in changed:
        changed["r"] = changed["r"] / 3 / DT
    p = fields_of(kind, N, DT, **changed)
    spiked = compare(how, kind, p, DT, "0.1ms")
    assert spiked == (kind in SPIKING)
    closed.record(spiking=spiked)


def written(how: str, kind: str) -> tuple[dict[str, Any], float, str | None]:
    """Give parameters that the framework writes, the step, and the dt that has to be given."""
    dt = {"norse": 1e-3, "norse-1.1.0": 1e-3, "rockpool": 1e-3, "spyx": 1.0}.get(how, 1e-4)
    tau, syn = np.linspace(3, 20, N), np.linspace(2, 9, N)
    unit = {"sinabs": 1.0, "norse-1.1.0": dt * dt}.get(how, dt)
    p = fields_of(kind, N, dt, tau=tau * unit, tau_mem=tau * unit, tau_syn=syn * unit)
    one = np.ones(N)
    threshold = np.linspace(0.4, 0.9, N)
    p |= {"v_threshold": threshold} if "v_threshold" in p else {}
    if how.startswith("snntorch"):
        p["r"] = tau * one
    elif how == "spikingjelly":
        p["r"] = tau * one if kind == "CubaLIF" else one if kind == "LIF" else one / dt
        p["v_reset"] = np.full(N, -0.1)
        if kind == "LIF":
            p["v_leak"] = p["v_reset"]
    elif how == "rockpool":
        p["r"] = tau * np.exp(-1 / tau)
    elif how == "spyx":
        p["r"] = one if kind == "IF" else 1 - 1 / tau
    elif how == "lava":
        p["r"] = tau * one if kind == "CubaLIF" else one
    elif not (how == "norse" and kind == "CubaLIF"):
        p["r"] = one
    if how.startswith("norse") and kind in ("LI", "LIF"):
        p["v_leak"] = np.linspace(-0.2, 0.3, N)
    if kind == "CubaLIF" and how != "norse":
        unit_in = how.startswith("snntorch") or how in ("spikingjelly", "lava")
        p["w_in"] = syn * one if unit_in else one
    return p, dt, None


CASES = [
    (c.name, kind)
    for c in CONVENTIONS.values()
    if c.dt or c.tau == "steps"
    for kind in c.primitives
]


@pytest.mark.parametrize(("how", "kind"), CASES)
def test_each_convention(oracle: Any, how: str, kind: str) -> None:
    closed = oracle("closed form")
    p, dt, given = written(how, kind)
    spiked = compare(how, kind, p, dt, given)
    assert spiked == (kind in SPIKING)
    closed.record(spiking=spiked)


def test_spikingjelly_without_decay_of_input() -> None:
    p, dt, _ = written("spikingjelly", "LIF")
    assert compare("spikingjelly", "LIF", p | {"r": p["tau"] / dt}, dt, None)


@pytest.mark.parametrize("how", sorted(CONVENTIONS))
def test_what_a_framework_does_not_write_is_refused(how: str) -> None:
    convention = CONVENTIONS[how]
    for kind in NEURONS:
        if kind not in convention.primitives:
            p = fields_of(kind, N, DT)
            with pytest.raises(ConversionError, match=f"{how} writes no such {kind}"):
                load_nir(alone(getattr(nir, kind)(**p), (N,)), convention=how, dt="0.1ms")


@pytest.mark.parametrize(
    ("how", "field", "value"),
    [
        ("snntorch", "v_reset", 0.2),
        ("snntorch", "v_leak", 0.2),
        ("snntorch", "r", 3.0),
        ("spikingjelly", "v_leak", 0.2),
        ("spikingjelly", "tau", 0.5e-4),
        ("norse", "r", 2.0),
        ("norse", "tau", 1e-4),
        ("sinabs", "r", 2.0),
        ("sinabs", "v_threshold", -1.0),
        ("lava", "v_reset", 0.5),
        ("spyx", "r", 1.0),
    ],
)
def test_values_that_a_framework_would_ignore_are_refused(
    how: str, field: str, value: float
) -> None:
    p, _, given = written(how, "LIF")
    p[field] = np.full(N, value)
    with pytest.raises(ConversionError) as caught:
        load_nir(alone(nir.LIF(**p), (N,)), convention=how, dt=given)
    assert {f.node for f in caught.value.findings} == {"n"}


def test_time_constants_stay_beside_the_factor() -> None:
    p = fields_of("CubaLIF", N, DT)
    graph = load_nir(alone(nir.CubaLIF(**p), (N,)), convention="ode", dt="0.1ms")
    kept = dict(graph.node("n").provenance)
    assert kept["tau_mem"] == repr(10 * DT)
    assert kept["tau_syn dt"] == "0.0001"
    assert kept["tau_mem scheme"] == "euler"
    assert {c.what for c in graph.changes} == {
        "tau_syn became a factor per step",
        "tau_mem became a factor per step",
    }
