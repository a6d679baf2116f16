"""Opening what may be damaged or hostile."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodeploy as nd
from neurodeploy.artifact import MAX_MANIFEST, Artifact
from neurodeploy.compiling import compile_graph
from neurodeploy.errors import ArtifactError, NeurodeployError, UsageError
from recurrent_chain import network


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return compile_graph(network(), "cpu", tmp_path / "art")


def refusal(folder: Path, error: type[NeurodeployError] = ArtifactError) -> str:
    with pytest.raises(error) as caught:
        nd.open(folder)
    assert caught.value.exit_code == 2
    return str(caught.value)


def resealed(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Alter the manifest and give it a digest that agrees, as an attacker would."""
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    manifest.pop("digest")
    text = json.dumps(manifest, sort_keys=True)
    manifest["digest"] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_resealing_alone_is_accepted(artifact: Artifact) -> None:
    resealed(artifact.path, lambda m: m)
    assert nd.open(artifact.path).graph == artifact.graph


@pytest.mark.parametrize("name", ["graph.nd", "io.json", "manifest.json", "model.c", "report.json"])
def test_a_flipped_bit_in_any_file(artifact: Artifact, name: str) -> None:
    file = artifact.path / name
    content = bytearray(file.read_bytes())
    for at in np.linspace(0, len(content) - 2, 12).astype(int):  # the last byte is a line end
        content[at] ^= 1
        file.write_bytes(content)
        assert name in refusal(artifact.path)
        content[at] ^= 1
    file.write_bytes(content)
    nd.open(artifact.path)


@pytest.mark.parametrize("name", ["graph.nd", "io.json", "model.c", "report.json"])
def test_a_missing_file(artifact: Artifact, name: str) -> None:
    (artifact.path / name).unlink()
    assert f"{name}: the file is missing" in refusal(artifact.path)
    (artifact.path / name).mkdir()
    assert f"{name}: the file is missing" in refusal(artifact.path)


def test_all_damage_is_told_at_once(artifact: Artifact) -> None:
    (artifact.path / "io.json").unlink()
    (artifact.path / "model.c").write_text("other")
    resealed(artifact.path, lambda m: m.update(latency_steps=-1, options=[]))
    with pytest.raises(ArtifactError) as caught:
        nd.open(artifact.path)
    assert [f.node for f in caught.value.findings] == [
        "manifest.json", "manifest.json", "io.json", "model.c",
    ]  # fmt: skip


def test_no_artifact_at_all(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    for folder in ("empty", "file", "none", "x" * 5000):
        assert "manifest.json" in refusal(tmp_path / folder)
    (tmp_path / "empty" / "manifest.json").mkdir()
    assert "manifest.json" in refusal(tmp_path / "empty")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"x"',
        b"{",
        b"{}",
        b'{"format": 3}',
        b'{"format": "neurodeploy.graph/1"}',
        b'{"format": "neurodeploy.artifact/1"}',
        b'{"format": "neurodeploy.artifact/1", "format": "neurodeploy.artifact/1"}',
        b'{"format": "neurodeploy.artifact/1", "digest": NaN}',
        b'{"format": "neurodeploy.artifact/1", "digest": ' + b"9" * 5000 + b"}",
        b'{"format": ' + b"[" * 100_000,
        b'{"format": "neurodeploy.artifact/1", "a": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_no_usable_manifest(artifact: Artifact, content: bytes) -> None:
    (artifact.path / "manifest.json").write_bytes(content)
    assert "manifest.json" in refusal(artifact.path)


def test_a_huge_manifest_is_not_read(artifact: Artifact) -> None:
    with (artifact.path / "manifest.json").open("wb") as file:
        file.truncate(MAX_MANIFEST + 1)
    assert f"{MAX_MANIFEST + 1} bytes" in refusal(artifact.path)


def test_a_newer_version_says_so(artifact: Artifact) -> None:
    resealed(artifact.path, lambda m: m.update(format="neurodeploy.artifact/2"))
    text = refusal(artifact.path)
    assert "neurodeploy.artifact/2" in text
    assert "upgrade" in text


@pytest.mark.parametrize(
    "name",
    [
        "../secret", "/etc/hostname", "sub/../../secret", "", ".", "..", "a//b", "a/./b",
        "a\\..\\..\\secret", "nul\0", "x" * 5000, None, 3, ["graph.nd"],
    ],
)  # fmt: skip
def test_paths_that_leave_the_folder(artifact: Artifact, name: object) -> None:
    secret = artifact.path.parent / "secret"
    secret.write_text("secret")
    digest = hashlib.sha256(b"secret").hexdigest()
    resealed(artifact.path, lambda m: m["files"].append({"path": name, "sha256": digest}))
    refusal(artifact.path)


def test_links_are_refused(artifact: Artifact, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (artifact.path / "io.json").rename(outside / "io.json")
    (artifact.path / "io.json").symlink_to(outside / "io.json")
    assert "io.json: a link" in refusal(artifact.path)
    (artifact.path / "io.json").unlink()
    (artifact.path / "sub").symlink_to(outside)

    def through_a_folder(manifest: dict[str, Any]) -> None:
        entry = next(f for f in manifest["files"] if f["path"] == "io.json")
        entry["path"] = "sub/io.json"

    resealed(artifact.path, through_a_folder)
    assert "sub/io.json: a link" in refusal(artifact.path)


def test_a_linked_manifest_is_refused(artifact: Artifact, tmp_path: Path) -> None:
    (artifact.path / "manifest.json").rename(tmp_path / "m.json")
    (artifact.path / "manifest.json").symlink_to(tmp_path / "m.json")
    refusal(artifact.path)


def test_an_artifact_behind_a_linked_folder_opens(artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(artifact.path)
    assert nd.open(tmp_path / "link").graph == artifact.graph


def _without_graph(manifest: dict[str, Any]) -> None:
    manifest["files"] = [f for f in manifest["files"] if f["path"] != "graph.nd"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (_without_graph, "lists no graph.nd"),
        (lambda m: m.pop("files"), "lists no files"),
        (lambda m: m.update(files={}), "lists no files"),
        (lambda m: m.update(target=None), "'target'"),
        (lambda m: m.update(options={"a": [1]}), "'options'"),
        (lambda m: m.update(options={"a": 1}), "no option 'a'"),
        (lambda m: m.update(latency_steps=True), "'latency_steps'"),
        (lambda m: m.update(latency_steps=1.0), "'latency_steps'"),
        (lambda m: m.update(resources=[3]), "'resources'"),
        (lambda m: m["files"][0].pop("sha256"), "not the one that was compiled"),
    ],
)
def test_fields_are_checked_though_the_digest_agrees(
    artifact: Artifact, change: Callable[[dict[str, Any]], object], text: str
) -> None:
    resealed(artifact.path, change)
    assert text in refusal(artifact.path)


def test_a_target_that_is_not_installed(artifact: Artifact) -> None:
    resealed(artifact.path, lambda m: m.update(target="loihi9"))
    assert "no target 'loihi9'" in refusal(artifact.path, UsageError)


def test_a_damaged_graph_is_refused_though_the_manifest_agrees(artifact: Artifact) -> None:
    content = (artifact.path / "graph.nd").read_bytes()[:-1]
    (artifact.path / "graph.nd").write_bytes(content)

    def agree(manifest: dict[str, Any]) -> None:
        entry = next(f for f in manifest["files"] if f["path"] == "graph.nd")
        entry["sha256"] = hashlib.sha256(content).hexdigest()

    resealed(artifact.path, agree)
    assert "graph.nd" in refusal(artifact.path, NeurodeployError)
