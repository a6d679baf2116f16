"""Joules: constants with their sources, intervals, refusals, and two networks at one table."""

from __future__ import annotations

import json
import math
from functools import partial
from importlib.resources import files
from itertools import product
from typing import Any

import numpy as np
import pytest

from neurodeploy.errors import UsageError
from neurodeploy.ir import BOOL, F64, Graph, GraphBuilder, QType, tensor
from neurodeploy.profile import Bill, compare_bills, energy_of, generic_cmos, profile_graph
from neurodeploy.profile.constants import constants, interval_of
from neurodeploy.profile.energy import Energy
from neurodeploy.reference import simulate

PJ = 1e-12


def bill_of(graph: Graph, inputs: dict[str, Any], timesteps: int, **kw: Any) -> Bill:
    return profile_graph(
        graph, partial(simulate, graph), inputs, timesteps, target="host", hosted=False, **kw
    )


def dense(weight: Any, kind: Any = BOOL) -> Graph:
    b = GraphBuilder()
    x = b.input("x", (weight.shape[1],), type=kind)
    return b.output("out", b.dense("fc", x, weight)).build()


def test_every_constant_has_unit_conditions_source_and_class() -> None:
    text = files("neurodeploy.profile").joinpath("energy_constants.json").read_text("utf-8")
    rows = json.loads(text)
    names = [(row["table"], row["name"]) for row in rows]
    assert len(set(names)) == len(names)
    for row in rows:
        assert set(row) == {
            "table", "name", "quantity", "readings", "unit", "conditions", "source", "evidence",
        }  # fmt: skip
        assert all(row[k] for k in row)
        assert row["evidence"] in ("A", "B", "C")
        assert all(value > 0 for value in row["readings"])
    for row in constants("cmos45").values():
        assert row.joules.low <= row.joules.value <= row.joules.high
        memory = "sram" in row.name or row.name == "dram"  # two readings, a factor 2 apart
        assert row.joules.high / row.joules.low == pytest.approx(2 if memory else 4)


def test_intervals_follow_the_class_of_the_evidence() -> None:
    b, c = interval_of([10.0], "B"), interval_of([10.0], "C")
    assert (b.low, b.high) == (5.0, 20.0)
    assert (c.low, c.high) == (2.0, 50.0)
    two = interval_of([10.0, 20.0], "C")
    assert (two.low, two.high) == (10.0, 20.0)
    assert two.value == pytest.approx(math.sqrt(200))
    table = constants("cmos45")
    assert table["fp32_add"].joules.value + table["fp32_mul"].joules.value == pytest.approx(
        4.6 * PJ
    )


def test_a_layer_by_hand() -> None:
    graph = dense(np.ones((4, 3), np.float32))
    x = np.array([[True, False, True], [True, True, True]])
    found = bill_of(graph, {"x": x}, 5).energy
    acs = np.array([5 * 2 * 4, 5 * 3 * 4])
    byte = math.sqrt(1.25 * 2.5) * PJ
    expected = acs * (0.9 * PJ + 4 * byte)  # each addition fetches a weight of 4 bytes
    assert found.values == pytest.approx(expected)
    total = found.total
    assert total is not None
    assert total.value == pytest.approx(expected.sum())
    assert total.low == pytest.approx(100 * (0.45 + 4 * 1.25) * PJ)
    assert total.high == pytest.approx(100 * (1.8 + 4 * 2.5) * PJ)
    assert found.usage == {"fp32_add": 100, "sram_8k": 400}
    assert found.breakdown is not None
    assert set(found.breakdown) == {"compute", "memory"}


def test_widths_choose_the_rows() -> None:
    weight = tensor(np.full((2, 3), 5), QType(-128, 127))
    b = GraphBuilder()
    x = b.input("x", (3,), type=QType(-1000, 1000), kind="value")
    graph = b.output("out", b.dense("fc", x, weight)).build()
    data = np.full((1, 3), 7)
    energy = bill_of(graph, {"x": data}, 1).energy
    # the sum stays below 2^15; a product of 8 and 11 bits is priced by the next row there is
    assert energy.usage == {"int16_add": 6, "int32_mul": 6, "sram_8k": 6}
    units = bill_of(graph, {"x": np.ones_like(data)}, 1).energy
    assert units.usage == {"int16_add": 6, "sram_8k": 6}


