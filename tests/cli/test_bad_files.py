"""Bad files and code from the outside: a typed error that says what and where, nothing written."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from cli_files import CODE, damaged, nan_graph_file
from command_line import Tool, refused

DAMAGE = ("empty", "half", "short", "random")


# a readable kind: the sound file, and the command that reads it from ``bad`` with its ending
READERS = {
    "nd inspect": ("net.nd", "inspect {}"),
    "nd run": ("net.nd", "run {} --input x.npz -o rec.npz"),
    "nd convert": ("net.nd", "convert {} -o made.nd"),
    "nd compile": ("net.nd", "compile {} --target cpu -o made"),
    "nd profile": ("net.nd", "profile {} --input x.npz --report bill.html"),
    "nd compare": ("net.nd", "compare net.nd {} --input x.npz"),
    "onnx convert": ("model.onnx", "convert {} -o made.nd --calibrate images.npz"),
    "onnx compile": ("model.onnx", "compile {} --target cpu -o made"),
    "onnx deploy": ("model.onnx", "deploy {} --target cpu --data images.npz -o made"),
    "npz run": ("x.npz", "run net.nd --input {} -o rec.npz"),
    "npz compare": ("x.npz", "compare net.nd fw --input {}"),
    "npz profile": ("x.npz", "profile fw --input {}"),
    "npz calibrate": ("images.npz", "convert model.onnx -o made.nd --calibrate {}"),
    "npz example": ("images.npz", "convert nets.py:build -o made.nd --method none --example {}"),
    "npz deploy": ("images.npz", "deploy model.onnx --target cpu -o made --data {}"),
    "pt": ("weights.pt", "convert nets.py:build -o m.nd --calibrate images.npz --weights {}"),
    "safetensors": (
        "weights.safetensors",
        "convert nets.py:build -o m.nd --calibrate images.npz --weights {}",
    ),
}


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("reader", READERS)
def test_a_damaged_file(tool: Tool, folder: Path, reader: str, how: str) -> None:
    name, command = READERS[reader]
    bad = folder / f"bad{Path(name).suffix}"
    bad.write_bytes(damaged((folder / name).read_bytes(), how))
    refused(tool, *command.format(bad.name).split(), says=(bad.name,))


RENAMED = ("net.nd", "model.onnx", "x.npz", "weights.pt", "weights.safetensors", "recipe.toml")


@pytest.mark.parametrize(
    ("reader", "content"),
    [
        (reader, content)
        for reader in (
            "nd inspect",
            "onnx convert",
            "npz run",
            "npz calibrate",
            "pt",
            "safetensors",
        )
        for content in RENAMED
        if Path(READERS[reader][0]).suffix != Path(content).suffix
    ],
)
def test_a_renamed_file(tool: Tool, folder: Path, reader: str, content: str) -> None:
    name, command = READERS[reader]
    bad = folder / f"bad{Path(name).suffix}"
    shutil.copy(folder / content, bad)
    refused(tool, *command.format(bad.name).split(), says=(bad.name,))


@pytest.mark.parametrize("reader", READERS)
def test_a_file_that_is_not_there_or_is_a_folder(tool: Tool, folder: Path, reader: str) -> None:
    name, command = READERS[reader]
    suffix = Path(name).suffix
    refused(tool, *command.format(f"nowhere{suffix}").split(), says=(f"nowhere{suffix}",))
    (folder / f"folder{suffix}").mkdir()
    refused(tool, *command.format(f"folder{suffix}").split(), says=(f"folder{suffix}",))


@pytest.mark.parametrize("how", [*DAMAGE, "gone", "more"])
@pytest.mark.parametrize("name", ["manifest.json", "graph.nd", "io.json", "report.json", "model.c"])
def test_a_damaged_artifact(tool: Tool, folder: Path, name: str, how: str) -> None:
    file = folder / "fw" / name
    content = file.read_bytes()
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(content + b" \n" if how == "more" else damaged(content, how))
    if (name, how) in (("manifest.json", "more"), ("manifest.json", "short")):
        assert tool("run", "fw", "--input", "x.npz").code == 0  # white space alone
        return
    refused(tool, "run", "fw", "--input", "x.npz", says=(name,))
    refused(tool, "inspect", "fw", says=(name,))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[convert\n", "line 1"),
        ("", "deploy needs a target"),
        ("\0\1\2", "cannot be read"),
        ("[convert]\nmodel = 'model.onnx'\nbeads = 7\n[abacus]\n", "convert.beads"),
        ("[convert]\nbeads = 7\n[abacus]\n", "[abacus]"),
        ("[convert]\ntimesteps = 'many'\n", "convert.timesteps"),
        ("convert = 3\n", "convert"),
        (f"[convert]\nseed = {5000 * '1'}\n", "cannot be read"),
    ],
)
def test_a_bad_recipe(tool: Tool, folder: Path, text: str, says: str) -> None:
    (folder / "bad.toml").write_text(text)
    refused(tool, "deploy", "bad.toml", "-o", "made", says=(says,))
    shutil.copy(folder / "weights.pt", folder / "foreign.toml")
    refused(tool, "deploy", "foreign.toml", "-o", "made", says=("foreign.toml",))


TORCH = "convert nets.py:{} -o made.nd --calibrate images.npz"


def test_unknown_operators_are_all_listed_with_their_nodes(tool: Tool) -> None:
    command = ("convert", "unknown.onnx", "-o", "made.nd", "--calibrate", "images.npz")
    shown = refused(tool, *command)
    assert shown.document["error"] == "ConversionError"
    told = {f["node"]: f["message"] for f in shown.document["findings"]}
    assert told.keys() == {"first_odd", "second_odd", "third_odd"}
    assert "Frobnicate" in told["first_odd"]
    assert "Det" in told["second_odd"]
    assert "my.own::Zap" in told["third_odd"]
    refused(tool, "deploy", "unknown.onnx", "--target", "cpu", "--data", "images.npz", "-o", "made")
    refused(tool, "inspect", "unknown.onnx")
    curved = refused(tool, *TORCH.format("curved").split())
    # the last: nothing in it would spike
    assert [f["node"] for f in curved.document["findings"]] == ["2", "4", ""]


def test_nan_weights(tool: Tool, folder: Path) -> None:
    shown = refused(tool, *TORCH.format("not_a_number").split(), says=("0.weight", "1 of 36"))
    assert shown.document["error"] == "GraphError"
    every = refused(tool, *TORCH.format("build").split(), "--weights", "nan.pt")
    assert len(every.document["findings"]) == 4
    command = ("convert", "nan.onnx", "-o", "made.nd", "--calibrate", "images.npz")
    assert refused(tool, *command, says=("w ", "4 of 256", "NaN")).document["error"] == "GraphError"
    nan_graph_file(folder / "net.nd", folder / "nan.nd")
    refused(tool, "run", "nan.nd", "--input", "x.npz", says=("nan.nd", "fc1", "nan at"))
    refused(tool, "compile", "nan.nd", "--target", "cpu", "-o", "made", says=("fc1",))


QUITS = """
from torch import nn

