"""The suite passes a sound target, and names the promise that a broken one breaks."""

from __future__ import annotations

import importlib.metadata
import io
import json
import tokenize
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from dummy_chip import PLUGIN, Site
from neurodeploy.ir import Graph, Tensor, tensor
from neurodeploy.ir.file import save_graph
from neurodeploy.targets.check import limit_usage
from neurodeploy.testing import conformance
from neurodeploy.testing.conformance import CHECKS, Subject, run_suite
from neurodeploy.testing.random_graphs import RandomCase
from neurodeploy.testing.test_conformance import NAMES
from tiers import sample_count

CASES = 24
BUGS = (
    "MutatesInput",
    "MutatesOptions",
    "MutatesWhatItRefuses",
    "MutatesWhatItPlaces",
    "LeavesArraysWritable",
    "DropsSources",
    "InventsSources",
    "ForgetsChanges",
    "ClaimsNoLatency",
    "ClaimsMoreLatency",
    "LowersThresholds",
    "ConfusesStrictness",
    "IgnoresSoftReset",
    "IgnoresRefractory",
    "TakesSevenBits",
    "TakesTooLittle",
    "RefusesUntyped",
    "LosesAnAddress",
    "SharesAnAddress",
    "Overuses",
    "HidesItsUse",
    "WritesACounter",
    "WritesInHashOrder",
    "WritesItsPath",
    "WritesTheDate",
    "RunsOtherThresholds",
    "RunsWithUnsignedWeights",
    "NamesNoSource",
)


def _plugin() -> list[str]:
    """Name the plugin where the environment has neurodeploy without its entry point."""
    points = importlib.metadata.entry_points(group="pytest11", name="neurodeploy_testing")
    return [] if points else ["-p", "neurodeploy.testing.plugin"]


SUITE = ["-m", "pytest", *_plugin(), "-p", "no:cacheprovider", "--pyargs", "neurodeploy.testing"]


def test_the_chip_is_small() -> None:
    lines = set()
    for file in (PLUGIN / "neurodeploy_dummy_chip").glob("*.py"):
        text = file.read_text(encoding="utf-8")
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in (tokenize.NAME, tokenize.OP, tokenize.STRING, tokenize.NUMBER):
                lines |= {(file, n) for n in range(token.start[0], token.end[0] + 1)}
    assert len(lines) < 200


def test_installed_chip_is_listed(site: Site, tmp_path: Path) -> None:
    code = "from neurodeploy.targets.registry import *; print('sixbit' in target_profiles())"
    done = site.run("-c", code, cwd=tmp_path)
    assert done.stdout.strip() == "True", done.stderr


