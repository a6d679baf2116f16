"""Bad samples, labels, timesteps and options: a typed error that says what, nothing written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import neurodeploy as nd
from cli_files import spiking_graph
from command_line import Tool, refused
from neurodeploy.errors import DataError, GraphError

ONES = np.ones((6, 10, 12), np.uint8)
GOOD = np.zeros(6, np.int64)
SAMPLES: dict[str, tuple[dict[str, object], str]] = {
    "wrong width": ({"x": np.zeros((2, 11))}, "[2, 11]"),
    "no batch": ({"x": np.zeros(12)}, "[12]"),
    "too many axes": ({"x": np.zeros((2, 3, 4, 12))}, "[2, 3, 4, 12]"),
    "text": ({"x": np.full((2, 12), "a")}, "<U1"),
    "complex": ({"x": np.zeros((2, 12), complex)}, "complex128"),
    "objects": ({"x": np.array([None] * 12, object)}, "bad.npz"),
    "no spikes": ({"x": np.full((2, 12), 2.0)}, "0 and 1"),
    "nan": ({"x": np.full((2, 12), np.nan)}, "nan at [0, 0]"),
    "infinite": ({"x": np.full((2, 12), np.inf)}, "inf at [0, 0]"),
    "no samples": ({"x": np.zeros((0, 12))}, "no samples"),
    "no steps": ({"x": np.zeros((3, 0, 12))}, "no step"),
    "nothing": ({}, "no data for this input"),
    "labels alone": ({"y": GOOD}, "no data for this input"),
    "another input": ({"x": ONES, "z": ONES}, "'z'"),
    "too few labels": ({"x": ONES, "y": GOOD[:5]}, "[5] for 6 samples"),
    "too many labels": ({"x": ONES, "y": np.zeros(7, int)}, "[7] for 6 samples"),
    "one-hot labels": ({"x": ONES, "y": np.zeros((6, 3))}, "[6, 3]"),
    "one label": ({"x": ONES, "y": np.array(2)}, "[]"),
    "text labels": ({"x": ONES, "y": np.full(6, "cat")}, "<U3"),
    "half labels": ({"x": ONES, "y": np.full(6, 0.5)}, "0.5"),
    "negative labels": ({"x": ONES, "y": np.full(6, -1)}, "-1"),
    "labels from 1 on": ({"x": ONES, "y": np.full(6, 3)}, "3 classes"),
    "nan labels": ({"x": ONES, "y": np.full(6, np.nan)}, "nan"),
    "infinite labels": ({"x": ONES, "y": np.full(6, np.inf)}, "inf"),
    "huge labels": ({"x": ONES, "y": np.full(6, 2**64 - 1, np.uint64)}, "18446744073709551615"),
    "time first": ({"x": ONES.swapaxes(0, 1), "y": GOOD}, "--layout TN"),
    "events": ({"events": np.zeros((3, 4)), "offsets": np.array([0, 9])}, "offsets"),
}


@pytest.mark.parametrize("case", SAMPLES)
def test_samples_that_do_not_fit(tool: Tool, folder: Path, case: str) -> None:
    arrays, says = SAMPLES[case]
    np.savez(folder / "bad.npz", **arrays)  # type: ignore[arg-type]
    for verb in ("run net.nd", "run fw -o rec.npz", "profile fw", "compare net.nd fw"):
        shown = refused(tool, *verb.split(), "--input", "bad.npz", says=(says,))
        assert shown.document["error"] == "DataError"


def test_time_first_data_runs_once_it_is_called_so(tool: Tool, folder: Path) -> None:
    np.savez(folder / "first.npz", x=ONES.swapaxes(0, 1), y=GOOD)
    shown = tool("run", "net.nd", "--input", "first.npz", "--layout", "TN", "--json")
    assert (shown.document["samples"], shown.document["timesteps"]) == (6, 10)


def test_calibration_samples_that_do_not_fit(tool: Tool, folder: Path) -> None:
    np.savez(folder / "nan.npz", x=np.full((9, 1, 8, 8), np.nan, np.float32))
    np.savez(folder / "whole.npz", x=np.zeros((9, 1, 8, 8), np.uint8))
    for data, model, says in [
        ("x.npz", "model.onnx", "(N, 1, 8, 8)"),
        ("x.npz", "nets.py:build", "torch.uint8"),
        ("nan.npz", "model.onnx", "nan at [0, 0, 0, 0]"),
        ("nan.npz", "nets.py:build", "NaN"),
        ("whole.npz", "nets.py:build", "torch.uint8"),
    ]:
        refused(tool, "convert", model, "-o", "made.nd", "--calibrate", data, says=(says,))


@pytest.mark.parametrize("layout", ["NT", "TN"])
def test_calibration_data_without_a_sample(tool: Tool, folder: Path, layout: str) -> None:
    np.savez(folder / "number.npz", x=np.array(2.0))
    np.savez(folder / "none.npz", x=np.zeros((0, 1, 8, 8), np.float32))
    for data, says in (("number.npz", "shape [] holds"), ("none.npz", "shape [0, 1, 8, 8] holds")):
        for model in ("model.onnx", "nets.py:build"):
            convert = ("convert", model, "-o", "made.nd", "--layout", layout)
            refused(tool, *convert, "--calibrate", data, says=(says,))


def test_a_shape_has_no_layout(tool: Tool) -> None:
    convert = ("convert", "nets.py:build", "-o", "made.nd", "--method", "none")
    assert tool(*convert, "--input-shape", "1,8,8", "--layout", "TN").code == 0
    assert nd.load("made.nd").inputs[0].shape == (1, 8, 8)


def test_a_place_that_is_no_file_is_not_replaced(tool: Tool, folder: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no pipes with names")
    for name in ("pipe.nd", "pipe.npz", "pipe.onnx", "pipe.toml"):
        os.mkfifo(folder / name)
    for line in (
        "profile net.nd --input x.npz --report pipe.npz",
        "run net.nd --input x.npz -o pipe.npz",
        "convert net.nd -o pipe.nd",
        "inspect pipe.nd",  # and none is waited for
        "inspect pipe.onnx",
        "deploy pipe.toml -o made",
    ):
        refused(tool, *line.split(), says=("no regular file",))
    assert (folder / "pipe.npz").is_fifo()


def test_missing_calibration_data_names_the_next_command(tool: Tool) -> None:
    for model in ("model.onnx", "nets.py:build"):
        shown = refused(tool, "convert", model, "-o", "made.nd", "-T", "8")
        hint = shown.document["findings"][0]["hint"]
        command = hint.partition("   ")[0]
        assert command.startswith(f"neurodeploy convert {model} -o made.nd -T 8")
        arguments = command.replace("data.npz", "images.npz").split()[1:]
        assert tool(*arguments).code == 0  # the command that it names works
        Path("made.nd").unlink()
    refused(tool, "compile", "nets.py:build", "--target", "cpu", "-o", "made", says=("convert",))
    refused(tool, "deploy", "model.onnx", "--target", "cpu", "-o", "made", says=("--data",))


@pytest.mark.parametrize("steps", ["0", "-1", "-99999999999999999999"])
def test_no_timesteps(tool: Tool, steps: str) -> None:
    for verb in ("run net.nd --input still.npz", "profile fw --input x.npz"):
        refused(tool, *verb.split(), "--timesteps", steps, says=(f"timesteps is {steps}",))
    refused(tool, "compare", "net.nd", "fw", "--input", "x.npz", "-T", steps, says=(steps,))
    convert = ("convert", "model.onnx", "-o", "made.nd", "--calibrate", "images.npz")
    refused(tool, *convert, "-T", steps, says=(steps,))
    deploy = ("deploy", "model.onnx", "--target", "cpu", "--data", "images.npz", "-o", "made")
    refused(tool, *deploy, "--set", f"convert.timesteps={steps}")


def test_more_timesteps_than_the_data_or_the_memory_have(tool: Tool) -> None:
    shown = refused(tool, "run", "net.nd", "--input", "x.npz", "-T", "11", says=("10 steps",))
    finding = shown.document["findings"][0]
    assert (finding["value"], finding["limit"]) == (11, 10)
    for steps in (10**11, 2**63 - 1, 10**24):
        run = ("--input", "still.npz", "--timesteps", str(steps))
        for more in ((), ("--record", "all"), ("--record", "states"), ("--on", "reference")):
            shown = refused(tool, "run", "net.nd", *run, *more, says=("bytes",))
            finding = shown.document["findings"][0]
            assert finding["value"] > finding["limit"] > 0
        refused(tool, "compare", "net.nd", "fw", *run, says=("bytes",))
        refused(tool, "profile", "fw", *run)
    # outputs alone: 3 numbers of a float64 sum or a byte each, 6 samples, 10^11 steps
    least = 6 * 3 * 10**11
    shown = tool("run", "net.nd", "--input", "still.npz", "-T", str(10**11), "--json")
    assert least <= shown.document["findings"][0]["value"] <= 100 * least


USAGE = {
    "": "",
    "frobnicate": "frobnicate",
    "run": "PATH",
    "run net.nd": "--input",
    "run net.nd --input x.npz --frobnicate": "--frobnicate",
    "run net.nd --input x.npz -T many": "--timesteps",
    "run net.nd --input x.npz --on abacus": "engine, reference",
    "run fw --input x.npz --on abacus": "engine, reference",
    "run net.nd --input x.npz --record nobody": "nobody",
    "run net.nd --input x.npz --layout XY": "TN",
    "run net.nd --input x.npz --threads 0": "threads",
    "run net.nd --input x.npz --seed -1": "seed",
    "run net.nd --input x.npz --option a=1": "--option",
    "run fw --input x.npz --option a=1": "'engine'",
    "run fw --input x.npz --option a": "KEY=VALUE",
    "run net.nd --input x.npz -o rec.txt": "rec.txt",
    "run net.nd --input x.npz -o fw": "fw",
    "run net.nd --input x.npz -o no/where.npz": "no/where.npz",
    "compile net.nd --target abacus -o made": "cpu",
    "compile net.nd --target cpu -o made --option beads=7": "beads",
    "compile net.nd --target cpu -o made --option beads": "KEY=VALUE",
    "compile net.nd --target cpu -o made --option a=1 --option a=2": "twice",
    "compile net.nd --target cpu -o net.nd": "net.nd",
    "compile net.nd --target cpu": "--out",
    "compile fw --target cpu -o made": "fw",
    "profile net.nd --input x.npz --targets abacus": "cpu",
    "profile net.nd --input x.npz --targets cpu,abacus": "abacus",
    "profile net.nd --input x.npz --targets ,": "''",
    "profile net.nd --input x.npz --report no/where.html": "no/where.html",
    "profile net.nd --input x.npz --report fw": "fw",
    "compare net.nd fw --input x.npz --expect love": "exact, near",
    "compare net.nd fw --input x.npz --expect predictions>=2": "predictions>=0.99",
    "compare net.nd nowhere --input x.npz": "nowhere",
    "convert model.onnx -o made.nd --calibrate images.npz --method magic": "percentile",
    "convert model.onnx -o made.nd --calibrate images.npz --decode tea": "membrane",
    "convert model.onnx -o made.nd --calibrate images.npz --output z": "'y'",
    "convert nets.py:build -o made.nd --calibrate images.npz --output 7": "0 out",
    "convert model.onnx -o made.nd --calibrate images.npz --dt soon": "1ms",
    "convert model.onnx -o made.nd --calibrate images.npz --dt -1ms": "-1ms",
    "convert model.onnx -o made.nd --calibrate images.npz --seed -1": "seed",
    "convert model.onnx -o made.nd --calibrate images.npz --weights weights.pt": "weights.pt",
    "convert model.onnx -o made.nd --calibrate images.npz --convention x": "convention",
    "convert model.onnx -o made.nd --calibrate images.npz --time-axis 1": "time_axis",
    "convert nets.py:build -o made.nd --calibrate images.npz --steps 3": "steps",
    "convert model.onnx -o made.nd --example images.npz --input-shape 1,8,8": "--example",
    "convert nets.py:build -o made.nd --input-shape 1,x": "1,28,28",
    "convert nets.py:build -o made.nd --input-shape 0": "1,28,28",
    "convert nets.py:build -o made.nd --input-shape 99999,99999,99999": "bytes",
    "convert nets.py:build -o made.nd --input-shape 1,9": "[2, 1, 9]",
    "convert nets.py:build -o made.nd --input-shape 1" + 70 * ",1": "71 axes",
    "convert model.onnx -o made.pth": ".pth",
    "convert model.onnx -o made": "made",
    "convert model.onnx -o no/where.nd": "no/where.nd",
    "inspect weights.pt": "--weights weights.pt",
    "inspect x.npz": ".onnx, .nd",
    "inspect nets.py": "nets.py:callable",
    "targets abacus": "cpu",
    "deploy net.nd -o made": "--target",
    "deploy net.nd -o made --target abacus --data x.npz": "cpu",
    "deploy net.nd -o made --target cpu --data x.npz --set a.b=1": "a.b",
    "deploy net.nd -o made --target cpu --data x.npz --set convert.timesteps=x": "timesteps",
    "deploy net.nd -o made --target cpu --data x.npz --set compare.expect=love": "love",
    "deploy net.nd -o made --target cpu --data x.npz --set option.beads=7": "beads",
    "deploy nowhere.toml -o made": "nowhere.toml",
    "deploy net.nd -o net.nd --target cpu --data x.npz": "net.nd",
    "deploy net.nd -o . --target cpu --data x.npz": "net.nd",
    "deploy recipe.toml -o .": "recipe.toml",
    "deploy recipe.toml -o made --set run.input=": "--data",
    "deploy recipe.toml -o made --set run.input=nowhere.npz": "nowhere.npz",
    "deploy recipe.toml -o made --set run.input=x.npz": "[6, 10, 12]",
    "demo -o net.nd": "net.nd",
}


@pytest.mark.parametrize("line", USAGE)
def test_wrong_usage(tool: Tool, line: str) -> None:
    if line:
        refused(tool, *line.split(), says=(USAGE[line],))
    else:
        assert tool("--json").code == 2


@pytest.mark.parametrize("verb", ["inspect", "run", "convert"])
def test_names_that_no_file_can_have(tool: Tool, verb: str) -> None:
    more = {"inspect": (), "run": ("--input", "x.npz"), "convert": ("-o", "made.nd")}[verb]
    for name in ("x" * 5000 + ".nd", "x" * 5000 + ".onnx", "x" * 5000, "a\0b.nd", "a\0b.onnx", ""):
        refused(tool, verb, name, *more)
    refused(tool, "run", "net.nd", "--input", "x" * 5000 + ".npz")
    refused(tool, "run", "net.nd", "--input", "x.npz", "-o", "x" * 5000 + ".npz")
    refused(tool, "convert", "net.nd", "-o", "x" * 5000 + ".nd")
    refused(tool, "compile", "net.nd", "--target", "cpu", "-o", "x" * 5000)


def test_a_measurement_that_cannot_be_had(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neurodeploy.profile.meter.powercap_counters", _no_counters)
    profile = ("profile", "fw", "--input", "x.npz", "--require-measured")
    refused(tool, *profile, code=3, says=("no sensor here",))


def _no_counters(*args: object) -> object:
    from neurodeploy.profile.meter import NotMeasured

    return NotMeasured("no sensor here")


def test_memory_that_runs_out_is_bad_input(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise MemoryError("Unable to allocate 3 PiB")

    monkeypatch.setattr("neurodeploy.api.run", full)
    refused(tool, "run", "net.nd", "--input", "x.npz", says=("3 PiB", "fewer"))


def test_what_is_refused_is_left_as_it_was(folder: Path) -> None:
    from neurodeploy.converters.callable_model import build_model

    module = build_model("nets.py:not_a_number").train()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    x = np.zeros((3, 1, 8, 8), np.float32)
    with pytest.raises(GraphError):
        nd.load(module, example=x)
    assert module.training
    assert all(((v == before[k]) | v.isnan()).all() for k, v in module.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in module.parameters())

    graph = spiking_graph()
    digest, changes = graph.digest, graph.changes
    wrong = {"x": np.full((2, 12), 2.0), "y": np.zeros(5, int)}
    kept = {k: v.copy() for k, v in wrong.items()}
    for call in (nd.run, nd.profile):
        with pytest.raises(DataError):
            call(graph, wrong)  # type: ignore[operator]
    with pytest.raises(DataError):
        nd.convert(graph, data=wrong)
    with pytest.raises(DataError):
        nd.compare(graph, graph, wrong)
    assert wrong.keys() == kept.keys()
    assert all(np.array_equal(wrong[k], kept[k]) for k in kept)
    assert (graph.digest, graph.changes, graph == spiking_graph()) == (digest, changes, True)
