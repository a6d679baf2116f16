"""Set-up of every test: one thread, hypothesis profiles, the tier, and the table of oracles."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from typing import TypeVar

import pytest
from hypothesis import settings

from oracles import Ledger
from tiers import VERIFY, sample_count

# Before any framework is loaded, and for subprocesses: the order of a sum inside a kernel must not
# depend on the number of cores.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# Derandomised, so that a red run is red again; `--hypothesis-profile explore` draws new cases.
settings.register_profile(
    "tier",
    max_examples=sample_count(300, 25),
    deadline=None,
    derandomize=True,
    print_blob=True,
)
settings.register_profile("explore", max_examples=300, deadline=None, print_blob=True)
settings.load_profile("tier")

# The tests keep out of the user's cache of compiled programs.
_CACHE = tempfile.TemporaryDirectory(prefix="neurodeploy-tests-")
os.environ["NEURODEPLOY_CACHE"] = _CACHE.name

_LEDGER = Ledger()
_Report = TypeVar("_Report", pytest.TestReport, pytest.CollectReport)


@pytest.fixture(scope="session")
def oracle() -> Ledger:
    """Return the ledger; ``oracle("snntorch")`` skips, or fails under verify, without it."""
    return _LEDGER


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail under verify where ``pytest.importorskip`` found no package inside a test."""
    report = yield
    return _fail_if_not_installed(report, call.excinfo)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail under verify where ``pytest.importorskip`` skipped a whole file."""
    report = yield
    call: pytest.CallInfo[None] | None = getattr(report, "call", None)
    return _fail_if_not_installed(report, call.excinfo if call else None)


def _fail_if_not_installed(
    report: _Report, excinfo: pytest.ExceptionInfo[BaseException] | None
) -> _Report:
    if (
        VERIFY
        and report.outcome == "skipped"
        and excinfo is not None
        and any(entry.name == "importorskip" for entry in excinfo.traceback)
    ):
        report.outcome = "failed"
        report.longrepr = f"verify needs every oracle: {excinfo.value}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was compared with what."""
    if _LEDGER.oracles:
        tier = "full counts" if VERIFY else "sampled; make verify runs the full counts"
        terminalreporter.section(f"oracles ({tier})")
        for line in _LEDGER.table():
            terminalreporter.write_line(line)
