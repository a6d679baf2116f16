"""The README's code runs and prints what the README shows."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_api_lines_print_what_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="the example starts from a torch module")
    from neurodeploy.engine import find_compiler

    if find_compiler() is None:
        pytest.skip("without a compiler the output names the reference")
    text = (ROOT / "README.md").read_text()
    found = re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", text, re.DOTALL)
    assert len(found) == 2
    monkeypatch.chdir(tmp_path)
    for code, shown in found:
        if "snntorch" in code:
            pytest.importorskip("snntorch", reason="the second example is one of snnTorch")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "README.md", "exec"), {})
        assert printed.getvalue() == shown


def test_the_commands_exist() -> None:
    from neurodeploy.cli.app import app

    text = (ROOT / "README.md").read_text()
    used = set(re.findall(r"^neurodeploy ([a-z]+)", text, re.MULTILINE))
    assert used <= {c.name for c in app.registered_commands}
    assert len(used) >= 8
