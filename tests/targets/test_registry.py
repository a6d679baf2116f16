"""Targets of other packages: found, refused by name, and never in each other's way."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest

from neurodeploy import extensions
from neurodeploy.errors import TargetError, UnavailableTargetError, UsageError
from neurodeploy.targets.base import API_VERSION, Target
from neurodeploy.targets.cpu import TARGET as CPU
from neurodeploy.targets.registry import (
    ENTRY_POINT_GROUP,
    resolve_target,
    target_names,
    target_profiles,
)
from toy_target import TOY, ToyTarget, install, offer


class Board(ToyTarget):
    name = "boards"
    profiles = (replace(TOY, name="board-a"), replace(TOY, name="board-b"))


class Old(ToyTarget):
    api = API_VERSION + 1


class CpuToo(ToyTarget):
    profiles = (replace(TOY, name="cpu"),)


def points(monkeypatch: pytest.MonkeyPatch, *pairs: tuple[str, str]) -> None:
    install(monkeypatch, *(EntryPoint(n, v, ENTRY_POINT_GROUP) for n, v in pairs))


def test_ours() -> None:
    assert "cpu" in target_names()
    assert resolve_target("cpu") == (CPU, CPU.profiles[0])


def test_every_profile_is_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board()
    offer(monkeypatch, ("boards", board))
    assert target_names() == ("boards", "cpu", "edge", "loihi")
    assert set(target_profiles()) >= {"cpu", "cortex-m4", "board-a", "board-b"}
    assert resolve_target("board-b") == (board, board.profiles[1])
    with pytest.raises(UsageError, match=r"no target 'boards'.*board-a, board-b, cpu"):
        resolve_target("boards")


def test_two_packages_with_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, ("toy", ToyTarget()), ("toy", ToyTarget()))
    with pytest.raises(TargetError, match=r"named 'toy': toy_package_0:TARGET and toy_package_1"):
        resolve_target("toy")
    offer(monkeypatch, ("cpu", ToyTarget()))
    with pytest.raises(TargetError, match="named 'cpu'"):
        target_profiles()


def test_the_same_package_seen_twice_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, ("toy", ToyTarget()))
    (point,) = extensions.entry_points(group=ENTRY_POINT_GROUP)
    install(monkeypatch, point, point)
    assert resolve_target("toy")[1] == TOY


def test_two_targets_with_one_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, ("other", CpuToo()))
    with pytest.raises(TargetError, match="a profile named 'cpu'"):
        resolve_target("cpu")


def test_what_is_no_target_or_of_another_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, ("number", 3), ("kind", ToyTarget), ("old", Old()))
    with pytest.raises(TargetError) as caught:
        target_profiles()
    text = str(caught.value)
    assert text.count("is no Target") == 2
    assert f"written for interface {API_VERSION + 1}, this is {API_VERSION}" in text
    with pytest.raises(TargetError, match="no target 'toy'") as refused:
        resolve_target("toy")
    assert refused.value.exit_code == 1
    assert len(refused.value.findings) == 4
    assert resolve_target("cpu")[0] is CPU


@pytest.mark.parametrize("profiles", [None, (), TOY, (3,)])
def test_a_target_without_profiles_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, profiles: object
) -> None:
    bare = ToyTarget()
    bare.profiles = profiles  # type: ignore[misc, assignment]
    offer(monkeypatch, ("bare", bare))
    assert resolve_target("cpu")[0] is CPU
    with pytest.raises(TargetError, match="'bare' declares no profiles"):
        target_profiles()


@pytest.mark.parametrize("place", ["no_such_package:TARGET", "json:TARGET", "json", "raises_so:T"])
def test_a_broken_package_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object, place: str
) -> None:
    (tmp_path / "raises_so.py").write_text("raise RuntimeError('no licence')\n")  # type: ignore[operator]
    monkeypatch.syspath_prepend(str(tmp_path))
    points(monkeypatch, ("broken", place))
    assert resolve_target("cpu")[0] is CPU
    assert "broken" in target_names()
    for call in (target_profiles, lambda: resolve_target("chip-of-the-broken-one")):
        with pytest.raises(UnavailableTargetError, match=r"'broken'.*cannot be loaded") as caught:
            call()
        assert caught.value.exit_code == 3


def test_instances_of_ours_hold_no_state() -> None:
    assert isinstance(CPU, Target)
    assert not vars(CPU)


def test_finding_targets_loads_no_framework() -> None:
    code = (
        "import sys; from neurodeploy.targets.registry import *; resolve_target('cpu')\n"
        "bad = {'torch', 'onnx', 'neurodeploy.profile', 'targets', 'converters'}\n"
        "bad &= set(sys.modules)\n"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
