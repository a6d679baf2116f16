"""Calls the command line inside the test process and takes its outcome apart."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from neurodeploy import errors
from neurodeploy.cli import main
from neurodeploy.errors import NeurodeployError

__all__ = ["COMMON", "Outcome", "Tool", "files_of", "one_document", "refused", "tool_for"]

COMMON = {"schema", "version", "graph", "seed", "findings"}
SECONDS = 5.0  # a second is promised; the rest is for a busy machine
FINDING = {"node", "source", "message", "hint", "value", "limit"}

Tool = Callable[..., "Outcome"]


def one_document(text: str) -> Any:
    """Parse a text that is one JSON document, strictly: no NaN, no infinity, nothing behind it."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


@dataclass(frozen=True)
class Outcome:
    """What a call of the command line gave; ``seconds`` by the clock on the wall."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def document(self) -> Any:
        """The document, whose common part is checked on the way."""
        document = one_document(self.out)
        assert document.keys() >= COMMON
        assert document["schema"].startswith("neurodeploy.")
        assert all(f.keys() == FINDING for f in document["findings"])
        return document

    @property
    def told(self) -> str:
        """Everything that the findings say, in one text."""
        return "\n".join(
            f"{f['node']} {' '.join(f['source'])}: {f['message']} {f['hint']}"
            for f in self.document["findings"]
        )


def tool_for(capture: pytest.CaptureFixture[str]) -> Tool:
    """Give a function that calls the command line with arguments."""

    def call(*arguments: str) -> Outcome:
        capture.readouterr()
        begin = time.perf_counter()
        with pytest.raises(SystemExit) as stop:
            main(list(arguments))
        seconds = time.perf_counter() - begin
        shown = capture.readouterr()
        code = stop.value.code
        return Outcome(code if isinstance(code, int) else -1, shown.out, shown.err, seconds)

    return call


def files_of(folder: Path) -> dict[str, str]:
    """Give the digest of every file below ``folder``; Python's own caches are left out."""
    return {
        str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest()
        for f in folder.rglob("*")
        if f.is_file() and f.suffix != ".pyc"
    }


def refused(tool: Tool, *arguments: str, code: int = 2, says: tuple[str, ...] = ()) -> Outcome:
    """Call the tool twice, for programs and for people, and check what every refusal promises."""
    before = files_of(Path.cwd())
    shown = tool(*arguments, "--json")
    assert shown.code == code, shown
    document = shown.document
    error = getattr(errors, document["error"])
    assert issubclass(error, NeurodeployError)
    assert error.exit_code == code
    assert document["findings"]
    assert all(f["message"] for f in document["findings"])
    for text in says:
        assert text in shown.told, shown.told
    assert shown.seconds < SECONDS
    plain = tool(*arguments)
    assert plain.code == code
    assert plain.out == ""
    assert plain.err.splitlines()[-len(document["findings"]) - 1] == f"{document['error']}:"
    first = document["findings"][0]["message"].rstrip(".")
    assert _without_numbers(first) in _without_numbers(plain.err)
    assert "Traceback" not in shown.err + plain.err
    assert files_of(Path.cwd()) == before
    return shown


def _without_numbers(text: str) -> str:
    """Leave out what differs from call to call: the bytes of memory that are free."""
    return re.sub("[0-9]+", "#", text)
