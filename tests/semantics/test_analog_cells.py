"""Activations and elementary functions: against torch, and engine against reference bit by bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cell_runs import run_cell
from engine_runs import assert_same
from neurodeploy.engine import build
from neurodeploy.errors import SemanticsError
from neurodeploy.ir import Cell, GraphBuilder
from neurodeploy.semantics.cells import ANALOG
from neurodeploy.semantics.trace import cell_definition, trace
from neurodeploy.semantics.types import F32, F64
from oracles import Ledger

torch = pytest.importorskip("torch", reason="torch is not installed")
F = torch.nn.functional

RNG = np.random.default_rng(0)
X = np.concatenate(
    [
        RNG.normal(0, 3, 400),
        RNG.normal(0, 0.01, 50),
        [0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 20.0, -20.0, 80.0, -80.0, 1e-30, -1e-30],
    ]
).astype(np.float32)[None]
Y = np.roll(X, 7, axis=1)
POSITIVE = np.abs(X) + np.float32(1e-3)

# cell, options, parameters, inputs, what torch computes in float64
Row = tuple[str, dict[str, Any], dict[str, Any], tuple[np.ndarray, ...], Callable[..., Any]]
ROWS: list[Row] = [
    ("sigmoid", {}, {}, (X,), torch.sigmoid),
    ("tanh", {}, {}, (X,), torch.tanh),
    ("erf", {}, {}, (X,), torch.erf),
    ("gelu", {}, {}, (X,), F.gelu),
    ("gelu", {"approximate": "tanh"}, {}, (X,), lambda x: F.gelu(x, approximate="tanh")),
    ("silu", {}, {}, (X,), F.silu),
    ("mish", {}, {}, (X,), F.mish),
    ("hard_sigmoid", {}, {}, (X,), F.hardsigmoid),
    ("hard_swish", {}, {}, (X,), F.hardswish),
    ("elu", {}, {"alpha": 1.5}, (X,), lambda x: F.elu(x, 1.5)),
    ("selu", {}, {}, (X,), F.selu),
    ("softplus", {}, {"beta": 2.0}, (X,), lambda x: F.softplus(x, 2.0, 100)),
    ("softsign", {}, {}, (X,), F.softsign),
    ("clip", {}, {"lower": -0.5, "upper": 2.0}, (X,), lambda x: x.clamp(-0.5, 2)),
    ("clip", {"high": False}, {"lower": -0.5}, (X,), lambda x: x.clamp(min=-0.5)),
    ("clip", {"low": False}, {"upper": 0.5}, (X,), lambda x: x.clamp(max=0.5)),
    ("subtract", {}, {}, (X, Y), torch.sub),
    ("divide", {}, {}, (X, POSITIVE), torch.div),
    ("maximum", {}, {}, (X, Y), torch.maximum),
    ("minimum", {}, {}, (X, Y), torch.minimum),
    ("where", {}, {}, (np.rint(X / 3), X, Y), lambda c, a, b: torch.where(c != 0, a, b)),
    ("compare", {}, {}, (np.rint(X), np.rint(Y)), torch.eq),
    ("compare", {"relation": "greater"}, {}, (np.rint(X), np.rint(Y)), torch.gt),
    ("compare", {"relation": "not_less"}, {}, (np.rint(X), np.rint(Y)), torch.ge),
    ("abs", {}, {}, (X,), torch.abs),
    ("round", {}, {}, (X * 2,), torch.round),
    ("round", {"mode": "floor"}, {}, (X,), torch.floor),
    ("round", {"mode": "ceil"}, {}, (X,), torch.ceil),
    ("round", {"mode": "zero"}, {}, (X,), torch.trunc),
    ("exp", {}, {}, (X,), torch.exp),
    ("log", {}, {}, (POSITIVE,), torch.log),
    ("sqrt", {}, {}, (POSITIVE,), torch.sqrt),
    ("inverse_sqrt", {}, {"epsilon": 0.1}, (POSITIVE,), lambda x: (x + 0.1).rsqrt()),
    ("reciprocal", {}, {"numerator": 3.0}, (POSITIVE,), lambda x: 3 / x),
    ("power", {"exponent": 3}, {}, (X,), lambda x: x**3),
    ("power", {"exponent": -2}, {}, (POSITIVE,), lambda x: x**-2),
    ("pow", {}, {"exponent": 1.7}, (POSITIVE,), lambda x: x**1.7),
]


def named(name: str, arrays: tuple[np.ndarray, ...]) -> dict[str, np.ndarray]:
    return dict(zip(cell_definition(name).inputs, arrays, strict=True))


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r[0]}{list(r[1].values())}")
def test_cell_is_within_a_few_ulp_of_torch(row: Row, oracle: Ledger) -> None:
    """Within 4e-7 of the value, or of 1 where terms cancel; `pow` within its stated error."""
    found = oracle("torch")
    name, options, params, arrays, function = row
    ours = run_cell(name, named(name, arrays), params=params, options=options).out
    due = function(*(torch.from_numpy(a.astype(np.float64)) for a in arrays)).numpy()
    allowed = (3e-6 if name == "pow" else 4e-7) * np.maximum(np.abs(due), 1)
    assert (np.abs(ours - due) <= allowed).all()
    found.record()


def test_engine_gives_the_reference_bit_for_bit(oracle: Ledger) -> None:
    oracle("cc")
    b = GraphBuilder()
    size = X.shape[1]
    refs = {k: b.input(k, (size,)) for k in "xyz"}
    inputs = {"x": X, "y": Y, "z": POSITIVE}
    lookup = {id(X): "x", id(Y): "y", id(POSITIVE): "z"}
    for i, (name, options, params, arrays, _) in enumerate(ROWS):
        arrived = [refs[lookup.get(id(a), "x")] for a in arrays]
        made = b.cell(f"n{i}", name, *arrived, params=params, options=options)
        b.output(f"o{i}", made)
    b.output("constant", b.cell("c", "constant", shape=(3,), params={"value": X[0, :3]}))
    codes = ("quantize", "dequantize", "requantize", "to_code", "dynamic_scale", "dynamic_zero")
    for name in ("lstm_step", "gru_step", "reset_gate", "rnn_step", *codes):
        arrived = [refs["xyz"[i % 3]] for i in range(len(cell_definition(name).inputs))]
        made = b.cell(name, name, *arrived)
        b.output(f"{name}_h", made)
        if name == "lstm_step":
            b.output("lstm_c", b.state(made, "c"))
    b.output("mean", b.cell("m", "running_mean", refs["x"]))
    tested = {n.definition for n in b.nodes if isinstance(n, Cell)}
    assert tested == set(ANALOG)
    graph = b.build()
    assert_same(graph, build(graph), inputs, 3)


def test_running_mean_is_the_mean_over_the_steps(oracle: Ledger) -> None:
    x = RNG.normal(size=(7, 5)).astype(np.float32)
    run = run_cell("running_mean", x)
    due = np.cumsum(x.astype(np.float64), 0) / np.arange(1, 8)[:, None]
    assert np.abs(run.out - due).max() < 1e-6
    oracle("closed form").record()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gelu", {"approximate": "fast"}),
        ("clip", {"low": False, "high": False}),
        ("compare", {"relation": "less"}),
        ("round", {"mode": "up"}),
        ("power", {"exponent": 65}),
    ],
)
def test_options_that_make_no_sense_are_refused(name: str, options: dict[str, Any]) -> None:
    definition = cell_definition(name)
    with pytest.raises(SemanticsError):
        trace(definition, inputs=dict.fromkeys(definition.inputs, F32), options=options)


def test_exponentials_are_for_float32() -> None:
    with pytest.raises(SemanticsError, match="f32"):
        trace(cell_definition("sigmoid"), inputs={"x": F64}, float_type=F64)
