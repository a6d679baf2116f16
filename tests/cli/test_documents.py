"""The JSON documents of every verb, the channels they come on, and the exit codes."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodeploy as nd
from cli_files import spiking_graph
from command_line import COMMON, Outcome, Tool, one_document

VERBS = ("demo", "convert", "inspect", "compile", "run", "compare", "profile", "deploy")
LOOKS = ("targets", "converters", "doctor")
CHANGE = {"node", "source", "what", "amount", "why"}
RESOURCE = {"name", "node", "used", "limit", "unit", "source"}
INTERVAL = {"value", "low", "high"}
COUNTS = {"neurons", "spikes", "synops", "dense_ops", "acs", "macs", "neuron_updates"}
LAYER = COUNTS | {"name", "source", "kind", "weight_bytes", "state_bytes", "joules"}
NODE = {"name", "mismatches", "count_a", "count_b", "first"}
CONVERT = ["convert", "nets.py:build", "-o", "made.nd", "--calibrate", "images.npz", "-T", "4"]


def document(tool: Tool, *arguments: str, code: int = 0) -> Any:
    """Call a verb with --json and give its document, after checking the common part."""
    shown = tool(*arguments, "--json")
    assert shown.code == code, shown
    found = shown.document
    assert found["schema"] == f"neurodeploy.{arguments[0]}/1"
    assert found["version"] == nd.__version__
    assert "Traceback" not in shown.err
    return found


def has_run(found: Any) -> None:
    assert found.keys() >= {"samples", "timesteps", "accuracy", "steps_mean", "spikes", "seconds"}


def has_compile(found: Any) -> None:
    assert found.keys() >= {"target", "fits", "resources", "files", "latency_steps"}
    assert all(r.keys() >= RESOURCE for r in found["resources"])
    assert all(f.keys() >= {"path", "sha256"} for f in found["files"])


def has_profile(found: Any) -> None:
    assert found.keys() >= {"target", "samples", "layers", "total", "energy", "latency"}
    assert all(layer.keys() >= LAYER for layer in found["layers"])
    assert all(layer["joules"].keys() >= INTERVAL for layer in found["layers"])
    # a sum of layers has no name, no source and no kind of its own
    assert found["total"].keys() >= LAYER - {"name", "source", "kind"}
    energy = found["energy"]
    assert energy.keys() >= {"joules_per_sample", "dynamic", "breakdown", "evidence"}
    assert energy["joules_per_sample"].keys() >= INTERVAL
    assert found["latency"].keys() >= {"seconds", "steps"}


def has_compare(found: Any) -> None:
    assert found.keys() >= {"equal", "verdict", "nodes"}
    assert all(n.keys() >= NODE for n in found["nodes"])


def test_the_whole_chain_on_a_small_network(tool: Tool, folder: Path) -> None:
    found = document(tool, *CONVERT)
    assert found.keys() >= COMMON | {"output", "changes", "report"}
    assert found["output"] == "made.nd"
    assert all(c.keys() >= CHANGE for c in found["changes"])
    assert found["report"] is not None
    graph = nd.load("made.nd")
    assert found["graph"] == graph.digest

    seen = document(tool, "inspect", "made.nd")
    assert seen["graph"] == graph.digest
    assert [n["name"] for n in seen["nodes"]] == [n.name for n in graph.nodes]
    assert len(seen["edges"]) == len(graph.edges)
    assert seen["timesteps"] == 4
    assert seen["changes"] == found["changes"]
    assert seen.keys() >= {"inputs", "outputs", "dt"}

    made = document(tool, "compile", "made.nd", "--target", "cpu", "-o", "program")
    has_compile(made)
    assert {f["path"] for f in made["files"]} | {"manifest.json"} == {
        f.relative_to("program").as_posix() for f in Path("program").rglob("*") if f.is_file()
    }

    ran = document(tool, "run", "program", "--input", "images.npz", "-o", "rec.npz", "--seed", "7")
    has_run(ran)
    recording = nd.Recording.load("rec.npz")
    assert ran["seed"] == recording.seed == 7
    assert ran["accuracy"] == recording.accuracy
    assert ran["spikes"] == {n: int(c.sum()) for n, c in recording.counts.items()}
    assert sum(ran["spikes"].values()) > 0

    compare = ("compare", "made.nd", "program", "--input", "images.npz", "--expect", "exact")
    same = document(tool, *compare)
    has_compare(same)
    assert (same["equal"], same["verdict"]) == (True, "exact")
    bill = document(tool, "profile", "program", "--input", "images.npz", "--report", "bill.html")
    has_profile(bill)
    assert bill["graph"] == made["graph"]
    assert sum(layer["spikes"] for layer in bill["layers"]) == bill["total"]["spikes"]
    assert Path("bill.html").stat().st_size > 1000

    deploy = (
        "--target",
        "cpu",
        "--data",
        "images.npz",
        "-o",
        "out",
        "--set",
        "convert.timesteps=4",
    )
    whole = document(tool, "deploy", "nets.py:build", *deploy)
    steps = whole["steps"]
    assert steps.keys() >= {"convert", "compile", "run", "compare", "profile"}
    assert steps["convert"].keys() >= {"output", "changes"}
    has_compile(steps["compile"])
    has_run(steps["run"])
    has_compare(steps["compare"])
    has_profile(steps["profile"])
    assert {p.name for p in Path("out").iterdir()} >= {"net.nd", "recipe.toml", "report.json"}
    again = document(tool, "deploy", "out/recipe.toml", "-o", "again")
    assert again["graph"] == whole["graph"]
    assert Path("again/net.nd").read_bytes() == Path("out/net.nd").read_bytes()


def test_onnx_through_the_chain(tool: Tool) -> None:
    found = document(
        tool, "convert", "model.onnx", "-o", "made.nd", "--calibrate", "images.npz", "--dt", "1ms"
    )
    assert found["changes"]
    assert document(tool, "inspect", "made.nd")["dt"] == "1 ms"
    document(tool, "compile", "made.nd", "--target", "cpu", "-o", "program")
    assert document(tool, "run", "program", "--input", "images.npz")["samples"] == 40
    analog = document(tool, "convert", "model.onnx", "-o", "ann.nd", "--method", "none")
    assert analog["report"] is None
    assert analog["graph"] != found["graph"]


def test_weights_from_a_nested_checkpoint(tool: Tool) -> None:
    plain = document(tool, *CONVERT)
    for weights in ("nested.pt", "nested.pt:state.model", "weights.safetensors", "two.pt:best"):
        shown = tool(*CONVERT, "--weights", weights, "--json")
        assert shown.document["graph"] == plain["graph"]
        nested = weights.partition(":")[0] in ("nested.pt", "two.pt")
        assert ("notice: " in shown.err) == nested  # what was found where is said
    assert "state.model" in tool(*CONVERT, "--weights", "nested.pt").err
    other = document(tool, *CONVERT, "--weights", "two.pt:last")
    assert other["graph"] != plain["graph"]


def test_the_demo_has_the_documents_of_its_steps(
    tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from neurodeploy.demo import digits

    every = digits.load_digits()
    few = dataclasses.replace(
        every, x_train=every.x_train[:60], x_test=every.x_test[:20], y_test=every.y_test[:20]
    )
    monkeypatch.setattr(digits, "load_digits", lambda: few)
    monkeypatch.setattr(digits, "TIMESTEPS", (2, 3))
    found = document(tool, "demo", "-o", "demo")
    assert found["accuracy"].keys() == {"ann", "snn"}
    assert found["accuracy"]["snn"].keys() == {"2", "3"}
    steps = found["steps"]
    assert steps["convert"].keys() >= {"output", "changes"}
    has_compile(steps["compile"])
    has_run(steps["run"])
    has_compare(steps["compare"])
    has_profile(steps["profile"])
    assert {p.name for p in Path("demo").iterdir()} >= {"net.nd", "program", "report.json"}


def test_the_verbs_that_look(tool: Tool) -> None:
    checks = document(tool, "doctor")["checks"]
    assert all(c.keys() >= {"name", "ok", "version", "needed_for", "fix"} for c in checks)
    assert all(c["fix"] for c in checks)
    assert [t["name"] for t in document(tool, "targets")["targets"]]
    assert document(tool, "targets", "cpu").keys() >= {"options", "limits", "runners"}
    assert all(c["reads"] for c in document(tool, "converters")["converters"])
    seen = document(tool, "inspect", "fw")
    assert seen["graph"] == document(tool, "inspect", "net.nd")["graph"]


def test_several_targets_are_billed_apart(tool: Tool) -> None:
    found = document(tool, "profile", "net.nd", "--input", "x.npz", "--targets", "cpu, cpu")
    has_profile(found)
    has_profile(found["targets"]["cpu"])


def test_accuracy_is_null_without_labels(tool: Tool) -> None:
    assert document(tool, "run", "net.nd", "--input", "still.npz")["accuracy"] is None


def test_exit_codes(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    compare = ("compare", "net.nd", "other.nd", "--input", "x.npz")
    different = document(tool, *compare, code=1)
    has_compare(different)
    first = next(n["first"] for n in different["nodes"] if n["first"])
    assert first.keys() >= {"sample", "step", "index", "a", "b", "margin"}
    assert document(tool, *compare, "--expect", "predictions>=0", code=0)["verdict"] == "differs"
    assert document(tool, "run", "net.nd", "--input", "nowhere.npz", code=2)["error"] == "DataError"
    monkeypatch.setitem(sys.modules, "onnx", None)
    missing = document(tool, "inspect", "model.onnx", code=3)
    assert missing["error"] == "MissingDependencyError"


@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_a_bug_of_ours_is_70_with_a_report(
    tool: Tool, monkeypatch: pytest.MonkeyPatch, debug: tuple[str, ...]
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("far too clever")

    monkeypatch.setattr("neurodeploy.api.run", broken)
    shown = tool("run", "net.nd", "--input", "x.npz", "--json", *debug)
    assert shown.code == 70
    assert shown.document["error"] == "InternalError"
    assert ("Traceback" in shown.err) == bool(debug)
    hint = shown.document["findings"][0]["hint"]
    report = Path(hint.rsplit(" ", 1)[1]).read_text()
    assert "ZeroDivisionError: far too clever" in report
    assert "neurodeploy run net.nd --input x.npz --json" in report


def test_a_document_that_cannot_be_written_is_our_bug_too(
    tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neurodeploy.cli.look.duration_text", lambda dt: object())
    shown = tool("inspect", "net.nd", "--json")
    assert shown.code == 70
    assert shown.document["error"] == "InternalError"


def test_what_is_no_number_is_null(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    values = [float("nan"), float("inf"), 0.5]
    monkeypatch.setattr("neurodeploy.cli.look.duration_text", lambda dt: {"a": values})
    assert document(tool, "inspect", "net.nd")["dt"] == {"a": [None, None, 0.5]}


def test_failures_keep_the_seed(tool: Tool) -> None:
    run = ("run", "net.nd", "--input", "nowhere.npz", "--seed", "9")
    assert document(tool, *run, code=2)["seed"] == 9


def test_output_of_the_users_code_goes_to_stderr(tool: Tool) -> None:
    convert = ("convert", "nets.py:talkative", "-o", "made.nd", "--calibrate", "images.npz")
    shown = tool(*convert, "--json")
    assert shown.document["output"] == "made.nd"
    assert "hello from the model's code" in shown.err
    assert "hello" not in tool(*convert).out


QUIET = {
    "run": "run fw --input x.npz",
    "compare": "compare net.nd fw --input x.npz",
    "profile": "profile fw --input x.npz",
    "compile": "compile net.nd --target cpu -o made",
    "convert": "convert model.onnx -o made.nd --calibrate images.npz",
    "weights": "convert nets.py:build -o made.nd --calibrate images.npz --weights nested.pt",
    "deploy": "deploy model.onnx --target cpu --data images.npz -o made",
    "inspect": "inspect fw",
}


@pytest.mark.parametrize("case", QUIET)
def test_quiet_leaves_stderr_empty(tool: Tool, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    shown = tool(*QUIET[case].split(), "-q")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out
    refused = tool(*QUIET[case].split(), "-q", "--frobnicate")
    assert refused.code == 2
    assert "--frobnicate" in refused.err  # an error is never silent


def test_the_level_of_the_log_is_put_back(tool: Tool) -> None:
    import logging

    log = logging.getLogger("neurodeploy")
    before = (log.level, list(log.handlers))
    tool("run", "net.nd", "--input", "x.npz", "-v")
    tool("run", "net.nd", "--input", "nowhere.npz", "-q")
    assert (log.level, log.handlers) == before


def on_a_terminal(folder: Path, *arguments: str, **environment: str) -> Outcome:
    """Run the tool as a program whose stderr is a terminal, and whose stdout is a pipe."""
    pty = pytest.importorskip("pty", reason="this system has no terminals to open")
    ours, theirs = pty.openpty()
    code = "from neurodeploy.cli import main; main()"
    plain = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=plain | {"TERM": "xterm-256color", "COLUMNS": "100"} | environment,
    )
    os.close(theirs)
    seen = bytearray()
    try:
        while part := os.read(ours, 65536):
            seen += part
    except OSError:  # Linux says so when the other end is closed
        pass
    os.close(ours)
    out, _ = process.communicate(timeout=60)
    return Outcome(process.returncode, out.decode(), seen.decode(), 0.0)


COLOUR = re.compile(r"\x1b\[[0-9;]*(?:3[0-8]|4[0-8]|9[0-7])[0-9;]*m")


def test_progress_and_colour_stay_on_stderr(folder: Path) -> None:
    run = ("run", "net.nd", "--input", "x.npz", "--on", "reference", "--json")
    coloured = on_a_terminal(folder, *run)
    assert coloured.code == 0
    assert coloured.document["samples"] == 6
    assert "running" in coloured.err
    assert COLOUR.search(coloured.err)
    plain = on_a_terminal(folder, *run, NO_COLOR="1")
    assert plain.document["samples"] == 6
    assert "running" in plain.err
    assert not COLOUR.search(plain.err)
    silent = on_a_terminal(folder, *run, "-q")
    assert silent.document["samples"] == 6
    assert silent.err == ""
    failed = on_a_terminal(folder, *run, "-T", "0")
    assert failed.document["error"] == "DataError"
    assert "Traceback" not in failed.err


def test_a_terminal_without_unicode(folder: Path) -> None:
    for arguments in (["doctor"], ["inspect", "net.nd"], ["profile", "net.nd", "--input", "x.npz"]):
        code = "from neurodeploy.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=folder,
            capture_output=True,
            env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.isascii()


def test_every_verb_tells_its_failure_as_a_document(tool: Tool) -> None:
    for verb in (*VERBS, *LOOKS):
        shown = tool(verb, "--no-such-option", "--json")
        assert shown.code == 2
        assert shown.document["schema"] == f"neurodeploy.{verb}/1"
        assert shown.document["findings"][0]["hint"] == f"neurodeploy {verb} --help"
    assert tool("frobnicate", "--json").document["schema"] == "neurodeploy.neurodeploy/1"


def test_equal_calls_give_equal_documents(tool: Tool) -> None:
    compare = ("compare", "net.nd", "other.nd", "--input", "x.npz")
    assert document(tool, *compare, code=1) == document(tool, *compare, code=1)
    first = tool(*CONVERT, "--json").out
    content = Path("made.nd").read_bytes()
    assert tool(*CONVERT, "--json").out == first
    assert Path("made.nd").read_bytes() == content


def test_documents_are_those_of_the_api(tool: Tool, folder: Path) -> None:
    graph = spiking_graph()
    with np.load("x.npz") as arrays:
        x, y = arrays["x"], arrays["y"]
    run = document(tool, "run", "net.nd", "--input", "x.npz")
    recording = nd.run(graph, x, y)
    expected = one_document(json.dumps(recording.to_json()))
    for key in expected.keys() - {"seconds", "runner"}:
        assert run[key] == expected[key]
    compare = document(tool, "compare", "net.nd", "other.nd", "--input", "x.npz", code=1)
    found = nd.compare(graph, spiking_graph(1.5), x)
    assert compare["nodes"] == one_document(json.dumps(found.to_json()))["nodes"]
