"""Finds targets: ours in a lazy table, others by entry point; one resolver for both."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points

from neurodeploy.errors import TargetError, UnavailableTargetError, UsageError
from neurodeploy.targets.base import API_VERSION, Capabilities, Target

__all__ = ["ENTRY_POINT_GROUP", "resolve_target", "target_names", "target_profiles"]

ENTRY_POINT_GROUP = "neurodeploy.targets"

# target: where its instance is
_OURS = {"cpu": "neurodeploy.targets.cpu:TARGET"}


def _places() -> dict[str, str]:
    """Give module:attribute of every target that is installed.

    Raises:
        TargetError: two packages offer a target of the same name.
    """
    places = dict(_OURS)
    for point in entry_points(group=ENTRY_POINT_GROUP):
        if point.name in places and places[point.name] != point.value:
            raise TargetError(
                f"two packages offer a target named {point.name!r}: "
                f"{places[point.name]} and {point.value}",
                hint="uninstall one of them",
            )
        places[point.name] = point.value
    return places


def _load(name: str, place: str) -> Target:
    module, _, attribute = place.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UnavailableTargetError(
            f"target {name!r} ({place}) cannot be loaded: {error}"
        ) from error
    if not isinstance(found, Target):
        raise TargetError(f"{place} is no Target", hint="subclass neurodeploy.targets.base.Target")
    if found.api != API_VERSION:
        raise TargetError(
            f"target {name!r} was written for interface {found.api}, this is {API_VERSION}",
            hint="install versions that belong together",
        )
    return found


def target_names() -> tuple[str, ...]:
    """Give the names of all installed targets."""
    return tuple(sorted(_places()))


def target_profiles() -> dict[str, tuple[Target, Capabilities]]:
    """Give every profile of every installed target, by profile name.

    Raises:
        TargetError: two targets have a profile of the same name.
    """
    found: dict[str, tuple[Target, Capabilities]] = {}
    for name, place in sorted(_places().items()):
        target = _load(name, place)
        for profile in target.profiles:
            if profile.name in found:
                raise TargetError(f"two targets have a profile named {profile.name!r}")
            found[profile.name] = (target, profile)
    return found


def resolve_target(name: str) -> tuple[Target, Capabilities]:
    """Give the target and the profile that ``name`` stands for.

    Raises:
        UsageError: no such target; the hint lists those that there are.
    """
    profiles = target_profiles()
    if name not in profiles:
        raise UsageError(f"there is no target {name!r}", hint=f"targets: {', '.join(profiles)}")
    return profiles[name]
