from __future__ import annotations

import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from nd_files import Description, put, refusal, resealed
from neurodeploy.errors import GraphError, UsageError
from neurodeploy.ir import file as nd
from neurodeploy.ir.builder import GraphBuilder
from neurodeploy.ir.file import graph_bytes, load_graph, save_graph, write_atomically
from neurodeploy.ir.graph import OPSET, Graph
from neurodeploy.ir.types import F32, F64, Float, QType, Tensor, tensor
from neurodeploy.semantics.language import to_float
from neurodeploy.semantics.trace import CellDefinition
from small_graphs import GRAPHS, conv_net, odd_net

# -- round trip -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_comes_back_whole(name: str, tmp_path: Path) -> None:
    graph = GRAPHS[name]()
    save_graph(graph, tmp_path / "net.nd")
    back = load_graph(tmp_path / "net.nd")
    assert back == graph
    assert back.digest == graph.digest
    # and what equality leaves out
    assert repr(back.nodes) == repr(graph.nodes)
    assert repr(back.edges) == repr(graph.edges)
    assert back.changes == graph.changes
    assert back.metadata == graph.metadata
    assert (back.dt, back.timesteps, back.opset) == (graph.dt, graph.timesteps, graph.opset)
    assert list(back.tensors) == list(graph.tensors)
    for key, t in graph.tensors.items():
        again = back.tensors[key]
        assert again.type == t.type
        assert again.data.dtype == t.data.dtype
        assert again.data.shape == t.data.shape
        assert again.data.tobytes() == t.data.tobytes()
        assert not again.data.flags.writeable
    assert graph_bytes(back) == graph_bytes(graph)


def test_another_reader_of_the_format_sees_the_same_tensors(tmp_path: Path) -> None:
    graph = conv_net()
    save_graph(graph, tmp_path / "net.nd")
    seen = load_file(tmp_path / "net.nd")
    assert seen.keys() == graph.tensors.keys()
    assert all(np.array_equal(seen[n], t.data) for n, t in graph.tensors.items())


@pytest.mark.parametrize("bits", [7, 8, 15, 16, 31, 32, 62, 63])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("float_type", [F32, F64])
def test_every_width_comes_back(tmp_path: Path, bits: int, signed: bool, float_type: Float) -> None:
    def cell(p: Any, s: Any, x: Any) -> Any:
        return x * p.gain + to_float(p.k, bits=float_type.bits)

    kind = QType(-(2**bits) if signed else 0, 2**bits - 1)
    b = GraphBuilder(float_type=float_type)
    params = {"k": tensor([kind.lo, 1, kind.hi], kind), "gain": 0.1}
    definition = CellDefinition("cell", cell, dict.fromkeys(params))
    x = b.cell("cell", definition, b.input("x", (3,)), params=params)
    graph = b.output("out", x).build()
    save_graph(graph, tmp_path / "net.nd")
    back = load_graph(tmp_path / "net.nd")
    assert back == graph
    assert back.tensors["cell.k"].data.tolist() == [kind.lo, 1, kind.hi]
    assert back.tensors["cell.gain"].data.dtype == float_type.dtype


def test_a_graph_without_tensors_comes_back(tmp_path: Path) -> None:
    b = GraphBuilder()
    graph = b.output("out", b.input("x", ())).build()
    save_graph(graph, str(tmp_path / "net.nd"))
    assert load_graph(str(tmp_path / "net.nd")) == graph


def test_signs_of_zero_and_small_numbers_are_kept(tmp_path: Path) -> None:
    b = GraphBuilder()
    weight = np.array([[-0.0, 1e-45, -3.4028235e38, 0.1]], np.float32)
    graph = b.output("out", b.dense("fc", b.input("x", (4,)), weight)).build()
    save_graph(graph, tmp_path / "net.nd")
    assert load_graph(tmp_path / "net.nd").tensors["fc.weight"].data.tobytes() == weight.tobytes()


