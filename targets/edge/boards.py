"""Boards as data: what a program may use, and how it is compiled for them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from neurodeploy.errors import Finding, UsageError

__all__ = ["Board", "boards", "read_boards"]


@dataclass(frozen=True)
class Board:
    """A device.

    Attributes:
        name: Its name; a target name by itself.
        description: One sentence.
        compiler: The C compiler that builds for it.
        flags: Flags that the compiler needs for it.
        flash: Bytes of memory for constants and code; None where there is no limit to speak of.
        ram: Bytes of memory for the context and the stack; None likewise.
        clock: Hertz; None where not given.
        source: Where the figures come from.
        machine: Where QEMU runs its programs, a name of ``machines.MACHINES``; empty where it
            cannot.
    """

    name: str
    description: str
    compiler: str
    flags: tuple[str, ...]
    flash: int | None = None
    ram: int | None = None
    clock: int | None = None
    source: str = ""
    machine: str = ""


@cache
def boards() -> Mapping[str, Board]:
    """Give the boards that ship with this package, by name."""
    text = (files(__package__) / "boards.toml").read_text(encoding="utf-8")
    return read_boards(text, "boards.toml")


def read_boards(text: str, where: str) -> dict[str, Board]:
    """Read boards from TOML, one table each.

    Args:
        text: The text.
        where: Name of the file, for errors.

    Raises:
        UsageError: it is no TOML, or a table lacks a field or has one of another kind.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where} cannot be read as boards: {error}") from error
    found: list[Finding] = []
    made: dict[str, Board] = {}
    for name, table in tables.items():
        wrong = _wrong(table)
        found += [Finding(text, node=f"{where}: {name}") for text in wrong]
        if not wrong:
            made[name] = Board(name=name, **{**table, "flags": tuple(table["flags"])})
    if found:
        raise UsageError(found)
    return made


def _wrong(table: object) -> list[str]:
    if not isinstance(table, dict):
        return ["is no table"]
    kinds: dict[str, type] = {
        "description": str,
        "compiler": str,
        "flags": list,
        "flash": int,
        "ram": int,
        "clock": int,
        "source": str,
        "machine": str,
    }
    found = [f"unknown field {key!r}" for key in table if key not in kinds]
    found += [f"the field {key!r} is missing" for key in list(kinds)[:3] if key not in table]
    found += [
        f"{key} is {table[key]!r}, no {kind.__name__}"
        for key, kind in kinds.items()
        if key in table and (not isinstance(table[key], kind) or isinstance(table[key], bool))
    ]
    return found
