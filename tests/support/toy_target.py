"""A target that does nothing but what a test asks of it, offered as another package would."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from neurodeploy import extensions
from neurodeploy.ir import Graph
from neurodeploy.profile.energy import CostModel, generic_cmos
from neurodeploy.reference import simulate
from neurodeploy.targets.base import (
    Capabilities,
    Limit,
    Lowered,
    Option,
    OptionValue,
    Placement,
    Run,
    RunnerFactory,
    Target,
    plain_addresses,
)
from neurodeploy.targets.registry import ENTRY_POINT_GROUP

__all__ = ["ToyTarget", "install", "offer"]

TOY = Capabilities(
    name="toy",
    description="a target of the tests",
    limits=(Limit("fan_in", 64, "node", "synapses", "data sheet"),),
    options=(Option("speed", 1, "how fast, in nothing per second"),),
)


class ToyTarget(Target):
    """Keeps the graph; ``write`` stands in for the emission."""

    name = "toy"
    profiles = (TOY,)

    def __init__(self, write: Callable[[Path], object] | None = None) -> None:
        self.write = write or (lambda out: (out / "toy.txt").write_text("toy\n"))
        self.ran_with: list[Mapping[str, OptionValue]] = []

    def lower(self, graph: Graph, capabilities: Capabilities, options: Any) -> Lowered:
        return Lowered(graph, 2)

    def place(self, lowered: Lowered, capabilities: Capabilities, options: Any) -> Placement:
        return Placement((), plain_addresses(lowered.graph))

    def emit(
        self, lowered: Lowered, placement: Placement, can: Capabilities, options: Any, out: Path
    ) -> None:
        self.write(out)

    def costs(self, capabilities: Capabilities) -> CostModel:
        return generic_cmos()

    def runners(self) -> Mapping[str, RunnerFactory]:
        def board(graph: Graph, path: Path | None, options: Mapping[str, OptionValue]) -> Run:
            self.ran_with.append(dict(options))

            def run(*args: Any, **kwargs: Any) -> Any:
                return simulate(graph, *args, **kwargs)

            return run

        return {"board": board}


def offer(monkeypatch: pytest.MonkeyPatch, *offers: tuple[str, object]) -> None:
    """Install packages that offer targets: pairs of a name and what stands at its entry point."""
    points = []
    for i, (name, what) in enumerate(offers):
        module = ModuleType(f"toy_package_{i}")
        module.TARGET = what  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        points.append(EntryPoint(name, f"{module.__name__}:TARGET", ENTRY_POINT_GROUP))
    install(monkeypatch, *points)


def install(monkeypatch: pytest.MonkeyPatch, *points: EntryPoint) -> None:
    """Let the entry points of targets be these."""
    found = {ENTRY_POINT_GROUP: points}
    monkeypatch.setattr(extensions, "entry_points", lambda *, group: found.get(group, ()))
