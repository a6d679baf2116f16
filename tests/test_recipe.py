"""Recipes: TOML that holds what was set, refused with all reasons, read from anywhere."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurodeploy.errors import UsageError
from neurodeploy.recipe import DEFAULTS, Recipe, read_recipe, recipe_text, with_settings


def defaults() -> Recipe:
    return {verb: dict(keys) for verb, keys in DEFAULTS.items()} | {"option": {}}


def read(folder: Path, text: str) -> Recipe:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8", newline="")
    return read_recipe(path)


def refusal(folder: Path, text: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        read(folder, text)
    return caught.value


# -- writing and reading --------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PLAIN = {"convert": ("dt", "output", "decode", "method", "layout"), "compare": ("expect",)}


@given(
    texts=st.lists(TEXT, min_size=6, max_size=6),
    target=TEXT,
    numbers=st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**63 - 1)),
    options=st.dictionaries(
        TEXT,
        TEXT | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False),
        max_size=4,
    ),
)
def test_every_value_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    texts: list[str],
    target: str,
    numbers: tuple[int, int],
    options: dict[str, Any],
) -> None:
    folder = tmp_path_factory.getbasetemp() / "round"
    folder.mkdir(exist_ok=True)
    recipe = defaults()
    keys = [(verb, key) for verb, names in PLAIN.items() for key in names]
    for (verb, key), text in zip(keys, texts, strict=True):
        recipe[verb][key] = text
    recipe["compile"]["target"] = target
    recipe["convert"]["timesteps"], recipe["convert"]["seed"] = numbers
    recipe["option"] = dict(options)
    text = recipe_text(recipe, folder)
    again = read(folder, text)
    assert again == recipe
    assert {k: type(v) for k, v in again["option"].items()} == {
        k: type(v) for k, v in options.items()
    }
    assert recipe_text(again, folder) == text


def test_switches_are_set_by_word(tmp_path: Path) -> None:
    recipe = with_settings(defaults(), {"convert.keep-ann": "true"})
    assert recipe["convert"]["keep-ann"] is True
    assert "keep-ann = true" in recipe_text(recipe, tmp_path)
    assert with_settings(recipe, {"convert.keep-ann": "false"})["convert"]["keep-ann"] is False
    with pytest.raises(UsageError, match="keep-ann = 'maybe' is no bool"):
        with_settings(recipe, {"convert.keep-ann": "maybe"})


@pytest.mark.parametrize(
    "value",
    ['say "hi"', "back\\slash\\", "tab\tline\r\n", "\x00\x1f\x7f", "ü 層 😀", "\u2028", "'''", "#"],
)
def test_text_that_needs_care(tmp_path: Path, value: str) -> None:
    recipe = defaults()
    recipe["convert"]["output"] = value
    recipe["option"] = {value: value}
    text = recipe_text(recipe, tmp_path)
    assert tomllib.loads(text)["convert"]["output"] == value
    assert read(tmp_path, text)["option"] == {value: value}


def test_text_that_is_no_unicode(tmp_path: Path) -> None:
    recipe = defaults()
    recipe["convert"]["output"] = "caf\udce9"
    with pytest.raises(UsageError, match="Unicode"):
        recipe_text(recipe, tmp_path)


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    recipe = defaults()
    recipe["option"] = {"a": np.float64(0.5), "b": 1e300, "c": True, "d": -3}
    assert read(tmp_path, recipe_text(recipe, tmp_path))["option"] == recipe["option"]


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    recipe = read(tmp_path, '[compile]\ntarget = "cpu"\n')
    assert recipe == defaults() | {"compile": {"target": "cpu"}}
    recipe["convert"]["seed"] = 7
    assert DEFAULTS["convert"]["seed"] == 0


# -- paths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "key", "value", "written"),
    [
        ("convert", "model", "nets/m.onnx", "../nets/m.onnx"),
        ("convert", "model", "nets/m.py:build", "../nets/m.py:build"),
        ("convert", "model", "pkg.nets:Net.small", "pkg.nets:Net.small"),
        ("convert", "weights", "w/best.pt", "../w/best.pt"),
        ("convert", "weights", "w/best.pt:ema.model", "../w/best.pt:ema.model"),
        ("convert", "calibrate", "a:b/x.npz", "../a:b/x.npz"),
        ("run", "input", "x.npz", "../x.npz"),
        ("convert", "example", "x.npz", "../x.npz"),
        ("convert", "output", "x.npz", "x.npz"),
    ],
)
def test_paths_are_relative_to_the_recipe(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    table: str,
    key: str,
    value: str,
    written: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    recipe = defaults()
    recipe[table][key] = value
    text = recipe_text(recipe, Path("out"))
    assert tomllib.loads(text)[table][key] == written
    (tmp_path / "out" / "recipe.toml").write_text(text, encoding="utf-8")
    elsewhere = tmp_path / "else" / "where"
    elsewhere.mkdir(parents=True)
    for cwd, place in ((tmp_path, "out"), (elsewhere, "../../out"), (elsewhere, tmp_path / "out")):
        monkeypatch.chdir(cwd)
        again = read_recipe(Path(place, "recipe.toml"))
        got = str(again[table][key])
        if value == written:
            assert got == value
        else:
            assert os.path.abspath(got) == str(tmp_path / value)
        assert recipe_text(again, tmp_path / "out") == text


def test_absolute_paths_stay_where_they_are(tmp_path: Path) -> None:
    recipe = read(tmp_path, '[run]\ninput = "/data/x.npz"\n')
    assert recipe["run"]["input"] == "/data/x.npz"


def test_a_recipe_in_a_linked_folder_finds_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk" / "deep" / "out").mkdir(parents=True)
    (tmp_path / "x.npz").write_bytes(b"x")
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "deep" / "out")
    monkeypatch.chdir(tmp_path)
    recipe = defaults()
    recipe["run"]["input"] = "x.npz"
    Path("out/recipe.toml").write_text(recipe_text(recipe, Path("out")), encoding="utf-8")
    again = read_recipe(Path("out/recipe.toml"))
    assert Path(str(again["run"]["input"])).read_bytes() == b"x"


# -- refusal --------------------------------------------------------------------------------------


def test_everything_unknown_is_told_at_once(tmp_path: Path) -> None:
    text = """
