"""Build the package from a copy of the checkout, and install it into bare environments.

Everything here works without a network: a bare environment has no pip of its own, and gets the base
requirements as links to what the test environment has, so that nothing else can be imported.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

__all__ = [
    "ROOT",
    "bare_environment",
    "build",
    "copy_checkout",
    "product_files",
    "pyproject",
    "run",
]

ROOT = Path(__file__).resolve().parents[2]
LINKS = ("converters", "targets")
_COPIED = (
    "neurodeploy",
    *LINKS,
    ".ci",
    "benchmarks",
    "docs",
    "examples",
    "tests",
    "CHANGELOG.md",
    "LICENSE",
    "MANIFEST.in",
    "Makefile",
    "README.md",
    "constraints.txt",
    "pyproject.toml",
)


def pyproject() -> dict[str, Any]:
    """Return pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def product_files() -> dict[str, Path]:
    """Return every file of the package by its path in a wheel, caches left out."""
    found: dict[str, Path] = {}
    for top in ("neurodeploy", *LINKS):
        prefix = Path() if top == "neurodeploy" else Path("neurodeploy")
        for path in sorted((ROOT / top).rglob("*")):
            inside = path.relative_to(ROOT)
            hidden = {"__pycache__"} & set(inside.parts) or any(p[0] == "." for p in inside.parts)
            linked = top == "neurodeploy" and inside.parts[1] in LINKS
            if path.is_file() and not hidden and not linked:
                found[(prefix / inside).as_posix()] = path
    return found


def copy_checkout(to: Path) -> Path:
    """Copy what a build needs to `to`, links as links, so that builds leave the checkout alone."""
    to.mkdir()
    junk = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*_cache")
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, symlinks=True, ignore=junk)
        elif source.exists():
            shutil.copy2(source, to / name)
    return to


def run(*command: str | Path, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `command` without this process's Python variables; raise with its output on failure."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV_", "VIRTUAL"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=kept,
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(done.args)}\n{done.stdout}\n{done.stderr}")
    return done


def build(checkout: Path, out: Path, *what: str) -> list[Path]:
    """Build in `checkout` with the installed setuptools and return what was built.

    Without `what` this is the sdist, and the wheel built from it.
    """
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, *what, ".", cwd=checkout)
    return sorted(out.iterdir())


def bare_environment(where: Path, *install: str | Path, requirements: tuple[str, ...] = ()) -> Path:
    """Make an environment with the base requirements and `install` in it; return its Python."""
    run(sys.executable, "-m", "venv", "--without-pip", where, cwd=where.parent)
    python = where / "bin" / "python"
    query = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(run(python, "-c", query, cwd=where).stdout.strip())
    wanted = [*pyproject()["project"]["dependencies"], *requirements]
    for top in _installed_files(wanted):
        (site / top.name).symlink_to(top)
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index")
    run(*pip, "--no-deps", "--no-build-isolation", *install, cwd=where)
    return python


def _installed_files(requirements: list[str]) -> set[Path]:
    """Return the top-level files of `requirements` and all that they require."""
    tops: set[Path] = set()
    seen: set[str] = set()
    queue = list(requirements)
    while queue:
        match = re.match(r"[A-Za-z0-9._-]+", requirement := queue.pop())
        name = re.sub(r"[-_.]+", "-", match[0]).lower() if match else requirement
        if name in seen or "extra ==" in requirement:
            continue
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            if ";" in requirement:  # for another platform or Python
                continue
            raise
        seen.add(name)
        queue += found.requires or []
        for file in found.files or []:
            if file.parts[0] not in ("..", "__pycache__"):
                tops.add(Path(str(found.locate_file(file.parts[0]))))
    return tops
