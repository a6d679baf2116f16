"""What a core of Loihi holds: a table with the source of every figure, which users may replace."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from neurodeploy.errors import FileFormatError, Finding, UsageError, raise_findings
from neurodeploy.ir.strict_json import Json, dump, parse

__all__ = ["KINDS", "CoreLimit", "limits_file_text", "limits_from_text", "limits_of"]

KINDS = (
    "neurons",
    "input_axons",
    "output_axons",
    "synapse_bits",
    "neuron_settings",
    "thresholds",
    "synapse_formats",
    "cores",
    "columns",
)
NEEDED = ("neurons", "synapse_bits", "cores", "columns")
FIELDS = {"value": int, "unit": str, "source": str, "evidence": str}
CHIP = ("cores", "columns")
MOST, MOST_CORES = 2**40, 4096
MAX_BYTES = 64 * 1024
Limits = Mapping[str, "CoreLimit"]


@dataclass(frozen=True)
class CoreLimit:
    """One limit.

    Attributes:
        value: The most that a core, or of ``cores`` and ``columns`` a chip, holds.
        unit: Its unit.
        source: Where the figure comes from.
        evidence: ``B``, read in published code or a paper; ``C``, from memory.
    """

    value: int
    unit: str
    source: str
    evidence: str


@cache
def _shipped() -> Mapping[str, Limits]:
    text = (files(__package__) / "limits.toml").read_text(encoding="utf-8")
    return {name: _made(table, name) for name, table in tomllib.loads(text).items()}


def limits_of(profile: str) -> Limits:
    """Give the limits of a profile that ship with this package; none for one without cores."""
    return _shipped().get(profile, {})


def limits_file_text(named: str) -> str:
    """Read a file of the same form as ``limits.toml``; give its tables as text to be kept.

    Raises:
        UsageError: there is no such file, or everything that is wrong in it.
    """
    file = Path(named)
    try:
        with file.open("rb") as handle:
            data = handle.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise UsageError(Finding(f"{named!r} is too large", node="limits", limit=MAX_BYTES))
        tables = tomllib.loads(data.decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # what tomllib says is a ValueError
        raise UsageError(Finding(f"{named!r} cannot be read: {error}", node="limits")) from error
    made = {name: _made(table, f"{named}: {name}") for name, table in tables.items()}
    return dump({name: _table(limits) for name, limits in sorted(made.items())})


def limits_from_text(text: str, profile: str) -> Limits:
    """Give the limits of a profile of what `limits_file_text` gave.

    Raises:
        UsageError: the text is damaged, or has no such profile.
    """
    try:
        tables = parse(text)
    except FileFormatError as error:
        raise UsageError(Finding(f"no table of limits: {error}", node="limits")) from error
    if not isinstance(tables, dict) or profile not in tables:
        known = ", ".join(tables) if isinstance(tables, dict) else "nothing"
        text = f"the file has no table {profile!r}"
        raise UsageError(Finding(text, node="limits", hint=f"it has: {known}"))
    return _made(tables[profile], profile)


def _table(limits: Limits) -> Json:
    return {
        name: {"value": x.value, "unit": x.unit, "source": x.source, "evidence": x.evidence}
        for name, x in sorted(limits.items())
    }


def _made(table: object, where: str) -> Limits:
    raise_findings(UsageError, [Finding(text, node=where) for text in _wrong(table)])
    known = table if isinstance(table, dict) else {}
    return {name: CoreLimit(**fields) for name, fields in known.items()}


def _wrong(table: object) -> Iterator[str]:
    if not isinstance(table, dict):
        yield "is no table of limits"
        return
    yield from (f"unknown limit {name!r}" for name in table if name not in KINDS)
    yield from (f"the limit {name!r} is missing" for name in NEEDED if name not in table)
    for name, fields in table.items():
        if not isinstance(fields, dict):
            yield f"{name} is no table with value, unit, source and evidence"
            continue
        yield from (f"{name}: unknown field {key!r}" for key in fields if key not in FIELDS)
        for key, kind in FIELDS.items():
            value = fields.get(key)
            if not isinstance(value, kind) or isinstance(value, bool):
                yield f"{name}: {key} is {value!r}, no {kind.__name__}"
            elif isinstance(value, int) and value < 1:
                yield f"{name}: {key} is {value}, which is not above 0"
            elif isinstance(value, int) and value > (MOST_CORES if name in CHIP else MOST):
                yield f"{name}: {key} is {value}, at most {MOST_CORES if name in CHIP else MOST}"
            elif key == "evidence" and value not in ("A", "B", "C"):
                yield f"{name}: evidence is {value!r}, which is no class: A, B or C"
            elif isinstance(value, str) and not (value.isprintable() and len(value) <= 500):
                yield f"{name}: {key} is no line of at most 500 characters"
