"""The shipped data equal their sources, and the shipped weights do what their logs say."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from distribution import ROOT
from oracles import Ledger

DEMO = ROOT / "neurodeploy" / "demo"
MOTIONS = ROOT / "examples" / "data" / "basic_motions"
LARGEST = 300_000  # bytes

ASSETS = {
    "digits": (DEMO, "train_digits", 36_010, 0.99),
    "basic_motions": (MOTIONS, "train_basic_motions", 6_596, 0.95),
}
every_asset = pytest.mark.parametrize("name", ASSETS)


def _log(name: str) -> dict[str, Any]:
    folder = ASSETS[name][0]
    log: dict[str, Any] = json.loads((folder / f"{name}_training.json").read_text())
    return log


def _script(module: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "examples")
    return importlib.import_module(module)


@pytest.fixture
def digits_script(oracle: Ledger, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Return the training script; what it sets for all of torch is put back."""
    torch = oracle("torch").module
    oracle("scikit-learn")
    deterministic = torch.are_deterministic_algorithms_enabled()
    yield _script("train_digits", monkeypatch)
    torch.use_deterministic_algorithms(deterministic)


def test_digits_are_those_of_scikit_learn(oracle: Ledger) -> None:
    sklearn = oracle("scikit-learn")
    datasets = importlib.import_module("sklearn.datasets")
    selection = importlib.import_module("sklearn.model_selection")
    images, labels = datasets.load_digits(return_X_y=True)
    parts = selection.train_test_split(
        images.reshape(-1, 1, 8, 8) / 16, labels, test_size=500, stratify=labels, random_state=0
    )
    with np.load(DEMO / "digits.npz", allow_pickle=False) as data:
        assert set(data.files) == {"xtr", "ytr", "xte", "yte", "scale"}
        shipped = {key: data[key] for key in data.files}
    for key, expected in zip(("xtr", "xte", "ytr", "yte"), parts, strict=True):
        scale = shipped["scale"] if key.startswith("x") else 1
        assert shipped[key].dtype == np.uint8
        np.testing.assert_array_equal(shipped[key] / scale, expected)
    assert shipped["xtr"].shape == (1297, 1, 8, 8)
    assert shipped["xte"].shape == (500, 1, 8, 8)
    sklearn.record(2)


def test_digits_script_splits_as_shipped(digits_script: ModuleType) -> None:
    split = digits_script.load_digits_split()
    with np.load(DEMO / "digits.npz") as data:
        for key in ("xtr", "ytr", "xte", "yte"):
            np.testing.assert_array_equal(getattr(split, key), data[key])
        assert data["scale"] == digits_script.SCALE


