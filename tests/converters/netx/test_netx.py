"""netx files: lava-dl's own networks match their ground truth, ours open in lava-dl."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from oracles import Ledger, Oracle

pytest.importorskip("h5py", reason="netx files are HDF5")

import h5py

import neurodeploy as nd
from neurodeploy.converters.netx import load_netx, save_netx
from neurodeploy.converters.netx.weights import weights_in_lava
from neurodeploy.ir import Cell, Graph, GraphBuilder, QType
from neurodeploy.ir.types import BOOL, tensor
from neurodeploy.targets.loihi.program import IMPORTER
from neurodeploy.targets.loihi.program_text import IMPORT
from tiers import sample_count

Array = npt.NDArray[Any]
PROGRAM = Path(__file__).parents[2] / "support" / "netx_program.py"


def truths(oracle: Oracle) -> Path:
    """Give the folder of lava-dl's own test networks, which its package holds."""
    return oracle.interpreter.parents[1].joinpath(
        *("lib", f"python{version(oracle)}", "site-packages", "tests", "lava", "lib", "dl", "netx")
    )


def version(oracle: Oracle) -> str:
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    told = subprocess.run(
        [oracle.interpreter, "-c", ask], capture_output=True, text=True, check=True
    )
    return told.stdout.strip()


def in_turn(graph: Graph) -> Graph:
    """Let each population start when something can arrive, as the ground truths have it."""
    names = [c.name for c in graph.cells if c.states]
    nodes = tuple(
        replace(n, start=names.index(n.name)) if isinstance(n, Cell) and n.name in names else n
        for n in graph.nodes
    )
    return replace(graph, nodes=nodes)


def held(x: Array, steps: int) -> Array:
    return np.repeat(x[None, None], steps, axis=1)


def test_tiny_convolutional_network(oracle: Ledger) -> None:
    files = oracle("lava-dl")
    folder = truths(files)
    bias = np.load(folder / "gts/tinynet/input_bias.npy").transpose(2, 1, 0).astype(np.int64)
    truth = np.load(folder / "gts/tinynet/output.npy")[0].transpose(2, 1, 0, 3).reshape(36, 16)
    graph = in_turn(load_netx(folder / "tiny.net"))
    found = nd.run(graph, held(bias, 18), on="engine").outputs[0].reshape(18, 36).T
    assert truth.sum() > 50
    assert np.array_equal(found[:, 2:17], truth[:, 1:])
    files.record(spiking=True)


def test_axonal_delays(oracle: Ledger) -> None:
    """3,000 steps with delays to 62; the last layer, an average, has no neurons."""
    files = oracle("lava-dl")
    folder = truths(files) / "gts/ntidigits"
    graph = load_netx(folder / "ntidigits.net", layers=5)
    x = np.load(folder / "input.npy").T.astype(bool)
    found = nd.run(graph, x[None], on="engine").outputs[0].T
    truth = np.load(folder / "output.npy")
    assert truth.sum() > 10_000
    assert np.array_equal(found[:, :-1], truth[:, 1:])
    files.record(spiking=True)
    with pytest.raises(nd.NeurodeployError, match="layer/5: a layer of kind 'average'"):
        load_netx(folder / "ntidigits.net")


def test_sigma_delta_network(oracle: Ledger) -> None:
    """PilotNet of sigma-delta neurons: graded spikes over nine layers."""
    files = oracle("lava-dl")
    folder = truths(files) / "gts/pilotnet_sdnn"
    graph = load_netx(folder / "network.net")
    x = np.load(folder / "input.npy").transpose(3, 2, 1, 0)[0].astype(np.int64)
    found = nd.run(graph, held(x, 9), on="engine").outputs.reshape(9)
    assert np.array_equal(found, np.load(folder / "output.npy")[0])
    files.record(spiking=True)


