"""Runs the emitted C on a Cortex-M of QEMU, state by state, and counts its instructions.

The program reads its inputs from a file of this computer and writes outputs, and the whole context
where states are wanted, after each step; both by semihosting. With ``-icount shift=0`` each
instruction takes one nanosecond of the machine's time, so that SysTick counts instructions, 40 a
tick; instructions are not cycles.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Collection, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.engine.plan import DTYPES
from neurodeploy.errors import (
    Finding,
    MissingDependencyError,
    UnavailableTargetError,
    UsageError,
    raise_findings,
)
from neurodeploy.ir.graph import Graph
from neurodeploy.targets.edge.boards import Board, boards
from neurodeploy.targets.edge.context import read_context, visible
from neurodeploy.targets.edge.source import EdgeUnit, edge_unit

__all__ = ["QemuRun", "machines"]

Array = npt.NDArray[Any]
Key = tuple[str, str]
INSTRUCTIONS_PER_TICK = 40
TIMEOUT = 600.0
INSTALL = "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm"


def machines() -> dict[str, Board]:
    """Give the boards that QEMU has a machine for, by name."""
    return {name: board for name, board in boards().items() if board.machine}


class QemuRun:
    """A network on a machine; calling it runs samples, as every runner does.

    Args:
        graph: The integer graph.
        machine: Name of a board with a machine of QEMU: ``cortex-m3``, ``cortex-m4`` or
            ``cortex-m7``.

    Attributes:
        text_bytes: Code and constants of the whole program, harness included.
        instructions: Instructions of all steps of the last run.

    Raises:
        UsageError: there is no such machine.
        MissingDependencyError: compiler or QEMU are not installed.
        UnavailableTargetError: the compiler failed.
    """

    def __init__(self, graph: Graph, machine: str = "cortex-m4", *, optimise: str = "-O2") -> None:
        known = machines()
        if machine not in known:
            raise UsageError(
                f"QEMU has no machine for {machine!r}",
                hint=f"--option machine=NAME, NAME one of {', '.join(known)}",
            )
        self.board = known[machine]
        self.compiler, self.emulator = _programs()
        self.unit = edge_unit(graph, "net", reuse=False)
        self.optimise = optimise
        self.instructions = 0
        self.folder = Path(tempfile.mkdtemp(prefix="neurodeploy-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self._build()

    def _build(self) -> None:
        texts = {
            "net.h": self.unit.header,
            "net.c": self.unit.source,
            "main.c": _harness(self.unit),
        }
        for name in ("startup.c", "mps2.ld"):
            held = files("neurodeploy.targets.edge") / "machine" / name
            texts[name] = held.read_text(encoding="ascii")
        for name, text in texts.items():
            (self.folder / name).write_text(text, encoding="ascii", newline="\n")
        flags = ["-std=gnu99", self.optimise, "-Wall", "-Wextra", "-ffunction-sections"]
        link = ["-nostartfiles", "--specs=nano.specs", "-T", "mps2.ld", "-Wl,--gc-sections"]
        sources = ["net.c", "main.c", "startup.c"]
        call = [self.compiler, *flags, *self.board.flags, *link, "-o", "net.elf", *sources]
        done = subprocess.run(
            call, cwd=self.folder, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
        if done.returncode:
            raise UnavailableTargetError(f"{self.compiler} failed: {done.stderr.strip()[:2000]}")

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
        samples = int(next(iter(inputs.values())).shape[0])
        whole = any(k not in ends and r[0] not in plan.inputs for k, r in roots.items())
        self._give(inputs, samples, timesteps, seed, first_sample, whole)
        self._emulate()
        rows = self._taken(samples, timesteps)
        found: dict[Key, Array] = {}
        for key in record:
            signal = plan.graph.signals[key]
            shape = (samples, timesteps, *signal.shape)
            if roots[key][0] in plan.inputs:
                x = inputs[roots[key][0]]
                x = x if x.ndim == len(shape) else np.repeat(x[:, None], timesteps, axis=1)
                values = x.reshape(shape)
            elif key in ends:
                values = self._output(rows, ends.index(key)).reshape(shape)
            else:
                held = self._contexts(rows)
                values = np.stack([read_context(plan, h, roots[key]) for h in held]).reshape(shape)
            bools = str(signal.type) == "Bool()"
            found[key] = values.astype(np.bool_ if bools else np.int64)
        return found

    # -- files between here and the machine ---------------------------------------------------

    def _give(
        self,
        inputs: Mapping[str, Array],
        samples: int,
        timesteps: int,
        seed: int,
        first: int,
        whole: bool,
    ) -> None:
        plan = self.unit.plan
        held = all(inputs[n.name].ndim == len(n.shape) + 1 for n in plan.graph.inputs)
        head = np.array([samples, timesteps, held, whole], "<i4").tobytes()
        parts = [head, np.array([seed, first], "<u8").tobytes()]
        given = []
        for node in plan.graph.inputs:
            x = inputs[node.name]
            if x.ndim == len(node.shape) + 1:
                x = np.repeat(x[:, None], timesteps, axis=1)
            kind = DTYPES[plan.stored(node.type)].newbyteorder("<")
            given.append(np.ascontiguousarray(x).astype(kind))
        for sample in range(samples):
            for t in range(timesteps):
                parts += [x[sample, t].tobytes() for x in given]
        (self.folder / "in.bin").write_bytes(b"".join(parts))

    def _emulate(self) -> None:
        call = [
            self.emulator,
            *("-machine", self.board.machine, "-kernel", "net.elf", "-display", "none"),
            *("-monitor", "none", "-serial", "none", "-icount", "shift=0"),
            *("-semihosting-config", "enable=on,target=native"),
        ]
        (self.folder / "out.bin").unlink(missing_ok=True)
        try:
            done = subprocess.run(
                call, cwd=self.folder, capture_output=True, text=True, timeout=TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise UnavailableTargetError(f"QEMU ran for more than {TIMEOUT:.0f} s") from error
        if done.returncode:
            raise UnavailableTargetError(
                f"the program on {self.board.machine} ended with {done.returncode}: "
                f"{done.stderr.strip()[:500]}"
            )

    def _taken(self, samples: int, timesteps: int) -> npt.NDArray[np.uint8]:
        data = np.frombuffer((self.folder / "out.bin").read_bytes(), np.uint8)
        ticks = int(data[-8:].view("<u8")[0])
        self.instructions = ticks * INSTRUCTIONS_PER_TICK
        return data[:-8].reshape(samples * timesteps, -1)

    def _sizes(self) -> list[int]:
        plan = self.unit.plan
        signals = [plan.graph.signals[(n.name, "out")] for n in plan.graph.outputs]
        return [s.size * DTYPES[plan.stored(s.type)].itemsize for s in signals]

    def _output(self, rows: npt.NDArray[np.uint8], number: int) -> Array:
        sizes = self._sizes()
        begin = sum(sizes[:number])
        node = self.unit.plan.graph.outputs[number]
        kind = self.unit.plan.stored(self.unit.plan.graph.signals[(node.name, "out")].type)
        part = np.ascontiguousarray(rows[:, begin : begin + sizes[number]])
        return part.view(DTYPES[kind])

    def _contexts(self, rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        return np.ascontiguousarray(rows[:, sum(self._sizes()) :])

    @property
    def text_bytes(self) -> int:
        """Code and constants of the network's own object file."""
        call = [self.compiler, "-std=gnu99", self.optimise, *self.board.flags]
        subprocess.run([*call, "-c", "net.c"], cwd=self.folder, check=True, timeout=TIMEOUT)
        size = self.compiler.removesuffix("gcc") + "size"
        done = subprocess.run(
            [size, "net.o"], cwd=self.folder, check=True, capture_output=True, text=True
        )
        return int(done.stdout.splitlines()[1].split()[0])


