"""NIR out: bytes, loss, and the exact graph coming back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodeploy as nd
from distribution import ROOT
from neurodeploy.converters.nir import load_nir, save_nir
from neurodeploy.converters.nir.export import export_graph
from neurodeploy.errors import ConversionError, FileFormatError
from neurodeploy.ir import Graph, GraphBuilder
from nir_nets import FIELDS, NEURONS, alone, chain, fields_of, net
from small_graphs import GRAPHS
from tiers import sample_count

nir = pytest.importorskip("nir", reason="nir is not installed")
DT = 1e-4


def example() -> Any:
    rng = np.random.default_rng(0)
    inner = net(
        {
            "x": nir.Input(np.array([6])),
            "lif": nir.LIF(**fields_of("LIF", 6, DT, tau=np.linspace(5, 30, 6) * DT)),
            "w": nir.Affine(rng.normal(size=(6, 6)), rng.normal(size=6)),
            "y": nir.Output(np.array([6])),
        },
        [("x", "lif"), ("lif", "w"), ("w", "lif"), ("lif", "y")],
    )
    return chain(
        (4, 5, 6),
        (3,),
        conv=nir.Conv2d((5, 6), rng.normal(size=(2, 2, 3, 5)), 1, (1, 2), 1, 2, np.ones(2)),
        pool=nir.AvgPool2d(np.array([2, 3]), np.array([2, 3]), np.array([0, 0])),
        flat=nir.Flatten({"input": np.array([2, 2, 2])}, 0, -1),
        fc=nir.Linear(rng.normal(size=(6, 8))),
        late=nir.Delay(np.full(6, 2 * DT)),
        rec=inner,
        readout=nir.Affine(rng.normal(size=(3, 6)), np.zeros(3)),
        li=nir.CubaLI(**fields_of("CubaLI", 3, DT)),
    )


def test_own_file_gives_the_graph_back_bit_for_bit(tmp_path: Path) -> None:
    graph = load_nir(example(), convention="ode", dt=DT)
    loss = nd.save(graph, tmp_path / "a.nir")
    assert not loss
    again = nd.load(tmp_path / "a.nir")
    assert again == graph
    assert str(again) == str(graph)  # sources, provenance, changes, metadata too
    nd.save(again, tmp_path / "b.nir")
    assert (tmp_path / "a.nir").read_bytes() == (tmp_path / "b.nir").read_bytes()


def test_nir_graph_nir_graph_is_a_fixpoint_without_the_record(tmp_path: Path) -> None:
    graph = load_nir(example(), convention="ode", dt=DT)
    for _ in range(2):
        save_nir(graph, tmp_path / "a.nir")
        again = load_nir(tmp_path / "a.nir", convention="ode", dt=DT)  # reads the nodes
        assert again == graph
        graph = again


@pytest.mark.parametrize("kind", NEURONS)
def test_each_neuron_is_a_fixpoint(kind: str, tmp_path: Path) -> None:
    spread = {f: np.linspace(1, 2, 5) * fields_of(kind, 5, DT)[f] for f in FIELDS[kind]}
    graph = load_nir(alone(getattr(nir, kind)(**spread), (5,)), convention="ode", dt=DT)
    assert not save_nir(graph, tmp_path / "a.nir")
    node = nir.read(tmp_path / "a.nir").nodes["n"]
    assert type(node).__name__ == kind
    for name, value in spread.items():
        np.testing.assert_allclose(getattr(node, name), value, rtol=1e-5, atol=1e-7)
    again = load_nir(tmp_path / "a.nir", convention="ode", dt=DT)
    for name, tensor in graph.tensors.items():
        np.testing.assert_allclose(again.tensors[name].data, tensor.data, rtol=3e-7)


def test_nir_reads_what_we_write(tmp_path: Path, oracle: Any) -> None:
    reader = oracle("nir")
    graph = load_nir(example(), convention="ode", dt=DT)
    save_nir(graph, tmp_path / "a.nir")
    read = reader.module.read(tmp_path / "a.nir", type_check=False)
    assert set(read.nodes) >= {"conv", "pool", "flat", "fc", "rec.lif", "rec.w", "readout", "li"}
    assert ("rec.lif", "rec.w") in read.edges
    assert ("rec.w", "rec.lif") in read.edges
    again = load_nir(read)  # the record is in the metadata of nir's own object
    assert again == graph
    reader.module.write(tmp_path / "b.nir", read)
    assert load_nir(tmp_path / "b.nir") == graph
    reader.record(3)


def test_a_record_beside_edited_nodes_is_not_believed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    graph = load_nir(example(), convention="ode", dt=DT)
    save_nir(graph, tmp_path / "a.nir")
    read = nir.read(tmp_path / "a.nir", type_check=False)
    read.nodes["readout"].weight = read.nodes["readout"].weight * 2
    nir.write(tmp_path / "b.nir", read)
    made = load_nir(tmp_path / "b.nir", dt=DT, convention="ode")
    assert made != graph
    with pytest.raises(ConversionError, match="readings"):
        load_nir(tmp_path / "b.nir")  # what the neurons mean is open again
    assert "edited" in caplog.text
    plain = chain((2,), (2,), w=nir.Linear(np.eye(2)))
    save_nir(load_nir(plain), tmp_path / "c.nir")
    read = nir.read(tmp_path / "c.nir")
    read.nodes["w"].weight = np.eye(2) * 2
    made = load_nir(read)
    assert "not taken" in made.changes[0].what
    np.testing.assert_array_equal(made.tensors["w.weight"].data, np.eye(2) * 2)


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    save_nir(load_nir(example(), convention="ode", dt=DT), tmp_path / "a.nir")
    read = nir.read(tmp_path / "a.nir", type_check=False)
    data = read.metadata["neurodeploy_graph"].copy()
    data[len(data) // 2] ^= 1
    read.metadata["neurodeploy_graph"] = data
    with pytest.raises(FileFormatError, match="no JSON"):
        load_nir(read)


def test_the_same_bytes_under_ten_hash_seeds(tmp_path: Path) -> None:
    nir.write(tmp_path / "in.nir", example())
    code = """
