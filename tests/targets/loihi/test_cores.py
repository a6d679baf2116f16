"""Networks on Loihi's cores: within limits, complete, and computing the same in slices."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import neurodeploy as nd
from float_snns import KINDS, random_float_snn
from loihi_graphs import graph_of, inputs_of
from loihi_nets import FAMILIES, random_network
from neurodeploy.errors import CapabilityError
from neurodeploy.ir import Graph, GraphBuilder, QType
from neurodeploy.ir.types import BOOL, tensor
from neurodeploy.targets.loihi.cores.fans import Fan, Population, fans_of, populations_of
from neurodeploy.targets.loihi.cores.limits import CoreLimit, limits_of
from neurodeploy.targets.loihi.cores.mapping import CoreMap, core_map
from neurodeploy.targets.loihi.cores.mesh import hop_distances, improved, traffic_cost
from neurodeploy.targets.loihi.cores.slicing import sliced, slices_of
from neurodeploy.targets.loihi.cores.split import slice_name, split_graph
from neurodeploy.targets.loihi.processes import network_of
from oracles import Ledger
from tiers import sample_count

Array = npt.NDArray[Any]
GRAPHS = sample_count(1000, 42)


def table(draw: np.random.Generator) -> dict[str, CoreLimit]:
    """Draw limits so small that networks of some twenty neurons need several cores."""
    values = {
        "neurons": int(draw.integers(2, 9)),
        "input_axons": int(draw.integers(200, 400)),
        "output_axons": int(draw.integers(12, 60)),
        "synapse_bits": int(draw.integers(200, 400)) * 64,
        "neuron_settings": 8,
        "thresholds": 8,
        "synapse_formats": 6,
        "cores": 16,
        "columns": 4,
    }
    return {name: CoreLimit(value, "unit", "drawn", "C") for name, value in values.items()}


def recounted(graph: Graph, placed: CoreMap) -> list[dict[str, int]]:
    """Count what cores take once more, synapse by synapse, from sets."""
    network = network_of(graph)
    home = {
        (s.population, s.first + i): (number, s.first)
        for number, core in enumerate(placed.cores)
        for s in core.slices
        for i in range(s.count)
    }
    sizes = {(s.population, s.first): s.count for c in placed.cores for s in c.slices}
    found = [dict.fromkeys(placed.cores[0].use, 0) for _ in placed.cores]
    for (_, _), (number, _) in home.items():
        found[number]["neurons"] += 1
    axons: dict[tuple[str, int, str, int], int] = {}
    for fan in fans_of(graph, network):
        pairs = zip(fan.begin.tolist(), fan.end.tolist(), strict=True)
        for begin, end in pairs:
            _, first = home[(fan.target, end)]
            key = (fan.name, begin, fan.target, first)
            axons[key] = axons.get(key, 0) + 1
        heard = {(b, t, f) for (n, b, t, f) in axons if n == fan.name}
        for begin, target, first in heard:
            count = axons[(fan.name, begin, target, first)]
            number = home[(target, first)][0]
            found[number]["input_axons"] += 1
            size = sizes[(target, first)]
            index = 0 if count == size else next(b for b in (0, 6, 7, 8) if 2**b >= size)
            bits = count * (8 + index + 6 * fan.delays) + 10
            found[number]["synapse_bits"] += (bits + 63) // 64 * 64
            if (fan.source, begin) in home:
                found[home[(fan.source, begin)][0]]["output_axons"] += 1
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_random_graphs_in_slices(family: str) -> None:
    """No core is over a limit, the slices are the graph, and compute what it computes."""
    several = spiking = refused = 0
    for seed in range(GRAPHS // len(FAMILIES)):
        draw = np.random.default_rng([seed, list(FAMILIES).index(family)])
        network = random_network(draw, family)
        graph, given = graph_of(network), inputs_of(network)
        limits = table(draw)
        try:
            placed = core_map(graph, "drawn", limits, chips=4, share=False)
        except CapabilityError:
            refused += 1  # a neuron alone is too much for such a core
            continue
        several += len(placed.cores) > 1
        for core, again in zip(placed.cores, recounted(graph, placed), strict=True):
            for kind, used in core.use.items():
                assert used <= limits[kind].value, (seed, kind)
                if kind in ("neurons", "input_axons", "output_axons", "synapse_bits"):
                    assert used == again[kind], (seed, kind)
        union(graph, placed)
        made = split_graph(graph, placed)
        keys = {c.name: c.outputs for c in graph.cells if c.states}
        a, b = (nd.run(g, given, record="states").states for g in (graph, made))
        for name, outputs in keys.items():
            pieces = sorted(
                (s for c in placed.cores for s in c.slices if s.population == name),
                key=lambda s: s.first,
            )
            for out in outputs:
                parts = [b[slice_name(s)][out] for s in pieces]
                whole = a[name][out].reshape(*a[name][out].shape[:2], -1)
                assert np.array_equal(whole, np.concatenate(parts, axis=2)), (seed, name, out)
        spiking += all(a[n]["out"].any() for n in keys)
    count = GRAPHS // len(FAMILIES)
    assert refused < 0.2 * count
    assert several > (0.2 if family == "extreme" else 0.6) * count  # these have few neurons
    assert spiking > 0.3 * count


def union(graph: Graph, placed: CoreMap) -> None:
    """Every neuron of every population lies on one core, once; no place is taken twice."""
    seen: dict[str, list[int]] = {}
    for core in placed.cores:
        for s in core.slices:
            seen.setdefault(s.population, []).extend(range(s.first, s.first + s.count))
    for cell in network_of(graph).populations:
        assert sorted(seen[cell.name]) == list(range(int(np.prod(cell.shape))))
    places = [(c.chip, c.row, c.column) for c in placed.cores]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("kind", KINDS)
def test_quantised_networks_in_slices(kind: str, tmp_path: Path) -> None:
    """The same for what `quantize` and `compile` make, with shared kernels."""
    for seed in range(sample_count(30, 4)):
        net = random_float_snn(seed, kind)
        made = nd.quantize(net.graph, data=net.x, target="loihi2")
        art = nd.compile(made, "loihi2", tmp_path / "net")
        small = {**limits_of("loihi2"), "neurons": CoreLimit(24, "neuron", "drawn", "C")}
        placed = core_map(art.graph, "loihi2", small, chips=1, share=True, pace=art.pace)
        assert len(placed.measured) >= sum(bool(c.states) for c in made.cells)
        assert placed.cost <= placed.first_fit
        parts = split_graph(art.graph, placed)
        steps = 12 * art.pace + art.latency_steps
        x = np.zeros((4, steps, *net.x.shape[2:]), net.x.dtype)
        x[:, : 12 * art.pace : art.pace] = net.x
        expected = nd.run(art.graph, x, on="engine").outputs
        assert np.array_equal(expected, nd.run(parts, x, on="engine").outputs)


def dense(sizes: list[int], weights: Mapping[tuple[int, int], Array]) -> Graph:
    b = GraphBuilder()
    x = b.input("x", (len(weights[(-1, 0)]),), type=BOOL)
    at = x
    for index, size in enumerate(sizes):
        w = tensor(weights[(index - 1, index)].T, QType(-256, 255))
        fed = b.dense(f"w{index}", at.after(1), w)
        values = {"du": 9, "dv": 5, "threshold": 90, "bias": 0}
        params: Any = {k: tensor(v, QType(0, 4095)) for k, v in values.items()}
        at = b.cell(f"n{index}", "loihi_lif", fed, params=params)
        assert size == at.shape[0]
    b.output("out", at)
    return b.build()


def test_counts_are_those_of_nengo_loihi(oracle: Ledger, tmp_path: Path) -> None:
    """Dense networks, divided as nengo-loihi divides them, take of each core what it says."""
    nengo = oracle("nengo-loihi")
    draw = np.random.default_rng(3)
    networks, arrays = [], {}
    for number in range(sample_count(40, 6)):
        sizes = [int(n) for n in draw.integers(20, 700, int(draw.integers(1, 4)))]
        ends = [int(draw.integers(5, 200)), *sizes]
        weights = {
            (i - 1, i): draw.choice([-6, -2, 2, 8], (ends[i], ends[i + 1]))
            for i in range(len(sizes))
        }
        networks.append((sizes, dense(sizes, weights)))
        arrays[f"{number}.sizes"] = np.array(sizes)
        arrays |= {f"{number}.w.{a}.{b}": w for (a, b), w in weights.items()}
    given: Any = arrays
    np.savez(tmp_path / "networks.npz", **given)
    program = Path(__file__).parents[2] / "support" / "nengo_blocks.py"
    files = [str(tmp_path / "networks.npz"), str(tmp_path / "counts.json")]
    subprocess.run([nengo.interpreter, "-W", "ignore", str(program), *files], check=True)
    counts = json.loads((tmp_path / "counts.json").read_text())
    names = {
        "neurons": "compartments",
        "input_axons": "in-axons",
        "output_axons": "out-axons",
        "synapse_bits": "synapses",
    }
    limits = {k: v for k, v in limits_of("loihi1").items() if k != "output_axons"}
    for (sizes, graph), blocks in zip(networks, counts, strict=True):
        network = network_of(graph)
        populations, fans = populations_of(graph, network), fans_of(graph, network)
        pieces = {p.name: len(b) for p, b in zip(populations, blocks, strict=True)}
        found = slices_of(populations, fans, pieces, share=False)
        theirs = [block for group in blocks for block in group]
        assert len(found) == len(theirs)
        for ours, block in zip(found, theirs, strict=True):
            assert {n: ours.use[n] for n in names} == {n: block[t] for n, t in names.items()}
        # it divides by ratios of totals, which takes as many cores or more
        assert len(sliced(populations, fans, limits, share=False)) <= len(theirs)
        nengo.record()
        assert sizes


def test_swaps_bring_talking_cores_together() -> None:
    """On a ring of cores in a drawn order, neighbours of the ring become neighbours."""
    draw = np.random.default_rng(1)
    for cores, chips in ((12, 1), (16, 1), (40, 3)):
        order = draw.permutation(cores)
        traffic = np.zeros((cores, cores))
        traffic[order, np.roll(order, 1)] = 1.0
        distances = hop_distances(16 * chips, 16, 4)
        place = improved(traffic, distances)
        assert len(set(place.tolist())) == cores
        first = traffic_cost(traffic, distances, np.arange(cores))
        assert traffic_cost(traffic, distances, place) < 0.65 * first


def test_what_is_too_much_for_a_core_says_why() -> None:
    limits = limits_of("loihi1")
    wide = Fan(
        "w", "x", "n", np.arange(4608), np.zeros(4608, np.int64), np.arange(4608), False, False,
        (0, "MIXED", False),
    )  # fmt: skip
    one = Population("n", 1, np.zeros(1, np.int64), np.zeros(1, np.int64))
    with pytest.raises(nd.NeurodeployError) as error:
        sliced([one], [wide], limits, share=False)
    text = str(error.value)
    assert "n: fan-in 4608 of 1 neuron exceeds the 4096 axons that a core holds" in text
    assert "nengo-loihi 1.1.0" in text


def chain(**options: Any) -> nd.Graph:
    b = GraphBuilder()
    draw = np.random.default_rng(0)
    x = b.input("x", (40,), type=options.get("type", BOOL))
    fed = b.dense("w", x, draw.normal(0.1, 0.4, (60, 40)))
    n = b.cell("n", "lif", fed, params={"threshold": 0.8})
    m = b.cell("m", "lif", b.dense("v", n, draw.normal(0.1, 0.3, (9, 60))), params={})
    b.output("out", m, decode="count")
    return b.build()


SAMPLES = np.random.default_rng(0).random((4, 20, 40)) < 0.3


def test_files_of_an_artifact(tmp_path: Path) -> None:
    made = nd.quantize(chain(), data=SAMPLES, target="loihi1")
    art = nd.compile(made, "loihi1", tmp_path / "net")
    document = json.loads((tmp_path / "net" / "map.json").read_text())
    assert document["profile"] == "loihi1"
    assert document["limits"]["neurons"]["source"].startswith("nengo-loihi 1.1.0")
    assert sum(s["neurons"] for c in document["cores"] for s in c["slices"]) == 69
    assert sorted(document["traffic"]["measured"]) == ["m", "n"]
    addresses = json.loads((tmp_path / "net" / "io.json").read_text())["out"]
    assert [a["index"] for a in addresses] == list(range(9))
    assert {"chip", "core", "neuron"} <= addresses[0].keys()
    page = (tmp_path / "net" / "cores.html").read_text()
    assert "<svg" in page
    assert "nengo-loihi 1.1.0" in page
    used = {r["name"]: r["used"] for r in art.manifest["resources"]}
    assert used["cores"] == len(document["cores"])
    again = nd.compile(made, "loihi1", tmp_path / "again")
    assert again.manifest["files"] == art.manifest["files"]
    assert nd.compare(made, nd.open(tmp_path / "net"), SAMPLES).verdict == "exact"


def test_limits_of_the_user(tmp_path: Path) -> None:
    made = nd.quantize(chain(), data=SAMPLES, target="loihi1")
    rows = [
        f'[loihi1.{name}]\nvalue = {value}\nunit = "u"\nsource = "mine"\nevidence = "C"'
        for name, value in (("neurons", 8), ("synapse_bits", 65536), ("cores", 4), ("columns", 2))
    ]
    file = tmp_path / "mine.toml"
    file.write_text("\n".join(rows))
    options: Any = {"limits": str(file)}
    with pytest.raises(nd.NeurodeployError, match=r"takes 9 cores, 1 chip have 4.*chips=3"):
        nd.compile(made, "loihi1", tmp_path / "net", options)
    art = nd.compile(made, "loihi1", tmp_path / "net", {**options, "chips": 3})
    file.unlink()
    assert nd.open(tmp_path / "net").options["chips"] == 3
    assert json.loads((art.path / "map.json").read_text())["limits"]["neurons"]["value"] == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[loihi1", "cannot be read"),
        ("loihi1 = 3", "is no table of limits"),
        ("[loihi1.neurones]\nvalue = 3", "unknown limit 'neurones'"),
        ("[loihi1.neurons]\nvalue = -3", "neurons: value is -3, which is not above 0"),
        ("[loihi1.neurons]\nvalue = 3", "the limit 'cores' is missing"),
        ("[loihi2.neurons]\nvalue = 3", "the limit 'cores' is missing"),
        (f"[loihi1.neurons]\nvalue = {'9' * 5000}", "cannot be read"),
        ("[loihi1.cores]\nvalue = 1000000", "cores: value is 1000000, at most 4096"),
    ],
)
def test_damaged_limits_are_refused(text: str, message: str, tmp_path: Path) -> None:
    made = nd.quantize(chain(), data=SAMPLES, target="loihi1")
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(nd.NeurodeployError) as error:
        nd.compile(made, "loihi1", tmp_path / "net", {"limits": str(file)})
    assert message in str(error.value)


def test_a_chip_of_spikes_takes_no_numbers(tmp_path: Path) -> None:
    graph, x = chain(type=nd.ir.F32), np.random.default_rng(0).random((4, 20, 40), np.float32)
    with pytest.raises(nd.NeurodeployError, match="the chip sends spikes alone"):
        nd.quantize(graph, data=x, target="loihi1")
    made = nd.quantize(graph, data=x, target="loihi2")
    nd.compile(made, "loihi2", tmp_path / "net")
    with pytest.raises(nd.NeurodeployError, match="x: sends numbers, 'loihi1' sends spikes alone"):
        nd.compile(made, "loihi1", tmp_path / "net")
    assert replace(made, metadata=()) == made or made.metadata


def test_the_picture_as_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="it draws the picture")
    from neurodeploy.targets.loihi.cores.png import cores_png

    made = nd.quantize(chain(), data=SAMPLES, target="loihi1")
    nd.compile(made, "loihi1", tmp_path / "net", {"chips": 2})
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    for file in files:
        cores_png(tmp_path / "net" / "map.json", file)
    assert files[0].read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert files[0].read_bytes() == files[1].read_bytes()
