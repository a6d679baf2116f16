"""The integer form of a cell against its float form: within the rounding that it states."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurodeploy as nd
from neurodeploy.errors import DataError, QuantizationError
from neurodeploy.ir import Graph, GraphBuilder
from neurodeploy.ir.types import QType
from neurodeploy.quantize import Scheme, quantised
from neurodeploy.reference import simulate

Array = npt.NDArray[Any]
N, T, SIZE = 8, 30, 6


def one_cell(cell: str, params: dict[str, Any], **options: Any) -> Graph:
    """A projection and a cell."""
    random = np.random.default_rng(3)
    b = GraphBuilder()
    x = b.input("x", (5,))
    weight, bias = random.normal(size=(SIZE, 5)), random.normal(size=SIZE) / 4
    current = b.dense("fc", x, weight, bias=bias)
    made = b.cell("cell", cell, current, params=params, options=options)
    return b.output("y", made).build()


def both(graph: Graph, scheme: Scheme, keys: list[tuple[str, str]]) -> tuple[Graph, Any, Any]:
    """Run a graph and its integer form on spikes."""
    x = (np.random.default_rng(1).random((N, T, 5)) < 0.4).astype(np.float32)
    made = quantised(graph, {"x": x}, T, scheme)
    a = simulate(graph, {"x": x}, T, record=keys)
    b = simulate(made, {"x": x.astype(np.bool_)}, T, record=keys)
    return made, a, b


@settings(max_examples=25, deadline=None)
@given(beta=st.floats(0.05, 0.99), bits=st.sampled_from([12, 16, 20]))
def test_a_leaky_integrator_stays_within_its_rounding(beta: float, bits: int) -> None:
    """Each step adds at most: half a unit of the decay, half of the input, half of the bias."""
    graph = one_cell("li", {"beta": beta})
    fine = Scheme(weight_bits=16, state_bits=bits, factor_bits=24)
    made, a, b = both(graph, fine, [("cell", "v")])
    kind = made.signals[("cell", "v")].type
    assert isinstance(kind, QType)
    unit = kind.scale[0]
    weights = 5 * 2**-15 * 4  # rounding of five weights of at most 4
    bound = (2 * unit + weights + 2**-23 * np.abs(a[("cell", "v")]).max()) / (1 - beta)
    error = np.abs(b[("cell", "v")] * unit - a[("cell", "v")]).max()
    assert error <= bound
    assert np.abs(a[("cell", "v")]).max() > 100 * unit


@pytest.mark.parametrize("decay", ["none", "factor", "tau", "rate"])
@pytest.mark.parametrize("reset", ["subtract", "value", "none"])
def test_neurons_keep_nearly_all_spikes(decay: str, reset: str) -> None:
    options = {"reset": reset} | ({} if decay == "none" else {"decay": decay})
    cell = "if" if decay == "none" else "lif"
    graph = one_cell(cell, {"threshold": 0.8}, **options)
    scheme = Scheme(weight_bits=12, state_bits=20, factor_bits=20)
    made, a, b = both(graph, scheme, [("cell", "out"), ("cell", "v")])
    assert made.signals[("cell", "out")].type == graph.signals[("cell", "out")].type
    spikes = a[("cell", "out")]
    assert 0.02 < spikes.mean() < 0.98
    assert (b[("cell", "out")] != spikes).mean() < 0.02
    assert b[("cell", "v")].dtype == np.int64


def test_every_constant_is_an_integer() -> None:
    graph = one_cell("cuba_lif", {"alpha": 0.7, "beta": 0.9, "threshold": 0.8})
    made, _, b = both(graph, Scheme(), [("cell", "out")])
    assert b[("cell", "out")].any()
    for name, tensor in made.tensors.items():
        assert isinstance(tensor.type, QType), name
    assert "f32" not in str(made)
    assert made.signals[("cell", "v")].type.bits == 16  # type: ignore[union-attr]


def test_a_state_saturates_at_its_range() -> None:
    """Data beyond the calibration do not wrap."""
    graph = one_cell("li", {"beta": 1.0})
    x = np.ones((N, T, 5), np.float32)
    made = quantised(graph, {"x": x[:, :3]}, 3, Scheme())
    v = simulate(made, {"x": x.astype(np.bool_)}, T, record=[("cell", "v")])[("cell", "v")]
    assert {int(v.min()), int(v.max())} & {-(2**15), 2**15 - 1}
    assert (np.diff(v[0, :, np.abs(v[0, -1]).argmax()]) >= 0).all() or v.min() == -(2**15)


@pytest.mark.parametrize(
    ("cell", "params", "message"),
    [
        ("eif", {"threshold": 0.8}, "has no integer form"),
        (
            "qif",
            {"threshold": 0.8, "curvature": 0.01, "critical": 0.5},
            "a product of two values that change",
        ),
    ],
)
def test_what_has_no_integer_form_is_refused(
    cell: str, params: dict[str, Any], message: str
) -> None:
    graph = one_cell(cell, params)
    with pytest.raises(QuantizationError, match=f"cell: .*{message}"):
        both(graph, Scheme(), [("cell", "out")])


def test_parameters_of_each_step_stay_so() -> None:
    """A scale and a shift for every step, as of a batch norm through time, in front of a neuron."""
    random = np.random.default_rng(5)
    b = GraphBuilder()
    current = b.dense("fc", b.input("x", (5,)), random.normal(size=(SIZE, 5)))
    normed = b.cell(
        "norm",
        "affine",
        current,
        params={
            "scale": random.uniform(0.5, 1.5, (T, SIZE)),
            "shift": random.normal(size=(T, SIZE)) / 4,
        },
        timed=("scale", "shift"),
    )
    graph = b.output("y", b.cell("cell", "lif", normed, params={"beta": 0.9})).build()
    scheme = Scheme(weight_bits=12, state_bits=20, factor_bits=20)
    made, a, found = both(graph, scheme, [("cell", "out"), ("cell", "v")])
    assert {p.name for p in made.node("norm").params if p.timed} == {"scale", "shift"}  # type: ignore[attr-defined]
    assert 0.02 < a[("cell", "out")].mean() < 0.98
    assert (found[("cell", "out")] != a[("cell", "out")]).mean() < 0.02
    with pytest.raises(DataError, match=f"values for {T} steps"):
        nd.run(made, np.zeros((1, T + 1, 5), np.bool_))
