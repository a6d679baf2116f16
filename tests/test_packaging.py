"""Wheel, sdist and editable installation carry the whole package, typed, under one name."""

from __future__ import annotations

import json
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import neurodeploy
from distribution import (
    LINKS,
    ROOT,
    bare_environment,
    build,
    copy_checkout,
    product_files,
    pyproject,
    run,
)

PROJECT = pyproject()["project"]
SETUPTOOLS = pyproject()["tool"]["setuptools"]


def _names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the sdist and the wheel that is built from it."""
    base = tmp_path_factory.mktemp("built")
    wheel, sdist = sorted(
        build(copy_checkout(base / "checkout"), base / "dist"), key=lambda p: p.suffix, reverse=True
    )
    return {"wheel": wheel, "sdist": sdist}


@pytest.fixture(scope="module")
def bare(built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment with the wheel and the base requirements alone."""
    return bare_environment(tmp_path_factory.mktemp("bare") / "env", built["wheel"])


def test_packages_equal_the_tree() -> None:
    tree = {
        Path(name).parent.as_posix().replace("/", ".")
        for name in product_files()
        if name.endswith("/__init__.py")
    }
    assert sorted(SETUPTOOLS["packages"]) == sorted(tree)


def test_every_module_lies_in_a_package() -> None:
    files = product_files()
    orphans = [
        n for n in files if n.endswith(".py") and f"{Path(n).parent}/__init__.py" not in files
    ]
    assert orphans == []


@pytest.mark.parametrize("name", LINKS)
def test_root_directory_is_linked_into_the_package(name: str) -> None:
    link = ROOT / "neurodeploy" / name
    assert link.is_symlink()
    assert link.readlink() == Path("..", name)


def test_wheel_from_sdist_holds_the_whole_tree(built: dict[str, Path]) -> None:
    assert _names(built["wheel"]) == set(product_files())
    assert "neurodeploy/py.typed" in _names(built["wheel"])


def test_wheel_of_a_checkout_without_links_is_the_same(
    built: dict[str, Path], tmp_path: Path
) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    for name in LINKS:  # as some systems check a link out: a text file holding its target
        link = checkout / "neurodeploy" / name
        link.unlink()
        link.write_text(f"../{name}", encoding="utf-8")
    [wheel] = build(checkout, tmp_path / "dist", "--wheel")
    assert _names(wheel) == _names(built["wheel"])


def test_wheel_carries_licence_and_entry_points(built: dict[str, Path]) -> None:
    info = f"neurodeploy-{PROJECT['version']}.dist-info"
    with zipfile.ZipFile(built["wheel"]) as archive:
        licence = archive.read(f"{info}/licenses/LICENSE").decode()
        metadata = archive.read(f"{info}/METADATA").decode()
        entry_points = archive.read(f"{info}/entry_points.txt").decode()
    assert "Apache License" in licence
    assert "License-Expression: Apache-2.0" in metadata
    assert "neurodeploy = neurodeploy.cli:main" in entry_points


def test_sdist_carries_tests_and_papers(built: dict[str, Path]) -> None:
    with tarfile.open(built["sdist"]) as archive:
        inside = {Path(*Path(name).parts[1:]).as_posix() for name in archive.getnames()}
    papers = {"CHANGELOG.md", "LICENSE", "Makefile", "README.md", "constraints.txt", ".ci/run"}
    mine = Path(__file__).relative_to(ROOT).as_posix()
    assert papers | {mine, "tests/support/oracles.py", "converters/__init__.py"} <= inside
    assert not any("__pycache__" in name for name in inside)


def test_package_and_metadata_name_one_version() -> None:
    assert neurodeploy.__version__ == PROJECT["version"]


def test_import_loads_numpy_and_nothing_else(bare: Path, tmp_path: Path) -> None:
    code = """
import json, sys
before = set(sys.modules)
import neurodeploy
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
print(json.dumps(sorted(loaded - set(sys.stdlib_module_names))))
"""
    loaded = json.loads(run(bare, "-c", code, cwd=tmp_path).stdout)
    strangers = {name for name in loaded if not name.startswith("_")} - {"neurodeploy", "numpy"}
    assert strangers == set()


@pytest.mark.parametrize("name", LINKS)
def test_root_directories_are_no_modules_of_their_own(name: str) -> None:
    """From the root of a checkout a second copy could be imported; nothing of ours does."""
    code = f"""
import importlib, sys
import neurodeploy, neurodeploy.{name}
print({name!r} in sys.modules, neurodeploy.{name}.__name__)
"""
    done = run(sys.executable, "-c", code, cwd=ROOT)
    assert done.stdout.split() == ["False", f"neurodeploy.{name}"]


def test_every_module_imports_under_its_own_name_alone() -> None:
    modules = [
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name in product_files()
        if name.endswith(".py") and not name.endswith("__main__.py")
    ]
    code = f"""
import importlib, sys
for name in {modules!r}:
    importlib.import_module(name)
print(sorted(set(sys.modules) & {set(LINKS)!r}))
"""
    assert run(sys.executable, "-W", "error", "-c", code, cwd=ROOT).stdout.strip() == "[]"


def test_editable_installation_finds_both_root_directories(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    python = bare_environment(
        tmp_path / "env", "--editable", checkout, requirements=("setuptools",)
    )
    code = """
import neurodeploy.converters, neurodeploy.targets
print(neurodeploy.__file__, neurodeploy.converters.__file__, neurodeploy.targets.__file__)
"""
    where = [Path(p).resolve() for p in run(python, "-c", code, cwd=tmp_path).stdout.split()]
    inside = ["neurodeploy", "converters", "targets"]
    assert where == [checkout.resolve() / name / "__init__.py" for name in inside]


def test_bare_wheel_has_a_command_line(bare: Path, tmp_path: Path) -> None:
    help_text = run(bare.parent / "neurodeploy", "--help", cwd=tmp_path).stdout
    assert "compile" in help_text


CONSUMER = """
from neurodeploy.errors import NeurodeployError

error = NeurodeployError("lost")
right: Exception = error
wrong: int = error
"""


def test_mypy_sees_the_types_of_the_installed_wheel(bare: Path, tmp_path: Path) -> None:
    (tmp_path / "consumer.py").write_text(CONSUMER, encoding="utf-8")
    mypy = (sys.executable, "-m", "mypy", "--strict", "--python-executable", bare)
    done = run(*mypy, "--no-color-output", "consumer.py", cwd=tmp_path, check=False)
    assert done.stdout.splitlines()[:-1] == [
        "consumer.py:6: error: Incompatible types in assignment "
        '(expression has type "NeurodeployError", variable has type "int")  [assignment]'
    ]
