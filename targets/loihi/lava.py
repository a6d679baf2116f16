"""Runs a network on lava-nc's fixed-point models: in Lava's own interpreter, within a time.

Lava is archived and wants an older Python; so it stands in an environment of its own, and only a
program that is written anew from the graph runs there. It can hang without a word, and leaves
processes behind: all of them end with the run.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import (
    Finding,
    MissingDependencyError,
    UnavailableTargetError,
    UsageError,
    raise_findings,
)
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.types import BOOL
from neurodeploy.targets.loihi.processes import NEURONS, SPIKES, places_in_lava
from neurodeploy.targets.loihi.program import PROGRAM, lava_program

__all__ = ["INSTALL", "VARIABLE", "LavaRun", "lava_python"]

Array = npt.NDArray[Any]
Key = tuple[str, str]
VARIABLE = "NEURODEPLOY_LAVA"
INSTALL = (
    "python3.11 -m venv lava && lava/bin/pip install numpy==1.26.4 scipy==1.15.3 networkx==2.8.7 "
    "asteval==0.9.33 && lava/bin/pip install --ignore-requires-python --no-deps lava-nc==0.10.0, "
    f"then --option python=lava/bin/python, or {VARIABLE}"
)
LAVA_VERSION = "0.10.0"
SAID, FAILED = "said.txt", "failed.txt"
POLL = 0.02


def lava_python(named: str = "") -> tuple[str, str]:
    """Give the interpreter that has Lava, and Lava's version.

    It is the one that is named, else that of the variable, else this one.

    Raises:
        MissingDependencyError: it has no lava-nc; the hint says how to get it.
    """
    given = named or os.environ.get(VARIABLE) or sys.executable
    # a path as it is: behind a link of an environment stands a Python without its packages
    chosen = os.path.abspath(shutil.which(given) or given)
    ask = "import importlib.metadata as m; print(m.version('lava-nc'))"
    try:
        told = subprocess.run(
            [chosen, "-c", ask], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingDependencyError(
            Finding(f"{chosen!r} cannot be called: {error}", hint=INSTALL)
        ) from error
    if told.returncode:
        raise MissingDependencyError(Finding(f"{chosen!r} has no lava-nc", hint=INSTALL))
    return chosen, told.stdout.strip()


class LavaRun:
    """A network in Lava; calling it runs samples, as every runner does.

    Args:
        graph: The graph, of Loihi's cells.
        python: Interpreter that has Lava; see `lava_python`.
        seconds: Time for each sample, and to start.

    Raises:
        CapabilityError: Lava has no process for a part of the graph.
        MissingDependencyError: Lava is not installed.
        UnavailableTargetError: it is another version.
        UsageError: no time is left to it.
    """

    def __init__(self, graph: Graph, python: str = "", seconds: float = 60.0) -> None:
        self.graph = graph
        self.program = lava_program(graph)
        self.python, version = lava_python(python)
        if version != LAVA_VERSION:
            text = f"lava-nc {version}, its states were compared with those of {LAVA_VERSION}"
            raise UnavailableTargetError(Finding(text, hint=INSTALL, value=version))
        if not seconds > 0:
            raise UsageError(Finding(f"seconds is {seconds:g}", hint="above 0", value=seconds))
        self.seconds = seconds

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
            UsageError: what is to be recorded is no variable of a population.
            UnavailableTargetError: Lava failed, or took too long.
        """
        names = self._names(record)
        samples = len(next(iter(inputs.values())))
        given = {
            f"x{number}": _in_lava(
                self._whole(inputs[node.name], node.shape, timesteps), node.shape
            )
            for number, node in enumerate(self.program.network.inputs)
        }
        found: dict[Key, Array] = {}
        made = self._run(given, samples) if samples and timesteps else {}
        for key in record:
            signal_ = self.graph.signals[key]
            shape = (samples, timesteps, *signal_.shape)
            name = names[key]
            if name in given:
                values = self._whole(inputs[key[0]], signal_.shape, timesteps)
            elif made:
                values = _from_lava(made[name], signal_.shape)
            else:
                values = np.zeros(shape, np.int64)
            kind = np.bool_ if signal_.type == BOOL else np.int64
            found[key] = _later(values.reshape(shape).astype(kind), self._delay(key))
        return found

    def _names(self, record: Collection[Key]) -> dict[Key, str]:
        """Give the name of what is recorded among the results, or among the inputs."""
        network = self.program.network
        known: dict[Key, str] = {(n.name, "out"): f"x{i}" for i, n in enumerate(network.inputs)}
        for number, cell in enumerate(network.populations):
            other = NEURONS[cell.definition][2]
            known[(cell.name, "out")] = f"p{number}.{SPIKES}"
            for state in cell.states:
                known[(cell.name, state.name)] = f"p{number}.{other.get(state.name, state.name)}"
        for node in self.graph.outputs:
            (edge,) = self.graph.edges_into[node.name]
            known[(node.name, "out")] = known[(edge.source, edge.output)]
        hint = f"record populations: {', '.join(c.name for c in network.populations)}"
        raise_findings(
            UsageError,
            [
                Finding(f"{key[1]!r} is no variable of Lava's processes", node=key[0], hint=hint)
                for key in record
                if key not in known
            ],
        )
        return {key: known[key] for key in record}

    def _delay(self, key: Key) -> int:
        """Give the steps by which an output is read later; whoever reads Lava waits as long."""
        outputs = {n.name for n in self.graph.outputs}
        return self.graph.edges_into[key[0]][0].delay if key[0] in outputs else 0

    def _whole(self, x: Array, shape: tuple[int, ...], timesteps: int) -> Array:
        if x.ndim == len(shape) + 2:
            return x
        return np.repeat(x[:, None], timesteps, axis=1)

    def _run(self, given: Mapping[str, Array], samples: int) -> dict[str, Array]:
        with tempfile.TemporaryDirectory(prefix="neurodeploy-") as name:
            folder = Path(name)
            self.program.write(folder)
            arrays: Any = given
            np.savez(folder / "in.npz", **arrays)
            with (folder / SAID).open("wb") as said, (folder / FAILED).open("wb") as failed:
                program = subprocess.Popen(
                    [self.python, PROGRAM, "in.npz", "out.npz"],
                    cwd=folder,
                    stdout=said,
                    stderr=failed,
                    start_new_session=True,
                )
                try:
                    self._wait(program, folder, samples)
                finally:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(program.pid, signal.SIGKILL)
                    program.wait()
            if program.returncode != 0 or not (folder / "out.npz").is_file():
                text = f"Lava ended with {program.returncode}: {_tail(folder)}"
                raise UnavailableTargetError(Finding(text))
            with np.load(folder / "out.npz") as results:
                return dict(results)

    def _wait(self, program: subprocess.Popen[bytes], folder: Path, samples: int) -> None:
        """Wait for the end; each sample has its time, counted from the one before."""
        done, due = -1, time.monotonic() + self.seconds
        while program.poll() is None:
            now = (folder / SAID).read_bytes().count(b"\n")
            if now != done:
                done, due = now, time.monotonic() + self.seconds
            if time.monotonic() > due:
                raise UnavailableTargetError(
                    Finding(
                        f"Lava gave no further sample within {self.seconds:g} s, after "
                        f"{max(done, 0)} of {samples}; {_tail(folder) or 'it said nothing'}",
                        hint="it may hang: try again, or --option seconds=N",
                        value=self.seconds,
                    )
                )
            time.sleep(POLL)


def _tail(folder: Path) -> str:
    """Give the end of what the program said of its errors."""
    return (folder / FAILED).read_text(encoding="utf-8", errors="replace").strip()[-2000:]


def _later(values: Array, steps: int) -> Array:
    if not steps:
        return values
    made = np.zeros_like(values)
    made[:, steps:] = values[:, :-steps]
    return made


def _in_lava(x: Array, shape: tuple[int, ...]) -> Array:
    """Give (N, T, *shape) with the channels last where there are three axes."""
    x = x.astype(np.int64)
    return np.moveaxis(x, 2, -1) if len(shape) == 3 else x


def _from_lava(x: Array, shape: tuple[int, ...]) -> Array:
    return x.reshape(*x.shape[:2], -1)[..., places_in_lava(shape)]
