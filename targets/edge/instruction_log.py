"""Counts instructions by QEMU's log, where a machine has no clock of them.

Told to translate one instruction at a time and to log each translation that it enters, QEMU
writes one line per instruction that the program executes, with the function's name at its end.
The lines between the harness's two calls of its clock are the instructions of a step. That takes
about a hundred bytes of log per instruction, so it is done on demand alone.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from neurodeploy.errors import UnavailableTargetError

__all__ = ["logged_run", "step_counts"]

START, STOP = b"] clock_start\n", b"] clock_ticks\n"
CHUNK = 1 << 20
SHOWN = 500


def logged_run(emulator: str, program: str, folder: Path, timeout: float) -> list[int]:
    """Run a program of Linux and give the instructions of each of its steps.

    Args:
        emulator: Path of QEMU's program, user mode.
        program: The program's file in the folder.
        folder: Where it runs.
        timeout: Seconds after which it is ended.

    Raises:
        UnavailableTargetError: it ended with an error, or took too long.
    """
    call = [emulator, _one_at_a_time(emulator), "-d", "exec,nochain", program]
    name = Path(emulator).name
    last = [b""]
    late = threading.Event()
    with subprocess.Popen(
        call,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(timeout, end)
        timer.start()
        try:
            counts = step_counts(_chunks(process.stderr, last))
            code = process.wait()
        finally:
            timer.cancel()
            process.kill()
    if late.is_set():
        raise UnavailableTargetError(
            f"{name} ran for more than {timeout:.0f} s", hint="fewer samples, or count=no"
        )
    if code:
        said = last[0][-SHOWN:].decode("utf-8", "replace").strip()
        raise UnavailableTargetError(f"{name} ended with {code}: {said}")
    return counts


def _one_at_a_time(emulator: str) -> str:
    """Give the flag for one instruction per translation, which QEMU 8.1 renamed."""
    done = subprocess.run([emulator, "-h"], capture_output=True, text=True, timeout=60, check=False)
    return "-one-insn-per-tb" if "-one-insn-per-tb" in done.stdout else "-singlestep"


def _chunks(log: IO[bytes] | None, last: list[bytes]) -> Iterator[bytes]:
    while log is not None and (chunk := os.read(log.fileno(), CHUNK)):
        last[0] = chunk
        yield chunk


def step_counts(chunks: Iterable[bytes]) -> list[int]:
    """Count the lines between the two calls of the clock, once for each step.

    Args:
        chunks: The log, cut anywhere.
    """
    found: list[int] = []
    count, inside, rest = 0, False, b""
    for chunk in chunks:
        text, newline, rest = (rest + chunk).rpartition(b"\n")
        block, at = text + newline, 0
        while at < len(block):
            stop = block.find(STOP, at) if inside else -1
            start = block.find(START, at, stop if stop >= 0 else len(block))
            if start >= 0:  # the function may take several instructions: its last line counts
                at, count, inside = start + len(START), 0, True
            elif stop >= 0:
                found.append(count + block.count(b"\n", at, stop))
                at, inside = stop + len(STOP), False
            else:
                count += block.count(b"\n", at) if inside else 0
                at = len(block)
    return found
