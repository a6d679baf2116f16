"""Float networks on Loihi: rounded onto its grids, then written as its neurons, exactly."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodeploy as nd
from demo_digits import demo_digits
from float_snns import KINDS, random_float_snn
from neurodeploy.ir import GraphBuilder, QType
from neurodeploy.ir.nodes import Cell, Map
from neurodeploy.ir.ops import Conv, Dense, MaxPool, Synapses
from neurodeploy.ir.types import BOOL
from neurodeploy.quantize import Scheme
from neurodeploy.targets.loihi.weights import held_weights, sign_mode
from oracles import Ledger
from tiers import sample_count

COUNT = sample_count(40, 12)
SAMPLES = np.random.default_rng(0).random((6, 10, 3)) < 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_random_networks_are_written_exactly(kind: str, tmp_path: Path) -> None:
    """Every population of the compiled graph has the quantised one's spikes and states."""
    spiking, paces = 0, set()
    for seed in range(COUNT):
        net = random_float_snn(seed, kind)
        made = nd.quantize(net.graph, data=net.x, target="lava")
        art = nd.compile(made, "lava", tmp_path / "net")
        found = nd.compare(made, art, net.x)
        assert found.verdict == "exact", (seed, found.verdict)
        compared = {n.name for n in found.nodes}
        assert {c.name for c in made.cells if c.states} <= compared
        paces.add(art.pace)
        counts = nd.run(net.graph, net.x, on="engine", record="all").counts
        spiking += all(c.any() for c in counts.values())
        _grids(art.graph)
    assert spiking >= 0.5 * COUNT
    assert paces == ({1, 2, 3} if kind == "loops" else {1})


def _grids(graph: nd.Graph) -> None:
    for node in graph.nodes:
        if isinstance(node, Map) and isinstance(node.op, Dense | Conv | Synapses):
            weights = graph.tensors[node.op.weight].data
            held_weights(weights, sign_mode(weights))


@pytest.mark.parametrize("kind", KINDS)
def test_rounded_networks_spike_as_the_float_ones(kind: str) -> None:
    """The rates of all neurons together stay those of the floats, within what 8 bits change."""
    before, after = 0.0, 0.0
    for seed in range(COUNT):
        net = random_float_snn(seed, kind)
        made = nd.quantize(net.graph, data=net.x, target="lava")
        names = tuple(c.name for c in net.graph.cells if c.states)
        a = nd.run(net.graph, net.x, on="engine", record="all").counts
        b = nd.run(made, net.x, on="engine", record="all").counts
        before += sum(float(a[n].sum()) for n in names)
        after += sum(float(np.abs(a[n] - b[n]).sum()) for n in names)
    assert before > 100 * COUNT
    assert after < 0.05 * before


@pytest.mark.parametrize("kind", KINDS)
def test_lava_gives_the_engine_s_states(kind: str, oracle: Ledger, tmp_path: Path) -> None:
    lava = oracle("lava")
    options: Any = {"python": str(lava.interpreter)}
    for seed in range(sample_count(5, 1)):
        net = random_float_snn(seed + 40, kind)
        made = nd.quantize(net.graph, data=net.x, target="lava")
        art = nd.compile(made, "lava", tmp_path / "net")
        names = tuple(c.name for c in art.graph.cells if c.definition == "loihi_lif")
        ours = art.run(net.x[:1], record=names)
        theirs = art.run(net.x[:1], record=names, on="lava", options=options)
        for name in names:
            for state, values in ours.states[name].items():
                assert np.array_equal(values, theirs.states[name][state]), (seed, name, state)
        assert np.array_equal(ours.outputs, theirs.outputs)
        lava.record(spiking=all(ours.states[n]["out"].any() for n in names))