top = 1
[convert]
colour = "red"
timesteps = "many"
seed = 1.5
model = 3
dt = [1]
method = true
[compile]
target = 1979-05-27
[quantise]
bits = 8
[run]
input = {a = 1}
[layer."features.3"]
bits = 4
[type.Conv]
bits = 4
[option]
size = [1]
"""
    messages = [f.message for f in refusal(tmp_path, text).findings]
    expected = [
        "unknown table [top]",
        "unknown key convert.colour",
        "convert.timesteps = 'many' is no int",
        "convert.seed = 1.5 is no int",
        "convert.model = 3 is no str",
        "convert.dt is no single value",
        "convert.method = True is no str",
        "compile.target is no single value",
        "unknown table [quantise]",
        "run.input is no single value",
        "[layer] settings, but no verb of this version takes settings per layer",
        "[type] settings, but no verb of this version takes settings per layer",
        "option.size is no single value",
    ]
    assert sorted(messages) == sorted(expected)


@pytest.mark.parametrize(
    "content",
    [b"\xff", b"[convert", b"a = 1\na = 2", b"[a]\n" * 2, b"x = " + b"[" * 20_000, b"a = \x00"],
)
def test_no_toml(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"recipe\.toml"):
        read_recipe(path)


def test_no_file(tmp_path: Path) -> None:
    for name in ("none.toml", ".", "x" * 5000):
        with pytest.raises(UsageError, match="cannot be read"):
            read_recipe(tmp_path / name)


# -- settings -------------------------------------------------------------------------------------


def test_settings_override(tmp_path: Path) -> None:
    recipe = read(tmp_path, "[convert]\ntimesteps = 4\n")
    changed = with_settings(
        recipe,
        {"convert.timesteps": "32", "convert.seed": 5, "option.a.b": "x=y", "compile.target": "7"},
    )
    assert changed["convert"]["timesteps"] == 32
    assert changed["convert"]["seed"] == 5
    assert changed["option"] == {"a.b": "x=y"}
    assert changed["compile"]["target"] == "7"
    assert recipe["convert"]["timesteps"] == 4  # the input stays
    assert recipe["option"] == {}


def test_settings_are_refused_all_at_once() -> None:
    settings = {
        "bits": "4",
        "quantise.bits": "4",
        "convert.colour": "red",
        "convert.timesteps": "--5",
        "convert.seed": "9" * 5000,
        "layer.fc.bits": "4",
        "convert.": "x",
        ".": "x",
    }
    with pytest.raises(UsageError) as caught:
        with_settings(defaults(), settings)
    text = str(caught.value)
    assert len(caught.value.findings) == len(settings)
    for key in ("'bits'", "'quantise.bits'", "convert.colour", "convert.timesteps", "'layer.fc"):
        assert key in text


def test_numbers_with_a_point(tmp_path: Path) -> None:
    recipe = with_settings(defaults(), {"quantize.prune": "0.5"})
    assert recipe["quantize"]["prune"] == 0.5
    assert with_settings(recipe, {"quantize.prune": "0"})["quantize"]["prune"] == 0.0
    assert "prune = 0.5" in recipe_text(recipe, tmp_path)
    with pytest.raises(UsageError, match=r"quantize\.prune = 'half' is no float"):
        with_settings(recipe, {"quantize.prune": "half"})
