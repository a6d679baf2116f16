r"""What a run leaves behind: outputs, decoded values, predictions, spikes, states.

Arrays are (N, T, \*shape). Spikes are stored sparse and become dense when asked for.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import DataError, Finding, raise_findings
from neurodeploy.ir.nodes import Decode
from neurodeploy.memory import require_bytes
from neurodeploy.npz import load_npz, save_npz

__all__ = ["Recording", "SpikeMaps", "decode"]

Array = npt.NDArray[Any]


def decode(values: Array, how: Decode, lengths: npt.NDArray[np.int64] | None = None) -> Array:
    r"""Give one value per sample from the values at every step.

    Args:
        values: (N, T, \*output).
        how: ``count`` (sum over the steps), ``mean`` (sum divided by the steps), ``membrane``
            (the last value), ``max``, or ``first`` (step of the first non-zero value; T where
            there is none).
        lengths: (N,) steps of each sample; later steps are left out. None for all.

    Returns:
        (N, \*output); counts and first spikes are int64 for spikes.
    """
    steps = values.shape[1]
    ends = np.full(values.shape[0], steps) if lengths is None else lengths
    inside = np.arange(steps) < ends[:, None]
    inside = inside.reshape(*inside.shape, *[1] * (values.ndim - 2))
    if how == "membrane":
        last = (ends - 1).reshape(-1, *[1] * (values.ndim - 1))
        taken = np.take_along_axis(values, last, axis=1)
        return np.asarray(taken[:, 0])
    if how == "max":
        lowest: Any = -np.inf if values.dtype.kind == "f" else np.iinfo(np.int64).min
        shown = values.astype(np.int64) if values.dtype.kind == "b" else values
        best: Array = np.where(inside, shown, lowest).max(axis=1)
        return best
    if how == "first":
        fired = inside & (values != 0)
        first: Array = np.where(fired.any(axis=1), fired.argmax(axis=1), steps)
        return np.asarray(first, np.int64)
    # one step after another, as everywhere: the result must not depend on numpy's order
    total = np.zeros((values.shape[0], *values.shape[2:]), _sum_type(values))
    for step in range(steps):
        total += np.where(inside[:, step], values[:, step], 0).astype(total.dtype)
    if how == "count":
        return total
    divisor = ends.reshape(-1, *[1] * (total.ndim - 1))
    mean: Array = total / divisor.astype(total.dtype if total.dtype.kind == "f" else np.float64)
    return mean


def _sum_type(values: Array) -> np.dtype[Any]:
    return values.dtype if values.dtype.kind == "f" else np.dtype(np.int64)


@dataclass(frozen=True)
class SpikeMaps(Mapping[str, Array]):
    r"""Spikes of each recorded node as dense bool arrays (N, T, \*shape), built when asked for.

    Attributes:
        events: By node, rows (sample, step, flat index) in ascending order.
        shapes: By node, (N, T, \*shape).
    """

    events: Mapping[str, npt.NDArray[np.int64]]
    shapes: Mapping[str, tuple[int, ...]]

    def __getitem__(self, node: str) -> Array:
        shape = self.shapes[node]
        require_bytes(math.prod(shape), f"the dense form of the spikes of {node!r}")
        flat = np.zeros((shape[0], shape[1], math.prod(shape[2:])), np.bool_)
        sample, step, index = self.events[node].T
        flat[sample, step, index] = True
        return flat.reshape(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)


@dataclass(frozen=True)
class Recording:
    r"""The result of a run.

    Attributes:
        outputs: The output's value at every step, (N, T, \*output); a mapping where the graph
            has several outputs.
        decoded: (N, \*output) by the output's decoding; a mapping likewise.
        labels: (N,) the labels that came with the data, or None.
        steps: (N,) steps that each sample used.
        counts: By spiking node, (N,) spikes.
        events: By recorded node, rows (sample, step, flat index).
        shapes: By recorded node, (N, T, \*shape) of its spikes.
        states: By node and state, (N, T, \*shape), the value after each step.
        instructions: (N,) instructions that each sample took on the runner's processor; None
            where the runner counts none.
        seed: Seed of the run.
        seconds: Wall time of the run in seconds.
        runner: Name of what ran it.
        graph: Digest of the graph that ran.
        decoding: How the output was decoded; empty where there are several.
    """

    outputs: Array | Mapping[str, Array]
    decoded: Array | Mapping[str, Array]
    labels: npt.NDArray[np.int64] | None
    steps: npt.NDArray[np.int64]
    counts: Mapping[str, npt.NDArray[np.int64]]
    events: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    states: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    instructions: npt.NDArray[np.int64] | None = None
    seed: int = 0
    seconds: float = 0.0
    runner: str = "reference"
    graph: str = ""
    decoding: str = ""

    @property
    def spikes(self) -> SpikeMaps:
        r"""Spikes of each recorded node, dense, (N, T, \*shape)."""
        return SpikeMaps(self.events, self.shapes)

    @property
    def predictions(self) -> npt.NDArray[np.int64] | None:
        """(N,) index of the largest decoded value; None where the output is no vector.

        For a first-spike decoding, the smallest.
        """
        if isinstance(self.decoded, Mapping) or self.decoded.ndim != 2:
            return None
        pick = np.argmin if self.decoding == "first" else np.argmax
        return np.asarray(pick(self.decoded, axis=1), np.int64)

    @property
    def accuracy(self) -> float | None:
        """Share of samples whose prediction is their label; None without labels."""
        if self.labels is None or self.predictions is None:
            return None
        return float(np.mean(self.predictions == self.labels))

    def to_json(self) -> dict[str, object]:
        """Give the summary with the keys of the JSON contract of ``run``."""
        counted = self.instructions
        return {
            "samples": int(self.steps.shape[0]),
            "timesteps": int(self.steps.max()),
            "accuracy": self.accuracy,
            "steps_mean": float(self.steps.mean()),
            "spikes": {node: int(c.sum()) for node, c in self.counts.items()},
            "seconds": self.seconds,
            "instructions_mean": None if counted is None else float(counted.mean()),
            "runner": self.runner,
            "seed": self.seed,
            "graph": self.graph,
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to an ``.npz`` file under the names of the attributes.

        A mapping is written entry by entry as ``attribute/node``, states as
        ``states/node/name``; nothing needs pickle. ``predictions`` are written for other readers.

        Raises:
            UsageError: the file cannot be written.
        """
        arrays: dict[str, Array] = {"steps": self.steps, "seed": np.asarray(self.seed, np.uint64)}
        for group in ("outputs", "decoded"):
            value: Array | Mapping[str, Array] = getattr(self, group)
            arrays |= _under(group, value) if isinstance(value, Mapping) else {group: value}
        for key in ("labels", "predictions", "instructions"):
            if getattr(self, key) is not None:
                arrays[key] = getattr(self, key)
        arrays |= _under("counts", self.counts) | _under("events", self.events)
        arrays |= _under("shapes", {k: np.asarray(v, np.int64) for k, v in self.shapes.items()})
        for node, states in self.states.items():
            arrays |= _under(f"states/{node}", states)
        arrays["origin"] = np.asarray([self.runner, self.graph, self.decoding])
        save_npz(path, arrays)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Recording:
        """Read what `save` wrote.

        Raises:
            DataError: the file is missing, damaged, or no recording.
        """
        arrays = load_npz(path)
        groups: dict[str, dict[str, Array]] = {}
        for key, value in arrays.items():
            group, slash, rest = key.partition("/")
            if slash:
                groups.setdefault(group, {})[rest] = value
        raise_findings(DataError, _damage(os.fspath(path), arrays, groups))
        states: dict[str, dict[str, Array]] = {}
        for key, value in groups.get("states", {}).items():
            node, _, name = key.rpartition("/")
            states.setdefault(node, {})[name] = value
        runner, graph, decoding = (str(v) for v in arrays["origin"])
        return Recording(
            outputs=arrays.get("outputs", groups.get("outputs", {})),
            decoded=arrays.get("decoded", groups.get("decoded", {})),
            labels=arrays.get("labels"),
            steps=arrays["steps"],
            counts=groups.get("counts", {}),
            events=groups.get("events", {}),
            shapes={k: tuple(int(n) for n in v) for k, v in groups.get("shapes", {}).items()},
            states=states,
            instructions=arrays.get("instructions"),
            seed=int(arrays["seed"]),
            runner=runner,
            graph=graph,
            decoding=decoding,
        )

    def __repr__(self) -> str:
        spikes = sum(int(c.sum()) for c in self.counts.values())
        accuracy = "" if self.accuracy is None else f", accuracy {100 * self.accuracy:.1f} %"
        return (
            f"Recording({self.steps.shape[0]} samples, {int(self.steps.max())} timesteps, "
            f"{spikes} spikes{accuracy}, on {self.runner})"
        )


