"""Finds targets, ours and those of other packages, and their profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from neurodeploy.errors import Finding, TargetError, UnavailableTargetError, UsageError
from neurodeploy.extensions import load, places
from neurodeploy.targets.base import API_VERSION, Capabilities, Target

__all__ = ["ENTRY_POINT_GROUP", "resolve_target", "target_names", "target_profiles"]

ENTRY_POINT_GROUP = "neurodeploy.targets"

# target: where its instance is
_OURS = {
    "cpu": "neurodeploy.targets.cpu:TARGET",
    "edge": "neurodeploy.targets.edge:TARGET",
    "loihi": "neurodeploy.targets.loihi:TARGET",
}


def _places() -> dict[str, str]:
    """Give module:attribute of every target that is installed.

    Raises:
        TargetError: two packages offer a target of the same name.
    """
    return places(ENTRY_POINT_GROUP, _OURS, "target", TargetError)


def _load(name: str, place: str) -> Target:
    found = load(name, place, "target", UnavailableTargetError)
    if not isinstance(found, Target):
        raise TargetError(f"{place} is no Target", hint="subclass neurodeploy.targets.base.Target")
    if found.api != API_VERSION:
        raise TargetError(
            f"target {name!r} was written for interface {found.api}, this is {API_VERSION}",
            hint="install versions that belong together",
        )
    # nothing enforces the declaration, and one bad package must not stop the others
    profiles: object = getattr(found, "profiles", None)
    declared = profiles if isinstance(profiles, tuple) else ()
    if not declared or not all(isinstance(p, Capabilities) for p in declared):
        raise TargetError(
            f"target {name!r} declares no profiles", hint="profiles is a tuple of Capabilities"
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
    known: Mapping[str, str],
) -> tuple[dict[str, tuple[Target, Capabilities]], list[TargetError]]:
    """Give the profiles of all targets that can be loaded, and the errors of the others."""
    found: dict[str, tuple[Target, Capabilities]] = {}
    broken: list[TargetError] = []
    for name, place in sorted(known.items()):
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
