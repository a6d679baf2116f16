"""The contract of the command line: documents, exit codes, error texts."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodeploy as nd
from neurodeploy.cli import main
from neurodeploy.ir import BOOL, Graph, GraphBuilder

F = np.float32


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as stop:
            main(list(arguments))
        shown = capsys.readouterr()
        code = stop.value.code
        return Outcome(code if isinstance(code, int) else -1, shown.out, shown.err)

    return call


def network(threshold: float = 1.0) -> Graph:
    rng = np.random.default_rng(0)
    b = GraphBuilder("1ms")
    x = b.input("x", (12,), type=BOOL)
    hidden = b.cell(
        "hidden",
        "lif",
        b.dense("fc1", x, rng.normal(size=(20, 12)), source=["net.0"]),
        params={"beta": 0.9, "threshold": threshold},
        source=["net.1"],
    )
    out = b.cell("last", "lif", b.dense("fc2", hidden, rng.normal(size=(3, 20))))
    return b.output("out", out).build(timesteps=8)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    nd.save(network(), tmp_path / "net.nd")
    nd.save(network(1.5), tmp_path / "other.nd")
    rng = np.random.default_rng(1)
    x, y = (rng.random((6, 10, 12)) < 0.3).astype(np.uint8), rng.integers(0, 3, 6)
    np.savez(tmp_path / "x.npz", x=x, y=y)
    return tmp_path


COMMON = {"schema", "version", "graph", "seed", "findings"}


def test_help_and_version(cli) -> None:
    for arguments in ([], ["--help"]):
        shown = cli(*arguments)
        assert shown.code == 0
        for verb in ("demo", "convert", "compile", "run", "profile", "compare", "deploy", "doctor"):
            assert verb in shown.out
    assert cli("--version").out.strip() == f"neurodeploy {nd.__version__}"


def test_every_verb_has_the_shared_options(cli) -> None:
    verbs = "demo convert compile run profile compare deploy inspect targets converters doctor"
    for verb in verbs.split():
        shown = cli(verb, "--help")
        assert shown.code == 0
        assert "--json" in shown.out
        assert "--quiet" in shown.out


def test_run(cli, files: Path) -> None:
    document = cli("run", "net.nd", "--input", "x.npz", "--json").document
    assert document.keys() >= COMMON | {
        "samples",
        "timesteps",
        "accuracy",
        "steps_mean",
        "spikes",
        "seconds",
    }
    assert document["schema"] == "neurodeploy.run/1"
    assert document["samples"] == 6
    assert document["timesteps"] == 10
    assert document["graph"] == network().digest
    assert document["spikes"]["hidden"] > 50
    shown = cli("run", "net.nd", "--input", "x.npz", "-o", "rec.npz", "--record", "all", "-T", "4")
    assert shown.code == 0
    assert "hidden" in shown.out
    recording = nd.Recording.load(files / "rec.npz")
    assert recording.spikes["hidden"].shape == (6, 4, 20)
    assert recording.spikes["hidden"].sum() == recording.counts["hidden"].sum()


def test_compile_run_inspect_profile_compare(cli, files: Path) -> None:
    document = cli("compile", "net.nd", "--target", "cpu", "-o", "fw", "--json").document
    assert document["fits"] is True
    assert document["latency_steps"] == 0
    assert {f["path"] for f in document["files"]} >= {"graph.nd", "io.json", "report.json"}
    assert all(len(f["sha256"]) == 64 for f in document["files"])
    for on in ("engine", "reference"):
        assert cli("run", "fw", "--on", on, "--input", "x.npz", "--json").document["samples"] == 6
    document = cli("compare", "net.nd", "fw", "--input", "x.npz", "--expect", "exact", "--json")
    assert document.code == 0
    assert document.document["verdict"] == "exact"
    shown = cli("inspect", "fw")
    assert "hidden" in shown.out
    document = cli("inspect", "net.nd", "--json").document
    assert document["inputs"] == ["x"]
    assert document["dt"] == "1 ms"
    document = cli("profile", "fw", "--input", "x.npz", "--report", "bill.html", "--json").document
    assert document.keys() >= COMMON | {"target", "samples", "layers", "total", "energy", "latency"}
    assert document["energy"]["joules_per_sample"]["low"] > 0
    assert "<html" in (files / "bill.html").read_text().lower()


def test_a_difference_is_a_finding_with_exit_code_1(cli, files: Path) -> None:
    shown = cli("compare", "net.nd", "other.nd", "--input", "x.npz", "--json")
    assert shown.code == 1
    assert shown.document["verdict"] == "differs"
    text = cli("compare", "net.nd", "other.nd", "--input", "x.npz")
    assert text.code == 1
    assert "hidden" in text.out


def test_two_recordings_are_compared(cli, files: Path) -> None:
    for path, model in (("a.npz", "net.nd"), ("b.npz", "net.nd"), ("c.npz", "other.nd")):
        cli("run", model, "--input", "x.npz", "-o", path, "--record", "states")
    shown = cli("compare", "a.npz", "b.npz", "--expect", "exact", "--json")
    assert (shown.code, shown.document["verdict"]) == (0, "exact")
    assert shown.document["graph"] == network().digest
    assert cli("compare", "a.npz", "c.npz").code == 1
    beside = cli("compare", "net.nd", "a.npz", "--input", "x.npz", "--expect", "exact")
    assert beside.code == 0
    refused = cli("compare", "a.npz", "b.npz", "--input", "x.npz")
    assert refused.code == 2
    assert "neither --input nor --timesteps" in refused.err


def test_quantize(cli, files: Path) -> None:
    document = cli(
        "quantize", "net.nd", "-o", "q.nd", "--bits", "6", "--calibrate", "x.npz", "--json"
    ).document
    assert document["scheme"]["weight_bits"] == 6
    assert {"hidden"} <= {layer["name"] for layer in document["report"]["layers"]}
    assert document["changes"]
    shown = cli("compare", "net.nd", "q.nd", "--input", "x.npz", "--expect", "predictions>=0.5")
    assert shown.code == 0
    missing = cli("quantize", "net.nd", "-o", "r.nd")
    assert missing.code == 2
    assert "--calibrate" in missing.err
    assert not (files / "r.nd").exists()


def test_targets_converters_doctor(cli) -> None:
    assert "cpu" in [t["name"] for t in cli("targets", "--json").document["targets"]]
    document = cli("targets", "cpu", "--json").document
    assert document["runners"] == ["engine", "reference"]
    names = {c["name"] for c in cli("converters", "--json").document["converters"]}
    assert names >= {"torch", "onnx"}
    checks = {c["name"]: c for c in cli("doctor", "--json").document["checks"]}
    assert checks["numpy"]["ok"] is True
    assert "lava-nc==0.10.0" in checks["lava-nc"]["fix"]
    assert checks["C compiler"].keys() == {"name", "ok", "version", "needed_for", "fix"}


BAD = [
    ("frobnicate",),
    ("run",),
    ("run", "net.nd"),
    ("run", "net.nd", "--input", "x.npz", "--frobnicate"),
    ("run", "net.nd", "--input", "x.npz", "--timesteps", "0"),
    ("run", "net.nd", "--input", "x.npz", "--timesteps", "-3"),
    ("run", "net.nd", "--input", "x.npz", "--timesteps", "99"),
    ("run", "net.nd", "--input", "nowhere.npz"),
    ("compare", "net.nd", "net.nd"),
    ("compare", "x.npz", "x.npz"),
    ("run", "net.nd", "--input", "wrong.npz"),
    ("run", "net.nd", "--input", "first.npz"),
    ("run", "nowhere.nd", "--input", "x.npz"),
    ("run", "empty.nd", "--input", "x.npz"),
    ("run", "cut.nd", "--input", "x.npz"),
    ("run", "random.nd", "--input", "x.npz"),
    ("run", "renamed.nd", "--input", "x.npz"),
    ("run", "net.nd", "--input", "x.npz", "--on", "abacus"),
    ("run", "net.nd", "--input", "x.npz", "--record", "nobody"),
    ("compile", "net.nd", "--target", "abacus", "-o", "fw"),
    ("compile", "net.nd", "--target", "cpu", "-o", "fw", "--option", "beads=7"),
    ("compile", "net.nd", "--target", "cpu", "-o", "taken"),
    ("compare", "net.nd", "net.nd", "--input", "x.npz", "--expect", "love"),
    ("inspect", "folder"),
    ("inspect", "model.xyz"),
    ("targets", "abacus"),
    ("convert", "net.nd", "-o", "net.pth"),
    ("convert", "net.nd", "-o", "n.nd", "--decode", "tea"),
    ("deploy", "net.nd", "-o", "out"),
    ("deploy", "broken.toml", "-o", "out"),
    ("deploy", "net.nd", "-o", "out", "--target", "cpu", "--data", "x.npz", "--set", "a.b=1"),
]


@pytest.mark.parametrize("arguments", BAD, ids=" ".join)
def test_bad_input_gives_exit_code_2_and_findings(cli, files: Path, arguments) -> None:
    content = (files / "net.nd").read_bytes()
    (files / "empty.nd").write_bytes(b"")
    (files / "cut.nd").write_bytes(content[: len(content) // 2])
    (files / "random.nd").write_bytes(np.random.default_rng(0).bytes(4000))
    (files / "renamed.nd").write_bytes((files / "x.npz").read_bytes())
    (files / "folder").mkdir()
    (files / "taken").mkdir()
    (files / "taken" / "precious").write_text("mine")
    (files / "broken.toml").write_text("[convert\n")
    np.savez(files / "wrong.npz", x=np.zeros((2, 11)))
    np.savez(files / "first.npz", x=np.zeros((10, 6, 12)), y=np.zeros(6, int))
    before = sorted(p.name for p in files.iterdir())
    shown = cli(*arguments, "--json")
    assert shown.code == 2
    document = shown.document
    assert document["error"]
    assert all(f["message"] for f in document["findings"])
    assert len(document["findings"]) >= 1
    assert sorted(p.name for p in files.iterdir()) == before  # nothing is written half
    text = cli(*arguments)
    assert text.code == 2
    assert "Traceback" not in text.err
    assert document["findings"][0]["message"][:20] in text.err


def test_an_unexpected_error_is_our_bug_with_a_report(cli, files: Path, monkeypatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        message = "kaputt"
        raise RuntimeError(message)

    monkeypatch.setattr("neurodeploy.api.run", broken)
    shown = cli("run", "net.nd", "--input", "x.npz", "--json")
    assert shown.code == 70
    finding = shown.document["findings"][0]
    assert "kaputt" in finding["message"]
    report = Path(finding["hint"].rsplit(" ", 1)[1])
    assert "Traceback" in report.read_text()


def test_quiet_prints_nothing_but_the_result(cli, files: Path) -> None:
    assert cli("run", "net.nd", "--input", "x.npz", "-q").err == ""


def test_a_reader_that_goes_away_is_no_error(files: Path) -> None:
    code = "from neurodeploy.cli import main; main(['inspect', 'net.nd'])"
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=files, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 0, error
    assert b"Traceback" not in error


def test_convert_keeps_what_cannot_spike(cli, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    b = GraphBuilder()
    y = b.cell("act", "relu", b.dense("fc", b.input("x", (6,)), rng.normal(size=(5, 6))))
    y = b.cell("squash", "sigmoid", b.dense("fc2", y, rng.normal(size=(3, 5))))
    nd.save(b.output("out", y).build(), tmp_path / "ann.nd")
    np.savez(tmp_path / "c.npz", x=rng.normal(size=(40, 6)).astype(F))
    asked = ("convert", "ann.nd", "-o", "snn.nd", "--calibrate", "c.npz", "-T", "8", "--json")
    refused = cli(*asked)
    assert refused.code == 2
    assert "--keep-ann" in refused.document["findings"][0]["hint"]
    kept = cli(*asked, "--keep-ann")
    assert kept.code == 0
    changes = kept.document["changes"]
    assert ("squash", "kept as float: not spikes") in {(c["node"], c["what"]) for c in changes}
    assert cli("run", "snn.nd", "--input", "c.npz", "--json").code == 0
