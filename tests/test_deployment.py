"""The whole chain in one call: what it writes, what repeats it, what it refuses."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodeploy as nd
from neurodeploy.deployment import Deployment, deploy
from neurodeploy.errors import CapabilityError, DataError, UsageError
from neurodeploy.ir import BOOL, Graph, GraphBuilder
from toy_target import ToyTarget, offer

N, T = 6, 5
WRITTEN = {"net.nd", "recipe.toml", "report.json"}
ARTIFACT = {f"artifact/{n}" for n in ("graph.nd", "io.json", "manifest.json", "model.c")} | {
    "artifact/report.json"
}


def spiking(name: str = "x") -> Graph:
    rng = np.random.default_rng(0)
    b = GraphBuilder("1ms")
    x = b.input(name, (8,), type=BOOL)
    hidden = b.cell(
        "hidden", "lif", b.dense("fc1", x, rng.normal(size=(6, 8))), params={"beta": 0.9}
    )
    last = b.cell("last", "lif", b.dense("fc2", hidden, rng.normal(size=(3, 6))))
    return b.output("out", last).build(timesteps=T)


def ann() -> Graph:
    rng = np.random.default_rng(2)
    b = GraphBuilder("1ms")
    x = b.input("x", (8,))
    hidden = b.cell("hidden", "relu", b.dense("fc1", x, rng.normal(size=(6, 8))))
    return b.output("out", b.dense("fc2", hidden, rng.normal(size=(3, 6)))).build()


def spikes() -> np.ndarray:
    return np.random.default_rng(1).random((N, T, 8)) < 0.4


def values() -> np.ndarray:
    return np.random.default_rng(1).random((40, 8)).astype(np.float32)


LABELS = np.arange(N) % 3


def tree(folder: Path) -> dict[str, bytes]:
    return {
        f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.rglob("*") if f.is_file()
    }


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    nd.save(spiking(), "net.nd")
    nd.save(ann(), "ann.nd")
    np.savez("x.npz", x=spikes(), y=LABELS)
    np.savez("values.npz", x=values(), y=np.arange(40) % 3)
    return tmp_path


def check(result: Deployment) -> None:
    assert result.met
    assert result.equal
    assert result.comparison.verdict == "exact"
    report = json.loads((result.folder / "report.json").read_text())
    assert set(report["steps"]) == {"convert", "compile", "run", "compare", "profile"}
    assert set(result.to_json()) == {"graph", "steps"}
    recipe = tomllib.loads((result.folder / "recipe.toml").read_text())
    assert recipe["compile"]["target"] == "cpu"


def test_from_files(files: Path) -> None:
    result = deploy("net.nd", target="cpu", data="x.npz", out="fw")
    check(result)
    assert set(tree(files / "fw")) == WRITTEN | ARTIFACT
    assert nd.load("fw/net.nd") == spiking()
    assert nd.open("fw/artifact").graph == spiking()
    plain = nd.run(spiking(), "x.npz")
    assert result.steps["run"]["accuracy"] == plain.accuracy
    assert result.steps["run"]["spikes"] == {k: int(v.sum()) for k, v in plain.counts.items()}
    assert "fw: net.nd" in result.text()


def test_an_ann_is_converted(files: Path) -> None:
    settings = {"convert.timesteps": 8}
    result = deploy("ann.nd", target="cpu", data="values.npz", out="fw", settings=settings)
    check(result)
    assert nd.load("fw/net.nd").timesteps == 8
    steps = result.steps["convert"]
    assert {c["node"] for c in steps["changes"]} >= {"hidden"}
    wanted = nd.run(ann(), "values.npz").accuracy
    assert steps["ann_accuracy"] == wanted


@pytest.mark.parametrize("model", ["net.nd", "ann.nd"])
def test_quantised_for_a_microcontroller(files: Path, model: str) -> None:
    data = "x.npz" if model == "net.nd" else "values.npz"
    settings = {"quantize.bits": 6, "option.prefix": "small"}
    result = deploy(model, target="cortex-m4", data=data, out="fw", settings=settings)
    assert result.met
    assert result.comparison.verdict == "exact"  # the integers against the program
    assert set(tree(Path("fw"))) >= {"net.nd", "quantized.nd", "artifact/small.c"}
    assert result.steps["quantize"]["output"] == "quantized.nd"
    assert result.steps["quantize"]["changes"]
    first = tree(Path("fw"))
    deploy("fw/recipe.toml", out="fw")
    assert tree(Path("fw")) == first
    with pytest.raises(CapabilityError, match="neurodeploy quantize --for cortex-m4"):
        deploy(model, target="cortex-m4", data=data, out="floats")


def test_from_memory(files: Path) -> None:
    x, y = spikes(), LABELS.copy()
    kept = x.copy()
    result = deploy(spiking("file"), target="cpu", data=x, labels=y, out="fw")
    check(result)
    assert set(tree(files / "fw")) == WRITTEN | ARTIFACT | {"ann.nd", "data.npz"}
    assert np.array_equal(x, kept)
    recipe = tomllib.loads((files / "fw" / "recipe.toml").read_text())
    assert recipe["convert"]["model"] == "ann.nd"
    assert recipe["run"]["input"] == recipe["convert"]["calibrate"] == "data.npz"
    assert result.steps["run"]["accuracy"] == nd.run(spiking("file"), x, y).accuracy


@pytest.mark.parametrize("form", ["pairs", "generator", "time first", "mapping"])
def test_forms_of_data(files: Path, form: str) -> None:
    x, y = spikes(), LABELS
    pairs = [(x[i : i + 2], y[i : i + 2]) for i in range(0, N, 2)]
    data: Any = {
        "pairs": pairs,
        "generator": (p for p in pairs),
        "time first": np.moveaxis(x, 0, 1),
        "mapping": {"x": x, "y": y},
    }[form]
    first = form == "time first"
    result = deploy(
        spiking(),
        target="cpu",
        data=data,
        labels=y if first else None,
        out="fw",
        settings={"convert.layout": "TN"} if first else None,
    )
    check(result)
    with np.load("fw/data.npz") as held:
        assert np.array_equal(held["x"], x)
        assert np.array_equal(held["y"], y)
    recipe = tomllib.loads((files / "fw" / "recipe.toml").read_text())
    assert recipe["convert"]["layout"] == "NT"


class Shuffling:
    """A loader that gives another order each time that it is read."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def __iter__(self) -> Any:
        x = spikes()
        return iter([x[i : i + 1] for i in self.rng.permutation(N)])