class Net(nn.Module):
    def forward(self, x):
        raise SystemExit(0)
"""
BRANCH = CODE[: CODE.index("return x if")].count("\n") + 1
FILE_OF_CODE = {
    "raises": ("nets.py:raises", "the data disk is not mounted"),
    "gives nothing": ("nets.py:gives_nothing", "not a torch.nn.Module"),
    "arguments": ("nets.py:needs_more", "'width'"),
    "exits": ("nets.py:leaves", "SystemExit"),
    "no such name": ("nets.py:builds", "talkative"),
    "no callable": ("nets.py:number", "int"),
    "no such file": ("nowhere.py:build", "nowhere.py"),
    "no such module": ("no_such_nets:build", "no_such_nets"),
    "no name": ("nets.py", "nets.py:callable"),
    "syntax": ("broken.py:build", "SyntaxError"),
    "import": ("lost.py:build", "no_such_package"),
    "half precision": ("nets.py:half", "torch.float16"),
    "branches on data": ("nets.py:Branch", f"nets.py, line {BRANCH}"),
    "no module": ("os:getcwd", "str"),
    "fails to look up": ("lazy.py:build", "no cuda"),
    "exits in forward": ("quits.py:Net", "SystemExit(0)"),
}


@pytest.mark.parametrize("case", FILE_OF_CODE)
def test_code_that_builds_no_network(tool: Tool, folder: Path, case: str) -> None:
    (folder / "broken.py").write_text("def build(:\n")
    (folder / "lost.py").write_text("import no_such_package\n")
    (folder / "lazy.py").write_text("def __getattr__(name):\n    raise RuntimeError('no cuda')\n")
    (folder / "quits.py").write_text(QUITS)
    model, says = FILE_OF_CODE[case]
    command = ("convert", model, "-o", "made.nd", "--calibrate", "images.npz")
    shown = refused(tool, *command, says=(says,))
    named = model in shown.told or "nets.py" in shown.told
    assert named or case in ("half precision", "exits in forward")


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ("objects.pt", "Python objects"),
        ("half.pt", "lacks 4.bias, 4.weight"),
        ("two.pt", "several state dicts fit the model: best, last"),
        ("two.pt:first", "best"),
        ("two.pt:best:last", "two.pt:best:last"),
        ("x.npz", "x.npz"),
    ],
)
def test_weights_that_do_not_fit(tool: Tool, weights: str, says: str) -> None:
    refused(tool, *TORCH.format("build").split(), "--weights", weights, says=(says,))


@pytest.mark.parametrize(
    ("package", "line", "fix"),
    [
        ("torch", "convert nets.py:build -o made.nd --calibrate images.npz", "neurodeploy[torch]"),
        ("torch", "deploy nets.py:build --target cpu --data x.npz -o made", "neurodeploy[torch]"),
        ("onnx", "convert model.onnx -o made.nd --calibrate images.npz", "neurodeploy[onnx]"),
        ("onnx", "inspect model.onnx", "neurodeploy[onnx]"),
    ],
)
def test_a_missing_package(
    tool: Tool, monkeypatch: pytest.MonkeyPatch, package: str, line: str, fix: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    shown = refused(tool, *line.split(), code=3, says=(fix,))
    assert shown.document["error"] == "MissingDependencyError"


def test_a_missing_compiler(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neurodeploy.engine.engine.find_compiler", lambda: None)
    run = ("run", "net.nd", "--input", "x.npz", "-T", "3")
    refused(tool, *run, "--on", "engine", code=3, says=("neurodeploy[toolchain]",))
    shown = tool(*run, "--json")
    assert shown.code == 0
    assert shown.document["runner"] == "reference"