@pytest.mark.parametrize("window", [(2, 2), (3, 2), (1, 3), (4, 4)])
@pytest.mark.parametrize("mode", ["frame", "cumulative"])
def test_max_pools_are_exact(window: tuple[int, int], mode: Any, tmp_path: Path) -> None:
    b = GraphBuilder()
    x = b.input("x", (2, 6, 6), type=BOOL)
    relay = b.conv("w", x, np.eye(2).reshape(2, 2, 1, 1))
    sent = b.cell("n", "if", relay, params={"threshold": 0.5}, options={"reset": "value"})
    read = sent.after(3) if window == (3, 2) else sent  # later than its own neurons take
    pooled = b.max_pool("pool", read, window, stride=window, padding=0, mode=mode)
    b.output("out", pooled, decode="count")
    rates = np.random.default_rng(4).random((8, 1, 2, 6, 6))
    given = np.random.default_rng(5).random((8, 60, 2, 6, 6)) < rates
    made = nd.quantize(b.build(), data=given, target="lava")
    assert any(isinstance(getattr(n, "op", None), MaxPool) for n in made.nodes)
    art = nd.compile(made, "lava", tmp_path / "net")
    assert not any(isinstance(getattr(n, "op", None), MaxPool) for n in art.graph.nodes)
    expected, found = nd.run(made, given, on="engine"), art.run(given)
    assert expected.outputs.any()
    assert np.array_equal(expected.outputs, found.outputs)


def test_outputs_of_several_layers_are_read_together(oracle: Ledger, tmp_path: Path) -> None:
    lava = oracle("lava")
    b = GraphBuilder()
    at = b.input("x", (3,), type=BOOL)
    draw = np.random.default_rng(2)
    for name in ("a", "b", "c"):
        fed = b.dense(f"{name}.w", at, draw.normal(0.5, 0.5, (3, 3)))
        at = b.cell(name, "lif", fed, params={"threshold": 0.7})
        b.output(f"{name}.out", at, decode="count")
    made = nd.quantize(b.build(), data=SAMPLES, target="lava")
    art = nd.compile(made, "lava", tmp_path / "net")
    assert art.latency_steps == 3
    assert nd.compare(made, art, SAMPLES).verdict == "exact"
    options: Any = {"python": str(lava.interpreter)}
    plain, ours = nd.run(made, SAMPLES[:2]), art.run(SAMPLES[:2])
    theirs = art.run(SAMPLES[:2], on="lava", options=options)
    for name in ("a.out", "b.out", "c.out"):
        assert plain.outputs[name].any()
        assert np.array_equal(plain.outputs[name], ours.outputs[name])
        assert np.array_equal(plain.outputs[name], theirs.outputs[name])
    lava.record(spiking=True)


def small(**changes: Any) -> nd.Graph:
    b = GraphBuilder()
    x = b.input("x", (3,), type=changes.get("type", BOOL))
    read = x.after(*changes["after"]) if "after" in changes else x
    fed = b.dense("w", read, changes.get("weight", [[1.0, 0.5, -0.5], [0.2, 0.1, 0.6]]))
    params = {"threshold": 1.0, **changes.get("params", {})}
    given = {k: changes[k] for k in ("options", "initial", "shape") if k in changes}
    n = b.cell("n", changes.get("cell", "lif"), fed, params=params, **given)
    b.output("out", n)
    return b.build()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"options": {"refractory": 2}}, "n: refractory is 2"),
        ({"options": {"floor": True}, "params": {"floor": 0.0}}, "n: floor is True"),
        (
            {"options": {"reset": "value", "timing": "next_after"}},
            "n: a reset to a value that also loses the input",
        ),
        ({"params": {"beta": 1.2}}, "n: a decay factor of 1.2 to 1.2 is no neuron of Loihi"),
        ({"cell": "cuba_lif"}, "n: a current with memory and a reset by subtraction"),
        ({"cell": "alif"}, "n: cell 'alif' is no leaky membrane"),
        ({"options": {"timing": "corrected_after"}}, "n: timing is 'corrected_after'"),
        (
            {"options": {"reset": "value"}, "params": {"reset_value": 0.8}},
            "n: a reset to 0.8",
        ),
        (
            {"cell": "cuba_lif", "options": {"reset": "value"}, "params": {"alpha": 1.3}},
            "n: a current's factor of 1.3 to 1.3",
        ),
        (
            {"options": {"timing": "next_before"}, "initial": {"v": 1.5}},
            "n: it starts at its threshold, and is reset in the first step",
        ),
        ({"shape": (5, 2)}, "n: 'w' of shape [2] is spread over [5, 2]"),
        ({"after": (2, True)}, "w: something arrives before anything was sent"),
    ],
)
def test_what_has_no_neuron_is_refused(changes: Any, message: str) -> None:
    with pytest.raises(nd.NeurodeployError) as error:
        nd.quantize(small(**changes), data=SAMPLES, target="lava")
    assert message in str(error.value)