def test_compare_reads_a_loader_once() -> None:
    assert nd.compare(spiking(), spiking(), Shuffling()).verdict == "exact"
    assert nd.compare(spiking(), spiking(), iter(list(Shuffling()))).samples == N


# -- the recipe -----------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["net.nd", "ann.nd"])
def test_a_recipe_repeated_gives_the_same_bytes(
    files: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    data = "x.npz" if model == "net.nd" else "values.npz"
    deploy(model, target="cpu", data=data, out="one", settings={"convert.timesteps": 6})
    first = tree(files / "one")
    deploy("one/recipe.toml", out="two")
    elsewhere = files / "else" / "where"
    elsewhere.mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    deploy("../../one/recipe.toml", out="../../three")
    deploy(files / "one" / "recipe.toml", out=files / "one")  # in its own place
    for name in ("one", "two", "three"):
        assert tree(files / name) == first, name


def test_a_recipe_from_memory_repeats(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(ann(), target="cpu", data=values(), labels=np.arange(40) % 3, out="one")
    first = tree(files / "one")
    monkeypatch.chdir("/")
    deploy(files / "one" / "recipe.toml", out=files / "one")
    assert tree(files / "one") == first
    deploy(files / "one" / "recipe.toml", out=files / "two")
    again = tree(files / "two")
    own = {"ann.nd", "data.npz", "recipe.toml"}
    assert again.keys() == first.keys() - {"ann.nd", "data.npz"}
    assert {k: v for k, v in again.items() if k not in own} == {
        k: v for k, v in first.items() if k not in own
    }
    recipe = tomllib.loads(again["recipe.toml"].decode())
    assert recipe["convert"]["model"] == "../one/ann.nd"
    os.rename(files / "one", files / "moved")  # a folder with its recipe can be moved
    deploy(files / "moved" / "recipe.toml", out=files / "moved")
    assert tree(files / "moved") == first


def test_what_chose_the_model_is_not_asked_for_again(files: Path) -> None:
    torch = pytest.importorskip("torch", reason="a model in memory is a torch module")
    module = torch.nn.Sequential(torch.nn.Linear(8, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3))
    torch.save(module.state_dict(), "w.pt")
    deploy(
        module.eval(),
        target="cpu",
        data=values(),
        out="one",
        settings={"convert.weights": "w.pt", "convert.dt": "2ms", "convert.decode": "max"},
    )
    first = tree(files / "one")
    assert nd.load("one/net.nd").outputs[0].decode == "max"
    assert str(nd.load("one/net.nd").dt) == "1/500"
    deploy("one/recipe.toml", out="one")
    assert tree(files / "one") == first


def test_settings_override_a_recipe(files: Path) -> None:
    deploy("ann.nd", target="cpu", data="values.npz", out="one")
    settings = {"convert.timesteps": "3", "compare.expect": "near", "run.input": "values.npz"}
    result = deploy("one/recipe.toml", out="two", settings=settings)
    recipe = tomllib.loads((files / "two" / "recipe.toml").read_text())
    assert recipe["convert"]["timesteps"] == 3
    assert recipe["compare"]["expect"] == "near"
    assert recipe["run"]["input"] == "../values.npz"
    assert result.artifact.graph.timesteps == 3


def test_options_of_the_target_are_in_the_recipe(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, ("toy", ToyTarget()))
    settings = {"option.speed": "2k", "option.fan-in": 8}
    made = deploy("net.nd", target="toy", data="x.npz", out="one", settings=settings)
    assert dict(made.artifact.options) == {"speed": 2000}
    again = deploy("one/recipe.toml", out="two")
    assert again.artifact.capabilities == made.artifact.capabilities
    assert tree(files / "one") == tree(files / "two")


# -- refusal --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"target": None}, r"needs a target \(target=, --target\)\.$"),
        ({"data": None}, r"needs samples \(data=, --data\)"),
        ({"data": None, "target": None}, "a target .* and samples"),
        ({"target": "gpu"}, "no target 'gpu'"),
        ({"labels": LABELS}, "labels beside a data file"),
        ({"settings": {"compare.expect": "perfect"}}, "no expectation: 'perfect'"),
        ({"settings": {"option.colour": "red"}}, "no option 'colour'"),
        ({"settings": {"convert.seed": -1}}, "seed is -1"),
        ({"settings": {"convert.decode": "loudest"}}, "decoding 'loudest'"),
        ({"settings": {"convert.layout": "XY"}}, "layout 'XY'"),
        ({"settings": {"convert.dt": "-1ms"}}, "no duration"),
        ({"settings": {"convert.weights": "w.pt"}}, "weights given with an .nd file"),
        ({"settings": {"quantise.bits": 4, "convert.x": 1}}, r"quantise(.|\n)*convert\.x"),
        ({"model": "none.nd"}, "none.nd"),
        ({"model": "none.toml"}, "none.toml"),
    ],
)
def test_bad_calls_are_refused_before_anything_is_written(
    files: Path, arguments: dict[str, Any], text: str
) -> None:
    call = {"model": "net.nd", "target": "cpu", "data": "x.npz", "out": "fw"} | arguments
    before = tree(files)
    with pytest.raises(UsageError, match=text):
        deploy(**call)
    assert tree(files) == before
    assert not (files / "fw").exists()


