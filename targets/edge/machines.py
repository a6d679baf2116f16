"""How QEMU runs a program: on a bare board, or as a program of Linux (user mode).

A machine is data: one harness and one runner (`neurodeploy.targets.edge.qemu`) serve them all. It
names every program that is called, so that no text of a user's reaches a command line.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neurodeploy.errors import MissingDependencyError

if TYPE_CHECKING:
    from neurodeploy.targets.edge.boards import Board

__all__ = ["MACHINES", "Machine", "compiler_of", "emulator_of"]


@dataclass(frozen=True)
class Machine:
    """What it takes to build for a machine of QEMU and to start a program on it.

    Attributes:
        emulator: The program of QEMU.
        arguments: Its arguments, in front of the built program.
        support: Files of the folder ``machine`` that offer the harness its ``host_`` functions.
        build: Flags of the build, by any compiler.
        zig: What ziglang calls the platform, for computers without the board's own compiler;
            empty where ziglang cannot link for it.
        instructions_per_tick: Instructions that one tick of the harness's clock stands for; 0
            where the machine has no clock of them, and QEMU's log must count.
        packages: Debian's packages of compiler and emulator.
    """

    emulator: str
    arguments: tuple[str, ...]
    support: tuple[str, ...]
    build: tuple[str, ...]
    zig: str
    instructions_per_tick: int
    packages: str

    @property
    def install(self) -> str:
        """Say how to get compiler and emulator."""
        by_zig = ", or for the compiler pip install neurodeploy[toolchain]" if self.zig else ""
        return f"apt-get install {self.packages}{by_zig}"


def _mps2(name: str) -> Machine:
    """Give a Cortex-M on ARM's MPS2 board: semihosting for files, SysTick as clock.

    With ``-icount shift=0`` an instruction takes a nanosecond of the machine's time, so that a
    tick of its 25 MHz is 40 instructions.
    """
    quiet = ("-display", "none", "-monitor", "none", "-serial", "none")
    files = ("-semihosting-config", "enable=on,target=native")
    return Machine(
        emulator="qemu-system-arm",
        arguments=("-machine", name, *quiet, "-icount", "shift=0", *files, "-kernel"),
        support=("startup.c", "mps2.ld"),
        build=("-nostartfiles", "--specs=nano.specs", "-T", "mps2.ld", "-Wl,--gc-sections"),
        zig="",
        instructions_per_tick=40,
        packages="gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm",
    )


def _linux(processor: str, library: str) -> Machine:
    """Give a program of Linux; QEMU's user mode has no clock of instructions."""
    return Machine(
        emulator=f"qemu-{processor}",
        arguments=(),
        support=("linux.c",),
        build=("-static",),
        zig=f"{processor}-linux-musl",
        instructions_per_tick=0,
        packages=f"gcc-{processor}-linux-gnu {library} qemu-user",
    )


# by the name that a board's field "machine" holds
MACHINES = {
    **{name: _mps2(name) for name in ("mps2-an385", "mps2-an386", "mps2-an500")},
    "qemu-aarch64": _linux("aarch64", "libc6-dev-arm64-cross"),
    "qemu-riscv64": _linux("riscv64", "libc6-dev-riscv64-cross"),
}


def compiler_of(board: Board, machine: Machine) -> tuple[str, ...]:
    """Give the command that compiles for a board: its own compiler, else ziglang where it can.

    Raises:
        MissingDependencyError: neither is installed.
    """
    own = shutil.which(board.compiler)
    if own is not None:
        return (own, *board.flags)
    if machine.zig and importlib.util.find_spec("ziglang") is not None:
        zig = (sys.executable, "-m", "ziglang", "cc", "-target", machine.zig)
        return (*zig, "-fno-sanitize=undefined")  # else it links a runtime of its own
    raise MissingDependencyError(f"{board.compiler} is not installed", hint=machine.install)


def emulator_of(machine: Machine) -> str:
    """Give the path of the emulator.

    Raises:
        MissingDependencyError: it is not installed.
    """
    found = shutil.which(machine.emulator)
    if found is None:
        raise MissingDependencyError(f"{machine.emulator} is not installed", hint=machine.install)
    return found
