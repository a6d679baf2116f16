"""The bill's forms: text, JSON, HTML, LaTeX, DataFrame."""

from __future__ import annotations

import builtins
import importlib
import json
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from neurodeploy.errors import DataError, MissingDependencyError, UnavailableTargetError
from neurodeploy.ir import GraphBuilder
from neurodeploy.profile import Bill, profile_graph
from neurodeploy.reference import simulate
from oracles import Ledger

HOSTILE = "<script>alert(1)</script>&\"'\n\x1b[31m%_$\\end{tabular}"
LAYER_KEYS = {
    "name", "source", "kind", "neurons", "spikes", "synops", "dense_ops", "acs", "macs",
    "neuron_updates", "weight_bytes", "state_bytes", "joules",
}  # fmt: skip


def make(source: str = "features.0", dt: str | None = "1ms", **kw: Any) -> Bill:
    rng = np.random.default_rng(0)
    b = GraphBuilder(dt)
    x = b.input("x", (2, 6, 6))
    c = b.conv("conv", x, rng.normal(size=(3, 2, 3, 3)), rng.normal(size=3), source=[source])
    s = b.cell("lif", "lif", c, params={"beta": 0.9}, source=["act1"])
    f = b.flatten("flat", b.pool("pool", s, 2))
    graph = b.output("out", b.cell("end", "li", b.dense("fc", f, rng.normal(size=(4, 12))))).build()
    data = rng.random((5, 2, 6, 6)).astype(np.float32)
    given: dict[str, Any] = {"labels": np.array([0, 1, 2, 3, 0]), "hosted": False, **kw}
    return profile_graph(graph, partial(simulate, graph), {"x": data}, 8, **given)


@pytest.fixture(scope="module")
def bill() -> Bill:
    return make()


def test_json_has_the_keys_of_the_contract(bill: Bill) -> None:
    document = json.loads(json.dumps(bill.to_json(), allow_nan=False))
    assert document["schema"] == "neurodeploy.profile/1"
    assert set(document) >= {
        "schema", "version", "graph", "seed", "findings", "target", "samples", "layers", "total",
        "energy", "latency", "neurobench",
    }  # fmt: skip
    assert len(document["graph"]) == 64
    for layer in (*document["layers"], document["total"]):
        assert set(layer) >= LAYER_KEYS
        assert set(layer["joules"]) == {"value", "low", "high"}
        assert layer["synops"] == layer["acs"] + layer["macs"]
    assert [y["name"] for y in document["layers"]] == ["conv", "lif", "pool", "fc", "end"]
    assert document["layers"][0]["source"] == ["features.0"]
    for key in LAYER_KEYS - {"name", "source", "kind", "joules"}:
        assert document["total"][key] == sum(y[key] for y in document["layers"]), key
    energy = document["energy"]
    assert set(energy) >= {"joules_per_sample", "dynamic", "breakdown", "evidence"}
    per = energy["joules_per_sample"]
    assert 0 < per["low"] < per["value"] < per["high"]
    assert document["total"]["joules"]["value"] == pytest.approx(5 * per["value"])
    parts = energy["breakdown"]
    assert parts["static"] is None
    assert "static" in energy["not_modelled"]
    sums = [sum(parts[p][end] for p in ("compute", "memory", "neuron")) for end in per]
    assert sums == pytest.approx(list(per.values()))
    assert "modelled" in energy["evidence"]
    assert "class B" in energy["evidence"]
    assert energy["measured"] is None
    assert energy["not_measured"]
    latency = document["latency"]
    assert latency["steps"] == 8
    assert latency["seconds"] == {"value": None, "low": None, "high": None}
    assert latency["model_seconds"] == pytest.approx(0.008)


def test_neurobench_names(bill: Bill) -> None:
    found = bill.to_json()["neurobench"]
    assert set(found) == {
        "Footprint", "Connection Sparsity", "Activation Sparsity", "Synaptic Operations",
        "Membrane Updates", "Classification Accuracy",
    }  # fmt: skip
    assert set(found["Synaptic Operations"]) == {"Effective_MACs", "Effective_ACs", "Dense"}
    assert found["Membrane Updates"] == 8 * (48 + 4)
    assert found["Synaptic Operations"]["Dense"] == 8 * (48 * 18 + 12 * 4)
    assert found["Connection Sparsity"] == 0
    assert found["Classification Accuracy"] == bill.accuracy


def test_mean_and_deviation_over_samples(bill: Bill) -> None:
    spikes = bill.counts.layer("lif").row.spikes
    found = bill.to_json()["layers"][1]["per_sample"]["spikes"]
    assert found["mean"] == pytest.approx(spikes.mean())
    assert found["std"] == pytest.approx(spikes.std(ddof=1))
    values = bill.energy.values
    assert values is not None
    assert bill.to_json()["energy"]["std"] == pytest.approx(values.std(ddof=1))


