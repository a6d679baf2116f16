"""Cells without a state against plain numbers; what the options mean and which are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cell_runs import assert_same, drive, f32, run_cell
from neurodeploy.errors import SemanticsError
from neurodeploy.ir import GraphBuilder
from neurodeploy.semantics.cells import ANALOG, BUILTIN, SOURCES, VARIANTS
from neurodeploy.semantics.kinds import output_kind
from neurodeploy.semantics.trace import _CELLS, cell_definition, trace
from neurodeploy.semantics.types import BOOL, F32, Int
from oracles import Ledger

Array = npt.NDArray[Any]
Options = dict[str, str | int | bool]


def cells(name: str, x: Array, **params: float) -> Array:
    return run_cell(name, x, params=params).out


def test_activations_and_arithmetic(oracle: Ledger) -> None:
    x = np.concatenate(
        [drive(1, 40, 5, mean=0.0, spread=4.0), f32([[0.0, -0.0, 6.0, 1e-40, -1e30]])]
    )
    rows = [
        ("relu", cells("relu", x), [max(v, 0) for v in x.ravel()]),
        ("clipped_relu", cells("clipped_relu", x), [min(max(v, 0), 6) for v in x.ravel()]),
        (
            "leaky_relu",
            cells("leaky_relu", x, slope=0.3),
            [v if v > 0 else f32(0.3) * v for v in x.ravel()],
        ),
        ("scale", cells("scale", x, scale=0.7), [v * f32(0.7) for v in x.ravel()]),
        (
            "affine",
            cells("affine", x, scale=0.7, shift=0.1),
            [v * f32(0.7) + f32(0.1) for v in x.ravel()],
        ),
    ]
    y = drive(2, len(x), 5)
    both = {"a": x, "b": y}
    pairs = list(zip(x.ravel(), y.ravel(), strict=True))
    rows.append(("add", run_cell("add", both).out, [a + b for a, b in pairs]))
    rows.append(("multiply", run_cell("multiply", both).out, [a * b for a, b in pairs]))
    spikes = x > 0
    scaled = run_cell("spike_scale", spikes, params={"amplitude": 0.3}).out
    rows.append(("spike_scale", scaled, [0.3 if v else 0.0 for v in spikes.ravel()]))
    n = np.arange(-100, 105).reshape(x.shape) * 1_000_003
    rows.append(("to_float", run_cell("to_float", n).out, [float(v) for v in n.ravel()]))
    for name, ours, expected in rows:
        assert_same(name, ours, np.asarray(expected, np.float32).reshape(x.shape))
    oracle("closed form").record(len(rows))


def test_arithmetic_of_integers() -> None:
    a, b = np.arange(-4, 4)[:, None], np.arange(8)[:, None]
    both = {"a": a, "b": b}
    assert_same("add", run_cell("add", both).out, a + b)
    assert_same("multiply", run_cell("multiply", both).out, a * b)
    assert_same("relu", run_cell("relu", a).out, np.maximum(a, 0))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0, 0, 0, 0, 1, 1, 1]),
        ({"strict": True}, [0, 0, 0, 0, 0, 1, 1]),
        ({"payload": "graded"}, [0, 0, 0, 0, 0.5, 0.5, 0.5]),
        ({"payload": "graded", "spikes": 3}, [0, 0, 0, 0, 0.5, 0.5, 1.5]),
        ({"payload": "signed"}, [-0.5, -0.5, 0, 0, 0.5, 0.5, 0.5]),
        ({"payload": "signed", "strict": True}, [-0.5, 0, 0, 0, 0, 0.5, 0.5]),
        ({"payload": "signed", "lower": True}, [-0.5, -0.5, -0.5, 0, 0.5, 0.5, 0.5]),
    ],
)
def test_threshold(oracle: Ledger, options: Options, expected: list[float]) -> None:
    x = f32([[-2.5], [-2.0], [-1.0], [0.0], [2.0], [2.5], [9.0]])
    params = {"threshold": 2.0, "amplitude": 0.5, "lower": -1.0}
    run = run_cell("threshold", x, params=params, options=options)
    assert run.out[:, 0].astype(float).tolist() == expected
    assert run.states == {}
    oracle("closed form").record(spiking=True)


@pytest.mark.parametrize(
    ("payload", "kind"),
    [("spike", "spike"), ("graded", "graded"), ("signed", "signed"), ("signed_net", "signed")],
)
@pytest.mark.parametrize("cell", ["if", "lif", "cuba_lif"])
def test_payload_decides_the_kind(cell: str, payload: str, kind: str) -> None:
    traced = trace(cell_definition(cell), inputs={"x": F32}, options={"payload": payload})
    assert output_kind(traced.program, "out") == kind


def test_a_scaled_spike_is_a_graded_spike() -> None:
    program = trace(cell_definition("spike_scale"), inputs={"x": BOOL}).program
    assert output_kind(program, "out") == "graded"
    program = trace(cell_definition("relu"), inputs={"x": F32}).program
    assert output_kind(program, "out") == "value"


@pytest.mark.parametrize(
    ("cell", "options", "complaints"),
    [
        ("lif", {"reset": "zero"}, 1),
        ("lif", {"timing": "late", "payload": "count", "strict": 1}, 3),
        ("lif", {"decay": "exp"}, 1),
        ("lif", {"decay": "none", "decay_input": True, "rest": True}, 2),
        ("if", {"refractory": -1}, 1),
        ("if", {"refractory": True}, 1),
        ("if", {"spikes": 0}, 1),
        ("if", {"spikes": 4}, 1),
        ("if", {"spikes": 4, "payload": "graded", "strict": True}, 1),
        ("if", {"spikes": 4, "payload": "graded", "reset": "value"}, 1),
        ("if", {"spikes": 4, "payload": "signed"}, 1),
        ("if", {"reset": "none", "timing": "next_after", "detach_reset": True}, 2),
        ("if", {"timing": "corrected_after", "refractory": 2}, 1),
        ("if", {"timing": "corrected_after", "payload": "signed"}, 1),
        ("if", {"timing": "next_after", "payload": "signed_net"}, 1),
        ("if", {"lower": True}, 1),
        ("cuba_lif", {"input_gain": 2}, 1),
        ("alif", {"taken": "none"}, 1),
        ("alif", {"taken": "base", "reset": "value"}, 1),
        ("alif", {"payload": "signed"}, 1),
        ("alif", {"timing": "corrected_before"}, 1),
        ("threshold", {"payload": "signed_net"}, 1),
    ],
)
def test_options_that_make_no_sense_are_refused(
    cell: str, options: Options, complaints: int
) -> None:
    with pytest.raises(SemanticsError) as caught:
        trace(cell_definition(cell), inputs={"x": F32}, options=options)
    assert len(caught.value.findings) == complaints


def test_the_list_of_cells_is_complete() -> None:
    package = "neurodeploy.semantics.cells."
    registered = {
        name
        for name, definition in _CELLS.items()
        if definition.function.__module__.startswith(package)
    }
    assert {*BUILTIN, *ANALOG, *SOURCES, *VARIANTS} == registered
    assert list(BUILTIN) == sorted(BUILTIN)
    assert list(ANALOG) == sorted(ANALOG)
    assert list(VARIANTS) == sorted(VARIANTS)


@pytest.mark.parametrize("name", [*BUILTIN, *ANALOG, *SOURCES, *VARIANTS])
def test_every_cell_says_what_it_computes(name: str) -> None:
    definition = cell_definition(name)
    assert definition.function.__doc__
    kinds = {"spike_scale": BOOL, "to_float": Int(-5, 5), "winner": BOOL}
    inputs = {port: kinds.get(name, F32) for port in definition.inputs}
    program = trace(definition, inputs=inputs).program
    tables = {"levels", "bounds"}
    needed = {p.name for p in program.params if definition.params[p.name] is None}
    assert needed <= tables


def test_graphs_of_the_first_cells_keep_their_digest() -> None:
    """A file that was written holds its programs; cells added later must not change new ones."""
    b = GraphBuilder()
    x = b.input("x", (3,))
    made: dict[str, Options] = {
        "if": {},
        "lif": {"timing": "next_before", "reset": "value", "strict": True},
        "cuba_lif": {"timing": "corrected_after", "payload": "graded"},
        "alif": {"timing": "next_after", "refractory": 2},
        "li": {"decay": "none"},
        "cuba_li": {},
        "threshold": {"payload": "signed", "lower": True},
    }
    for name, options in made.items():
        b.output(f"{name}_out", b.cell(name, name, x, options=options))
    digest = "00278a722ffa243f146f94ce22f265344f1a19b8de867367cb0bfd57d5071a52"
    assert b.build().digest == digest