def test_command_line_lists_the_chip(site: Site, tmp_path: Path) -> None:
    code = "from neurodeploy.cli import main; main()"
    done = site.run("-c", code, "targets", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "sixbit" in done.stdout
    done = site.run("-c", code, "targets", "sixbit", "--json", cwd=tmp_path)
    assert "core-size" in json.dumps(json.loads(done.stdout)), done.stderr


def test_chip_passes_the_suite(site: Site, tmp_path: Path) -> None:
    cases = str(sample_count(100, 12))
    options = ["--target", "sixbit", "--target-cases", cases, "--target-option", "core-size=32"]
    done = site.run(*SUITE, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(NAMES)} passed" in done.stdout, done.stdout


def test_unknown_target_fails_the_suite(site: Site, tmp_path: Path) -> None:
    done = site.run(*SUITE, "--target", "no-such-chip", cwd=tmp_path)
    assert done.returncode == 1
    assert "there is no target 'no-such-chip'" in done.stdout


def test_without_a_target_the_suite_says_how_to_name_one(site: Site, tmp_path: Path) -> None:
    done = site.run(*SUITE, "-rs", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert f"{len(NAMES)} skipped" in done.stdout
    assert "--target NAME" in done.stdout


def test_other_projects_may_have_a_target_option(site: Site, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "def pytest_addoption(parser):\n    parser.addoption('--target')\n", encoding="utf-8"
    )
    (tmp_path / "test_mine.py").write_text(
        "import sys\n\n\ndef test_mine(request):\n"
        "    assert request.config.getoption('--target') == 'mine'\n"
        "    assert 'neurodeploy.ir' not in sys.modules\n",
        encoding="utf-8",
    )
    done = site.run(
        "-m", "pytest", *_plugin(), "-p", "no:cacheprovider", "--target", "mine", cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_pytest_runs_every_check() -> None:
    assert tuple(CHECKS) == NAMES


def test_cpu_passes_the_suite(tmp_path: Path) -> None:
    assert run_suite("cpu", tmp_path, cases=sample_count(100, 8)) == {}


DRAW = Subject.draw


def _twin(subject: Subject, seed: int) -> RandomCase:
    """Draw once for all targets of the same capabilities; each gets arrays of its own."""
    key = repr((subject.can.cells, subject.can.weight_bits))
    if (key, seed) not in _MEMORY:
        _MEMORY[key, seed] = DRAW(subject, seed)
    case = _MEMORY[key, seed]
    tensors = {}
    for name, t in case.graph.tensors.items():
        data = t.data.copy()
        data.setflags(write=False)
        tensors[name] = Tensor(data, t.type)
    g = case.graph
    return replace(case, graph=Graph(g.nodes, g.edges, tensors, g.dt, g.timesteps))


# run against a bug only where they are to find it
SLOW = {
    "artifact_survives_and_refuses_damage",
    "bytes_are_deterministic",
    "refuses_by_finding",
    "runners_equal_the_reference",
}
_MEMORY: dict[tuple[str, int], RandomCase] = {}


@pytest.mark.parametrize("bug", BUGS)
def test_a_broken_promise_is_named(
    bug: str, broken: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = getattr(broken, bug)
    expected = broken.EXPECTED[target]
    monkeypatch.setattr(Subject, "draw", _twin)
    some = {n: c for n, c in CHECKS.items() if n not in SLOW - expected}
    monkeypatch.setattr(conformance, "CHECKS", some)
    failed = run_suite(target.name, tmp_path, cases=CASES, runners=("chip-model",))
    if target in broken.EVERYWHERE:
        assert expected <= set(failed), failed
    else:
        assert set(failed) == expected, failed


def test_every_planted_bug_is_tested(broken: ModuleType) -> None:
    assert {bug.__name__ for bug in broken.EXPECTED} == set(BUGS)
    assert set().union(*broken.EXPECTED.values(), CORE_BUGS) == set(CHECKS)


CORE_BUGS = {
    "refuses_by_finding": ("neurodeploy.compiling.capability_findings", lambda graph, can: []),
    "options_are_checked": (
        "neurodeploy.compiling.parse_options",
        lambda can, given: (can, {o.name: o.default for o in can.options}),
    ),
    "artifact_survives_and_refuses_damage": (
        "neurodeploy.artifact._file_findings",
        lambda folder, manifest: [],
    ),
}


@pytest.mark.parametrize("promise", CORE_BUGS)
def test_what_compiling_promises_is_tested_too(
    promise: str, broken: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Subject, "draw", _twin)
    subject = Subject("sixbit", tmp_path, {}, 4)
    CHECKS[promise](subject)
    monkeypatch.setattr(*CORE_BUGS[promise])
    with pytest.raises(AssertionError):
        CHECKS[promise](subject)


def test_an_artifact_of_another_graph_is_found(
    broken: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(graph: Graph, path: Path) -> None:
        tensors = {
            n: t if n.endswith(".starts") else tensor(t.data * 0, t.type)
            for n, t in graph.tensors.items()
        }
        save_graph(replace(graph, tensors=tensors), path)

    monkeypatch.setattr(Subject, "draw", _twin)
    monkeypatch.setattr("neurodeploy.compiling.save_graph", save)
    with pytest.raises(AssertionError, match="another graph"):
        CHECKS["artifact_survives_and_refuses_damage"](Subject("sixbit", tmp_path, {}, 4))


def test_limits_of_the_whole_graph_are_tried(
    broken: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from neurodeploy_dummy_chip.chip import SIXBIT, SixBit

    limits = tuple(replace(limit, per="graph") for limit in SIXBIT.limits)
    monkeypatch.setattr(SixBit, "profiles", (replace(SIXBIT, limits=limits),))
    subject = Subject("sixbit", tmp_path, {}, 4)
    many = next(s for s in range(64) if len(limit_usage(DRAW(subject, s).graph, "fan_in")) > 1)
    monkeypatch.setattr(Subject, "draw", lambda subject, seed: DRAW(subject, seed + many))
    CHECKS["refuses_by_finding"](subject)


def test_only_the_first_finding_is_not_enough(
    broken: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from neurodeploy.targets.check import capability_findings

    monkeypatch.setattr(
        "neurodeploy.compiling.capability_findings", lambda g, can: capability_findings(g, can)[:1]
    )
    with pytest.raises(AssertionError, match="no finding names 'bad2'"):
        CHECKS["refuses_by_finding"](Subject("sixbit", tmp_path, {}, 4))
