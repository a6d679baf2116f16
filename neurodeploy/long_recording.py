r"""Recordings of long runs and large networks: written to disk while they are made.

The file is HDF5, one group for each sample: ``samples/0/spikes/NODE/neurons`` lists flat indexes
of neurons in the order of the steps, ``.../ends`` says how many there were by the end of each step;
``samples/0/signals/NODE/OUTPUT`` is (T, \*shape). Characters of names that HDF5 keeps for itself
are written as in addresses (``%2F`` for a slash).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from neurodeploy.data import Data, as_samples, timesteps_of
from neurodeploy.errors import DataError, UsageError
from neurodeploy.execute import check_seed, recorded_keys
from neurodeploy.hdf5 import import_h5py
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.types import BOOL
from neurodeploy.long_recording_file import FORMAT, LongRecording

if TYPE_CHECKING:
    from neurodeploy.engine.spike_log import Chunk

__all__ = ["record"]

Array = npt.NDArray[Any]
Key = tuple[str, str]
ROWS = 1 << 14  # entries of a list that the file compresses together
STEPS = 1000


def record(
    graph: Graph,
    x: Data,
    path: str | os.PathLike[str],
    *,
    timesteps: int | None = None,
    record: str | tuple[str, ...] | None = "all",
    steps: int = STEPS,
    layout: str = "NT",
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> LongRecording:
    """Run samples on the engine, and write what is recorded to disk some steps at a time.

    Memory holds ``steps`` steps of one sample, however long the run; spikes are listed, so that a
    large network that rarely fires takes little. The values are those of `neurodeploy.run`.

    Args:
        graph: The graph.
        x: Samples (`neurodeploy.data`). A value without a time axis is presented at every step.
        path: The ``.h5`` file. It is written beside its place and moved there when it is whole.
        timesteps: T; by default that of the data, else the one stored in the graph.
        record: What to keep beside the outputs: None, ``all`` for the spikes of every node,
            ``states``, or names of nodes.
        steps: Steps that are held in memory.
        layout: ``NT`` or ``TN``.
        seed: Seed of the random bits.
        progress: Called with (steps done, steps of all samples).

    Returns:
        The recording, open for reading.

    Raises:
        DataError: samples that do not fit the graph; or samples of several lengths.
        MissingDependencyError: there is no h5py, or no C compiler.
        UsageError: no such node; ``steps`` is below 1; or the file cannot be written.
    """
    from neurodeploy.engine import build

    check_seed(seed)
    keys = (*recorded_keys(graph, record), *((n.name, "out") for n in graph.outputs))
    samples = as_samples(graph, x, layout=layout, timesteps=timesteps)
    if samples.lengths is not None:
        raise DataError("samples of several lengths", hint="run those of one length together")
    total = timesteps_of(graph, samples, timesteps)
    listed = [key for key in dict.fromkeys(keys) if graph.signals[key].type == BOOL]
    whole = [key for key in dict.fromkeys(keys) if graph.signals[key].type != BOOL]
    engine = build(graph)
    chunks = engine.chunks(
        samples.inputs, total, steps=steps, record=whole, spikes=listed, seed=seed
    )
    part = Path(f"{os.fspath(path)}.part")
    try:
        with import_h5py("a long recording").File(part, "w") as file:
            file.attrs["format"] = FORMAT
            for name, value in (("graph", graph.digest), ("seed", seed), ("timesteps", total)):
                file.attrs[name] = np.uint64(value) if name == "seed" else value
            for chunk in chunks:
                _append(file.require_group(f"samples/{chunk.sample}"), chunk)
                if progress is not None:
                    done = min(total, chunk.first + steps) + chunk.sample * total
                    progress(done, samples.count * total)
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{os.fspath(path)!r} cannot be written: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    return LongRecording(path)


def _append(group: Any, chunk: Chunk) -> None:
    """Write a chunk behind what is there."""
    for (node, output), spikes in chunk.spikes.items():
        held = _place(group, "spikes", node, output)
        if "ends" not in held:
            held.attrs["shape"] = spikes.shape
            _growing(held, "neurons", spikes.neurons, ROWS)
            _growing(held, "ends", spikes.ends[0], ROWS)
            continue
        before = held["neurons"].shape[0]
        _extend(held["neurons"], spikes.neurons)
        _extend(held["ends"], spikes.ends[0] + before)
    for (node, output), values in chunk.trace.items():
        held = _place(group, "signals", node, output)
        if "values" in held:
            _extend(held["values"], values[0])
        else:
            _growing(held, "values", values[0], max(1, ROWS // max(1, values[0, 0].size)))


def _place(group: Any, kind: str, node: str, output: str) -> Any:
    return group.require_group(f"{kind}/{_written(node)}/{_written(output)}")


def _written(name: str) -> str:
    """Give a name as HDF5 takes it, to which a point alone is the group itself."""
    return "%2E" if name == "." else quote(name, safe="")


def _growing(group: Any, name: str, values: Array, rows: int) -> None:
    group.create_dataset(
        name,
        data=values,
        maxshape=(None, *values.shape[1:]),
        chunks=(rows, *values.shape[1:]),
        compression="lzf",
        shuffle=True,
    )


def _extend(held: Any, values: Array) -> None:
    before = held.shape[0]
    held.resize(before + values.shape[0], axis=0)
    held[before:] = values
