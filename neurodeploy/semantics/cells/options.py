"""What options of cells have to be, and the findings where they are not."""

from __future__ import annotations

from neurodeploy.errors import Finding

__all__ = ["not_bool", "not_whole"]


def not_bool(**options: object) -> list[Finding]:
    """Tell which of some options are neither True nor False."""
    return [
        Finding(f"{name} is {value!r}, not True or False")
        for name, value in options.items()
        if not isinstance(value, bool)
    ]


def not_whole(name: str, value: object, least: int, most: int) -> list[Finding]:
    """Tell whether an option is no whole number in a range; True and False are none."""
    if type(value) is int and least <= value <= most:
        return []
    return [Finding(f"{name} is {value!r}, not a whole number {least} to {most}")]
