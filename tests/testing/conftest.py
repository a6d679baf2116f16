"""The dummy chip, installed once, and its broken variants beside it."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from dummy_chip import Site, install_chip

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Return the folder that the chip is installed in."""
    return install_chip(tmp_path_factory.mktemp("chip"))


@pytest.fixture(scope="module")
def broken(site: Site) -> Iterator[ModuleType]:
    """Install the broken variants, make all importable here, and return their module."""
    folder = site.path.parent / "broken"
    if not folder.exists():
        info = folder / "broken_chips-0.dist-info"
        info.mkdir(parents=True)
        shutil.copy(HERE / "planted_bugs.py", folder)
    sys.path[:0] = added = [str(site.path), str(folder)]
    importlib.invalidate_caches()
    module = importlib.import_module("planted_bugs")
    lines = [f"{bug.name} = planted_bugs:{name}" for name, bug in module.TARGETS.items()]
    text = "\n".join(["[neurodeploy.targets]", *lines, ""])
    info = folder / "broken_chips-0.dist-info"
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-chips\nVersion: 0\n")
    (info / "entry_points.txt").write_text(text, encoding="utf-8")
    importlib.invalidate_caches()
    yield module
    for path in added:
        sys.path.remove(path)