def test_every_layer_of_pilotnet(oracle: Ledger) -> None:
    """Currents and spikes of eight layers, each from its first step to the reset after 16."""
    files = oracle("lava-dl")
    folder = truths(files) / "gts/pilotnet_lif"
    graph = in_turn(load_netx(folder / "network.net"))
    names = [c.name for c in graph.cells if c.states]
    image = np.load(folder / "image.npy").transpose(2, 1, 0).astype(np.int64)
    states = nd.run(graph, held(image, 24), on="engine", record="states").states
    layers = [*(f"conv-{i}" for i in range(5)), *(f"fc-{i}" for i in range(3))]
    for index, (layer, name) in enumerate(zip(layers, names[1:], strict=False), 1):
        for out, file in (("out", layer), ("u", f"{layer}-u")):
            truth = np.load(folder / f"{file}.npy")
            if truth.ndim == 4:
                truth = truth.transpose(2, 1, 0, 3)
            ours = np.moveaxis(states[name][out][0], 0, -1).reshape(-1, 24)
            steps = slice(index + 1, index + 17)
            assert np.array_equal(ours[:, steps], truth.reshape(-1, 24)[:, steps]), (layer, out)
        assert truth.any()
    files.record(spiking=True)


def test_the_layer_without_neurons_is_named(oracle: Ledger) -> None:
    files = oracle("lava-dl")
    with pytest.raises(nd.NeurodeployError, match="layer/3: a layer without neurons"):
        load_netx(truths(files) / "mnist.net")
    assert load_netx(truths(files) / "mnist.net", layers=3).inputs[0].shape == (784,)
    files.record()


# -- ours in lava-dl ------------------------------------------------------------------------------


def drawn(seed: int) -> tuple[Graph, Array]:
    """Draw a chain: convolution, dense with delays, dense, recurrent; biases of the exponent 6."""
    draw = np.random.default_rng(seed)
    b = GraphBuilder()
    image = seed % 2 == 0
    at = b.input("x", (2, 6, 5) if image else (7,), type=BOOL)

    def lif(name: str, fed: Any, biased: bool) -> Any:
        shape = (fed.shape[0], *[1] * (len(fed.shape) - 1)) if draw.random() < 0.5 else ()
        if draw.random() < 0.3:
            shape = fed.shape  # a bias of each neuron
        bias = draw.integers(-3, 4, shape) * 64 if biased else np.array(0)
        values = {
            "du": (int(draw.integers(0, 4096)), QType(0, 4095)),
            "dv": (int(draw.integers(0, 1500)), QType(0, 4095)),
            "threshold": (int(draw.integers(60, 500)), QType(0, 131071)),
            "bias": (bias, QType(-512, 512)),
        }
        params: Any = {k: tensor(v, kind) for k, (v, kind) in values.items()}
        return b.cell(name, "loihi_lif", fed, params=params)

    if image:
        w = tensor(draw.integers(-60, 90, (3, 2, 3, 3)), QType(-256, 255))
        padding = int(draw.integers(0, 2))
        at = lif("c", b.conv("cw", at.after(1), w, stride=2, padding=padding), True)
        at = b.flatten("flat", at)
    for index in range(2):
        size = int(draw.integers(4, 9))
        w = draw.integers(-60, 100, (size, at.shape[0])) * 2
        name = f"d{index}"
        if index == 0 and draw.random() < 0.6:
            target, begin = np.nonzero(w)
            late = draw.integers(0, 63, len(target))
            given = tensor(w[target, begin], QType(-256, 255))
            fed = b.synapses(f"{name}w", at.after(1), (size,), given, begin, target, late)
        else:
            fed = b.dense(f"{name}w", at.after(1), tensor(w, QType(-256, 255)))
        if index == 1 and draw.random() < 0.6:
            back = tensor(draw.integers(-40, 20, (size, size)) * 2, QType(-256, 255))
            own = b.dense(f"{name}r", b.ref(name, shape=(size,), delay=1), back)
            fed = b.cell(f"{name}sum", "add", fed, own)
        at = lif(name, fed, bool(draw.random() < 0.5))
    b.output("out", at, decode="count")
    graph = b.build()
    shape = graph.inputs[0].shape
    return graph, draw.random((1, 80, *shape)) < 0.4


