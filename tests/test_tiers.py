"""A missing oracle is a named skip in the sampled tier and a failure in the full one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from distribution import ROOT
from oracles import ORACLES, Kind, Ledger
from tiers import VERIFY, sample_count

PYTEST = (sys.executable, "-m", "pytest")
PROBE = """
import pytest

def test_missing_oracle(oracle):
    oracle("lava-of-the-test")

def test_missing_import():
    pytest.importorskip("no_such_package", reason="is an oracle")

def test_present(oracle):
    numpy = oracle("numpy")
    numpy.record(cases=3, spiking=2)
    numpy.record(spiking=True)
    assert numpy.module.__name__ == "numpy"
"""
MODULE_PROBE = """
import pytest

pytest.importorskip("no_such_package", reason="is an oracle")
"""


def _run(tmp_path: Path, verify: str) -> subprocess.CompletedProcess[str]:
    shutil.copytree(ROOT / "tests" / "support", tmp_path / "tests" / "support")
    shutil.copy2(ROOT / "tests" / "conftest.py", tmp_path / "tests")
    shutil.copy2(ROOT / "pyproject.toml", tmp_path)
    table = tmp_path / "tests" / "support" / "oracles.py"
    entry = 'ORACLES = {\n    "lava-of-the-test": Kind(module="no_such_package"),'
    table.write_text(table.read_text().replace("ORACLES = {", entry))
    (tmp_path / "tests" / "test_probe.py").write_text(PROBE)
    (tmp_path / "tests" / "test_module_probe.py").write_text(MODULE_PROBE)
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "--continue-on-collection-errors",
        ],
        cwd=tmp_path,
        env={**os.environ, "NEURODEPLOY_VERIFY": verify},
        capture_output=True,
        text=True,
        check=False,
    )


def test_sampled_tier_skips_by_name(tmp_path: Path) -> None:
    done = _run(tmp_path, "0")
    assert done.returncode == 0, done.stdout
    assert "1 passed, 3 skipped" in done.stdout
    assert "oracle lava-of-the-test: No module named 'no_such_package'" in done.stdout
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["lava-of-the-test", "missing", "0", "0"] in rows
    assert [row[2:] for row in rows if row[:1] == ["numpy"]] == [["4", "3"]]


def test_verify_tier_fails_without_its_oracles(tmp_path: Path) -> None:
    done = _run(tmp_path, "1")
    assert done.returncode != 0
    assert "2 failed, 1 passed, 1 error" in done.stdout
    assert done.stdout.count("verify needs every oracle: is an oracle") >= 2


def test_unknown_oracle_is_a_mistake(oracle: Ledger) -> None:
    with pytest.raises(LookupError, match="no oracle 'snntroch'"):
        oracle("snntroch")


def test_record_refuses_more_spiking_cases_than_cases() -> None:
    ledger = Ledger()
    with pytest.raises(ValueError, match="2 spiking cases of 1"):
        ledger("closed form").record(spiking=2)


def test_programs_and_packages_are_named_in_one_table() -> None:
    assert all(isinstance(kind, Kind) for kind in ORACLES.values())
    assert not any(kind.module and kind.program for kind in ORACLES.values())


def test_counts_follow_the_tier() -> None:
    assert sample_count(300, 20) == (300 if VERIFY else 20)
    with pytest.raises(ValueError, match="sampled"):
        sample_count(10, 20)
