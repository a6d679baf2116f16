"""The target under test, and the graphs that it is tested on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from neurodeploy.errors import CapabilityError
from neurodeploy.targets.base import Capabilities, Lowered, OptionValue, Placement, Target
from neurodeploy.targets.options import parse_options
from neurodeploy.targets.registry import resolve_target
from neurodeploy.testing.random_graphs import RandomCase, RandomProfile, random_graph

__all__ = ["Attempt", "Subject", "padded"]


@dataclass(frozen=True)
class Attempt:
    """One drawn graph, and what the target made of it.

    Attributes:
        seed: Seed that it was drawn from.
        case: The graph and its inputs.
        lowered: The lowered graph; None where the target refused.
        placement: Its placement.
        refused: The target's refusal.
    """

    seed: int
    case: RandomCase
    lowered: Lowered | None = None
    placement: Placement | None = None
    refused: CapabilityError | None = None


@dataclass(frozen=True)
class Subject:
    """A target under test.

    Attributes:
        name: Name of the profile.
        work: Where files may be written.
        options: Options to compile with.
        cases: How many random graphs to draw.
        runners: Runners to compare with the reference; None for all that the target has.
    """

    name: str
    work: Path
    options: Mapping[str, OptionValue]
    cases: int = 100
    runners: tuple[str, ...] | None = None

    @cached_property
    def found(self) -> tuple[Target, Capabilities]:
        """The target, and the profile as it declares it."""
        return resolve_target(self.name)

    @property
    def target(self) -> Target:
        """The target."""
        return self.found[0]

    @cached_property
    def parsed(self) -> tuple[Capabilities, dict[str, OptionValue]]:
        """The profile with the options applied, and the value of every option."""
        return parse_options(self.found[1], self.options)

    @property
    def can(self) -> Capabilities:
        """The profile with the options applied."""
        return self.parsed[0]

    def draw(self, seed: int) -> RandomCase:
        """Draw a graph inside the capabilities; every second one with whole parameters."""
        profile = RandomProfile.within(self.can)
        if seed % 2:
            profile = replace(profile, grid="whole")
        return random_graph(np.random.default_rng(seed), profile)

    @cached_property
    def attempts(self) -> tuple[Attempt, ...]:
        """All drawn graphs, lowered and placed; a refusal is kept, another error is raised."""
        return tuple(self.attempt(seed) for seed in range(self.cases))

    def attempt(self, seed: int) -> Attempt:
        """Draw, lower and place one graph."""
        case = self.draw(seed)
        can, values = self.parsed
        try:
            lowered = self.target.lower(case.graph, can, values)
            placement = self.target.place(lowered, can, values)
        except CapabilityError as error:
            return Attempt(seed, case, refused=error)
        return Attempt(seed, case, lowered, placement)

    @cached_property
    def accepted(self) -> tuple[tuple[RandomCase, Lowered, Placement], ...]:
        """The drawn graphs that the target took."""
        return tuple(
            (a.case, a.lowered, a.placement)
            for a in self.attempts
            if a.lowered is not None and a.placement is not None
        )

    def folder(self, name: str) -> Path:
        """Give an empty place for files."""
        self.work.mkdir(parents=True, exist_ok=True)
        number = sum(1 for _ in self.work.iterdir())
        path = self.work / f"{number}-{name}"
        path.mkdir()
        return path


def padded(case: RandomCase, more: int) -> RandomCase:
    """Give the case with ``more`` silent steps at the end of its inputs."""
    longer = {}
    for node in case.graph.inputs:
        values = case.inputs[node.name]
        if values.ndim > len(node.shape) + 1:
            zeros = [(0, 0)] * values.ndim
            zeros[1] = (0, more)
            values = np.pad(values, zeros)
        longer[node.name] = values
    return replace(case, inputs=longer, timesteps=case.timesteps + more)