def in_lava_dl(oracle: Oracle, file: Path, x: Array) -> dict[str, Array]:
    folder = file.parent
    (folder / IMPORTER).write_text(IMPORT, encoding="ascii")
    program = folder / PROGRAM.name
    program.write_text(PROGRAM.read_text(encoding="utf-8"), encoding="utf-8")
    given = x.transpose(0, *range(x.ndim - 1, 0, -1)).astype(np.int64)
    np.savez(folder / "in.npz", x=given)
    command = [str(oracle.interpreter), str(program), str(file)]
    subprocess.run(
        [*command, str(folder / "in.npz"), str(folder / "out.npz")],
        check=True, timeout=300, capture_output=True,
    )  # fmt: skip
    with np.load(folder / "out.npz") as found:
        return dict(found)


@pytest.mark.parametrize("seed", range(sample_count(24, 4)))
def test_our_files_in_lava_dl(seed: int, oracle: Ledger, tmp_path: Path) -> None:
    """lava-dl's reader makes of our file the network that we have, in every state."""
    lava_dl = oracle("lava-dl")
    graph, x = drawn(seed)
    file = tmp_path / "net.net"
    nd.save(graph, str(file))
    again = nd.load(str(file))
    names = [c.name for c in graph.cells if c.states]
    ours = nd.run(graph, x, record="states").states
    read = nd.run(again, x, record="states")
    theirs = in_lava_dl(lava_dl, file, x[0])
    spiking = True
    for index, (name, other) in enumerate(
        zip(names, [c.name for c in again.cells if c.states], strict=True)
    ):
        for out, short in (("out", "s"), ("u", "u"), ("v", "v")):
            values = ours[name][out][0]
            assert np.array_equal(
                values.reshape(80, -1), read.states[other][out][0].reshape(80, -1)
            )
            truth = theirs[f"{short}{index}"]
            turned = truth.transpose(*range(truth.ndim - 2, -1, -1), truth.ndim - 1)
            assert np.array_equal(
                np.moveaxis(turned, -1, 0).reshape(80, -1), values.reshape(80, -1)
            )
        spiking &= bool(ours[name]["out"].any())
    lava_dl.record(spiking=spiking)


def test_the_same_graph_gives_the_same_bytes(tmp_path: Path) -> None:
    graph, _ = drawn(2)
    files = [tmp_path / f"{i}.net" for i in range(2)]
    for file in files:
        save_netx(graph, file)
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(
    ("weights", "kept", "exponent"),
    [
        ([[-4, 2]], [[-4, 2]], 0),
        ([[254, -3]], [[254, -3]], 0),
        ([[255, 1]], [[255, 1]], 0),
        ([[-255, 0]], [[-255, 0]], 0),
        ([[-255, -1]], [[-255, -1]], 0),
        ([[-3, 1]], [[-3, 1]], 0),
    ],
)
def test_weights_are_those_of_lava(weights: Any, kept: Any, exponent: int) -> None:
    found, e = weights_in_lava(np.array(weights), "w")
    assert (found.tolist(), e) == (kept, exponent)


def test_weights_that_lava_dl_would_clip_are_refused() -> None:
    for weights in ([[300, 2]], [[255, -1]], [[-300, 4]]):
        with pytest.raises(nd.NeurodeployError, match="lava-dl would clip them"):
            weights_in_lava(np.array(weights), "w")


def test_what_has_no_place_in_a_chain_is_refused(tmp_path: Path) -> None:
    b = GraphBuilder()
    x = b.input("x", (3,), type=BOOL)
    names = ("du", "dv", "threshold", "bias")
    params: Any = {k: tensor(5, QType(0, 4095)) for k in names}
    w = tensor(np.full((3, 3), 2), QType(-256, 255))
    a = b.cell("a", "loihi_lif", b.dense("aw", x.after(1), w), params=params)
    other = b.cell("b", "loihi_lif", b.dense("bw", x.after(1), w), params=params)
    fed = b.cell("sum", "add", b.dense("v", a.after(1), w), b.dense("u", other.after(1), w))
    b.output("out", b.cell("c", "loihi_lif", fed, params=params))
    with pytest.raises(nd.NeurodeployError) as error:
        save_netx(b.build(), tmp_path / "net.net")
    assert "x: feeds a, b, a layer feeds the next one alone" in str(error.value)
    assert not (tmp_path / "net.net").exists()