def _programs() -> tuple[str, str]:
    found = [shutil.which("arm-none-eabi-gcc"), shutil.which("qemu-system-arm")]
    compiler, emulator = found
    if compiler is None or emulator is None:
        missing = "arm-none-eabi-gcc" if compiler is None else "qemu-system-arm"
        raise MissingDependencyError(f"{missing} is not installed", hint=INSTALL)
    return compiler, emulator


def _harness(unit: EdgeUnit) -> str:
    """Give the C that feeds the network from a file and writes what it computes."""
    plan = unit.plan
    lines = [
        '#include "net.h"',
        "int32_t host_open(const char *name, int32_t mode);",
        "int32_t host_read(int32_t file, void *to, uint32_t size);",
        "int32_t host_write(int32_t file, const void *from, uint32_t size);",
        "void clock_start(void);",
        "uint32_t clock_ticks(void);",
        "static net_context net;",
    ]
    for i, node in enumerate(plan.graph.inputs):
        lines.append(f"static {plan.stored(node.type)} in{i}[NET_INPUT{i}_SIZE];")
    for i, end in enumerate(plan.graph.outputs):
        kind = plan.stored(plan.graph.signals[(end.name, "out")].type)
        lines.append(f"static {kind} out{i}[NET_OUTPUT{i}_SIZE];")
    ins = [f"in{i}, NET_INPUT{i}_SIZE" for i in range(len(plan.graph.inputs))]
    outs = [f"out{i}, NET_OUTPUT{i}_SIZE" for i in range(len(plan.graph.outputs))]
    reads = [
        f"      if (host_read(from, in{i}, sizeof in{i}) != 0) return 2;"
        for i in range(len(plan.graph.inputs))
    ]
    writes = [f"      host_write(to, out{i}, sizeof out{i});" for i in range(len(outs))]
    seeds = ["    net_seed(&net, start[0], start[1] + (uint64_t)n);"] if plan.draws else []
    lines += [
        "int main(void)",
        "{",
        '  const int32_t from = host_open("in.bin", 1), to = host_open("out.bin", 5);',
        "  int32_t head[4]; /* samples, steps, is the input held, are states wanted */",
        "  uint64_t start[2], total = 0;",
        "  if (from < 0 || to < 0 || host_read(from, head, sizeof head) != 0) return 1;",
        "  if (host_read(from, start, sizeof start) != 0) return 1;",
        "  for (int32_t n = 0; n < head[0]; n++) {",
        "    net_reset(&net);",
        "    net.held = head[2];",
        *seeds,
        "    for (int32_t t = 0; t < head[1]; t++) {",
        *reads,
        "      clock_start();",
        f"      const int code = net_step(&net, {', '.join([*ins, *outs])});",
        "      total += clock_ticks();",
        "      if (code != NET_OK) return 10 + code;",
        *writes,
        "      if (head[3]) host_write(to, &net, sizeof net);",
        "    }",
        "  }",
        "  host_write(to, &total, sizeof total);",
        "  return 0;",
        "}",
        "",
    ]
    return "\n".join(lines)
