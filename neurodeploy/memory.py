"""Refuses a run whose memory cannot be had, before anything is allocated."""

from __future__ import annotations

import os
from pathlib import Path

from neurodeploy.errors import DataError, Finding

__all__ = ["available_bytes", "require_bytes"]

SMALL = 1 << 26  # bytes below which asking the system costs more than it tells
_CGROUP = Path("/sys/fs/cgroup")


def available_bytes() -> int | None:
    """Give the bytes that a process may still take; None where the system does not say."""
    found = [n for n in (_system_bytes(), _group_bytes()) if n is not None]
    return min(found) if found else None


def require_bytes(needed: int, what: str) -> None:
    """Check that ``needed`` bytes can be had.

    Raises:
        DataError: they cannot; the finding names both numbers.
    """
    there = available_bytes() if needed > SMALL else None
    if there is not None and needed > there:
        raise DataError(
            Finding(
                f"{what} needs {needed} bytes, and {there} bytes of memory are available",
                value=needed,
                limit=there,
                hint="record fewer signals, or run fewer samples or steps at a time",
            )
        )


def _system_bytes() -> int | None:
    try:
        # free pages leave out what the system would give back from its file cache
        with open("/proc/meminfo", encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return _free_pages()
    return _free_pages()


def _free_pages() -> int | None:
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _group_bytes() -> int | None:
    """Give what a control group leaves, in a container."""
    try:
        limit = (_CGROUP / "memory.max").read_text(encoding="ascii").strip()
        used = (_CGROUP / "memory.current").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    if not (limit.isdigit() and used.isdigit()):
        return None
    return max(0, int(limit) - int(used))