@pytest.mark.parametrize("cut", [10, 900, 3000])
def test_damaged_files_are_refused(cut: int, tmp_path: Path) -> None:
    graph, _ = drawn(1)
    file = tmp_path / "net.net"
    save_netx(graph, file)
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(nd.NeurodeployError, match="is no netx file"):
        nd.load(str(file))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("layer/1/type", np.bytes_("pool"), "layer/1: a layer of kind 'pool'"),
        ("layer/1/neuron/vDecay", 5000, "layer/1: 5000 is out of Loihi's range 0 to 4095"),
        ("layer/1/neuron/iDecay", 0, "layer/1: -1 is out of Loihi's range"),
        ("layer/1/neuron/type", np.bytes_("ALIF"), "layer/1: neurons of type 'ALIF'"),
        ("layer/1/delay", 63.0, "layer/1: delays from 63.0 to 63.0"),
        ("layer/1/bias", 5000.0, "layer/1: a bias of 5000, 13 bits"),
        ("layer/1/weight", np.ones((2, 5)), "layer/1: its values do not go together"),
        ("layer/1/weight", np.zeros((0, 3)), "layer/1: its 'weight' holds no numbers"),
        ("layer/1/weight", np.uint64(2**64 - 4), "layer/1: its 'weight' holds numbers beyond"),
        ("layer/1/weight", np.bytes_("2"), "layer/1: its 'weight' holds no numbers"),
        ("layer/1/shape", [2**62, 4], "layer/1: its 'shape' holds numbers beyond"),
        ("layer/1/neuron/iDecay", 2048.7, "layer/1: iDecay is 2048.7, no whole number"),
        ("layer/1/neuron/type", [1, 2], "layer/1: the type of its neurons is no word"),
    ],
)
def test_fields_out_of_range_are_refused(
    path: str, value: Any, message: str, tmp_path: Path
) -> None:
    graph, _ = drawn(1)
    file = tmp_path / "net.net"
    save_netx(graph, file)
    with h5py.File(file, "a") as held_:
        if path in held_:
            del held_[path]
        held_[path] = value
    with pytest.raises(nd.NeurodeployError) as error:
        nd.load(str(file))
    assert message in str(error.value)


def chain(**changes: Any) -> Graph:
    b = GraphBuilder()
    x = b.input("x", (2,), type=BOOL)
    values = {"du": 5, "dv": 5, "threshold": 50, "bias": changes.get("bias", 0)}
    params: Any = {k: tensor(v, QType(0, 2**19 - 128)) if k == "bias" else tensor(v, QType(0, 4095))
                   for k, v in values.items()}  # fmt: skip
    kind = QType(-512, 511)
    if "synapses" in changes:
        fed = b.synapses("w", x.after(1), (2,), tensor([60, 60, 60], kind), *changes["synapses"])
    else:
        weights = tensor(changes.get("weights", [[2, 4], [6, -8]]), kind)
        fed = b.dense("w", x.after(1), weights)
    b.output("out", b.cell("n", "loihi_lif", fed, params=params))
    return b.build()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": [[-4, -4], [-4, -4]]}, "n: weights from -4 to -4 with their exponent, of"),
        ({"weights": [[2, -3], [4, 1]]}, "n: weights from -3 to 4 with their exponent, of which"),
        ({"weights": [[300, 2], [4, 2]]}, "n: weights from 2 to 300 with their exponent"),
        ({"bias": 5000 * 64}, "n: a bias of 5000 times 64, 13 bits are held"),
        ({"bias": 65}, "n: a bias that is no 13-bit number times 64"),
        (
            {"synapses": ([0, 0, 1], [0, 0, 1])},
            "n: several synapses of a pair, a netx layer has one",
        ),
        (
            {"synapses": ([0, 0, 1], [0, 1, 1], [100, 0, 0])},
            "n: a delay of 100, lava-dl cuts it to 62",
        ),
    ],
)
def test_what_would_be_read_as_another_network_is_refused(
    changes: Any, message: str, tmp_path: Path
) -> None:
    graph = chain(**changes)
    with pytest.raises(nd.NeurodeployError) as error:
        save_netx(graph, tmp_path / "net.net")
    assert message in str(error.value)
