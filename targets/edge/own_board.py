"""A board of the user's: read from a file once, then kept as text in the artifact.

An artifact holds no paths and opens without the file, so the option ``board`` changes its value on
compiling: from the name of a file to what the file says of one board.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from neurodeploy.errors import FileFormatError, Finding, UsageError
from neurodeploy.ir.strict_json import Json, dump, parse
from neurodeploy.targets.edge.boards import Board, make_boards, read_boards

__all__ = ["board_from_file", "board_from_text", "board_text"]

MAX_BYTES = 64 * 1024


def board_from_file(named: str) -> Board:
    """Read a board from ``FILE``, which holds one, or from ``FILE:NAME``.

    Raises:
        UsageError: there is no such file or board, or everything that is wrong in the file.
    """
    file, name = named, ""
    if not Path(named).is_file():
        file, _, name = named.rpartition(":")
    if not file or not Path(file).is_file():
        raise UsageError(
            Finding(f"there is no file {named!r}", node="board", hint="board=FILE or FILE:NAME")
        )
    found = read_boards(_text(Path(file)), file)
    known = ", ".join(found) or "none"
    if name and name not in found:
        raise UsageError(
            Finding(f"{file} has no board {name!r}", node="board", hint=f"it has: {known}")
        )
    if not name and len(found) != 1:
        raise UsageError(
            Finding(
                f"{file} holds {len(found)} boards, not one",
                node="board",
                hint=f"board={file}:NAME, NAME one of: {known}",
            )
        )
    return found[name or next(iter(found))]


def _text(file: Path) -> str:
    try:
        with file.open("rb") as handle:
            data = handle.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise UsageError(
                Finding(f"{file} is too large for boards", node="board", limit=MAX_BYTES)
            )
        return data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8"
        raise UsageError(Finding(f"{file} cannot be read: {reason}", node="board")) from error


def board_text(board: Board) -> str:
    """Give a board as text: the same board, the same text."""
    table: dict[str, Json] = {}
    for field in dataclasses.fields(board):
        value = getattr(board, field.name)
        if field.name != "name" and value is not None:
            table[field.name] = list(value) if isinstance(value, tuple) else value
    return dump({board.name: table})


def board_from_text(text: str) -> Board:
    """Read what `board_text` wrote.

    Raises:
        UsageError: the text is damaged.
    """
    try:
        tables = parse(text)
    except FileFormatError as error:
        raise UsageError(Finding(f"it cannot be read: {error}", node="board")) from error
    if not isinstance(tables, dict) or len(tables) != 1:
        raise UsageError(Finding("it does not hold one board", node="board"))
    return next(iter(make_boards(tables, "board").values()))
