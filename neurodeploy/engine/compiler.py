"""Finds a C compiler and calls it with the flags that keep floats exact."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

from neurodeploy.errors import Finding, UnavailableTargetError

__all__ = ["INSTALL", "Compiler", "compile_library", "find_compiler"]

INSTALL = "pip install neurodeploy[toolchain]"
EXACT = ("-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math")
TIMEOUT = 900.0
# LLVM 22, of ziglang 0.17, stores four bytes where two are due: the last of an odd number of 16-bit
# integers that were saturated, with AVX-512 (tests/engine/test_zig.py). So zig leaves AVX-512 out.
ZIG_LEAVES_OUT = "".join(
    f"-avx512{part}"
    for part in (
        *("f", "vl", "bw", "dq", "cd", "ifma", "vbmi", "vbmi2", "vnni"),
        *("bitalg", "vpopcntdq", "bf16", "fp16"),
    )
)
# in parts, the functions of nodes are seen by other parts, and by nothing outside
PART_FLAGS = ["-DND_NODE=ND_APART", "-fvisibility=hidden"]

CompilerKind = Literal["gcc", "clang", "zig", "cc"]


@dataclass(frozen=True)
class Compiler:
    """A C compiler that was found.

    Attributes:
        kind: Family; ``cc`` where it is not known.
        version: First line of what it says of itself.
        path: Where the program is.
        command: How it is called, without flags.
        flags: Flags of a build for this machine.
    """

    kind: CompilerKind
    version: str
    path: str
    command: tuple[str, ...]
    flags: tuple[str, ...]

    @property
    def identity(self) -> str:
        """What distinguishes its output from that of another compiler, as text."""
        return "\0".join((self.kind, self.version, self.path, *self.command, *self.flags))


def find_compiler() -> Compiler | None:
    """Give the C compiler to use: ``$CC``, then cc, gcc, clang on the path, then ziglang.

    Raises:
        UnavailableTargetError: ``$CC`` is set, but cannot be called.
    """
    return _find(os.environ.get("CC", ""), os.environ.get("PATH", ""))


@lru_cache(maxsize=8)
def _find(chosen: str, path: str) -> Compiler | None:
    if chosen.strip():
        words = shlex.split(chosen)
        found = _probe(tuple(words), path)
        if found is None:
            raise UnavailableTargetError(
                Finding(f"$CC is {chosen!r}, which cannot be called", hint="unset CC, or mend it")
            )
        return found
    for name in ("cc", "gcc", "clang"):
        found = _probe((name,), path)
        if found is not None:
            return found
    return _packaged(path)


def _packaged(path: str) -> Compiler | None:
    """Give the compiler of the extra ``toolchain``."""
    if importlib.util.find_spec("ziglang") is None:
        return None
    return _probe((sys.executable, "-m", "ziglang", "cc"), path)


def _probe(command: tuple[str, ...], path: str) -> Compiler | None:
    program = shutil.which(command[0], path=path or None)
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *command[1:], "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    text = done.stdout.strip()
    if done.returncode != 0 or not text:
        return None
    kind, version = _kind(command, text), text.splitlines()[0]
    if command[1:3] == ("-m", "ziglang"):
        version = f"{command[2]} {importlib.metadata.version(command[2])}, {version}"
    return Compiler(kind, version, program, (program, *command[1:]), _flags(kind))


def _kind(command: tuple[str, ...], text: str) -> CompilerKind:
    if command[1:3] == ("-m", "ziglang") or os.path.basename(command[0]).startswith("zig"):
        return "zig"
    if "clang" in text.lower():
        return "clang"
    return "gcc" if "Free Software Foundation" in text else "cc"


def _flags(kind: CompilerKind) -> tuple[str, ...]:
    shared = ("-shared",) if sys.platform == "win32" else ("-fPIC", "-shared")
    return ("-O3", *EXACT, "-std=c11", *shared, *_native(kind))


def _native(kind: CompilerKind) -> tuple[str, ...]:
    """Give the flags for the instruction set of this machine, as each compiler spells them."""
    machine = platform.machine().lower()
    if kind == "zig":
        left_out = ZIG_LEAVES_OUT if machine in ("x86_64", "amd64") else ""
        return (f"-mcpu=native{left_out}", "-fno-sanitize=undefined")
    if kind in ("gcc", "clang") and machine in ("x86_64", "amd64", "i686"):
        # a 32-bit build would otherwise compute in the x87 unit, which the source refuses
        return ("-march=native",) if machine != "i686" else ("-march=native", "-mfpmath=sse")
    if machine in ("aarch64", "arm64", "ppc64le") and kind in ("gcc", "clang"):
        return ("-mcpu=native",)
    return ()


def compile_library(
    compiler: Compiler, texts: Sequence[str], folder: Path, zig_cache: Path
) -> Path:
    """Compile the parts of a unit to a shared library in ``folder`` and give its path.

    Raises:
        UnavailableTargetError: the compiler failed; the finding holds what it said.
    """
    environment = dict(os.environ)
    if compiler.kind == "zig":
        environment.setdefault("ZIG_GLOBAL_CACHE_DIR", str(zig_cache))
        environment["ZIG_LOCAL_CACHE_DIR"] = str(folder / "zig")
    call = partial(_call, compiler, folder, environment)
    library = folder / "unit.lib"
    if len(texts) == 1:
        _write(folder / "unit.c", texts[0])
        call(compiler.flags, library.name, ["unit.c", "-lm"])
        return library
    flags = [f for f in compiler.flags if f != "-shared"] + PART_FLAGS
    for number, text in enumerate(texts):
        _write(folder / f"part{number}.c", text)
    names = [f"part{number}" for number in range(len(texts))]
    with ThreadPoolExecutor(len(texts)) as pool:
        list(pool.map(lambda n: call(flags, f"{n}.o", ["-c", f"{n}.c"]), names))
    call(compiler.flags, library.name, [*(f"{n}.o" for n in names), "-lm"])
    return library


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="ascii", newline="\n")


def _call(
    compiler: Compiler,
    folder: Path,
    environment: dict[str, str],
    flags: Sequence[str],
    made: str,
    rest: Sequence[str],
) -> None:
    """Run the compiler once."""
    try:
        done = subprocess.run(
            [*compiler.command, *flags, "-o", made, *rest],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableTargetError(
            Finding(f"the C compiler {compiler.path!r} cannot be run: {error}", hint=INSTALL)
        ) from error
    if done.returncode != 0 or not (folder / made).is_file():
        said = (done.stderr or done.stdout).strip()[:2000]
        raise UnavailableTargetError(
            Finding(
                f"the C compiler {compiler.path!r} ({compiler.version}) failed with exit status "
                f"{done.returncode}: {said}",
                hint=f"name another one in $CC, or {INSTALL}",
            )
        )