import hashlib, sys
from neurodeploy.converters.nir import load_nir, save_nir
save_nir(load_nir(sys.argv[1], convention="ode", dt="0.1ms"), sys.argv[2])
print(hashlib.sha256(open(sys.argv[2], "rb").read()).hexdigest())
"""
    seen = set()
    for seed in range(10):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "in.nir"), str(tmp_path / "out.nir")],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        seen.add(done.stdout.strip())
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("options", "params", "words"),
    [
        ({"reset": "subtract", "strict": True}, {}, ["reset"]),
        ({"reset": "none", "strict": True}, {}, ["reset"]),
        ({"reset": "value", "strict": False}, {}, ["strict"]),
        ({"reset": "value", "strict": True, "refractory": 2}, {}, ["refractory"]),
        ({"reset": "value", "strict": True, "timing": "next_before"}, {}, ["timing"]),
        ({"reset": "value", "strict": True, "floor": True}, {"floor": -1.0}, ["floor"]),
        (
            {"spikes": 3, "payload": "graded", "strict": False},
            {"amplitude": 2.0},
            ["reset", "strict", "spikes", "payload"],
        ),
    ],
)
def test_what_nir_cannot_say_of_a_neuron(
    options: Any, params: Any, words: list[str], tmp_path: Path
) -> None:
    b = GraphBuilder(dt="1ms")
    x = b.cell("n", "lif", b.input("x", (2,)), options=options, params=params)
    graph = b.output("out", x).build()
    loss = save_nir(graph, tmp_path / "a.nir")
    assert [f.message.split(" is ")[0] for f in loss.findings] == words
    assert {f.node for f in loss.findings} == {"n"}
    assert nd.load(tmp_path / "a.nir") == graph


def test_start_initial_values_and_unset_dt_are_told() -> None:
    b = GraphBuilder()
    x = b.cell(
        "n",
        "lif",
        b.input("x", (2,)).after(1, 3.0),
        options={"reset": "value", "strict": True},
        initial={"v": 0.5},
        start=2,
    )
    lost = export_graph(b.output("out", x).build()).lost
    text = " ".join(f.message for f in lost)
    for word in ("dt is unset", "start is 2", "initial value of 'v'", "initial of the edge"):
        assert word in text


@pytest.mark.parametrize("name", sorted(GRAPHS))
def test_what_nir_has_no_node_for_names_node_and_field(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConversionError) as caught:
        save_nir(GRAPHS[name](), tmp_path / "a.nir")
    assert all(f.node for f in caught.value.findings)
    assert not (tmp_path / "a.nir").exists()


def test_slashes_and_sums_and_residuals(tmp_path: Path) -> None:
    b = GraphBuilder(dt="1ms")
    x = b.input("x", (3,))
    h = b.dense("layers/0/fc", x, np.eye(3))
    y = b.cell("sum", "add", h, x)
    graph = b.output("out", b.cell("lif", "lif", y, params={"beta": 0.5})).build()
    loss = save_nir(graph, tmp_path / "a.nir")
    assert nir.read(tmp_path / "a.nir").edges == [
        ("layers.0.fc", "lif"),
        ("lif", "out"),
        ("x", "layers.0.fc"),
        ("x", "lif"),
    ]
    assert any("layers.0.fc" in f.message for f in loss.findings)
    assert nd.load(tmp_path / "a.nir") == graph


def test_a_signal_added_to_itself_takes_a_second_way(tmp_path: Path) -> None:
    b = GraphBuilder(dt="1ms")
    x = b.dense("fc", b.input("x", (2,)), np.eye(2))
    y = b.cell("sum", "add", x, x)
    z = b.cell("more", "add", y, x.after(2))
    graph = b.output("out", z).build()
    save_nir(graph, tmp_path / "a.nir")
    assert nd.load(tmp_path / "a.nir") == graph
    nodes = load_nir(tmp_path / "a.nir", convention="ode", dt="1ms")
    steps = np.arange(12, dtype=np.float32).reshape(1, 6, 2)
    a, c = (nd.run(g, steps).outputs for g in (graph, nodes))
    np.testing.assert_array_equal(a, c)
    assert a[0, 3, 1] == 2 * 7 + 3


def test_a_loop_beside_an_edge_without_delay(tmp_path: Path) -> None:
    b = GraphBuilder(dt="1ms")
    x = b.input("x", (2,))
    back = b.ref("lif", shape=(2,))
    w = b.dense("w", back, np.eye(2) / 2)
    lif = b.cell(
        "lif",
        "lif",
        b.cell("sum", "add", x, w),
        params={"beta": 0.5},
        options={"reset": "value", "strict": True},
    )
    both = b.cell(
        "both",
        "add",
        b.cell("now", "spike_scale", lif),
        b.cell("then", "spike_scale", lif.after(1)),
    )
    graph = b.output("out", both).build()
    save_nir(graph, tmp_path / "a.nir")
    nodes = load_nir(tmp_path / "a.nir", convention="ode", dt="1ms")
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 2, (3, 20, 2)).astype(np.float32)
    a, c = (nd.run(g, x).outputs for g in (graph, nodes))
    np.testing.assert_array_equal(a, c)
    assert a.max() == 2


def within_the_table(seed: int) -> Graph:
    """Draw a graph of nodes that NIR has, with options that it has no word for."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder(dt="1ms")
    shape: tuple[int, ...] = (3, 8, 7) if rng.random() < 0.5 else (9,)
    x = b.input("x", shape)
    for k in range(int(rng.integers(1, 5))):
        if len(x.shape) == 3 and rng.random() < 0.7:
            groups = int(rng.choice([1, x.shape[0]]))
            w = rng.normal(size=(x.shape[0] * 2, x.shape[0] // groups, 3, 1))
            x = b.conv(f"conv{k}", x, w, padding=(1, 0), groups=groups)
            x = b.pool(f"pool{k}", x, 2, mode="sum") if min(x.shape[1:]) > 3 else x
        else:
            x = b.flatten(f"flat{k}", x) if len(x.shape) > 1 else x
            bias = rng.normal(size=6) if rng.random() < 0.5 else None
            x = b.dense(f"fc{k}", x, rng.normal(size=(6, x.shape[0])), bias)
        kind = str(rng.choice(["if", "lif", "cuba_lif"]))
        options: dict[str, Any] = {
            "reset": str(rng.choice(["subtract", "value"])),
            "strict": bool(rng.random() < 0.5),
            "refractory": int(rng.choice([0, 2])),
        }
        params: dict[str, Any] = {"threshold": rng.uniform(0.3, 1, x.shape)}
        if kind != "if":
            params["beta"] = rng.uniform(0.5, 0.99, x.shape)
        drive = x
        if len(x.shape) == 1 and rng.random() < 0.5:  # a recurrence with bias
            back = b.ref(f"cell{k}", shape=x.shape)
            n = x.shape[0]
            w = b.dense(f"back{k}", back, rng.normal(size=(n, n)), rng.normal(size=n))
            drive = b.cell(f"sum{k}", "add", x, w)
        x = b.cell(f"cell{k}", kind, drive, options=options, params=params)
        x = x.after(int(rng.choice([0, 0, 1, 3])))
    return b.output("out", x).build(timesteps=8)


def test_graphs_inside_the_table_are_exact(tmp_path: Path, oracle: Any) -> None:
    count = sample_count(300, 60)
    exact = nodes = 0
    for seed in range(count):
        graph = within_the_table(seed)
        save_nir(graph, tmp_path / "a.nir")
        exact += load_nir(tmp_path / "a.nir") == graph
        read = load_nir(tmp_path / "a.nir", convention="ode", dt="1ms")
        delays = sorted((e.source, e.delay) for e in graph.edges if e.delay)
        nodes += sorted((e.source, e.delay) for e in read.edges if e.delay) == delays
    assert exact == count
    assert nodes == count  # implicit and explicit delays are where they were
    oracle("brute force").record(count)
