"""Networks of Loihi's neurons run by lava-nc, in its own interpreter and within a time."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loihi_nets import STATES, THEIR_NAMES, Network
from neurodeploy.ir import Graph
from neurodeploy.reference import Trace
from neurodeploy.targets.loihi.program import IMPORTER
from neurodeploy.targets.loihi.program_text import IMPORT

__all__ = ["LavaError", "differences", "run_in_lava"]

Array = npt.NDArray[Any]
PROGRAM = Path(__file__).with_name("lava_program.py")
SECONDS = 30.0  # for one network; Lava may hang without a word
TRIES = 3


def run_in_lava(
    interpreter: Path, networks: Sequence[Network], folder: Path
) -> list[Mapping[str, Array]]:
    """Run networks; give for each one the values of each step, as ``population/name``.

    Raises:
        LavaError: Lava hangs at the same network again and again, or fails.
    """
    arrays: dict[str, Any] = {"networks": json.dumps([n.made for n in networks])}
    for number, network in enumerate(networks):
        arrays |= {f"{number}/{name}": values for name, values in network.arrays.items()}
    given = folder / "networks.npz"
    np.savez(given, **arrays)
    (folder / IMPORTER).write_text(IMPORT)
    found: list[Mapping[str, Array]] = []
    hung = 0
    while len(found) < len(networks):
        left = [str(n) for n in range(len(found), len(networks))]
        with (folder / "said.txt").open("w+") as said:
            program = subprocess.Popen(
                [interpreter, PROGRAM, given, folder, *left],
                stdout=said, stderr=said, start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(folder)},
            )  # fmt: skip
            try:
                made = _collected(program, folder, len(found), len(networks))
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(program.pid, signal.SIGKILL)  # its own processes as well
                program.wait()
            said.seek(0)
            text = said.read()[-3000:]
        found += made
        hung = 0 if made else hung + 1
        if len(found) < len(networks) and hung == TRIES:
            raise LavaError(f"network {len(found)}, {networks[len(found)].family}: {text}")
    return found


class LavaError(RuntimeError):
    """Lava gave no result, in several attempts."""


def _collected(
    program: subprocess.Popen[bytes], folder: Path, first: int, end: int
) -> list[Mapping[str, Array]]:
    """Read results as they come, until the program ends or one takes too long."""
    made: list[Mapping[str, Array]] = []
    due = time.monotonic() + SECONDS
    while first + len(made) < end:
        place = folder / f"{first + len(made)}.npz"
        if place.is_file():
            with np.load(place) as results:
                made.append(dict(results))
            due = time.monotonic() + SECONDS
        elif (program.poll() is not None and not place.is_file()) or time.monotonic() > due:
            break
        else:
            time.sleep(0.02)
    return made


def differences(
    network: Network, graph: Graph, ours: Trace, theirs: Mapping[str, Array]
) -> list[str]:
    """Compare spikes and states of every population at every step; say where they differ."""
    said = []
    for index, population in enumerate(network.made["populations"]):
        for name in ("s", *STATES[population["kind"]]):
            mine = ours[(f"p{index}", "out" if name == "s" else name)][0]
            if mine.ndim > 2:  # Lava has the channels last
                mine = np.moveaxis(mine, 1, -1)
            mine = mine.reshape(len(mine), -1).astype(np.int64)
            other = theirs[f"{index}/{THEIR_NAMES.get(name, name)}"].astype(np.int64)
            off = np.argwhere(mine != other)
            if off.size:
                step, neuron = off[0]
                said.append(
                    f"{population['kind']} {index}, {name}: {len(off)} of {mine.size} differ, "
                    f"first in step {step} at neuron {neuron}: {mine[step, neuron]}, Lava has "
                    f"{other[step, neuron]}"
                )
    return said
