"""Reads what the user set by ``--option key=value`` against what a profile declares."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace

from neurodeploy.errors import Finding, UsageError, raise_findings
from neurodeploy.targets.base import Capabilities, Limit, Option, OptionValue

__all__ = ["byte_size", "overridden_limits", "parse_options"]

_OVERRIDE = "--option"

_SIZES = {"": 1, "k": 10**3, "M": 10**6, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_NUMBER = re.compile(r"[+-]?([0-9]{1,30}(\.[0-9]{0,30})?|\.[0-9]{1,30})([eE][+-]?[0-9]{1,3})?")
_TRUE, _FALSE = ("yes", "true", "on"), ("no", "false", "off")


def parse_options(
    capabilities: Capabilities, given: Mapping[str, OptionValue]
) -> tuple[Capabilities, dict[str, OptionValue]]:
    """Give the profile with its overridden limits, and the value of every option.

    A key is the name of an option, or that of a limit with hyphens (``fan-in=2048``).

    Raises:
        UsageError: all unknown keys and unusable values at once.
    """
    options = {o.name: o for o in capabilities.options}
    limits = {limit.name.replace("_", "-"): limit for limit in capabilities.limits}
    values: dict[str, OptionValue] = {o.name: o.default for o in capabilities.options}
    found: list[Finding] = []
    for key, value in given.items():
        if key in options:
            parsed = _value(options[key], value)
            if parsed is None:
                found.append(_unusable(options[key], value))
            else:
                values[key] = parsed
        elif key in limits:
            size = _size(value)
            if size is None or size < 0:
                found.append(Finding(f"{value!r} is no size", node=key, hint="such as 256KiB"))
            else:
                limits[key] = replace(limits[key], value=size, source=_OVERRIDE)
        else:
            known = ", ".join(sorted([*options, *limits])) or "none"
            found.append(
                Finding(
                    f"target {capabilities.name!r} has no option {key!r}",
                    node=key,
                    hint=f"it has: {known}",
                )
            )
    raise_findings(UsageError, found)
    return replace(capabilities, limits=_in_order(capabilities, limits)), values


def overridden_limits(capabilities: Capabilities) -> dict[str, OptionValue]:
    """Give the limits that `parse_options` took from the user, by the key that sets them again."""
    return {
        limit.name.replace("_", "-"): limit.value
        for limit in capabilities.limits
        if limit.source == _OVERRIDE
    }


def _in_order(capabilities: Capabilities, limits: Mapping[str, Limit]) -> tuple[Limit, ...]:
    return tuple(limits[limit.name.replace("_", "-")] for limit in capabilities.limits)


def _value(option: Option, value: OptionValue) -> OptionValue | None:
    parsed: OptionValue | None = value
    text = str(value)
    if isinstance(option.default, bool):
        truth = {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}
        parsed = value if isinstance(value, bool) else truth.get(text.lower())
    elif isinstance(option.default, int):
        parsed = None if isinstance(value, bool) else _size(value)
    elif isinstance(option.default, float):
        number = float(text) if _NUMBER.fullmatch(text) else math.nan
        parsed = number if math.isfinite(number) else None
    else:
        parsed = text
    return None if option.choices and parsed not in option.choices else parsed


def _unusable(option: Option, value: OptionValue) -> Finding:
    kinds: dict[type, str] = {bool: "yes or no", int: "a whole number", float: "a number"}
    wanted = kinds.get(type(option.default), "text")
    if option.choices:
        wanted = "one of " + ", ".join(str(c) for c in option.choices)
    return Finding(f"{value!r} is not {wanted}", node=option.name, hint=option.meaning)


def byte_size(text: str) -> int:
    """Read a size such as ``64KiB``.

    Raises:
        UsageError: it is none, or negative.
    """
    size = _size(text)
    if size is None or size < 0:
        raise UsageError(f"{text!r} is no size", hint="such as 64KiB")
    return size


def _size(value: OptionValue) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = re.fullmatch(r"(-?[0-9]{1,15})([A-Za-z]{0,3})", str(value))
    if match is None or match[2] not in _SIZES:
        return None
    return int(match[1]) * _SIZES[match[2]]
