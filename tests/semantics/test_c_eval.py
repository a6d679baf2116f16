"""The C evaluator against the numpy evaluator, on cells drawn over the whole language."""

from __future__ import annotations

import numpy as np
import pytest

from engine_runs import assert_same
from neurodeploy.engine import build
from neurodeploy.ir import GraphBuilder, QType
from neurodeploy.semantics.c_eval import Names, c_float, c_int, c_statements, c_type
from neurodeploy.semantics.language import Sym, declare, lookup, saturate, stop_gradient, wrap
from neurodeploy.semantics.rules import OPERATIONS
from neurodeploy.semantics.trace import CellDefinition, trace
from neurodeploy.semantics.types import BOOL, F32, F64, Int
from neurodeploy.testing.random_cells import random_cell
from neurodeploy.testing.random_graphs import RandomCase
from oracles import Ledger
from tiers import sample_count

DRAWS = sample_count(200, 16)


def _drawn(seed: int) -> RandomCase:
    return random_cell(np.random.default_rng(seed), operations=40)


@pytest.mark.parametrize("seed", range(DRAWS))
def test_drawn_cells_agree_in_every_output_and_state(seed: int, oracle: Ledger) -> None:
    cc = oracle("cc")
    case = _drawn(seed)
    engine = build(case.graph)
    assert_same(
        case.graph, engine, case.inputs, case.timesteps, seed=2**63 + seed, first_sample=seed
    )
    cc.record()


def test_drawn_cells_cover_the_language() -> None:
    used = {i.op for s in range(40) for c in _drawn(s).graph.cells for i in c.program.instrs}
    assert used >= set(OPERATIONS) | {"input", "param", "state"}


def test_integers_are_32_bits_where_the_range_fits() -> None:
    assert c_type(Int(-(2**31), 2**31 - 1)) == "int32_t"
    assert c_type(Int(0, 2**31)) == "int64_t"
    assert [c_int(-(2**31)), c_int(-(2**63), "int64_t")] == ["INT32_MIN", "INT64_MIN"]


def test_constants_are_exact() -> None:
    for value in (0.1, 1e-45, -0.0, 3.4028234663852886e38, 2.0**-149):
        single = float(np.float32(value))
        text = c_float(value, 32)
        assert float.fromhex(text.removesuffix("f")).hex() == single.hex()
    assert c_float(1e300, 32) == "INFINITY"


def _statements(function: object, **types: Int) -> list[str]:
    definition = CellDefinition("c", function)  # type: ignore[arg-type]
    program = trace(definition, inputs=types).program
    return c_statements(program, Names({n: n for n in types}, {}, {}))[0]


def test_what_changes_nothing_is_left_out() -> None:
    def idle(p: object, s: object, x: Sym) -> Sym:
        return declare(wrap(saturate(stop_gradient(x), -10, 10), 8), -20, 20)

    assert _statements(idle, x=Int(-3, 4)) == ["const int32_t v0 = x;"]


def test_operands_are_widened_before_the_operation() -> None:
    def product(p: object, s: object, x: Sym) -> Sym:
        return x * x

    (_, line) = _statements(product, x=Int(0, 2**20))
    assert line == "const int64_t v1 = (int64_t)v0 * (int64_t)v0;"


def test_a_shift_to_the_left_is_a_product_and_none_to_the_right_is_bare() -> None:
    from neurodeploy.semantics.language import shift_left, shift_right

    def shifts(p: object, s: object, x: Sym) -> Sym:
        return shift_right(shift_left(x, 3), 2, rounding="floor")

    text = "\n".join(_statements(shifts, x=Int(-5, 5)))
    assert "* 8" in text
    assert "nd_shift_floor32(" in text
    assert "<<" not in text
    assert ">>" not in text


def test_timed_tables_and_parameters_of_each_granularity(oracle: Ledger) -> None:
    cc = oracle("cc")

    def function(p: object, s: object, x: Sym, i: Sym) -> object:
        return {
            "out": x * p.scalar + p.channel,  # type: ignore[attr-defined]
            "row": x * p.neuron + lookup(p.table, i),  # type: ignore[attr-defined]
        }

    names = ("scalar", "channel", "neuron", "table")
    definition = CellDefinition("granular", function, params=dict.fromkeys(names))
    rng = np.random.default_rng(0)
    b = GraphBuilder()
    x, i = b.input("x", (2, 3, 4)), b.input("i", (3, 1), type=QType(0, 4))
    params = {
        "scalar": rng.normal(size=(6, 1, 1, 1)),
        "channel": rng.normal(size=(2, 1, 1)),
        "neuron": rng.normal(size=(6, 2, 3, 4)),
        "table": rng.normal(size=(6, 5)),
    }
    out = b.cell("c", definition, x, i, params=params, timed=("scalar", "neuron", "table"))
    graph = b.output("out", out).build()
    inputs = {
        "x": rng.normal(size=(3, 6, 2, 3, 4)).astype(np.float32),
        "i": rng.integers(0, 5, (3, 3, 1)),
    }
    assert_same(graph, build(graph), inputs, 6)
    cc.record()


def test_types_of_the_language_have_their_c_types() -> None:
    assert [c_type(k) for k in (BOOL, F32, F64)] == ["uint8_t", "float", "double"]
