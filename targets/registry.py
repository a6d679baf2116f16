"""Finds targets: ours in a lazy table, others by entry point; one resolver for both."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points

from neurodeploy.errors import Finding, TargetError, UnavailableTargetError, UsageError
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
    except Exception as error:  # a package that is not ours may raise anything
        raise UnavailableTargetError(
            f"target {name!r} ({place}) cannot be loaded: {error}",
            hint="repair or uninstall the package that offers it",
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
        TargetError: two targets have a profile of the same name, or a target cannot be used.
        UnavailableTargetError: a target cannot be loaded.
    """
    found, broken = _profiles(_places())
    if broken:
        raise _together(broken)
    return found


def _profiles(
    places: Mapping[str, str],
) -> tuple[dict[str, tuple[Target, Capabilities]], list[TargetError]]:
    """Give the profiles of all targets that can be loaded, and the errors of the others."""
    found: dict[str, tuple[Target, Capabilities]] = {}
    broken: list[TargetError] = []
    for name, place in sorted(places.items()):
        try:
            target = _load(name, place)
        except TargetError as error:
            broken.append(error)
            continue
        for profile in target.profiles:
            if profile.name in found:
                raise TargetError(f"two targets have a profile named {profile.name!r}")
            found[profile.name] = (target, profile)
    return found, broken


def resolve_target(name: str) -> tuple[Target, Capabilities]:
    """Give the target and the profile that ``name`` stands for.

    A target that cannot be loaded does not stand in the way of the others.

    Raises:
        UsageError: no such target; the hint lists those that there are.
        TargetError: no such target, and one of those that might have it cannot be used.
        UnavailableTargetError: the same, and it cannot be loaded.
    """
    profiles, broken = _profiles(_places())
    if name in profiles:
        return profiles[name]
    missing = Finding(f"there is no target {name!r}", hint=f"targets: {', '.join(profiles)}")
    raise _together(broken, missing) if broken else UsageError(missing)


def _together(broken: Sequence[TargetError], *before: Finding) -> TargetError:
    """Give one error for all targets that cannot be used."""
    unloaded = any(isinstance(e, UnavailableTargetError) for e in broken)
    kind = UnavailableTargetError if unloaded else TargetError
    return kind([*before, *(f for e in broken for f in e.findings)])