def test_a_layer_that_would_vanish_is_refused() -> None:
    b = GraphBuilder()
    x = b.input("x", (3,), type=BOOL)
    a = b.dense("strong", x, np.full((2, 3), 1.0))
    c = b.dense("weak", x, np.full((2, 3), 1e-9))
    n = b.cell("n", "lif", b.cell("add", "add", a, c), params={"threshold": 1.0})
    b.output("out", n)
    with pytest.raises(nd.NeurodeployError, match="all weights of 'weak' become 0"):
        nd.quantize(b.build(), data=SAMPLES, target="lava")


def test_fewer_bits_are_coarser() -> None:
    graph = small()
    for bits in (2, 4, 6, 8):
        made = nd.quantize(graph, data=SAMPLES, scheme=Scheme(weight_bits=bits), target="lava")
        node = made.node("w")
        assert isinstance(node, Map)
        assert isinstance(node.op, Dense)
        values = np.unique(np.abs(made.tensors[node.op.weight].data))
        assert not (values % 2 ** (9 - bits)).any()
    with pytest.raises(nd.NeurodeployError, match="lava holds weights of 8 bits, not 16"):
        nd.quantize(graph, data=SAMPLES, scheme=Scheme(weight_bits=16), target="lava")


def test_natural_currents_stay_currents(tmp_path: Path) -> None:
    """A current-based LIF that is reset to 0 is Loihi's own: no synapses are added."""
    graph = small(cell="cuba_lif", options={"reset": "value"}, params={"alpha": 0.5, "beta": 0.9})
    made = nd.quantize(graph, data=SAMPLES, target="lava")
    art = nd.compile(made, "lava", tmp_path / "net")
    assert [n.name for n in art.graph.nodes if isinstance(n, Map)] == ["w"]
    (cell,) = (n for n in art.graph.nodes if isinstance(n, Cell) and n.states)
    values = {p.name: int(art.graph.tensors[p.tensor].data.max()) for p in cell.params}
    assert (values["du"], values["dv"]) == (4095 - 2048, 4096 - round(0.9 * 4096))
    assert nd.compare(made, art, SAMPLES).verdict == "exact"


def test_the_whole_chain(tmp_path: Path) -> None:
    """`deploy` rounds onto the chip's grids where its target is a chip."""
    digits = demo_digits()
    data = tmp_path / "data.npz"
    np.savez(data, x=digits["xte"][:60], y=digits["yte"][:60])
    demo = str(files("neurodeploy.demo") / "digits.nd")
    command = [sys.executable, "-m", "neurodeploy", "deploy", demo, "--target", "loihi2"]
    command += ["--data", str(data), "-o", str(tmp_path / "d")]
    command += ["--set", "quantize.bits=8", "--set", "convert.timesteps=4"]
    subprocess.run(command, check=True, capture_output=True)
    report = json.loads((tmp_path / "d" / "report.json").read_text())["steps"]
    assert report["compare"]["verdict"] == "exact"
    assert report["run"]["accuracy"] >= 0.95
    assert report["compile"]["latency_steps"] == 12
    bill = nd.profile(nd.open(tmp_path / "d" / "artifact"), digits["xte"][:4], timesteps=4)
    layers = {layer.name: layer.row for layer in bill.counts.layers}
    # in every step of the chip the clock spikes, in 4 of the network and 12 of latency
    assert (layers["clock"].spikes == 16).all()


