"""Finds what packages offer: ours in a lazy table, others by entry point; one resolver for both.

Front ends and targets are found with it. A place is ``package.module:attribute``.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.metadata import entry_points

from neurodeploy.errors import NeurodeployError

__all__ = ["load", "places"]


def places(
    group: str, ours: Mapping[str, str], noun: str, error: type[NeurodeployError]
) -> dict[str, str]:
    """Give the place of everything that is installed, by name.

    Args:
        group: Entry-point group of other packages.
        ours: Places of our own.
        noun: What is looked for, for people.
        error: What to raise.

    Raises:
        NeurodeployError: two packages offer one name; of type ``error``.
    """
    found = dict(ours)
    for point in entry_points(group=group):
        if found.setdefault(point.name, point.value) != point.value:
            raise error(
                f"two packages offer a {noun} named {point.name!r}: "
                f"{found[point.name]} and {point.value}",
                hint="uninstall one of them",
            )
    return found


def load(name: str, place: str, noun: str, error: type[NeurodeployError]) -> object:
    """Import what stands at a place.

    >>> load("join", "posixpath:join", "function", NeurodeployError)("a", "b")
    'a/b'

    Raises:
        NeurodeployError: it cannot be imported, whatever the package raises; of type ``error``.
    """
    module, _, attribute = place.partition(":")
    try:
        found: object = getattr(importlib.import_module(module), attribute)
    except Exception as cause:  # a package that is not ours may raise anything
        raise error(
            f"{noun} {name!r} ({place}) cannot be loaded: {cause}",
            hint="repair or uninstall the package that offers it",
        ) from cause
    return found
