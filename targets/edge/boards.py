"""Boards as data: what a program may use, and how it is compiled for them."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from neurodeploy.errors import Finding, UsageError
from neurodeploy.targets.edge.machines import MACHINES

if TYPE_CHECKING:
    from neurodeploy.profile.constants import Evidence

__all__ = ["Board", "boards", "make_boards", "read_boards"]


@dataclass(frozen=True)
class Board:
    """A device.

    Attributes:
        name: Its name; of those that ship with this package, a target name by itself.
        description: One sentence.
        compiler: The C compiler that builds for it.
        flags: Flags that the compiler needs for it.
        zig: Flags that ``zig cc`` needs for it.
        flash: Bytes of memory for constants and code; None where there is no limit to speak of.
        ram: Bytes of memory for the context and the stack; None likewise.
        clock: Hertz; None where not given.
        source: Where the figures come from.
        energy_per_cycle: Joules of one clock cycle, processor running; None where not given.
        energy_source: Where that comes from.
        energy_evidence: Class of its evidence, A, B or C (`neurodeploy.profile.constants`).
        machine: Where QEMU runs its programs, a name of ``machines.MACHINES``; empty where it
            cannot.
    """

    name: str
    description: str
    compiler: str
    flags: tuple[str, ...]
    zig: tuple[str, ...] = ()
    flash: int | None = None
    ram: int | None = None
    clock: int | None = None
    source: str = ""
    energy_per_cycle: float | None = None
    energy_source: str = ""
    energy_evidence: Evidence = "C"
    machine: str = ""


# field: its kind, and whether it must be there
_FIELDS: Mapping[str, tuple[type, bool]] = {
    "description": (str, True),
    "compiler": (str, True),
    "flags": (list, True),
    "zig": (list, False),
    "flash": (int, False),
    "ram": (int, False),
    "clock": (int, False),
    "source": (str, False),
    "energy_per_cycle": (float, False),
    "energy_source": (str, False),
    "energy_evidence": (str, False),
    "machine": (str, False),
}
# Names, compilers and flags stand in Makefiles and READMEs, where they must mean nothing else.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,62}")
_FLAG = re.compile(r"-[A-Za-z0-9=+.,_-]{1,80}")
_LONGEST = 500


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
        UsageError: it is no TOML, or everything that is wrong in a table.
    """
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{where} cannot be read as boards: {error}") from error
    return make_boards(tables, where)


def make_boards(tables: Mapping[str, object], where: str) -> dict[str, Board]:
    """Make boards of their tables, by name.

    Args:
        tables: By name, the fields.
        where: What holds them, for errors.

    Raises:
        UsageError: everything that is wrong in a table.
    """
    found: list[Finding] = []
    made: dict[str, Board] = {}
    for name, table in tables.items():
        wrong = list(_wrong(name, table))
        found += [Finding(text, node=f"{where}: {name}", hint=_hint(text)) for text in wrong]
        if isinstance(table, dict) and not wrong:
            lists = {k: tuple(v) for k, v in table.items() if isinstance(v, list)}
            made[name] = Board(name=name, **{**table, **lists})
    if found:
        raise UsageError(found)
    return made


def _hint(text: str) -> str:
    if text.startswith("unknown field"):
        return f"fields: {', '.join(_FIELDS)}"
    return f"machines: {', '.join(MACHINES)}" if text.startswith("machine ") else ""


def _wrong(name: str, table: object) -> Iterator[str]:
    if _NAME.fullmatch(name) is None:
        yield "the name of a board holds letters, digits and +._- alone"
    if not isinstance(table, dict):
        yield "is no table"
        return
    yield from (f"unknown field {key!r}" for key in table if key not in _FIELDS)
    for key, (kind, needed) in _FIELDS.items():
        if key in table:
            yield from _wrong_value(key, kind, table[key])
        elif needed:
            yield f"the field {key!r} is missing"


def _wrong_value(key: str, kind: type, value: object) -> Iterator[str]:
    if not isinstance(value, kind) or isinstance(value, bool):
        yield f"{key} is {value!r}, no {kind.__name__}"
    elif isinstance(value, int | float) and not (0 < value < math.inf):
        yield f"{key} is {value!r}, which is not above 0"
    elif isinstance(value, str) and not (value.isprintable() and len(value) <= _LONGEST):
        yield f"{key} is no line of at most {_LONGEST} characters"
    elif key == "compiler" and _NAME.fullmatch(str(value)) is None:
        yield f"compiler {value!r} is no name of a program"
    elif key == "energy_evidence" and value not in ("A", "B", "C"):
        yield f"energy_evidence is {value!r}, which is no class: A, B or C"
    elif key == "machine" and value and value not in MACHINES:
        yield f"machine {value!r} is none of QEMU's"
    elif isinstance(value, list):
        wrong = (f for f in value if not isinstance(f, str) or _FLAG.fullmatch(f) is None)
        yield from (f"flag {f!r} is no single flag of a compiler" for f in wrong)