def test_accuracy_is_that_of_the_decoded_output(bill: Bill) -> None:
    graph = bill.counts.graph
    rng = np.random.default_rng(0)
    for shape in ((3, 2, 3, 3), (3,), (4, 12)):
        rng.normal(size=shape)
    data = rng.random((5, 2, 6, 6)).astype(np.float32)
    out = simulate(graph, {"x": data}, 8, record=[("out", "out")])[("out", "out")]
    predicted = out.mean(axis=1).argmax(axis=1)
    assert bill.accuracy == pytest.approx(float(np.mean(predicted == [0, 1, 2, 3, 0])))
    assert make(labels=None).accuracy is None
    with pytest.raises(DataError, match="labels"):
        make(labels=np.zeros(4, np.int64))


def test_seconds_without_dt_are_refused_with_a_reason() -> None:
    bill = make(dt=None)
    document = bill.to_json()["latency"]
    assert document["model_seconds"] is None
    assert any("dt" in reason for reason in document["reasons"])
    assert "no dt" in bill.table()


def test_wall_time_is_measured_where_the_runner_is_the_target() -> None:
    bill = make(hosted=True)
    seconds = bill.latency.seconds
    assert seconds is not None
    assert 0 < seconds.low <= seconds.value <= seconds.high
    assert bill.latency.method == "measured"
    assert "measured" in bill.table()


def test_a_required_measurement_of_another_machine_is_refused() -> None:
    with pytest.raises(UnavailableTargetError, match="simulation of loihi2"):
        make(target="loihi2", hosted=None, require_measured=True)


def test_the_table_is_aligned_and_carries_units(bill: Bill) -> None:
    text = bill.table()
    lines = text.splitlines()
    head = next(line for line in lines if line.startswith("layer"))
    assert "rate [%]" in head
    assert "energy [" in head
    assert "J]" in head
    rows = [
        line for line in lines if line.startswith(("conv", "lif", "pool", "fc", "end", "total"))
    ]
    assert len(rows) == 6
    assert {len(row) for row in rows} == {len(head)}
    assert "conv (features.0)" in text
    assert "class B" in text
    assert "not modelled: static" in text
    assert "\x1b" not in text
    assert "accuracy" in text


class Tags(HTMLParser):
    """Collects the tags of a page, and whether they nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)
        for name, value in attrs:
            assert not name.startswith("on")
            assert not (value or "").startswith(("http", "//", "javascript"))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_is_whole_and_escapes_hostile_names(tmp_path: Path) -> None:
    bill = make(source=HOSTILE, target="<b>t</b>")
    bill.to_html(tmp_path / "bill.html")
    page = (tmp_path / "bill.html").read_text("utf-8")
    tags = Tags()
    tags.feed(page)
    assert not tags.open
    assert "script" not in tags.seen
    assert "b" not in [t for t in tags.seen if t == "b" and "<b>t" in page]
    assert {"svg", "table", "rect"} <= set(tags.seen)
    assert any("<script>alert(1)" in word for word in tags.words)
    assert "Horowitz" in page
    fragment = bill._repr_html_()
    assert fragment.startswith("<div")
    assert "<script" not in fragment
    assert list(tmp_path.iterdir()) == [tmp_path / "bill.html"]


def test_hostile_names_in_text_and_latex(tmp_path: Path) -> None:
    bill = make(source=HOSTILE, target="a\n\\input{x}")
    assert "\x1b" not in bill.table()
    bill.to_latex(tmp_path / "bill.tex")
    text = (tmp_path / "bill.tex").read_text("utf-8")
    assert text.count(r"\end{tabular}") == 1
    assert all(line.startswith("%") for line in text.splitlines()[:2])
    assert text.splitlines()[2].startswith(r"\begin{tabular}")
    assert r"\input{" not in text


def test_a_frame_has_one_row_per_layer(bill: Bill, oracle: Ledger) -> None:
    oracle("pandas").record()
    frame = bill.to_frame()
    assert list(frame["name"]) == ["conv", "lif", "pool", "fc", "end"]
    assert frame["synops"].sum() == bill.counts.total.total("synops")


def test_a_frame_without_pandas_names_the_extra(
    bill: Bill, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.import_module

    def fail(name: str, package: str | None = None) -> ModuleType:
        if name == "pandas":
            raise ImportError(name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(MissingDependencyError, match=r"neurodeploy\[report\]") as error:
        bill.to_frame()
    assert error.value.exit_code == 3


def test_nothing_is_printed(bill: Bill, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kw: object) -> None:
        raise AssertionError("the library prints")

    monkeypatch.setattr(builtins, "print", fail)
    bill.table()
    bill.to_json()


def test_the_function_survives_the_import_of_the_package(bill: Bill) -> None:
    import neurodeploy as nd
    import neurodeploy.profile

    graph = bill.counts.graph
    x = np.random.default_rng(0).random((2, 2, 6, 6)).astype(np.float32)
    for _ in range(2):
        found = nd.profile(graph, x, timesteps=3)  # type: ignore[operator]
        assert isinstance(found, Bill)
        assert found.counts.samples == 2
    assert neurodeploy.profile.Bill is Bill