def test_a_graph_that_does_not_fit(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, ("toy", ToyTarget()))
    with pytest.raises(CapabilityError, match="fan in 8 exceeds the 4"):
        deploy("net.nd", target="toy", data="x.npz", out="fw", settings={"option.fan-in": 4})
    assert not (files / "fw").exists()


@pytest.mark.parametrize(
    "settings",
    [
        {"run.input": "short.npz"},
        {"run.input": "far.npz"},  # found by the run, after all is compiled
        {"convert.timesteps": 10**11},
        {"convert.timesteps": 0},
    ],
)
def test_what_fails_on_the_way_leaves_nothing(files: Path, settings: dict[str, Any]) -> None:
    np.savez("short.npz", x=values(), y=np.zeros(39, int))
    np.savez("far.npz", x=values() * 255)
    before = tree(files)
    for data in ("values.npz", values()) if "run.input" not in settings else ("values.npz",):
        for out in ("fw", "deep/er/fw"):
            with pytest.raises(DataError):
                deploy("ann.nd", target="cpu", data=data, out=out, settings=settings)
    assert tree(files) == before
    assert not [f for f in files.iterdir() if f.is_dir()]


def test_what_fails_leaves_the_last_deployment(files: Path) -> None:
    deploy("ann.nd", target="cpu", data="values.npz", out="fw")
    np.savez("far.npz", x=values() * 255)
    before = tree(files)
    with pytest.raises(DataError, match="calibration"):
        deploy("fw/recipe.toml", out="fw", settings={"run.input": "far.npz"})
    assert tree(files) == before