def test_a_current_with_memory_stays_in_range(tmp_path: Path) -> None:
    """Its current is many times the membrane that a spike resets, and must not come in again."""
    b = GraphBuilder()
    x = b.input("x", (3,), type=BOOL)
    fed = b.dense("w", x, [[0.9, 0.7, 0.8], [0.5, 0.9, -0.6]])
    params: Any = {"alpha": 0.98, "beta": 0.3, "threshold": 2.0}
    b.output("out", b.cell("n", "cuba_lif", fed, params=params, options={"reset": "value"}))
    graph, given = b.build(), np.ones((2, 200, 3), bool)
    made = nd.quantize(graph, data=given, target="lava")
    states = nd.run(made, given, record="states").states["n"]
    assert states["u"].max() > 2**19
    before, after = nd.run(graph, given).outputs, nd.run(made, given).outputs
    assert before.any()
    assert float((before != after).mean()) < 0.02


def test_leaky_outputs_are_membranes(tmp_path: Path) -> None:
    """An output that decays is read as a membrane, whose unit is known."""
    b = GraphBuilder()
    x = b.input("x", (3,), type=BOOL)
    fed = b.dense("w", x, [[0.9, 0.7, -0.8], [0.5, -0.9, 0.6]], [0.1, -0.2])
    b.output("out", b.cell("n", "li", fed, params={"beta": 0.9}), decode="membrane")
    graph = b.build()
    made = nd.quantize(graph, data=SAMPLES, target="lava")
    art = nd.compile(made, "lava", tmp_path / "net")
    assert nd.compare(made, art, SAMPLES).verdict == "exact"
    (edge,) = made.edges_into["out"]
    unit = made.signals[(edge.source, edge.output)].type.scale[0]  # type: ignore[union-attr]
    before = np.asarray(nd.run(graph, SAMPLES).outputs, np.float64)
    after = np.asarray(art.run(SAMPLES).outputs, np.float64) * unit
    assert np.abs(before - after).max() < 0.02 * np.abs(before).max()


def test_pools_of_counts_over_too_many_steps_are_refused(tmp_path: Path) -> None:
    b = GraphBuilder()
    x = b.input("x", (1, 4, 4), type=BOOL)
    sent = b.cell("n", "if", b.conv("w", x, np.ones((1, 1, 1, 1))), params={"threshold": 0.5})
    b.output("out", b.max_pool("pool", sent, 2, mode="cumulative"), decode="count")
    given = np.random.default_rng(0).random((3, 9, 1, 4, 4)) < 0.5
    made = nd.quantize(b.build(), data=given, target="lava")
    with pytest.raises(nd.NeurodeployError, match="pools counts over 63 steps, its neurons count"):
        nd.compile(replace(made, timesteps=63), "lava", tmp_path / "net")
    nd.compile(replace(made, timesteps=62), "lava", tmp_path / "net")


def test_numbers_behind_pools_are_refused() -> None:
    """What is pooled or joined has no spikes, and its scale would be lost."""
    b = GraphBuilder()
    x = b.input("x", (1, 4, 4))
    fed = b.conv("w", b.max_pool("pool", x, 2), np.full((2, 1, 1, 1), 0.1))
    b.output("out", b.cell("n", "if", fed, params={"threshold": 1.0}))
    given = np.random.default_rng(0).random((4, 9, 1, 4, 4), np.float32)
    with pytest.raises(nd.NeurodeployError, match=r"w: weighs 'pool' .MaxPool., which sends no"):
        nd.quantize(b.build(), data=given, target="lava")


def test_choices_that_the_chip_makes_are_refused() -> None:
    with pytest.raises(nd.NeurodeployError, match="grid: grid has no meaning for 'lava'"):
        nd.quantize(small(), data=SAMPLES, scheme=Scheme(grid="ternary"), target="lava")
    with pytest.raises(nd.NeurodeployError, match="budget: budget has no meaning for 'lava'"):
        nd.quantize(small(), data=SAMPLES, budget=100, target="lava")