def test_digit_training_repeats_itself(digits_script: ModuleType, tmp_path: Path) -> None:
    recipe = digits_script.Recipe(epochs=2)
    for run in ("first", "second"):
        digits_script.train_and_save(tmp_path / run, recipe)
    names = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert names == ["digits.npz", "digits.safetensors", "digits_training.json"]
    for name in names:
        first, second = (tmp_path / run / name for run in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()
    log = json.loads((tmp_path / "first" / "digits_training.json").read_text())
    assert log["epochs"][1]["loss"] < log["epochs"][0]["loss"]
    assert log.keys() == _log("digits").keys()


def test_digits_move_by_whole_pixels(digits_script: ModuleType, oracle: Ledger) -> None:
    torch = oracle("torch").module
    image = torch.arange(1.0, 65.0).reshape(1, 1, 8, 8)
    generator = torch.Generator().manual_seed(1)
    moved = digits_script.shifted(image.repeat(64, 1, 1, 1), 1, generator)[:, 0]
    padded = np.pad(image[0, 0].numpy(), 1)
    allowed = [padded[r : r + 8, c : c + 8] for r in range(3) for c in range(3)]
    seen = {next(i for i, a in enumerate(allowed) if (a == m.numpy()).all()) for m in moved}
    assert seen == set(range(9))


def test_recordings_are_those_of_aeon(oracle: Ledger) -> None:
    recordings = oracle("aeon")
    aeon = recordings.module
    recordings.record(80)
    folder = Path(aeon.__file__).parent / "datasets" / "data" / "BasicMotions"
    with np.load(MOTIONS / "basic_motions.npz", allow_pickle=False) as data:
        for part in ("tr", "te"):
            name = {"tr": "TRAIN", "te": "TEST"}[part]
            body = (folder / f"BasicMotions_{name}.ts").read_text().partition("@data")[2].split()
            classes = [line.rpartition(":")[2] for line in body]
            values = [line.rpartition(":")[0].replace(":", ",").split(",") for line in body]
            expected = np.array(values, dtype=np.float64).astype(np.float32).reshape(40, 6, 100)
            np.testing.assert_array_equal(data[f"x{part}"], expected)
            assert data["classes"][data[f"y{part}"]].tolist() == classes


def test_ts_files_are_read(oracle: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    oracle("torch")
    script = _script("train_basic_motions", monkeypatch)
    text = "# a: comment\n@classLabel true B A\n@data\n1,2,3:-4,5e-1,6:B\n\n7,8,9:0,0,1:A\n"
    for name in ("TRAIN", "TEST"):
        (tmp_path / f"BasicMotions_{name}.ts").write_text(text)
    x, names = script.read_ts(tmp_path / "BasicMotions_TRAIN.ts")
    np.testing.assert_array_equal(x, [[[1, 2, 3], [-4, 0.5, 6]], [[7, 8, 9], [0, 0, 1]]])
    assert names == ["B", "A"]

    script.build_data(tmp_path, tmp_path)
    split = script.load_basic_motions_split(tmp_path)
    assert split.classes == ("A", "B")
    assert split.ytr.tolist() == [1, 0]
    assert split.xtr.dtype == np.float32
    np.testing.assert_allclose(split.xtr.mean(axis=(0, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(split.xtr.std(axis=(0, 2)), 1, rtol=1e-6)


@every_asset
def test_weights_reach_the_logged_accuracy(
    name: str, oracle: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = oracle("torch")
    if name == "digits":
        oracle("scikit-learn")  # the script that holds the network imports it
    folder, module, parameters, _ = ASSETS[name]
    network = _script(module, monkeypatch).build_network()
    weights = importlib.import_module("safetensors.torch").load_file(folder / f"{name}.safetensors")
    network.load_state_dict(weights, strict=True)
    network.eval()
    assert sum(p.numel() for p in network.parameters()) == parameters
    with np.load(folder / f"{name}.npz") as data:
        for part, key in (("tr", "train_accuracy"), ("te", "test_accuracy")):
            x, y = data[f"x{part}"].astype(np.float32), data[f"y{part}"]
            if name == "digits":
                x = x / np.float32(data["scale"])
            else:
                x = (x - data["mean"][:, None]) / data["std"][:, None]
            with torch.module.no_grad():
                predictions = network(torch.module.from_numpy(x)).argmax(dim=1).numpy()
            assert np.mean(predictions == y) == pytest.approx(_log(name)["result"][key], abs=1e-6)
            torch.record(len(y))


@every_asset
def test_log_is_consistent(name: str) -> None:
    folder, _, parameters, least = ASSETS[name]
    log = _log(name)
    epochs = log["epochs"]
    assert [entry["epoch"] for entry in epochs] == list(range(1, log["recipe"]["epochs"] + 1))
    assert log["network"]["parameters"] == parameters
    assert log["environment"]["threads"] == 1
    # The last epoch is kept, whatever the best one was.
    assert all(log["result"][key] == epochs[-1][key] for key in log["result"])
    assert log["result"]["test_accuracy"] >= least
    assert epochs[-1]["loss"] < 0.5 * epochs[0]["loss"]
    for part, total in (("train", "train_samples"), ("test", "test_samples")):
        samples = log["data"][total]
        with np.load(folder / f"{name}.npz") as data:
            assert len(data["ytr" if part == "train" else "yte"]) == samples
        right = np.array([entry[f"{part}_accuracy"] for entry in epochs]) * samples
        np.testing.assert_allclose(right, np.rint(right), atol=1e-3)


@every_asset
def test_log_belongs_to_the_files(name: str) -> None:
    folder = ASSETS[name][0]
    files = _log(name)["files"]
    assert set(files) == {f"{name}.npz", f"{name}.safetensors"}
    for file, entry in files.items():
        content = (folder / file).read_bytes()
        assert len(content) == entry["bytes"]
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]


@every_asset
def test_files_are_small_and_say_where_they_come_from(name: str) -> None:
    folder = ASSETS[name][0]
    sizes = {path.name: path.stat().st_size for path in folder.glob(f"{name}*")}
    assert len(sizes) >= 3
    assert {file: size for file, size in sizes.items() if size > LARGEST} == {}
    assert "BSD 3-Clause License" in (folder / "NOTICE").read_text()
    assert "BSD-3-Clause" in _log(name)["data"]["licence"]


def test_the_shipped_graph_is_what_the_converter_reads_from_the_weights(
    digits_script: ModuleType,
) -> None:
    """``digits.nd`` is not a file of its own: torch's weights give the same graph."""
    from safetensors.torch import load_file

    import neurodeploy as nd

    network = digits_script.build_network()
    network.load_state_dict(load_file(DEMO / "digits.safetensors"))
    split = digits_script.load_digits_split()
    example, _ = digits_script.to_tensors(split.xtr[:8], split.ytr[:8])
    assert nd.load(network.eval(), example=example) == nd.load(str(DEMO / "digits.nd"))


def test_the_second_example_runs(
    oracle: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    oracle("torch")
    script = _script("basic_motions", monkeypatch)
    monkeypatch.setattr(
        "sys.argv", ["basic_motions.py", "--out", str(tmp_path), "--timesteps", "16"]
    )
    script.main()
    shown = capsys.readouterr().out
    assert shown.count("exact") == 1
    assert "100.0%" in shown
