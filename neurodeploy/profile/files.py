"""Writes reports: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from neurodeploy.errors import UsageError

__all__ = ["write_text"]


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a UTF-8 file with plain line ends, through a temporary one beside it.

    Raises:
        UsageError: the file cannot be written.
    """
    file = Path(path)
    if not file.name:
        raise UsageError(f"{str(path)!r} is no name of a file")
    part = file.with_name(file.name + ".part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(file)
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be written: {error.strerror}") from error
