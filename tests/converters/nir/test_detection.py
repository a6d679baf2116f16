"""Which convention a file is of: found, refused with the list, or asked for."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import neurodeploy as nd
from neurodeploy.converters.nir import load_nir
from neurodeploy.converters.nir.neurons import charge_step
from neurodeploy.errors import ConversionError, UsageError
from nir_nets import alone, fields_of

nir = pytest.importorskip("nir", reason="nir is not installed")
N = 4
TAU = np.array([3.0, 5.0, 9.0, 20.0])


def lif(tau: Any, r: Any, **more: Any) -> Any:
    fields = {"v_leak": np.zeros(N), "v_threshold": np.ones(N), "v_reset": np.zeros(N), **more}
    return alone(nir.LIF(tau=np.asarray(tau), r=np.asarray(r) * np.ones(N), **fields), (N,))


def cuba(tau: Any, r: Any, w_in: Any = 1.0) -> Any:
    fields = fields_of("CubaLIF", N, 1e-3, tau_mem=tau, r=np.asarray(r), w_in=w_in * np.ones(N))
    return alone(nir.CubaLIF(**fields), (N,))


def offered(graph: Any, **options: Any) -> set[str]:
    with pytest.raises(ConversionError) as caught:
        load_nir(graph, **options)
    (finding,) = caught.value.findings
    assert "--convention" in finding.hint
    return {
        part.split(" (")[0].strip() for part in finding.message.split("differ: ")[1].split("; ")
    }


def test_snntorch_or_spikingjelly() -> None:
    # r = tau / dt at 0.1 ms tells the framework apart from all others, not its reset
    found = offered(lif(TAU * 1e-4, TAU))
    assert found == {"snntorch", "snntorch-subtract", "snntorch-zero", "spikingjelly"}


def test_what_snntorch_ignores_is_refused() -> None:
    with pytest.raises(ConversionError, match="v_reset"):
        load_nir(lif(TAU * 1e-4, TAU, v_reset=np.full(N, 0.1)), convention="snntorch")


def test_spikingjelly_is_found() -> None:
    made = load_nir(lif(TAU * 1e-4, TAU, v_reset=np.full(N, -0.2), v_leak=np.full(N, -0.2)))
    assert dict(made.metadata)["convention"] == "spikingjelly"
    fields = {"r": np.full(N, 1e4), "v_threshold": np.ones(N)}
    made = load_nir(alone(nir.IF(**fields), (N,)))
    assert dict(made.metadata)["convention"] == "spikingjelly"
    assert made.dt == Fraction(1, 10_000)


def test_rockpool_is_found() -> None:
    dt = 1e-3
    made = load_nir(cuba(TAU * dt, TAU * np.exp(-1 / TAU)))
    assert dict(made.metadata)["convention"] == "rockpool"
    assert made.dt == Fraction(1, 1000)


def test_spyx_is_found() -> None:
    made = load_nir(lif(TAU, 1 - 1 / TAU))
    assert dict(made.metadata)["convention"] == "spyx"
    assert made.dt is None  # its steps have no duration
    assert load_nir(lif(TAU, 1 - 1 / TAU), convention="spyx", dt="1ms").dt == Fraction(1, 1000)
    made = load_nir(lif(TAU * 1e-3, 1 - 1 / TAU))
    assert made.dt == Fraction(1, 1000)


def test_r_of_one_says_nothing() -> None:
    assert offered(lif(TAU * 1e-3, 1.0)) >= {"norse", "lava", "sinabs", "ode"}
    assert offered(lif(TAU * 1e-3, 1.0), dt="1ms") >= {"norse", "ode", "sinabs"}


def test_the_equations_need_a_step() -> None:
    graph = lif(TAU * 1e-3, 0.37)
    with pytest.raises(ConversionError, match="ode") as caught:
        load_nir(graph)
    assert "--dt 1ms" in str(caught.value)
    with pytest.raises(ConversionError) as caught:
        load_nir(graph, convention="ode")
    assert caught.value.findings[0].hint == "--dt 1ms of `convert`, dt='1ms' of `load`"
    assert dict(load_nir(graph, dt="1ms").metadata)["convention"] == "ode"


def test_without_neurons_nothing_is_asked() -> None:
    assert load_nir(alone(nir.Linear(np.eye(N)), (N,))).dt is None


def test_an_unknown_convention() -> None:
    with pytest.raises(UsageError, match="there is no convention 'nest'"):
        nd.load(lif(TAU, 1.0), convention="nest")


def test_a_step_that_contradicts_the_file() -> None:
    with pytest.raises(UsageError, match="100 us"):
        load_nir(cuba(TAU * 1e-4, TAU * np.exp(-1 / TAU)), convention="rockpool", dt="1ms")


def test_charge_step_is_inverse(oracle: Any) -> None:
    tau = np.geomspace(1e-3, 1, 50)
    for dt in (1e-4, 1e-3, 1e-2):
        np.testing.assert_allclose(charge_step(tau, tau * np.exp(-dt / tau) / dt), dt, rtol=1e-9)
        oracle("closed form").record()
