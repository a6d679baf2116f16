"""Recordings as sides of a comparison: with a graph, or one with another.

Two recordings are compared in all that both hold. There is no graph that would tell how far
rounding reaches, so the verdict is ``exact`` or ``differs``. Beside a graph, a recording is
played back, and the verdict is that of `neurodeploy.comparison`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.comparison import Side
from neurodeploy.differences import (
    Comparison,
    NodeDifference,
    first_difference,
    unequal_values,
)
from neurodeploy.errors import DataError, Finding, UsageError, raise_findings
from neurodeploy.execute import spiking_outputs
from neurodeploy.ir.graph import Graph
from neurodeploy.recording import Recording

__all__ = ["compare_recordings", "recorded_side"]

Array = npt.NDArray[Any]
Key = tuple[str, str]
ONLY = "output"  # the output of a graph that has one; a recording keeps no name of it


def _outputs(recording: Recording, only: str) -> dict[str, Array]:
    shown = recording.outputs
    return dict(shown) if isinstance(shown, Mapping) else {only: shown}


def recorded_side(recording: Recording, graph: Graph) -> Side:
    """Play a recording back as one side of a comparison.

    Args:
        recording: The recording.
        graph: The graph on the other side; nodes are matched by name.

    Raises:
        DataError: the recording is of another network, or its samples have different lengths.
    """
    only = graph.outputs[0].name if len(graph.outputs) == 1 else ONLY
    main = dict(spiking_outputs(graph))
    dense: dict[Key, Array] = {(n, "out"): v for n, v in _outputs(recording, only).items()}
    dense |= {(n, s): v for n, states in recording.states.items() for s, v in states.items()}
    sparse = {(n, main.get(n, "out")): shape for n, shape in recording.shapes.items()}
    shapes = sparse | {k: v.shape for k, v in dense.items()}
    raise_findings(DataError, _strange(recording, graph, shapes))

    def run(
        inputs: Mapping[str, Array],
        timesteps: int,
        *,
        record: Collection[Key],
        seed: int = 0,
        first_sample: int = 0,
    ) -> dict[Key, Array]:
        stop = first_sample + next(iter(inputs.values())).shape[0]
        held = int(recording.steps.size), int(recording.steps[0])
        if stop > held[0] or timesteps > held[1]:
            raise DataError(
                f"the recording holds {held[0]} samples of {held[1]} steps, and sample {stop - 1} "
                f"at {timesteps} steps is asked for",
                hint="the samples and timesteps that were recorded",
            )
        if seed != recording.seed:
            raise UsageError(f"the recording has seed {recording.seed}, the comparison {seed}")
        part = slice(first_sample, stop)
        return {
            key: dense[key][part, :timesteps]
            if key in dense
            else _dense(recording.events[key[0]], shapes[key], part)[:, :timesteps]
            for key in record
        }

    return Side(graph, run, keys=frozenset(shapes))


def _strange(
    recording: Recording, graph: Graph, shapes: Mapping[Key, tuple[int, ...]]
) -> Iterator[Finding]:
    """Say what of a recording cannot be of a graph."""
    if (recording.steps != recording.steps[0]).any():
        yield Finding("the samples of the recording have different lengths")
    for (name, out), shape in shapes.items():
        signal = graph.signals.get((name, out))
        if signal is None:
            yield Finding(
                f"the recording holds {out!r} of a node that the graph has not",
                node=name,
                hint="compare it with what was run",
            )
        elif signal.shape != shape[2:]:
            yield Finding(
                f"the recording holds {list(shape[2:])}, the graph has {list(signal.shape)}",
                node=name,
            )


def _dense(events: Array, shape: tuple[int, ...], part: slice) -> Array:
    """Give the spikes of some samples as a dense array."""
    inside = events[(events[:, 0] >= part.start) & (events[:, 0] < part.stop)]
    spikes = np.zeros((part.stop - part.start, shape[1], int(np.prod(shape[2:]))), np.bool_)
    spikes[inside[:, 0] - part.start, inside[:, 1], inside[:, 2]] = True
    return spikes.reshape(-1, *shape[1:])


def compare_recordings(a: Recording, b: Recording) -> Comparison:
    """Compare two recordings of the same samples in everything that both hold.

    Spikes and outputs are compared at each step, states where both have them; where spikes were
    not recorded (``record="all"``), their number per sample.

    Raises:
        DataError: they are not of the same number of samples.
    """
    if a.steps.size != b.steps.size:
        raise DataError(f"recordings of {a.steps.size} and of {b.steps.size} samples")
    if not np.array_equal(a.steps, b.steps):
        raise DataError(
            f"recordings over {_range(a.steps)} and {_range(b.steps)} steps",
            hint="run both with the same --timesteps",
        )
    left, right = _values(a), _values(b)
    nodes, unmatched = [], {n for n, _ in left} ^ {n for n, _ in right}
    for name in dict.fromkeys(n for n, _ in left if n not in unmatched):
        keys = [k for k in left if k[0] == name and k in right]
        wrong = [k for k in keys if left[k].shape != right[k].shape]
        if wrong or not keys:
            unmatched.add(name)
        else:
            nodes.append(_node(name, keys, left, right))
    same = not any(n.mismatches or n.state_mismatches for n in nodes)
    exact = same and bool(nodes) and not unmatched
    return Comparison(
        "exact" if exact else "differs",
        tuple(nodes),
        tuple(sorted(unmatched)),
        int(a.steps.size),
        int(a.steps.max()),
        _agreed(a, b),
    )


def _range(steps: Array) -> str:
    low, high = int(steps.min()), int(steps.max())
    return str(low) if low == high else f"{low} to {high}"


def _values(recording: Recording) -> dict[Key, Array]:
    """Give what is compared, by node and part; spikes dense, else their number per sample."""
    found: dict[Key, Array] = {(n, "out"): v for n, v in _outputs(recording, ONLY).items()}
    found |= {(n, "out"): recording.spikes[n] for n in recording.events}
    found |= {(n, s): v for n, states in recording.states.items() for s, v in states.items()}
    found |= {(n, "count"): c[:, None, None] for n, c in recording.counts.items()}
    return found


def _node(
    name: str, keys: list[Key], left: Mapping[Key, Array], right: Mapping[Key, Array]
) -> NodeDifference:
    """Count what differs of a node; its number of spikes only where they were not recorded."""
    main = (name, "out") if (name, "out") in keys else keys[0]
    compared = [k for k in keys if k[1] != "count"] or keys
    unequal = {k: unequal_values(left[k], right[k]) for k in compared}
    firsts = [
        first_difference(left[k], right[k], d)
        for k, d in unequal.items()
        if d.any() and k[1] != "count"
    ]
    return NodeDifference(
        name=name,
        mismatches=int(unequal[main].sum()) if main in unequal else 0,
        state_mismatches=sum(int(d.sum()) for k, d in unequal.items() if k != main),
        count_a=_events(left, main),
        count_b=_events(right, main),
        compared=sum(d.size for d in unequal.values()),
        first=min(firsts, key=lambda f: (f.step, f.sample), default=None),
    )


def _events(values: Mapping[Key, Array], key: Key) -> int:
    return int(values[key].sum()) if key[1] == "count" else int(np.count_nonzero(values[key]))


def _agreed(a: Recording, b: Recording) -> float | None:
    if a.predictions is None or b.predictions is None:
        return None
    return float(np.mean(a.predictions == b.predictions))
