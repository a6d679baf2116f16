"""What ``doctor`` looks at: packages, compiler, sensors, and how to get what is missing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

from neurodeploy.errors import MissingDependencyError

__all__ = ["Check", "Reader", "checks", "front_ends"]

# package, what it is needed for, how to install it
_PACKAGES = (
    ("numpy", "everything", "pip install neurodeploy"),
    ("safetensors", "reading and writing .nd files", "pip install neurodeploy"),
    ("torch", "PyTorch models, to_torch", "pip install 'neurodeploy[torch]'"),
    ("onnx", "ONNX models", "pip install 'neurodeploy[onnx]'"),
    ("h5py", "NIR files, events in .h5", "pip install 'neurodeploy[events]'"),
    ("nir", "NIR graphs as objects", "pip install 'neurodeploy[nir]'"),
    ("aedat", "events in .aedat4", "pip install 'neurodeploy[events]'"),
    ("snntorch", "checks against snnTorch", "pip install 'neurodeploy[snntorch]'"),
    ("spikingjelly", "checks against SpikingJelly", "pip install 'neurodeploy[spikingjelly]'"),
    ("pandas", "bills as data frames", "pip install 'neurodeploy[report]'"),
)

_CORTEX = "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm"
_LINUX = "apt-get install qemu-user"

# program, what it is needed for, how to install it
_PROGRAMS = (
    ("arm-none-eabi-gcc", "building emitted C for Cortex-M", _CORTEX),
    ("qemu-system-arm", "the runner qemu: emitted C on a Cortex-M", _CORTEX),
    ("qemu-aarch64", "the runner qemu: emitted C on 64-bit ARM", _LINUX),
    ("qemu-riscv64", "the runner qemu: emitted C on 64-bit RISC-V", _LINUX),
)


@dataclass(frozen=True)
class Check:
    """One thing that is there or not.

    Attributes:
        name: What was looked for.
        ok: Whether it is there.
        version: Its version; None where it is not there.
        needed_for: What it is for.
        fix: How to get it.
    """

    name: str
    ok: bool
    version: str | None
    needed_for: str
    fix: str

    def to_json(self) -> dict[str, object]:
        """Give the keys of the JSON contract."""
        return asdict(self)


def checks() -> list[Check]:
    """Look at everything; nothing is imported that need not be."""
    python = ".".join(map(str, sys.version_info[:3]))
    found = [Check("python", sys.version_info >= (3, 11), python, "everything", "Python 3.11")]
    for name, needed_for, fix in _PACKAGES:
        found.append(_package(name, needed_for, fix))
    found.append(_compiler())
    found += [_program(*row) for row in _PROGRAMS]
    found.append(_lava())
    return found


def _package(name: str, needed_for: str, fix: str) -> Check:
    try:
        there: str | None = version(name)
    except PackageNotFoundError:
        there = None
    return Check(name, there is not None, there, needed_for, fix)


def _program(name: str, needed_for: str, fix: str) -> Check:
    path = shutil.which(name)
    there = None
    if path is not None:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
        there = (done.stdout.splitlines() or [path])[0]
    return Check(name, there is not None, there, needed_for, fix)


def _lava() -> Check:
    """Look into the interpreter that has Lava, which wants an environment of its own."""
    from neurodeploy.targets.loihi.lava import INSTALL, lava_python

    try:
        _, there = lava_python()
        found: str | None = there
    except MissingDependencyError:
        found = None
    return Check("lava-nc", found is not None, found, "the runner lava: Loihi's models", INSTALL)


def _compiler() -> Check:
    from neurodeploy.engine import find_compiler

    compiler = find_compiler()
    return Check(
        "C compiler",
        compiler is not None,
        None if compiler is None else f"{compiler.kind} {compiler.version}",
        "the engine (without one the reference runs)",
        "pip install 'neurodeploy[toolchain]', or gcc or clang of the system",
    )


@dataclass(frozen=True)
class Reader:
    """A front end, and whether it can run here.

    Attributes:
        name: Name.
        reads: What it reads.
        suffixes: Endings of its files.
        ready: Whether what it needs is installed.
        needs: The extra that it needs.
    """

    name: str
    reads: str
    suffixes: tuple[str, ...]
    ready: bool
    needs: str

    def to_json(self) -> dict[str, object]:
        """Give the front end as a document."""
        return asdict(self) | {"suffixes": list(self.suffixes)}


def front_ends() -> list[Reader]:
    """List the front ends; none of their frameworks is imported."""
    from importlib.util import find_spec

    from neurodeploy.converters import converter_names, get_converter

    found = [Reader("nd", "graphs of neurodeploy (.nd)", (".nd",), True, "")]
    for name in converter_names():
        f = get_converter(name)
        ready = not f.extra or find_spec(f.extra) is not None
        found.append(Reader(name, f.summary, f.suffixes, ready, f.extra))
    return found