def test_the_bytes_are_the_same_under_five_hash_seeds(tmp_path: Path) -> None:
    code = (
        "import sys; from small_graphs import GRAPHS; from neurodeploy.ir.file import save_graph\n"
        "for name, make in GRAPHS.items(): save_graph(make(), f'{sys.argv[1]}/{name}.nd')"
    )
    for seed in range(5):
        folder = tmp_path / str(seed)
        folder.mkdir()
        path = os.pathsep.join(sys.path)
        environment = {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": path}
        subprocess.run([sys.executable, "-c", code, str(folder)], env=environment, check=True)
        for name, make in GRAPHS.items():
            assert (folder / f"{name}.nd").read_bytes() == graph_bytes(make())


def test_the_bytes_do_not_depend_on_how_the_graph_was_put_together() -> None:
    graph = conv_net()
    shuffled = replace(
        graph,
        edges=graph.edges[::-1],
        tensors=dict(reversed(graph.tensors.items())),
    )
    assert graph_bytes(shuffled) == graph_bytes(graph)


# -- versions -------------------------------------------------------------------------------------


def test_a_newer_file_is_refused_by_its_version(tmp_path: Path) -> None:
    path = tmp_path / "net.nd"
    path.write_bytes(resealed(graph_bytes(conv_net()), put("opset", value=OPSET + 1)))
    error = refusal(path)
    assert f"the file is of opset {OPSET + 1}, this version of neurodeploy reads up" in str(error)
    assert "pip install --upgrade" in error.findings[0].hint


def test_an_older_file_without_reader_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.nd"
    path.write_bytes(resealed(graph_bytes(conv_net()), put("opset", value=0)))
    assert "there is no reader for opset 0" in str(refusal(path))


def test_older_files_pass_through_the_readers_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = replace(conv_net(), opset=OPSET + 1)

    def rename(description: Description, arrays: nd.Arrays) -> tuple[Description, nd.Arrays]:
        description["changes"] = description.pop("history")
        return {**description, "opset": OPSET}, arrays

    def double(description: Description, arrays: nd.Arrays) -> tuple[Description, nd.Arrays]:
        arrays["fc.weight"] = 2 * arrays["fc.weight"]
        return {**description, "opset": OPSET + 1}, arrays

    def older(description: Description) -> None:
        description["history"] = description.pop("changes")
        description["opset"] = OPSET - 1

    monkeypatch.setattr(nd, "OPSET", OPSET + 1)
    monkeypatch.setattr(nd, "UPGRADES", {OPSET - 1: rename, OPSET: double})
    path = tmp_path / "net.nd"
    path.write_bytes(resealed(graph_bytes(conv_net()), older))
    back = load_graph(path)
    assert back.nodes == graph.nodes
    assert back.changes == graph.changes
    assert back.opset == OPSET + 1
    assert np.array_equal(back.tensors["fc.weight"].data, 2 * graph.tensors["fc.weight"].data)


# -- the file system ------------------------------------------------------------------------------


def test_paths_that_cannot_be_read_are_usage_errors(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, message in (
        (tmp_path / "none.nd", "none.nd: No such file or directory"),
        (tmp_path, "this is no regular file"),
        (pipe, "pipe: this is no regular file"),
        (tmp_path / "none.nd" / "x", "No such file or directory"),
        ("a\0b", "'a\\x00b' is no name of a file"),
        ("", "'' is no name of a file"),
        ("x" * 5000, "File name too long"),
    ):
        with pytest.raises(UsageError) as caught:
            load_graph(path)
        assert message in str(caught.value)
        assert caught.value.exit_code == 2


def test_paths_that_cannot_be_written_are_usage_errors(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path, "this is no regular file"),
        (tmp_path / "none" / "x.nd", "No such file or directory"),
        ("a\0b", "is no name of a file"),
        (tmp_path / ("x" * 300), "File name too long"),
    ):
        with pytest.raises(UsageError) as caught:
            save_graph(conv_net(), path)
        assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.nd"
    save_graph(conv_net(), path)
    before = path.read_bytes()

    def fail(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(UsageError, match="No space left on device"):
            save_graph(odd_net(), path)
    unsound = replace(odd_net(), metadata=(("half", "\ud800"),))
    with pytest.raises(GraphError, match=r"graph\.metadata\[0\]\[1\]"):
        save_graph(unsound, path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["net.nd"]


def test_the_file_gets_ordinary_rights_and_links_stay(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "net.nd").symlink_to(tmp_path / "real" / "net.nd")
    (tmp_path / "plain").touch()
    save_graph(conv_net(), tmp_path / "net.nd")
    assert (tmp_path / "net.nd").is_symlink()
    real = tmp_path / "real" / "net.nd"
    assert stat.S_IMODE(real.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    assert load_graph(tmp_path / "net.nd") == conv_net()
    write_atomically(tmp_path / "net.nd", b"other")
    assert real.read_bytes() == b"other"


def test_a_tensor_whose_data_are_not_of_its_type_is_not_written() -> None:
    graph: Graph = conv_net()
    wrong = Tensor(np.zeros((3, 12)), QType(0, 1))
    object.__setattr__(graph, "tensors", {**graph.tensors, "fc.weight": wrong})
    with pytest.raises(GraphError, match=r"fc\.weight: float64 data stand for int\[0,1\]"):
        graph_bytes(graph)
