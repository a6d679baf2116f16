"""The folder of an artifact: whole or not at all, the same bytes always, nothing else lost."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import neurodeploy as nd
from neurodeploy.compiling import compile_graph, fit
from neurodeploy.errors import CapabilityError, TargetError, UsageError
from small_graphs import conv_net, integer_net, recurrent_net
from toy_target import ToyTarget, offer

OURS = {"graph.nd", "io.json", "manifest.json", "report.json"}


def tree(folder: Path) -> dict[str, bytes]:
    return {
        f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.rglob("*") if f.is_file()
    }


def test_the_folder_holds_what_the_manifest_lists(tmp_path: Path) -> None:
    graph = conv_net()
    artifact = compile_graph(graph, "cpu", tmp_path / "deep" / "er" / "art")
    files = tree(artifact.path)
    assert set(files) == OURS | {"model.c"}
    manifest = json.loads(files["manifest.json"])
    listed = {f["path"]: f["sha256"] for f in manifest["files"]}
    assert listed == {
        n: hashlib.sha256(b).hexdigest() for n, b in files.items() if n != "manifest.json"
    }
    assert manifest["source_graph"] == graph.digest
    assert artifact.graph == graph
    assert artifact.graph.changes == graph.changes
    report = json.loads(files["report.json"])
    assert report["sources"]["conv1"] == ["features.0", "features.1"]
    assert [c["step"] for c in report["changes"]] == ["ann_to_snn", "fold"]
    assert [p.name for p in artifact.path.parent.iterdir()] == ["art"]


@pytest.mark.parametrize("make", [conv_net, recurrent_net, integer_net])
def test_io_json_covers_every_index(tmp_path: Path, make: Callable[[], nd.Graph]) -> None:
    graph = make()
    artifact = compile_graph(graph, "cpu", tmp_path / "art")
    addresses = json.loads((artifact.path / "io.json").read_text())
    assert set(addresses) == {n.name for n in (*graph.inputs, *graph.outputs)}
    for name, rows in addresses.items():
        shape = graph.signals[(name, "out")].shape
        assert [r["index"] for r in rows] == list(range(int(np.prod(shape))))
        assert [tuple(json.loads(r["position"])) for r in rows] == list(np.ndindex(*shape))


def test_the_same_bytes_wherever_and_whenever(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from small_graphs import conv_net; import neurodeploy as nd\n"
        "nd.compile(conv_net(), 'cpu', sys.argv[1])"
    )
    first = tree(compile_graph(conv_net(), "cpu", tmp_path / "a").path)
    assert tree(compile_graph(conv_net(), "cpu", tmp_path / "a").path) == first
    support = str(Path(__file__).parent / "support")
    for seed in ("0", "7"):
        cwd = tmp_path / f"cwd{seed}"
        cwd.mkdir()
        command = [sys.executable, "-c", script, f"here/b{seed}", support]
        env = {**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo"}
        subprocess.run(command, cwd=cwd, env=env, check=True)
        assert tree(cwd / "here" / f"b{seed}") == first


def test_no_path_host_or_date_in_any_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A machine's own name can be as short as a variable's.
    host = "a-host-of-this-name"
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    monkeypatch.setattr(platform, "node", lambda: host)
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", host, "0", "0", "x86_64")))
    nd.save(conv_net(), tmp_path / "net.nd")
    graph = nd.load(tmp_path / "net.nd")
    for name, content in tree(compile_graph(graph, "cpu", tmp_path / "art").path).items():
        for bad in (str(tmp_path), os.getcwd(), host, time.strftime("%Y-%m")):
            assert bad.encode() not in content, (name, bad)


def test_the_graph_is_not_altered(tmp_path: Path) -> None:
    graph = conv_net()
    before = {n: (t.data.copy(), t.type) for n, t in graph.tensors.items()}
    nodes, edges = graph.nodes, graph.edges
    compile_graph(graph, "cpu", tmp_path / "art")
    assert graph.nodes is nodes
    assert graph.edges is edges
    assert all(np.array_equal(before[n][0], t.data) for n, t in graph.tensors.items())


def test_fit_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _, capabilities, _, lowered, placement = fit(conv_net(), "cpu")
    assert (capabilities.name, lowered.latency_steps) == ("cpu", 0)
    assert {r.name for r in placement.resources} == {"constants", "state of one sample"}
    assert list(tmp_path.iterdir()) == []


# -- whole or not at all --------------------------------------------------------------------------


def _raising(error: BaseException) -> Callable[[Path], object]:
    def write(out: Path) -> None:
        (out / "half.bin").write_bytes(b"half")
        raise error

    return write


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
def test_a_failing_emission_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bool, error: BaseException
) -> None:
    out = tmp_path / "art"
    before = tree(compile_graph(conv_net(), "cpu", out).path) if old else None
    offer(monkeypatch, ("toy", ToyTarget(_raising(error))))
    with pytest.raises(type(error)):
        compile_graph(recurrent_net(), "toy", out)
    assert [p.name for p in tmp_path.iterdir()] == (["art"] if old else [])
    assert (tree(out) if old else None) == before


def test_a_full_disk_is_a_typed_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, ("toy", ToyTarget(_raising(OSError(28, "No space left on device")))))
    with pytest.raises(UsageError, match="No space left"):
        compile_graph(conv_net(), "toy", tmp_path / "art")
    assert list(tmp_path.iterdir()) == []


def test_the_old_artifact_comes_back_if_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "art"
    before = tree(compile_graph(conv_net(), "cpu", out).path)
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if target == out and not self.name.endswith("-old"):
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(UsageError, match="Input/output error"):
        compile_graph(recurrent_net(), "cpu", out)
    assert tree(out) == before
    assert [p.name for p in tmp_path.iterdir()] == ["art"]


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_target_may_not_write_our_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    offer(monkeypatch, ("toy", ToyTarget(lambda out: (out / name).write_text("{}"))))
    with pytest.raises(TargetError, match=name):
        compile_graph(conv_net(), "toy", tmp_path / "art")
    assert list(tmp_path.iterdir()) == []


def test_a_target_may_not_write_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, ("toy", ToyTarget(lambda out: (out / "x").symlink_to("/etc/hostname"))))
    with pytest.raises(TargetError, match=r"x: .*link"):
        compile_graph(conv_net(), "toy", tmp_path / "art")
    assert list(tmp_path.iterdir()) == []


# -- what stands there already --------------------------------------------------------------------


def test_an_artifact_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, ("toy", ToyTarget()))
    out = tmp_path / "art"
    compile_graph(conv_net(), "toy", out)
    artifact = compile_graph(recurrent_net(), "cpu", out)
    assert set(tree(out)) == OURS | {"model.c"}
    assert artifact.graph == nd.open(out).graph == recurrent_net()
    (out / "model.c").write_text("damaged")  # still ours to replace
    assert compile_graph(conv_net(), "cpu", out).graph == conv_net()
    assert [p.name for p in tmp_path.iterdir()] == ["art"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "art").mkdir()
    assert compile_graph(conv_net(), "cpu", tmp_path / "art").path == tmp_path / "art"


def _foreign(path: Path) -> None:
    path.mkdir()
    (path / "notes.txt").write_text("mine")


def _web_page(path: Path) -> None:
    path.mkdir()
    (path / "manifest.json").write_text('{"name": "my page", "format": null}')
    (path / "index.html").write_text("mine")


def _garbled(path: Path) -> None:
    path.mkdir()
    (path / "manifest.json").write_bytes(b"\xff{")


def _mixed(path: Path) -> None:
    compile_graph(conv_net(), "cpu", path)
    (path / "results").mkdir()
    (path / "results" / "rec.npz").write_bytes(b"mine")


def _file(path: Path) -> None:
    path.write_text("mine")


@pytest.mark.parametrize("make", [_foreign, _web_page, _garbled, _mixed, _file])
def test_what_no_compile_wrote_is_left_alone(tmp_path: Path, make: Callable[[Path], None]) -> None:
    out = tmp_path / "art"
    make(out)
    before = tree(tmp_path)
    with pytest.raises(UsageError, match=r"no artifact|no compile wrote: results/rec\.npz"):
        compile_graph(recurrent_net(), "cpu", out)
    assert tree(tmp_path) == before


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    compile_graph(conv_net(), "cpu", tmp_path / "real")
    (tmp_path / "link").symlink_to("real")
    artifact = compile_graph(recurrent_net(), "cpu", tmp_path / "link")
    assert artifact.path == tmp_path / "link"
    assert (tmp_path / "link").is_symlink()
    assert nd.open(tmp_path / "real").graph == recurrent_net()


def test_the_current_folder_is_not_pulled_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for out in ("", ".", tmp_path):
        with pytest.raises(UsageError, match="current folder"):
            compile_graph(conv_net(), "cpu", out)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "art", "/proc/art"):
        with pytest.raises(UsageError, match="cannot be written"):
            compile_graph(conv_net(), "cpu", out)


def test_the_folder_obeys_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        artifact = compile_graph(conv_net(), "cpu", tmp_path / "art")
    finally:
        os.umask(before)
    assert artifact.path.stat().st_mode & 0o777 == 0o700


# -- options --------------------------------------------------------------------------------------


def test_options_and_limits_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, ("toy", ToyTarget()))
    made = compile_graph(
        conv_net(), "toy", tmp_path / "art", options={"speed": "3k", "fan-in": "1KiB"}
    )
    for artifact in (made, nd.open(tmp_path / "art")):
        assert dict(artifact.options) == {"speed": 3000}
        assert artifact.capabilities.limits[0].value == 1024
        assert artifact.latency_steps == 2
    manifest = json.loads((tmp_path / "art" / "manifest.json").read_text())
    assert manifest["options"] == {"speed": 3000, "fan-in": 1024}
    assert {f["path"] for f in manifest["files"]} == (OURS | {"toy.txt"}) - {"manifest.json"}


def test_everything_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, ("toy", ToyTarget()))
    with pytest.raises(CapabilityError, match="fan in 12 exceeds the 2 synapses") as caught:
        compile_graph(conv_net(), "toy", tmp_path / "art", options={"fan-in": 2})
    assert [f.node for f in caught.value.findings] == ["conv1", "fc"]
    assert caught.value.exit_code == 1
    with pytest.raises(UsageError, match="no option 'colour'"):
        compile_graph(conv_net(), "toy", tmp_path / "art", options={"colour": "red"})
    with pytest.raises(UsageError, match="no target 'gpu'"):
        compile_graph(conv_net(), "gpu", tmp_path / "art")
    assert list(tmp_path.iterdir()) == []
