"""Runs the emitted C on a machine of QEMU, state by state, and counts its instructions.

The program reads its inputs from a file of this computer and writes outputs, and the whole context
where states are wanted, after each step. Instructions are counted where the machine has a clock
of them; they are not cycles.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Collection, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import Finding, UnavailableTargetError, UsageError, raise_findings
from neurodeploy.ir.graph import Graph
from neurodeploy.profile.constants import Constant, interval_of
from neurodeploy.profile.cycles import Processor
from neurodeploy.targets.edge.boards import Board, boards
from neurodeploy.targets.edge.context import read_context, visible
from neurodeploy.targets.edge.harness import Rows, harness, input_bytes
from neurodeploy.targets.edge.instruction_log import logged_run
from neurodeploy.targets.edge.machines import MACHINES, compiler_of, emulator_of
from neurodeploy.targets.edge.source import edge_unit

__all__ = ["QemuRun", "machines"]

Array = npt.NDArray[Any]
Key = tuple[str, str]
TIMEOUT = 600.0
BUILD_TIMEOUT = 1800.0  # zig first builds a C library for the machine
PROGRAM = "net.elf"


def machines() -> dict[str, Board]:
    """Give the boards that QEMU has a machine for, by name."""
    return {name: board for name, board in boards().items() if board.machine}


class QemuRun:
    """A network on a machine; calling it runs samples, as every runner does.

    Args:
        graph: The integer graph.
        machine: Name of a board with a machine of QEMU, such as ``cortex-m4`` or ``linux-arm64``.
        board: Whose clock and energy the instructions are priced by; by default that board.
        count: Count by QEMU's log where the machine has no clock of instructions; slow.
        optimise: Optimisation flag of the build.

    Attributes:
        instructions: (N, T) instructions of each step of the last run; None where none were
            counted, or a step was too long for the machine's clock.
        processor: What they ran on.

    Raises:
        UsageError: there is no such machine.
        MissingDependencyError: compiler or QEMU are not installed.
        UnavailableTargetError: the compiler failed.
    """

    def __init__(
        self,
        graph: Graph,
        machine: str = "cortex-m4",
        *,
        board: Board | None = None,
        count: bool = False,
        optimise: str = "-O2",
    ) -> None:
        known = machines()
        if machine not in known:
            raise UsageError(
                f"QEMU has no machine for {machine!r}",
                hint=f"--option machine=NAME, NAME one of {', '.join(known)}",
            )
        own = known[machine]
        self.machine = MACHINES[own.machine]
        self.compiler = compiler_of(own, self.machine)
        self.emulator = emulator_of(self.machine)
        self.unit = edge_unit(graph, "net", reuse=False)
        self.optimise = optimise
        self.log = count and not self.machine.instructions_per_tick
        self.instructions: npt.NDArray[np.int64] | None = None
        self.processor = _processor(board or own)
        self.folder = Path(tempfile.mkdtemp(prefix="neurodeploy-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self._build()

    def _build(self) -> None:
        texts = {
            "net.h": self.unit.header,
            "net.c": self.unit.source,
            "main.c": harness(self.unit.plan),
        }
        for name in self.machine.support:
            held = files("neurodeploy.targets.edge") / "machine" / name
            texts[name] = held.read_text(encoding="ascii")
        for name, text in texts.items():
            (self.folder / name).write_text(text, encoding="ascii", newline="\n")
        flags = ["-std=gnu99", self.optimise, "-Wall", "-Wextra", "-ffunction-sections"]
        sources = [name for name in texts if name.endswith(".c")]
        call = [*self.compiler, *flags, *self.machine.build, "-o", PROGRAM, *sources]
        self._call(call, BUILD_TIMEOUT)

    def _call(self, call: Sequence[str], timeout: float) -> str:
        """Call a program in the folder and give its output."""
        name = "ziglang" if "ziglang" in call else Path(call[0]).name
        try:
            done = subprocess.run(
                call, cwd=self.folder, capture_output=True, text=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise UnavailableTargetError(f"{name} ran for more than {timeout:.0f} s") from error
        if done.returncode:
            raise UnavailableTargetError(
                f"{name} ended with {done.returncode}: {done.stderr.strip()[:2000]}"
            )
        return done.stdout

    def __call__(
        self,
        inputs: Mapping[str, Array],
        timesteps: int,
        *,
        record: Collection[Key],
        seed: int = 0,
        first_sample: int = 0,
    ) -> dict[Key, Array]:
        """Run samples; see `neurodeploy.reference.simulate`.

        Raises:
            UsageError: what is to be recorded is not in the device's memory.
            UnavailableTargetError: the machine stopped with an error.
        """
        plan = self.unit.plan
        ends = [(n.name, "out") for n in plan.graph.outputs]
        shown = visible(plan)
        roots = {key: plan.root(key) for key in record}
        raise_findings(
            UsageError,
            [
                Finding(f"{key[1]!r} is not kept in the device's memory", node=key[0])
                for key, root in roots.items()
                if key not in ends and root not in shown and root[0] not in plan.inputs
            ],
        )
        states = any(k not in ends and r[0] not in plan.inputs for k, r in roots.items())
        given = input_bytes(
            plan, inputs, timesteps, seed=seed, first_sample=first_sample, states=states
        )
        rows = self._run(given, int(next(iter(inputs.values())).shape[0]), timesteps)
        found: dict[Key, Array] = {}
        for key in record:
            signal = plan.graph.signals[key]
            shape = (rows.samples, timesteps, *signal.shape)
            if roots[key][0] in plan.inputs:
                x = inputs[roots[key][0]]
                x = x if x.ndim == len(shape) else np.repeat(x[:, None], timesteps, axis=1)
                values = x.reshape(shape)
            elif key in ends:
                values = rows.output(ends.index(key)).reshape(shape)
            else:
                held = rows.contexts
                values = np.stack([read_context(plan, h, roots[key]) for h in held]).reshape(shape)
            bools = str(signal.type) == "Bool()"
            found[key] = values.astype(np.bool_ if bools else np.int64)
        return found

    def _run(self, given: bytes, samples: int, timesteps: int) -> Rows:
        """Start the program, and note how many instructions it took."""
        (self.folder / "in.bin").write_bytes(given)
        written = self.folder / "out.bin"
        written.unlink(missing_ok=True)
        each, ticks = self.machine.instructions_per_tick, None
        if self.log:
            counts = logged_run(self.emulator, PROGRAM, self.folder, TIMEOUT)
            if len(counts) != samples * timesteps:
                raise UnavailableTargetError(
                    f"QEMU logged {len(counts)} of {samples * timesteps} steps", hint="count=no"
                )
            each, ticks = 1, np.array(counts, np.int64).reshape(samples, timesteps)
        else:
            self._call([self.emulator, *self.machine.arguments, PROGRAM], TIMEOUT)
        rows = Rows(self.unit.plan, written.read_bytes(), samples, timesteps)
        if not self.log and each:
            ticks = rows.ticks
        self.instructions = None if ticks is None else ticks * each
        return rows

    @property
    def text_bytes(self) -> int:
        """Code and constants of the network's own object file.

        Raises:
            UnavailableTargetError: ziglang built it, which has no program ``size``.
        """
        compiler, *flags = self.compiler
        size = compiler.removesuffix("gcc") + "size"
        if not compiler.endswith("gcc") or shutil.which(size) is None:
            raise UnavailableTargetError("the sizes of a program need gcc's own binutils")
        call = [compiler, "-std=gnu99", self.optimise, *flags, "-c", "net.c"]
        self._call(call, BUILD_TIMEOUT)
        return int(self._call([size, "net.o"], TIMEOUT).splitlines()[1].split()[0])


def _processor(board: Board) -> Processor:
    """Give what prices the cycles of a board."""
    each = None
    if board.energy_per_cycle is not None:
        each = Constant(
            name="cycle",
            quantity=f"a clock cycle of {board.name}, running",
            joules=interval_of([board.energy_per_cycle], board.energy_evidence),
            per="cycle",
            conditions="the whole part while it computes: core, flash, RAM, regulator; no sleep",
            source=board.energy_source or board.source,
            evidence=board.energy_evidence,
        )
    return Processor(board.name, board.clock, board.source, each)
