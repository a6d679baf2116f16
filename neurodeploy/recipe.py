"""Recipes: the whole chain as a TOML file, one table per verb, keys as the long options."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

from neurodeploy.errors import Finding, UsageError, raise_findings
from neurodeploy.targets.base import OptionValue

__all__ = ["DEFAULTS", "Recipe", "read_recipe", "recipe_text", "with_settings"]

Recipe = dict[str, dict[str, OptionValue]]
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{0,18})?")
_WHOLE = re.compile(r"-?[0-9]{1,18}")

# every key that a recipe may hold; an empty text, the time axis -1 and 0 steps or bits stand
# for "not given"
DEFAULTS: Recipe = {
    "convert": {
        "model": "",
        "weights": "",
        "example": "",
        "time-axis": -1,
        "steps": 0,
        "dt": "",
        "output": "",
        "decode": "",
        "calibrate": "",
        "timesteps": 16,
        "method": "auto",
        "keep-ann": False,
        "layout": "NT",
        "seed": 0,
    },
    "quantize": {
        "bits": 0,
        "state-bits": 16,
        "activation-bits": 8,
        "input-bits": 8,
        "factor-bits": 15,
        "grid": "uniform",
        "granularity": "channel",
        "fit": "mse",
        "observer": "max",
        "prune": 0.0,
        "structure": "none",
    },
    "compile": {"target": ""},
    "run": {"input": ""},
    "compare": {"expect": "exact"},
}
_PATHS = (
    ("convert", "model"),
    ("convert", "weights"),
    ("convert", "calibrate"),
    ("convert", "example"),
    ("run", "input"),
)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe; relative paths in it are relative to its folder.

    Raises:
        UsageError: it is missing, no TOML, or holds unknown tables or keys, all at once.
    """
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe would be waited for
        raise UsageError(f"{str(path)!r} cannot be read as a recipe: it is no regular file")
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # ValueError: a number too long, too
        raise UsageError(f"{str(path)!r} cannot be read as a recipe: {error}") from error
    recipe, findings = _checked(found, str(path))
    raise_findings(UsageError, findings)
    for verb, key in _PATHS:
        value = str(recipe[verb][key])
        if value:
            recipe[verb][key] = _moved(key, value, lambda file: _inward(file, path.parent))
    return recipe


def _checked(found: Mapping[str, object], where: str) -> tuple[Recipe, list[Finding]]:
    findings: list[Finding] = []
    recipe: Recipe = {verb: dict(keys) for verb, keys in DEFAULTS.items()}
    recipe["option"] = {}
    for verb, table in found.items():
        if verb in ("layer", "type"):
            findings.append(
                Finding(
                    f"[{verb}] settings, but no verb of this version takes settings per layer",
                    node=where,
                )
            )
        elif verb not in recipe or not isinstance(table, dict):
            findings.append(
                Finding(f"unknown table [{verb}]", node=where, hint=f"known: {list(recipe)}")
            )
        else:
            for key, value in table.items():
                findings += _key_findings(verb, key, value, where)
                recipe[verb][key] = value
    return recipe, findings


def _key_findings(verb: str, key: str, value: object, where: str) -> list[Finding]:
    if not isinstance(value, str | int | float | bool):
        return [Finding(f"{verb}.{key} is no single value", node=where)]
    if verb == "option":
        return []
    if key not in DEFAULTS[verb]:
        known = ", ".join(DEFAULTS[verb])
        return [Finding(f"unknown key {verb}.{key}", node=where, hint=f"known: {known}")]
    wanted = type(DEFAULTS[verb][key])
    if not isinstance(value, wanted) or isinstance(value, bool) != (wanted is bool):
        return [Finding(f"{verb}.{key} = {value!r} is no {wanted.__name__}", node=where)]
    return []


def with_settings(recipe: Recipe, settings: Mapping[str, OptionValue]) -> Recipe:
    """Override ``verb.key`` settings, as ``--set`` gives them.

    Raises:
        UsageError: all unknown keys and unusable values at once.
    """
    tables: dict[str, dict[str, object]] = {verb: dict(keys) for verb, keys in recipe.items()}
    findings: list[Finding] = []
    for path, value in settings.items():
        verb, dot, key = path.partition(".")
        if not dot or verb not in tables:
            findings.append(Finding(f"setting {path!r}", hint=f"VERB.KEY, VERB of {list(tables)}"))
            continue
        default = DEFAULTS.get(verb, {}).get(key)
        if isinstance(default, bool) and value in ("true", "false"):
            value = value == "true"
        elif isinstance(default, int) and isinstance(value, str) and _WHOLE.fullmatch(value):
            value = int(value)
        elif isinstance(default, float) and _NUMBER.fullmatch(str(value)):
            value = float(value)
        tables[verb][key] = value
    changed, more = _checked(tables, "--set")
    raise_findings(UsageError, [*findings, *more])
    return changed


def recipe_text(recipe: Recipe, folder: Path) -> str:
    """Write a complete recipe; paths become relative to ``folder``.

    Raises:
        UsageError: a value is no valid Unicode, such as the name of a file in another encoding.
    """
    lines: list[str] = []
    for verb, table in recipe.items():
        if not table:
            continue
        lines.append(f"[{verb}]")
        for key, value in table.items():
            shown = value
            if (verb, key) in _PATHS and value:
                shown = _moved(key, str(value), lambda file: _outward(file, folder))
            lines.append(f"{_key(key)} = {_toml(shown)}")
        lines.append("")
    text = "\n".join(lines)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"a recipe holds text in Unicode only: {error.reason}") from error
    return text


def _key(key: str) -> str:
    plain = key.replace("-", "").replace("_", "")
    return key if plain.isascii() and plain.isalnum() else _toml(key)


def _toml(value: OptionValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # a JSON string is a TOML basic string once DEL is escaped and no surrogate pair stands
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(float(value) if isinstance(value, float) else int(value))


def _moved(key: str, value: str, move: Callable[[str], str]) -> str:
    """Move the path in a value; ``module:callable`` stays as it is, so does ``:KEY`` of weights."""
    file, colon, rest = value.rpartition(":")
    if key == "weights" and colon and Path(file).suffix and not Path(value).exists():
        return move(file) + colon + rest
    if key == "model" and colon and rest.replace(".", "_").isidentifier():
        return move(file) + colon + rest if file.endswith(".py") else value
    return move(value)


def _inward(file: str, folder: Path) -> str:
    path = Path(file)
    return str(path if path.is_absolute() else folder / path)


def _outward(file: str, folder: Path) -> str:
    # where the folder really lies: ".." does not lead back over a link
    return os.path.relpath(os.path.abspath(file), os.path.realpath(folder)).replace(os.sep, "/")