def test_the_model_and_a_recipe_of_ones_own_are_not_replaced(files: Path) -> None:
    deploy("ann.nd", target="cpu", data="values.npz", out="fw")
    deploy("fw/recipe.toml", out="fw", settings={"convert.timesteps": 3})  # this one is ours
    recipe = Path("fw/recipe.toml")
    recipe.write_text(f"# thresholds as agreed\n{recipe.read_text()}")
    before = tree(files)
    for model in ("fw/net.nd", "fw/recipe.toml"):
        with pytest.raises(UsageError, match=f"{model}: this file would be replaced"):
            deploy(model, target="cpu", data="values.npz", out="fw")
    assert tree(files) == before


def test_batches_of_different_length_keep_their_lengths(files: Path) -> None:
    x = spikes()
    batches = [x[:2], x[2:, :3]]
    deploy(spiking(), target="cpu", data=batches, out="fw")
    lengths = nd.run(spiking(), batches).steps.tolist()
    assert lengths == [T, T, *[3] * (N - 2)]
    assert nd.run(spiking(), "fw/data.npz").steps.tolist() == lengths
    assert np.array_equal(
        nd.run(spiking(), "fw/data.npz").decoded, nd.run(spiking(), batches).decoded
    )
    deploy("fw/recipe.toml", out="again")


def test_data_that_does_not_fit(files: Path) -> None:
    for data in (np.zeros((3, 9)), spikes()[:, :0]):
        with pytest.raises(DataError):
            deploy(spiking(), target="cpu", data=data, out="fw")


def test_a_folder_that_cannot_be_made(files: Path) -> None:
    Path("file").write_text("")
    with pytest.raises(UsageError, match="file"):
        deploy("net.nd", target="cpu", data="x.npz", out="file")
    Path("fw/artifact").mkdir(parents=True)
    Path("fw/artifact/notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="no artifact"):
        deploy("net.nd", target="cpu", data="x.npz", out="fw")
    assert Path("fw/artifact/notes.txt").read_text() == "mine"


def test_progress_and_messages(files: Path) -> None:
    told: list[str] = []
    done: list[tuple[int, int]] = []
    deploy(
        "net.nd",
        target="cpu",
        data="x.npz",
        out="fw",
        say=told.append,
        progress=lambda *p: done.append(p),
    )
    assert told == ["loading", "converting", "compiling", "running", "comparing", "profiling"]
    assert (N, N) in done
