from __future__ import annotations

import io
import json
import pickle
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from nd_files import Description, join, mutated, put, refusal, resealed, split
from neurodeploy.errors import FileFormatError
from neurodeploy.ir.builder import GraphBuilder
from neurodeploy.ir.container import MAX_HEADER
from neurodeploy.ir.file import graph_bytes, load_graph, save_graph
from neurodeploy.ir.types import F32, Tensor
from small_graphs import GRAPHS, conv_net, odd_net
from tiers import VERIFY, sample_count

CORRUPTED = 200


def corrupted(data: bytes) -> Iterator[bytes]:
    draw = random.Random(2)
    for number in range(CORRUPTED):
        bad = bytearray(data)
        at = draw.randrange(len(bad))
        match number % 5:
            case 0 | 1:
                bad[at] ^= 1 << draw.randrange(8)
            case 2:
                del bad[at:]
            case 3:
                length = draw.randrange(1, 64)
                bad[at : at + length] = draw.randbytes(length)
            case 4:
                other, length = draw.randrange(len(bad)), draw.randrange(1, 32)
                bad[at : at + length], bad[other : other + length] = (
                    bad[other : other + length],
                    bad[at : at + length],
                )
        if bytes(bad) != data:
            yield bytes(bad)


def test_corrupted_files_are_refused(tmp_path: Path) -> None:
    data = b""
    refused = 0
    for name in ("odd_net", "conv_net"):
        data = graph_bytes(GRAPHS[name]())
        for bad in corrupted(data):
            (tmp_path / "net.nd").write_bytes(bad)
            refusal(tmp_path / "net.nd")
            refused += 1
    assert refused >= 2 * CORRUPTED - 20