@pytest.mark.parametrize("reset", ["value", "subtract"])
@pytest.mark.parametrize("strict", [False, True])
def test_sums_that_meet_the_threshold(reset: str, strict: bool) -> None:
    """With weights of 1 and a threshold of 1, a relay passes each spike on, or each second one."""
    options = {"reset": reset, "strict": strict}
    graph = small(cell="if", weight=np.eye(3), options=options)
    made = nd.quantize(graph, data=SAMPLES, target="lava")
    before, after = nd.run(graph, SAMPLES).outputs, nd.run(made, SAMPLES).outputs
    assert before.any()
    # of an integrator with a reset by subtraction, 4095 of 4096 parts are left in a step
    most = 0.12 if strict and reset == "subtract" else 0.0
    assert float((before != after).mean()) <= most


@pytest.mark.parametrize("granularity", ["tensor", "channel"])
def test_readouts_use_all_bits(granularity: Any) -> None:
    """A bound on the sums of one neuron is not taken over all of them."""
    draw = np.random.default_rng(1)
    b = GraphBuilder()
    x = b.input("x", (600,), type=BOOL)
    b.output("out", b.dense("w", x, draw.normal(0, 0.2, (200, 600))))
    given = draw.random((2, 6, 600)) < 0.5
    scheme = Scheme(granularity=granularity)
    made = nd.quantize(b.build(), data=given, scheme=scheme, target="lava")
    node = made.node("w")
    assert isinstance(node, Map)
    assert isinstance(node.op, Dense)
    assert np.abs(made.tensors[node.op.weight].data).max() > 200


def test_an_output_that_is_read_late(tmp_path: Path) -> None:
    b = GraphBuilder()
    x = b.input("x", (3,), type=BOOL)
    fed = b.dense("w", x, [[1.0, 0.5, -0.5], [0.2, 0.1, 0.6]])
    n = b.cell("n", "lif", fed, params={"threshold": 0.7})
    b.output("out", n.after(3), decode="count")
    made = nd.quantize(b.build(), data=SAMPLES, target="loihi2")
    art = nd.compile(made, "loihi2", tmp_path / "net")
    assert art.latency_steps == 1
    assert nd.run(made, SAMPLES).outputs.any()
    assert nd.compare(made, art, SAMPLES).verdict == "exact"


@pytest.mark.parametrize("mode", ["frame", "cumulative"])
def test_a_pool_that_reads_another_shape(mode: Any, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    b = GraphBuilder()
    x = b.input("x", (5,), type=BOOL)
    n = b.cell("n", "if", b.dense("w", x, draw.random((32, 5))), params={"threshold": 1.0})
    pooled = b.max_pool("pool", b.reshape("r", n, (2, 4, 4)), 2, mode=mode)
    fed = b.dense("v", b.flatten("f", pooled), draw.random((3, 8)))
    b.output("out", b.cell("m", "if", fed, params={"threshold": 2.0}))
    given = draw.random((3, 12, 5)) < 0.4
    made = nd.quantize(b.build(), data=given, target="loihi2")
    art = nd.compile(made, "loihi2", tmp_path / "net")
    assert nd.run(made, given).outputs.any()
    assert nd.compare(made, art, given).verdict == "exact"


def test_an_input_of_two_bits() -> None:
    b = GraphBuilder()
    x = b.input("x", (3,))
    fed = b.dense("w", x, np.full((4, 3), 0.4))
    b.output("out", b.cell("n", "if", fed, params={"threshold": 1.0}))
    given = np.random.default_rng(0).normal(size=(4, 10, 3)).astype(np.float32)
    made = nd.quantize(b.build(), data=given, scheme=Scheme(input_bits=2), target="lava")
    kind = made.inputs[0].type
    assert isinstance(kind, QType)
    assert (kind.lo, kind.hi) == (-1, 1)
