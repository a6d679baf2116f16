"""The dummy chip of ``tests/plugin``, installed by pip into a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from distribution import ROOT

__all__ = ["PLUGIN", "Site", "install_chip"]

PLUGIN = ROOT / "tests" / "plugin"


@dataclass(frozen=True)
class Site:
    """A folder with the installed chip."""

    path: Path

    def run(self, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run Python with the checkout and the chip on its path."""
        path = os.pathsep.join((str(self.path), str(ROOT)))
        return subprocess.run(
            [sys.executable, *command],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": path, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )


def install_chip(base: Path) -> Site:
    """Install the chip below ``base`` as a user does, without a network."""
    shutil.copytree(PLUGIN, base / "plugin")  # a build leaves its folders in the source
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    flags = ["--no-build-isolation", "--disable-pip-version-check", "--no-warn-script-location"]
    done = subprocess.run(
        [*pip, *flags, "--target", str(base / "site"), str(base / "plugin")],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return Site(base / "site")