def test_every_single_flipped_bit_of_a_file_is_noticed(tmp_path: Path) -> None:
    b = GraphBuilder()
    x = b.input("x\x1b", (1,))
    data = graph_bytes(b.output("é\x1f", b.dense("\x1bfc", x, [[0.5]])).build())
    path = tmp_path / "net.nd"
    for at in range(0, 8 * len(data), 1 if VERIFY else 11):  # each bit of a byte has its turn
        bad = bytearray(data)
        bad[at // 8] ^= 1 << at % 8
        path.write_bytes(bad)
        with pytest.raises(FileFormatError):
            load_graph(path)


@pytest.mark.parametrize("extra", [b" ", b"\0", b"\0" * 4096])
def test_something_appended_is_refused(tmp_path: Path, extra: bytes) -> None:
    (tmp_path / "net.nd").write_bytes(graph_bytes(conv_net()) + extra)
    assert "something was appended" in str(refusal(tmp_path / "net.nd"))


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a", "b")
    return out.getvalue()


FOREIGN = {
    "empty": (b"", "0 bytes: no graph, or a damaged one"),
    "one byte": (b"{", "1 bytes: no graph, or a damaged one"),
    "zeros": (b"\0" * 4096, "no graph, or a damaged one"),
    "text": (b"once upon a time there was a network\n" * 9, "no graph, or a damaged one"),
    "json": (b'{"neurodeploy": 1, "nodes": []}' * 4, "no graph, or a damaged one"),
    "random": (random.Random(1).randbytes(5000), "no graph, or a damaged one"),
    "zip": (zipped(), "this is a zip archive, such as .npz or .pt, no graph"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + b"\0" * 99, "this is an HDF5 file, such as .nir, no graph"),
    "pickle": (pickle.dumps({}, protocol=2), "this is a pickle, no graph"),
    "onnx": (b"\x08\x08\x12\x07pytorch\x1a\x052.13.0:" + b"\x0a" * 99, "no graph, or a damaged"),
    "weights": (save({"w": np.zeros(3)}), "a safetensors file, but no graph"),
    "other metadata": (save({}, {"neurodeploy": "{}", "b": "c"}), "a safetensors file, but no"),
    "other format": (save({}, {"neurodeploy": "{}"}), "the description is not of the format"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, name: str) -> None:
    content, message = FOREIGN[name]
    path = tmp_path / "net.nd"
    path.write_bytes(content)
    assert message in str(refusal(path))


# -- hostile containers ---------------------------------------------------------------------------


def hostile_container(outer: dict[str, Any], body: bytes) -> Iterator[tuple[bytes, str]]:
    entry = outer["conv1.weight"]
    begin, end = entry["data_offsets"]

    def with_entry(**fields: Any) -> bytes:
        return join({**outer, "conv1.weight": {**entry, **fields}}, body)

    yield join(outer, body, length=2**64 - 1), "says that its header has 18446744073709551615 bytes"
    yield join(outer, body, length=len(body) + MAX_HEADER), "says that its header has"
    yield with_entry(data_offsets=[begin, 2**63]), "its shape takes 288 bytes"
    yield with_entry(shape=[2**62, 2**62], data_offsets=[0, 2**126]), "integer of 38 digits"
    yield with_entry(shape=[2**62, 4]), "more elements than can be addressed"
    yield with_entry(shape=[0, 2**62, 2**62], data_offsets=[0, 0]), "more elements"
    yield with_entry(shape=[2**20] * 40), "no list of lengths"
    yield with_entry(shape=[-4, -18]), "no list of lengths"
    yield with_entry(shape=[True]), "no list of lengths"
    yield with_entry(shape={"4": 2}), "no list of lengths"
    yield with_entry(data_offsets=[begin]), "no pair of bytes"
    yield with_entry(data_offsets=[begin, float(end)]), "no pair of bytes"
    yield with_entry(data_offsets=[begin + 4, end + 4]), "tensor '"
    yield with_entry(data_offsets=[0, end - begin]), "tensor '"
    yield with_entry(dtype="F16"), "no graph has tensors of type 'F16'"
    yield with_entry(dtype=["F32"]), "no graph has tensors of type"
    yield with_entry(extra=1), "other fields"
    yield join({**outer, "conv1.weight": None}, body), "other fields"
    yield join([outer], body), "no graph, or a damaged one"
    yield join(outer, body[:-1]), "it is truncated"
    yield join(outer, body[:-1], length=10**6), "says that its header has"
    nested = json.loads("[" * 400 + "]" * 400)
    yield join({**outer, "conv1.weight": nested}, body), "other fields"
    yield join({**outer, "__metadata__": {"neurodeploy": ["{}"]}}, body), "no description"
    deep = b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    yield len(deep).to_bytes(8, "little") + deep, "nested too deeply"
    twice = b'{"a":1,"a":1}  '
    yield len(twice).to_bytes(8, "little") + twice, "'a' occurs twice"
    text = b'{"\xff":1}  '
    yield len(text).to_bytes(8, "little") + text, "byte 10 of the header is no UTF-8"
    spaced = json.dumps(outer).encode()
    yield len(spaced).to_bytes(8, "little") + spaced + body, "not in its canonical form"


def test_hostile_containers_are_refused(tmp_path: Path) -> None:
    outer, _, body = split(graph_bytes(conv_net()))
    path = tmp_path / "net.nd"
    for content, message in hostile_container(outer, body):
        path.write_bytes(content)
        assert message in str(refusal(path)), message


# -- hostile descriptions, with a digest that agrees ----------------------------------------------


NODE = ("graph", "nodes")
HOSTILE: list[tuple[Callable[[Description], object], str]] = [
    (put("format", value="another"), "the description is not of the format"),
    (put("format", value=None), "the description is not of the format"),
    (put("opset", value=-1), "opset: it is no version"),
    (put("opset", value=True), "opset: it is no version"),
    (put("opset", value="1"), "opset: it is no version"),
    (put("surprise", value=1), "there is no field 'surprise'"),
    (lambda d: d.pop("changes"), "the field 'changes' is missing"),
    (lambda d: d.pop("graph"), "the field 'graph' is missing"),
    (put("graph", "nodes", value={}), "graph.nodes: an object of 0 stands where a list is due"),
    (put("graph", "nodes", value=[]), "the graph has no input"),
    (put(*NODE, 0, "family", value="Node"), "graph.nodes[0]: family is 'Node', not one of Input,"),
    (put(*NODE, 0, "shape", value=[10**18, 10**18]), "elements in one signal"),
    (put(*NODE, 0, "shape", value=[-1]), "shape [-1] of an input"),
    (put(*NODE, 0, "shape", value=[1] * 100_000), "of an input"),
    (put(*NODE, 0, "name", value="x" * 100_000), "which does not exist"),
    (put(*NODE, 1, "op", value={"class": "Concat", "axis": 0, "count": 2**62}), "joins 1 to"),
    (put(*NODE, 1, "op", "groups", value=0), "conv1"),
    (put(*NODE, 1, "op", "weight", value="gone"), "there is no tensor 'gone'"),
    (put(*NODE, 1, "op", "window", "stride", value=[0, 0]), "graph.nodes[1].op.window: kernel"),
    (put(*NODE, 1, "op", "window", "kernel", value=[2**62, 2**62]), "conv1"),
    (put(*NODE, 2, "program", "instrs", value=[["add", [0, 0], {}]]), "graph.nodes[2].program: "),
    (put(*NODE, 2, "start", value=-1), "start -1"),
    (put("graph", "edges", 0, "delay", value=2**62), "is not in 0 to"),
    (put("graph", "edges", 0, "initial", value=None), "graph.edges[0].initial: None stands"),
    (put("graph", "dt", value="1/0"), "graph.dt: '1/0' is no fraction in lowest terms"),
    (put("graph", "dt", value="2/2000"), "graph.dt: '2/2000' is no fraction in lowest terms"),
    (put("graph", "dt", value="1/" + "9" * 10_000), "is no fraction in lowest terms"),
    (put("graph", "dt", value="\u0663/\u0661"), "is no fraction in lowest terms"),
    (put("graph", "dt", value=0.001), "graph.dt: 0.001 stands where a text or null is due"),
    (put("graph", "dt", value="0/1"), "dt is 0 s"),
    (put("graph", "timesteps", value=0), "timesteps is 0"),
    (put("tensors", value=[]), "has no type"),
    (lambda d: d["tensors"].append(["more", d["tensors"][0][1]]), "'more' has no data"),
    (lambda d: d["tensors"].append(d["tensors"][0]), "a tensor is listed twice"),
    (put("tensors", 0, 1, value={"class": "Bool"}), "float32 data of type bool"),
    (put("tensors", 0, 1, "bits", value=64), "float32 data of type f64"),
    (put("changes", 0, "why", value=1), "changes[0].why: 1 stands where a text is due"),
]


@pytest.mark.parametrize(("change", "message"), HOSTILE)
def test_hostile_descriptions_are_refused(
    tmp_path: Path, change: Callable[[Description], object], message: str
) -> None:
    path = tmp_path / "net.nd"
    path.write_bytes(resealed(graph_bytes(conv_net()), change))
    assert message in str(refusal(path))


def test_resealing_alone_changes_nothing(tmp_path: Path) -> None:
    for make in GRAPHS.values():
        data = graph_bytes(make())
        assert resealed(data, lambda description: None) == data


def test_a_description_altered_within_its_meaning_is_refused(tmp_path: Path) -> None:
    outer, _, body = split(graph_bytes(odd_net()))
    text = outer["__metadata__"]["neurodeploy"]
    assert "\\u001b" in text
    outer["__metadata__"]["neurodeploy"] = text.replace("\\u001b", "\\u001B")
    (tmp_path / "net.nd").write_bytes(join(outer, body))
    assert "the description is not in its canonical form" in str(refusal(tmp_path / "net.nd"))


def test_values_outside_their_type_are_refused(tmp_path: Path) -> None:
    graph = conv_net()
    bad = graph.tensors["fc.weight"].data.copy()
    bad[1, 2] = np.nan
    object.__setattr__(
        graph, "tensors", {**graph.tensors, "fc.weight": Tensor(bad, F32)}
    )  # tensor() refuses it already
    save_graph(graph, tmp_path / "net.nd")
    assert "tensor 'fc.weight': nan at [1, 2]" in str(refusal(tmp_path / "net.nd"))


def test_a_bool_that_is_no_bool_is_refused(tmp_path: Path) -> None:
    data = graph_bytes(odd_net())
    outer, description, body = split(data)
    name = next(n for n, e in outer.items() if e.get("dtype") == "BOOL")
    at = outer[name]["data_offsets"][0]
    body = body[:at] + b"\x02" + body[at + 1 :]
    (tmp_path / "net.nd").write_bytes(resealed(join(outer, body), lambda d: None))
    assert "neither 0 nor 1 stands for a bool" in str(refusal(tmp_path / "net.nd"))
    assert description["digest"] != split((tmp_path / "net.nd").read_bytes())[1]["digest"]


@pytest.mark.parametrize("name", GRAPHS)
def test_mutated_descriptions_load_or_are_refused(tmp_path: Path, name: str) -> None:
    data = graph_bytes(GRAPHS[name]())
    path = tmp_path / "net.nd"
    draw = random.Random(name)
    outcomes = []
    cases = sample_count(1000, 100)
    for _ in range(cases):
        path.write_bytes(resealed(data, lambda d: mutated(d, draw)))
        try:
            graph = load_graph(path)
        except FileFormatError:
            outcomes.append("refused")
        else:
            outcomes.append("loaded")
            assert str(graph)
            assert graph_bytes(graph) == path.read_bytes()
    assert outcomes.count("refused") > cases // 2