def test_memory_is_the_smallest_that_holds_the_network() -> None:
    x = np.ones((1, 64), np.bool_)
    for outputs, row in ((8, "sram_8k"), (100, "sram_32k"), (1000, "sram_1m"), (5000, "dram")):
        energy = bill_of(dense(np.ones((outputs, 64), np.float32)), {"x": x}, 1).energy
        assert row in energy.usage
    graph = dense(np.ones((8, 64), np.float32))
    assert "dram" in bill_of(graph, {"x": x}, 1, costs=generic_cmos("dram")).energy.usage
    with pytest.raises(UsageError, match="no memory"):
        generic_cmos("l3")  # type: ignore[arg-type]


def test_what_has_no_price_gives_no_figure_and_says_where() -> None:
    b = GraphBuilder(float_type=F64)
    graph = b.output("out", b.dense("fc64", b.input("x", (2,)), np.ones((2, 2)))).build()
    bill = bill_of(graph, {"x": np.ones((1, 2))}, 1)
    assert bill.energy.total is None
    assert bill.joules_per_sample is None
    assert [f.node for f in bill.energy.refused] == ["fc64"]
    assert "f64" in bill.energy.evidence
    document = bill.to_json()
    assert document["energy"]["joules_per_sample"] == {"value": None, "low": None, "high": None}
    assert document["layers"][0]["joules"]["value"] is None
    assert document["layers"][0]["acs"] == 4
    assert document["findings"][0]["node"] == "fc64"
    assert "no figure" in bill.table()


def two_networks() -> tuple[Bill, Bill]:
    rng = np.random.default_rng(1)
    weight = rng.normal(size=(30, 20))
    b = GraphBuilder()
    h = b.cell("relu", "relu", b.dense("fc", b.input("x", (20,)), weight))
    ann = b.output("out", h).build()
    b = GraphBuilder()
    h = b.cell("lif", "lif", b.dense("fc", b.input("x", (20,), type=BOOL), weight))
    snn = b.output("out", h).build()
    x = rng.random((3, 20))
    spikes = rng.random((3, 6, 20)) < 0.2
    return bill_of(ann, {"x": x.astype(np.float32)}, 1), bill_of(snn, {"x": spikes}, 6)


def test_two_networks_are_compared_at_the_same_constants() -> None:
    ann, snn = two_networks()
    found = compare_bills(snn, ann)
    a, b = snn.energy, ann.energy
    assert a.per_sample is not None
    assert b.per_sample is not None
    assert found.ratio.value == pytest.approx(a.per_sample.value / b.per_sample.value)
    # every corner of the box of constants lies within the interval, and two are its ends
    names = sorted({**a.usage, **b.usage})
    rows = constants("cmos45")
    corners = []
    for ends in product(("low", "high"), repeat=len(names)):
        price = {n: getattr(rows[n].joules, e) for n, e in zip(names, ends, strict=True)}
        sums = [sum(e.usage.get(n, 0) * price[n] for n in names) / e.samples for e in (a, b)]
        corners.append(sums[0] / sums[1])
    assert found.ratio.low == pytest.approx(min(corners))
    assert found.ratio.high == pytest.approx(max(corners))
    # the same table on both sides: much narrower than the quotient of the intervals
    assert found.ratio.low > a.per_sample.low / b.per_sample.high
    same = compare_bills(ann, ann)
    assert (same.ratio.low, same.ratio.value, same.ratio.high) == pytest.approx((1, 1, 1))
    assert "undecided" in same.verdict
    assert compare_bills(ann, snn).ratio.value == pytest.approx(1 / found.ratio.value)


def test_energies_of_samples_add_up() -> None:
    _, snn = two_networks()
    values, total = snn.energy.values, snn.energy.total
    assert values is not None
    assert total is not None
    assert values.sum() == pytest.approx(total.value)
    layers = [snn.energy.layer(y.name) for y in snn.counts.layers]
    assert sum(i.low for i in layers if i) == pytest.approx(total.low)
    assert sum(i.high for i in layers if i) == pytest.approx(total.high)
    assert isinstance(energy_of(snn.counts, generic_cmos()), Energy)
