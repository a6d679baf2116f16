"""The user's cache of compiled programs: keyed by content, checked before it is trusted.

An entry is one file, ``<key>-<sha256 of its bytes>.lib``. The key covers the source, the
compiler, its flags and the processor's features; weights are data and take no part. A file
whose bytes are not those of its name is removed and built again. Entries appear by renaming, so
that any number of processes may write at once.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import shutil
import sys
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

from neurodeploy.engine.compiler import Compiler, compile_library
from neurodeploy.engine.parts import Pieces, in_parts, whole
from neurodeploy.errors import Finding, UnavailableTargetError

__all__ = ["cache_folder", "cached_library", "cpu_features"]

log = logging.getLogger("neurodeploy")


def cache_folder() -> Path:
    """Give the folder of the user's cache: ``$NEURODEPLOY_CACHE``, or what the system names."""
    chosen = os.environ.get("NEURODEPLOY_CACHE", "")
    if chosen:
        return Path(chosen).absolute()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA", "")
        base = Path(local) if local else Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        named = Path(os.environ.get("XDG_CACHE_HOME", ""))
        base = named if named.is_absolute() else Path.home() / ".cache"
    return base / "neurodeploy"


@cache
def cpu_features() -> str:
    """Give what this machine's processor can do, as text."""
    found = [platform.machine(), platform.processor(), sys.platform]
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if name.strip() in ("flags", "Features", "model name", "CPU part", "isa"):
                    found.append(" ".join(value.split()))
                elif not name.strip() and len(found) > 3:
                    break
    except OSError:
        found.append(platform.version())
    return "\n".join(found)


def cached_library(pieces: Pieces, compiler: Compiler) -> Path:
    """Give the compiled form of a unit, building it where the cache has none.

    Raises:
        UnavailableTargetError: the compiler failed, or the cache cannot be used.
    """
    folder = _private(cache_folder() / "engine")
    parts = (whole(pieces), compiler.identity, cpu_features())
    key = hashlib.sha256("\0\0".join(parts).encode()).hexdigest()[:40]
    for entry in sorted(folder.glob(f"{key}-*.lib")):
        if _sound(entry):
            return entry
        entry.unlink(missing_ok=True)
    return _enter(folder, key, _compiled(compiler, pieces, folder.parent / "zig"))


def _compiled(compiler: Compiler, pieces: Pieces, zig_cache: Path) -> bytes:
    """Compile; where that fails and the log tells everything, the source is kept."""
    scratch = Path(tempfile.mkdtemp(prefix="neurodeploy-"))
    kept = False
    most = 1 if compiler.kind == "cc" else os.cpu_count() or 1  # whose flags are not known
    texts = in_parts(pieces, most)
    try:
        return compile_library(compiler, texts, scratch, zig_cache).read_bytes()
    except UnavailableTargetError as error:
        kept = log.isEnabledFor(logging.DEBUG)
        source = scratch / ("unit.c" if len(texts) == 1 else "")
        if not kept or not source.exists():
            raise
        raise UnavailableTargetError(
            [
                replace(f, message=f"{f.message}; the source is kept: {source}")
                for f in error.findings
            ]
        ) from error
    finally:
        if not kept:
            shutil.rmtree(scratch, ignore_errors=True)


def _enter(folder: Path, key: str, made: bytes) -> Path:
    entry = folder / f"{key}-{hashlib.sha256(made).hexdigest()}.lib"
    handle, name = tempfile.mkstemp(dir=folder, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(made)
        os.chmod(name, 0o700)
        os.replace(name, entry)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise _unusable(folder, error) from error
    return entry


def _sound(entry: Path) -> bool:
    try:
        content = entry.read_bytes()
    except OSError:
        return False
    return entry.stem.rpartition("-")[2] == hashlib.sha256(content).hexdigest()


def _private(folder: Path) -> Path:
    """Make the folder; refuse one into which other users could put a library."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        raise _unusable(folder, error) from error
    if sys.platform != "win32":
        foreign = found.st_uid not in (os.getuid(), 0)
        if foreign or found.st_mode & 0o002:
            raise UnavailableTargetError(
                Finding(
                    f"the cache {str(folder)!r} can be written by other users",
                    hint="name a folder of your own in NEURODEPLOY_CACHE",
                )
            )
    return folder


def _unusable(folder: Path, error: OSError) -> UnavailableTargetError:
    return UnavailableTargetError(
        Finding(
            f"the cache {str(folder)!r} cannot be written: {error.strerror}",
            hint="name a folder of your own in NEURODEPLOY_CACHE",
        )
    )
