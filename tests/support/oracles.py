"""Independent oracles: what neurodeploy is compared with, and how much was compared.

A test asks the fixture ``oracle`` by name and records what it compared::

    def test_leaky(oracle):
        snntorch = oracle("snntorch")
        neuron = snntorch.module.Leaky(beta=0.9)
        ...
        snntorch.record(spiking=bool(spikes.any()))

An oracle that is not installed skips the test, or fails it under ``NEURODEPLOY_VERIFY=1``.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

from tiers import VERIFY

__all__ = ["ORACLES", "Kind", "Ledger", "Oracle"]


@dataclass(frozen=True)
class Kind:
    """Where an oracle comes from: a package, its files, a program, or the tests themselves.

    Attributes:
        module: Module to import, for a Python package.
        package: Its name for pip, where that differs from the module's.
        program: Program to find on the path, for a tool.
        setup: Called once with the imported module.
        data: Only files of the package are used, such as trained networks; it is not imported.
        sdist: Name and version of a source distribution that holds files the wheel lacks.
        environment: The package stands in an environment of its own, of this name.
    """

    module: str = ""
    package: str = ""
    program: str = ""
    setup: Callable[[ModuleType], None] | None = None
    data: bool = False
    sdist: str = ""
    environment: str = ""


def _one_thread(torch: ModuleType) -> None:
    torch.set_num_threads(1)


def _with_transforms(tonic: ModuleType) -> None:
    importlib.import_module(f"{tonic.__name__}.transforms")


# A name that a test asks for and this table lacks is an error, so that a typing mistake cannot
# pass for a missing package.
ORACLES = {
    "torch": Kind(module="torch", setup=_one_thread),
    "snntorch": Kind(module="snntorch"),
    "spikingjelly": Kind(module="spikingjelly"),
    "onnx": Kind(module="onnx"),
    "onnxscript": Kind(module="onnxscript"),
    "onnxruntime": Kind(module="onnxruntime"),
    "scikit-learn": Kind(module="sklearn", package="scikit-learn"),
    "neurobench": Kind(module="neurobench"),
    "pandas": Kind(module="pandas"),
    "aeon": Kind(module="aeon"),
    "nir": Kind(module="nir"),
    "nirtorch": Kind(module="nirtorch"),
    "sinabs": Kind(sdist="sinabs-3.1.3"),
    "sinabs layers": Kind(module="sinabs"),
    "DCLS": Kind(module="DCLS", package="dcls"),
    "norse": Kind(module="norse"),
    "lava": Kind(environment="lava", package="lava-nc"),
    "lava-dl": Kind(environment="lava", package="lava-dl"),
    "nengo-loihi": Kind(environment="nengo", package="nengo-loihi"),
    "spynnaker": Kind(module="spynnaker", package="sPyNNaker"),
    "ziglang": Kind(module="ziglang"),
    "cc": Kind(program="cc"),
    "gcc": Kind(program="gcc"),
    "arm-none-eabi-gcc": Kind(program="arm-none-eabi-gcc"),
    "qemu-system-arm": Kind(program="qemu-system-arm"),
    "aarch64-linux-gnu-gcc": Kind(program="aarch64-linux-gnu-gcc"),
    "riscv64-linux-gnu-gcc": Kind(program="riscv64-linux-gnu-gcc"),
    "qemu-aarch64": Kind(program="qemu-aarch64"),
    "qemu-riscv64": Kind(program="qemu-riscv64"),
    "silero-vad": Kind(package="silero-vad", data=True),
    "basic-pitch": Kind(package="basic-pitch", data=True),
    "magika": Kind(package="magika", data=True),
    "rapidocr": Kind(package="rapidocr-onnxruntime", data=True),
    "ddddocr": Kind(package="ddddocr", data=True),
    "facenet-pytorch": Kind(package="facenet-pytorch", data=True),
    "tonic": Kind(module="tonic", setup=_with_transforms),
    "faery": Kind(module="faery"),
    "aedat": Kind(module="aedat"),
    "numpy": Kind(module="numpy"),
    "scipy": Kind(module="scipy"),
    "brute force": Kind(),
    "closed form": Kind(),
}


@dataclass
class Oracle:
    """One oracle as a test sees it.

    Attributes:
        name: Its row in the table.
        version: Version of the package or program; of Python for what the tests compute.
        missing: Why it cannot be used; empty if it can.
        cases: Number of comparisons made with it.
        spiking: How many of them had at least one spike, where that means something.
    """

    name: str
    version: str = ""
    missing: str = ""
    cases: int = 0
    spiking: int = 0
    _module: ModuleType | None = field(default=None, repr=False)
    _interpreter: Path | None = field(default=None, repr=False)

    @property
    def interpreter(self) -> Path:
        """The Python of the environment that has the package."""
        if self._interpreter is None:
            raise TypeError(f"oracle {self.name!r} has no environment of its own")
        return self._interpreter

    @property
    def module(self) -> ModuleType:
        """The imported package."""
        if self._module is None:
            raise TypeError(f"oracle {self.name!r} is no Python package")
        return self._module

    def file(self, path: str) -> Path:
        """Give a file of the package, by its path below site-packages."""
        found = importlib.metadata.distribution(ORACLES[self.name].package).locate_file(path)
        return Path(str(found))

    def member(self, path: str) -> bytes:
        """Give a file of the source distribution, by its path in it."""
        name = ORACLES[self.name].sdist
        with tarfile.open(_sdist(name)) as archive:
            found = archive.extractfile(f"{name}/{path}")
            if found is None:
                raise LookupError(f"{name} has no {path}")
            return found.read()

    def record(self, cases: int = 1, *, spiking: int | bool = 0) -> None:
        """Add `cases` comparisons to the table, `spiking` of which had at least one spike."""
        if not 0 <= int(spiking) <= cases:
            raise ValueError(f"{int(spiking)} spiking cases of {cases}")
        self.cases += cases
        self.spiking += int(spiking)


@dataclass
class Ledger:
    """The oracles that this run asked for."""

    oracles: dict[str, Oracle] = field(default_factory=dict)

    def __call__(self, name: str) -> Oracle:
        """Return the oracle `name`; skip the test, or fail it under verify, where it is missing."""
        if name not in ORACLES:
            raise LookupError(f"no oracle {name!r} in ORACLES: {', '.join(sorted(ORACLES))}")
        if name not in self.oracles:
            self.oracles[name] = _find(name, ORACLES[name])
        found = self.oracles[name]
        if found.missing and VERIFY:
            pytest.fail(f"oracle {name}: {found.missing}", pytrace=False)
        if found.missing:
            pytest.skip(f"oracle {name}: {found.missing}")
        return found

    def table(self) -> list[str]:
        """Return the lines of the table (oracle, version, cases, spiking cases)."""
        rows = [("oracle", "version", "cases", "spiking cases")]
        for name, oracle in sorted(self.oracles.items()):
            version = oracle.version or "missing"
            rows.append((name, version, str(oracle.cases), str(oracle.spiking)))
        left, middle, cases, spiking = (max(map(len, column)) for column in zip(*rows, strict=True))
        return [f"{a:<{left}}  {b:<{middle}}  {c:>{cases}}  {d:>{spiking}}" for a, b, c, d in rows]


def _find(name: str, kind: Kind) -> Oracle:
    if kind.environment:
        return _find_environment(name, kind)
    if kind.sdist:
        return _find_sdist(name, kind.sdist)
    if kind.data:
        return _find_data(name, kind.package)
    if kind.module:
        return _find_module(name, kind)
    if kind.program:
        return _find_program(name, kind.program)
    return Oracle(name, version=f"Python {platform.python_version()}")


def _find_module(name: str, kind: Kind) -> Oracle:
    package = kind.package or kind.module
    try:
        module = importlib.import_module(kind.module)
    except ModuleNotFoundError as error:
        # A package that is there and lacks one of its own dependencies is told as it is.
        return Oracle(name, missing=f"{error.msg} (pip install {package})")
    if kind.setup is not None:
        kind.setup(module)
    return Oracle(name, version=importlib.metadata.version(package), _module=module)


def _find_environment(name: str, kind: Kind) -> Oracle:
    variable = f"NEURODEPLOY_{kind.environment.upper()}"
    usual = Path(sys.prefix).with_name(f".venv-{kind.environment}") / "bin" / "python"
    interpreter = Path(os.environ.get(variable) or usual)
    ask = f"import importlib.metadata as m; print(m.version({kind.package!r}))"
    try:
        told = subprocess.run(
            [interpreter, "-c", ask], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        hint = f"make .venv-{kind.environment}/.ready, or name a Python in {variable}"
        return Oracle(name, missing=f"no {kind.package} at {interpreter} ({hint})")
    return Oracle(name, version=told.stdout.strip(), _interpreter=interpreter)


def _sdist(name: str) -> Path:
    folder = os.environ.get("NEURODEPLOY_SDISTS", f"{sys.prefix}/sdists")
    return Path(folder, f"{name}.tar.gz")


def _find_sdist(name: str, sdist: str) -> Oracle:
    place = _sdist(sdist)
    if not place.is_file():
        return Oracle(name, missing=f"no {place.name} in {place.parent} (NEURODEPLOY_SDISTS)")
    return Oracle(name, version=sdist.rpartition("-")[2])


def _find_data(name: str, package: str) -> Oracle:
    try:
        return Oracle(name, version=importlib.metadata.version(package))
    except importlib.metadata.PackageNotFoundError:
        return Oracle(name, missing=f"no files of {package} (pip install --no-deps {package})")


def _find_program(name: str, program: str) -> Oracle:
    path = shutil.which(program)
    if path is None:
        return Oracle(name, missing=f"no program {program!r} on the path")
    output = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    first = (output.stdout or output.stderr or "unknown").splitlines()[0]
    return Oracle(name, version=first.strip()[:60])