def _under(group: str, values: Mapping[str, Array]) -> dict[str, Array]:
    return {f"{group}/{name}": value for name, value in values.items()}


def _damage(
    path: object, arrays: Mapping[str, Array], groups: Mapping[str, Mapping[str, Array]]
) -> Iterator[Finding]:
    """Say what keeps an ``.npz`` file from being a recording."""

    def finding(message: str) -> Finding:
        return Finding(message, node=str(path))

    missing = [k for k in ("steps", "seed", "origin") if k not in arrays]
    missing += [k for k in ("outputs", "decoded") if k not in arrays and k not in groups]
    if missing:
        yield finding(f"it is no recording: it lacks {', '.join(missing)}")
        return
    steps = arrays["steps"]
    if steps.ndim != 1 or steps.dtype.kind not in "iu" or not steps.size or steps.min() < 1:
        yield finding("'steps' does not hold the steps of each sample")
        return
    if arrays["seed"].shape != () or arrays["seed"].dtype.kind not in "iu":
        yield finding("'seed' is no whole number")
    if arrays["origin"].shape != (3,) or arrays["origin"].dtype.kind != "U":
        yield finding("'origin' does not hold runner, graph and decoding")
    counted = dict.fromkeys(("labels", "predictions", "instructions", "counts"), "iu")
    for key, values in arrays.items():
        group = key.partition("/")[0]
        if group in counted and (
            values.shape != steps.shape or values.dtype.kind not in counted[group]
        ):
            yield finding(f"{key!r} does not hold a whole number for each sample")
        elif group in ("outputs", "decoded", "states") and (
            values.shape[:1] != steps.shape or not values.size or values.dtype.kind not in "biuf"
        ):
            yield finding(f"{key!r} does not hold a number for each of {steps.size} samples")
    events, shapes = groups.get("events", {}), groups.get("shapes", {})
    for name in {**events, **shapes}:
        if name not in events or name not in shapes or not _fit(events[name], shapes[name]):
            yield finding(f"the events of {name!r} do not fit their shape")


def _fit(events: Array, shape: Array) -> bool:
    """Say whether events are rows (sample, step, flat index) within (N, T, ...)."""
    if shape.ndim != 1 or shape.size < 2 or {shape.dtype.kind, events.dtype.kind} - {"i", "u"}:
        return False
    ends = [int(shape[0]), int(shape[1]), math.prod(int(n) for n in shape[2:])]
    if events.ndim != 2 or events.shape[1] != 3 or min(map(int, shape)) < 1:
        return False
    return not events.size or bool(((events >= 0) & (events < np.array(ends))).all())
