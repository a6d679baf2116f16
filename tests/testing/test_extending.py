"""docs/extending.md: its code runs, prints what it says, and quotes the chip as it is."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from types import ModuleType

import pytest

from distribution import ROOT
from dummy_chip import PLUGIN
from neurodeploy.semantics import trace
from neurodeploy.testing.conformance import CHECKS

TEXT = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?:<!-- (?P<mark>[^>]*) -->\n)?```(?P<kind>\w+)\n(?P<body>.*?)```", re.DOTALL)
BLOCKS = [(m["mark"] or "", m["kind"], m["body"]) for m in BLOCK.finditer(TEXT)]


def test_code_runs_and_prints_what_the_page_says(
    broken: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trace, "_CELLS", dict(trace._CELLS))  # the page registers a cell
    names: dict[str, object] = {"__name__": "page"}
    printed, compared = "", 0
    for mark, kind, body in BLOCKS:
        if kind == "python" and not mark.startswith("from "):
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(body, "docs/extending.md", "exec"), names)
            printed = output.getvalue()
        elif kind == "text":
            assert printed == body
            compared += 1
    assert compared == 5


def test_quotations_are_those_of_the_chip() -> None:
    quoted = [(mark[5:], body) for mark, kind, body in BLOCKS if mark.startswith("from ")]
    assert len(quoted) == 5
    for name, body in quoted:
        source = (PLUGIN / "neurodeploy_dummy_chip" / name).read_text(encoding="utf-8")
        assert body in source, f"{name} no longer holds:\n{body}"


def test_entry_point_is_that_of_the_chip() -> None:
    tables = [body for _, kind, body in BLOCKS if kind == "toml" and "sixbit" in body]
    assert len(tables) == 1
    assert tables[0] in (PLUGIN / "pyproject.toml").read_text(encoding="utf-8")


def test_every_check_has_its_line() -> None:
    assert re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE) == list(CHECKS)


def test_the_page_names_no_file_that_is_not_there() -> None:
    for path in re.findall(r"`((?:neurodeploy|tests)/[\w/.]+)`", TEXT):
        assert (ROOT / path).exists(), path
