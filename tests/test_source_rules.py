"""Rules of the source that the linter does not know."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from distribution import ROOT, product_files

MAX_LINES = 400
PRODUCT = {name: path for name, path in product_files().items() if name.endswith(".py")}
# The suite that is shipped to authors of targets is made of tests: it may assert.
SUITE = "neurodeploy/testing/"


def _findings(name: str, tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Assert() if not name.startswith(SUITE):
                yield f"line {node.lineno}: assert; raise a typed error"
            case ast.Raise(exc=ast.Name(id=raised) | ast.Call(func=ast.Name(id=raised))) if (
                raised in ("Exception", "BaseException", "NotImplementedError")
            ):
                yield f"line {node.lineno}: raise {raised}; use neurodeploy.errors"
            case ast.ExceptHandler(type=None):
                yield f"line {node.lineno}: bare except"
            case ast.ExceptHandler(body=[ast.Pass()]):
                yield f"line {node.lineno}: an error passed over"
            case ast.ImportFrom(level=level) if level:
                yield f"line {node.lineno}: relative import"


@pytest.mark.parametrize("name", sorted(PRODUCT))
def test_product_code_keeps_the_rules(name: str) -> None:
    tree = ast.parse(PRODUCT[name].read_text(encoding="utf-8"), filename=name)
    assert list(_findings(name, tree)) == []


def test_the_rules_find_what_they_are_for() -> None:
    bad = """
from . import ir
def f(x):
    assert x
    try:
        raise Exception("no")
    except ValueError:
        pass
    except:
        raise NotImplementedError
"""
    found = [line.partition(":")[0] for line in _findings("neurodeploy/x.py", ast.parse(bad))]
    assert sorted(found) == [f"line {number}" for number in (10, 2, 4, 6, 7, 9)]


@pytest.mark.parametrize(
    "folder", ["neurodeploy", "converters", "targets", "tests", "examples", "benchmarks"]
)
def test_no_file_is_longer_than_one_idea(folder: str) -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_bytes().splitlines())
        for path in Path(ROOT, folder).rglob("*.py")
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}
