"""The pytest plugin: options of the conformance suite, there only where the suite is asked for.

Another project's tests may have a ``--target`` of their own, so the options are added only to a
run whose arguments name ``neurodeploy.testing``. Nothing of neurodeploy is imported here.
"""

from __future__ import annotations

from pathlib import Path

import pytest

__all__ = ["pytest_addoption"]

HERE = Path(__file__).resolve().parent


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add ``--target``, ``--target-option`` and ``--target-cases``."""
    config = pluginmanager.get_plugin("pytestconfig")
    if not isinstance(config, pytest.Config) or not _asked(config.invocation_params.args):
        return
    group = parser.getgroup("neurodeploy", "conformance of a neurodeploy target")
    group.addoption("--target", metavar="NAME", help="target profile to test")
    group.addoption(
        "--target-option",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="option to compile with; may be repeated",
    )
    group.addoption(
        "--target-cases",
        metavar="N",
        type=int,
        default=100,
        help="random graphs to draw (100)",
    )


def _asked(args: tuple[str, ...] | tuple[Path, ...]) -> bool:
    """Say whether the run names the suite, by its module or by its folder."""
    for arg in map(str, args):
        place = arg.partition("::")[0]
        if place in ("neurodeploy.testing", "neurodeploy.testing.test_conformance"):
            return True
        if not place.startswith("-") and HERE in (path := Path(place).resolve(), path.parent):
            return True
    return False
