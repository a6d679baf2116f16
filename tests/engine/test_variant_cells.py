"""The neurons of single frameworks as C: equal to the reference in every bit."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine_runs import assert_same
from neurodeploy.engine import build
from neurodeploy.ir import GraphBuilder
from neurodeploy.semantics.cells import VARIANTS
from neurodeploy.semantics.trace import cell_definition
from oracles import Ledger

NEURONS, STEPS, BATCH = 6, 40, 3
HARD: dict[str, Any] = {"reset": "value"}
TAU: dict[str, Any] = {"decay": "tau", "decay_input": True}
LEVELS = np.linspace(-1, 1.2, 16).astype(np.float32)
TABLES = {"levels": LEVELS, "bounds": LEVELS - np.float32(0.07)}

# cell, options, parameters
ROWS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("qif", HARD, {"reset_value": -0.1}),
    ("eif", HARD, {"reset_value": -0.1}),
    ("izhikevich", HARD, {"reset_value": -0.1, "coupling": 0.3, "increment": 0.4}),
    ("resonate_and_fire", {}, {}),
    ("resonate_and_fire", {**HARD, "detach_reset": True}, {}),
    ("klif", TAU, {"slope": 1.2}),
    ("klif", {**TAU, "scale_reset": True}, {"slope": 1.2, "amount": 0.8}),
    ("rectified_lif", {"reset": "none", "payload": "graded"}, {"bias": 0.1, "amplitude": 1.5}),
    ("clif", {}, {}),
    ("gated_lif", {}, {"leak": 0.05, "gain": np.linspace(0.5, 1.2, STEPS)[:, None]}),
    ("multilevel_lif", {}, {}),
    ("analog_lif", {"activation": "leaky_relu", **TAU}, {"slope": 0.2}),
    ("offset_if", {}, {"offset": 0.2}),
    ("amount_lif", {"payload": "graded"}, {"threshold": 0.4, "amount": 0.9}),
    ("normalised_lif", TAU, {"scale": 1.3, "shift": 0.2}),
    ("normalised_lif", {"normalise": "residual"}, {"mean": 0.1, "deviation": 0.7}),
    ("bounded_if", {}, {"scale": 0.4, "most": 5.0, "least": -3.0}),
    ("counted_lif", {"held": True}, {"threshold": 0.3, "amount": 0.3, "floor": -0.4}),
    ("counted_lif", {"synapse": True, "reset": "zero", "spikes": 2}, {"threshold": 0.2}),
    ("counted_lif", {"counted": False, "decay": "none"}, {"threshold": 0.4, "amount": 0.5}),
    (
        "jump_lif",
        {**HARD, "decay": "rate", "decay_input": True, "strict": True},
        {"threshold": 0.5},
    ),
    ("recurrent_lif", {"timing": "next_after", "strict": True}, {"threshold": 0.8}),
    ("recurrent_cuba_lif", {"timing": "corrected_after", "strict": True}, {"threshold": 0.8}),
    ("recurrent_jump_lif", {**HARD, "decay": "rate", "decay_input": True}, {}),
    ("jump_li", {"decay": "rate", "decay_input": True}, {}),
    ("shifted_li", {"decay": "none"}, {"floor": -0.3}),
    ("alpha_lif", {"reset": "subtract"}, {"gain": 0.9, "threshold": 0.5}),
    ("alpha_lif", {"payload": "graded"}, {"threshold": 0.5, "amplitude": 2.0}),
    ("lapicque", {"timing": "next_after"}, {"resistance": 1.7}),
    ("delta_lif", {}, {"threshold": 0.5}),
    ("quantised_lif", {"depth": 4}, TABLES),
    ("quantised_cuba_lif", {"depth": 4, "timing": "next_after"}, TABLES),
    ("spiking_lstm", {"timing": "next_after"}, {"threshold": 0.1}),
]


def test_engine_gives_the_reference_bit_for_bit(oracle: Ledger) -> None:
    found = oracle("cc")
    b = GraphBuilder()
    refs = [b.input(n, (NEURONS,)) for n in "xyzw"]
    names = []
    for i, (cell, options, params) in enumerate(ROWS):
        arrived = refs[: len(cell_definition(cell).inputs)]
        timed = ["gain"] if cell == "gated_lif" else []
        out = b.cell(f"n{i}", cell, *arrived, params=params, options=options, timed=timed)
        b.output(f"o{i}", out)
        names.append(f"n{i}")
    spikes = b.cell("layer", "if", refs[0])
    first = b.cell("other", "if", refs[1])
    b.output("o", b.cell("winner", "winner", spikes, first))
    assert {r[0] for r in ROWS} | {"winner"} == set(VARIANTS)
    graph = b.build()
    rng = np.random.default_rng(0)
    inputs = {n: rng.normal(0.4, 0.9, (BATCH, STEPS, NEURONS)).astype(np.float32) for n in "xyzw"}
    trace = assert_same(graph, build(graph), inputs, STEPS)
    for name, (cell, _, _) in zip(names, ROWS, strict=True):
        values = trace[name, "out"]
        assert np.isfinite(values.astype(np.float64)).all(), cell
        most = 1.01 if cell in ("analog_lif", "jump_li", "shifted_li") else 0.98
        assert 0.02 < np.count_nonzero(values) / values.size < most, cell
    found.record(len(ROWS) + 1, spiking=len(ROWS))
