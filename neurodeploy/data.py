r"""Samples as people have them, brought into the one form that a run takes.

Accepted: an array or tensor; a mapping of input names to arrays; the path of an ``.npz`` file
(``x`` or the inputs' names, labels ``y``); an iterable of batches ``x`` or ``(x, y)``, such as a
DataLoader. Arrays are batch first, (N, \*input) for a value presented at every step or
(N, T, \*input); ``layout="TN"`` takes (T, N, \*input).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import DataError, Finding, raise_findings
from neurodeploy.input_range import range_finding
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Input
from neurodeploy.ir.types import BOOL, NumType, QType, num_type_text
from neurodeploy.npz import load_npz

__all__ = ["Data", "Samples", "as_samples", "check_timed", "timesteps_of"]

Array = npt.NDArray[Any]
MAX_LABEL = 2**31  # more classes than anything has; floats hold every index below exactly
Data = object  # whatever as_samples takes; an alias says so in signatures


@dataclass(frozen=True)
class Samples:
    r"""Checked samples.

    Attributes:
        inputs: By input node, (N, \*shape) or (N, T, \*shape), in the type of the input.
        labels: (N,) integers, or None.
        lengths: (N,) steps that each sample lasts; None where all last as long as the run.
        steps: Length of the time axis; None where no input has one.
    """

    inputs: Mapping[str, Array]
    labels: npt.NDArray[np.int64] | None
    lengths: npt.NDArray[np.int64] | None
    steps: int | None

    @property
    def count(self) -> int:
        """Number of samples."""
        return int(next(iter(self.inputs.values())).shape[0])

    def part(self, start: int, stop: int) -> dict[str, Array]:
        """Give the inputs of the samples from ``start`` to before ``stop``."""
        return {name: x[start:stop] for name, x in self.inputs.items()}


def as_samples(
    graph: Graph, data: Data, labels: object = None, *, layout: str = "NT", limit: int | None = None
) -> Samples:
    """Bring ``data`` into the form that runs of ``graph`` take.

    Args:
        graph: The graph whose inputs are fed.
        data: Samples in any accepted form.
        labels: (N,) class indices; those found in ``data`` are used where this is None.
        layout: ``NT`` (batch first) or ``TN``.
        limit: Take the first ``limit`` samples only.

    Raises:
        DataError: all that does not fit, each finding naming the input.
    """
    if layout not in ("NT", "TN"):
        raise DataError(f"there is no layout {layout!r}", hint="NT: batch first; TN: time first")
    raw, found_labels, lengths = _gathered(graph, data, layout)
    y = labels if labels is not None else found_labels
    findings: list[Finding] = []
    inputs: dict[str, Array] = {}
    for node in graph.inputs:
        if node.name not in raw:
            findings.append(Finding("no data for this input", node=node.name))
            continue
        before = len(findings)
        inputs[node.name] = _fitted(node, raw[node.name], layout, findings)
        far = range_finding(graph, node.name, inputs[node.name])
        if far is not None and len(findings) == before:
            findings.append(far)
    findings += [
        Finding(
            f"the graph has no input {name!r}", hint=f"inputs: {[n.name for n in graph.inputs]}"
        )
        for name in raw
        if name not in {n.name for n in graph.inputs}
    ]
    raise_findings(DataError, findings)
    ranks = {n.name: len(n.shape) + 1 for n in graph.inputs}
    counts = {x.shape[0] for x in inputs.values()}
    timed = {x.shape[1] for name, x in inputs.items() if x.ndim > ranks[name]}
    if 0 in timed or (lengths is not None and int(lengths.min(initial=1)) < 1):
        raise DataError("some samples last no step", hint="leave empty samples out")
    if len(counts) > 1:
        raise DataError(f"the inputs hold {sorted(counts)} samples")
    if len(timed) > 1:
        raise DataError(f"the inputs last {sorted(timed)} steps")
    if counts == {0}:
        raise DataError("there are no samples")
    steps = timed.pop() if timed else None
    checked = None if y is None else _labels(y, counts.pop(), steps, _classes(graph))
    if limit is not None:
        inputs = {name: x[:limit] for name, x in inputs.items()}
        checked = None if checked is None else checked[:limit]
        lengths = None if lengths is None else lengths[:limit]
    return Samples(inputs, checked, lengths, steps)


def timesteps_of(graph: Graph, samples: Samples, given: int | None) -> int:
    """Decide T: the argument, else the data's time axis, else the T stored at conversion, else 1.

    Raises:
        DataError: T is below 1, longer than the data, or longer than a parameter with a time axis.
    """
    if given is not None and (isinstance(given, bool) or not isinstance(given, int) or given < 1):
        raise DataError(f"timesteps is {given!r}", hint="a whole number of at least 1")
    if given is not None and samples.steps is not None and given > samples.steps:
        raise DataError(
            Finding(
                f"timesteps {given} exceeds the {samples.steps} steps of the data",
                value=given,
                limit=samples.steps,
            )
        )
    steps = given or samples.steps or graph.timesteps or 1
    check_timed(graph, steps)
    return steps


def check_timed(graph: Graph, steps: int) -> None:
    """Check that parameters with a time axis last for ``steps`` steps.

    Raises:
        DataError: all that do not.
    """
    rows = [(n, p, graph.tensors[p.tensor]) for n in graph.cells for p in n.params if p.timed]
    raise_findings(
        DataError,
        [
            Finding(
                f"parameter {ref.name!r} has values for {held.data.shape[0]} steps, "
                f"{steps} are to be run",
                node=node.name,
                source=node.source,
                value=steps,
                limit=held.data.shape[0],
            )
            for node, ref, held in rows
            if held.data.shape[0] < steps
        ],
    )


def to_numpy(value: object) -> Array:
    """Give an array of an array-like or a tensor, on whatever device it is."""
    detach = getattr(value, "detach", None)
    try:
        return np.asarray(cast(Any, detach()).cpu().numpy() if callable(detach) else value)
    except (ValueError, TypeError, RuntimeError) as error:  # such as a sparse or bfloat16 tensor
        raise DataError(f"the data is no regular array: {error}") from error


def _gathered(
    graph: Graph, data: Data, layout: str
) -> tuple[dict[str, Array], object, npt.NDArray[np.int64] | None]:
    """Give arrays by input, labels, and the length of each sample."""
    first = graph.inputs[0].name
    if isinstance(data, str | os.PathLike):
        data = load_npz(data)
        if "offsets" in data and "events" in data:
            raise DataError(
                "an event file (events, offsets) needs an input with event encoding",
                hint="bin the events into x of shape (N, T, channels)",
            )
    if isinstance(data, Mapping):
        arrays = {str(k): to_numpy(v) for k, v in data.items()}
        names = {n.name for n in graph.inputs}
        y = None if "y" in names else arrays.pop("y", None)
        if "x" in arrays and "x" not in names and len(names) == 1:
            arrays[first] = arrays.pop("x")
        return arrays, y, None
    if isinstance(data, np.ndarray) or hasattr(data, "detach") or hasattr(data, "__array__"):
        return {first: to_numpy(data)}, None, None
    if isinstance(data, list | tuple) and data and not _is_batch(graph, data[0]):
        return {first: to_numpy(data)}, None, None
    if isinstance(data, Iterable):
        return _from_batches(graph, cast("Iterable[object]", data), layout)
    raise DataError(
        f"a {type(data).__name__} holds no samples",
        hint="an array, a mapping of input names to arrays, an .npz path, or batches (x, y)",
    )


def _is_batch(graph: Graph, item: object) -> bool:
    """Tell a batch, or a pair (x, y), from a sample written as numbers or as an array."""
    if isinstance(item, list | tuple):
        return any(hasattr(part, "shape") for part in item)
    return hasattr(item, "shape") and np.ndim(to_numpy(item)) > len(graph.inputs[0].shape)


def _from_batches(
    graph: Graph, batches: Iterable[object], layout: str
) -> tuple[dict[str, Array], object, npt.NDArray[np.int64] | None]:
    node = graph.inputs[0]
    if len(graph.inputs) > 1:
        raise DataError("batches feed one input; the graph has several", hint="pass a mapping")
    xs: list[Array] = []
    ys: list[Array] = []
    for batch in batches:
        given, y = _x_and_y(node, batch)
        x = to_numpy(given)
        if layout == "TN" and x.ndim == len(node.shape) + 2:
            x = np.moveaxis(x, 0, 1)
        xs.append(x)
        if y is not None:
            ys.append(np.atleast_1d(to_numpy(y)))
    if not xs:
        raise DataError("the iterable gave no batch")
    timed = int(xs[0].ndim == len(node.shape) + 2)
    shapes = {x.shape[1 + timed :] for x in xs}
    if len({x.ndim for x in xs}) > 1 or xs[0].ndim == 0 or len(shapes) > 1:
        found = [list(s) for s in dict.fromkeys(x.shape for x in xs)]
        raise DataError(f"the batches do not go together: shapes {found}")
    if len({y.ndim for y in ys}) > 1:
        raise DataError("the labels of the batches do not go together")
    labels = np.concatenate(ys) if ys else None
    lengths = None
    if xs[0].ndim == len(node.shape) + 2:
        longest = max(x.shape[1] for x in xs)
        if any(x.shape[1] != longest for x in xs):
            lengths = np.concatenate([np.full(x.shape[0], x.shape[1], np.int64) for x in xs])
            xs = [_silenced(x, longest) for x in xs]
    joined = np.concatenate(xs)
    if layout == "TN" and joined.ndim == len(node.shape) + 2:
        joined = np.moveaxis(joined, 0, 1)  # back: the caller moves every array once
    return {node.name: joined}, labels, lengths


def _x_and_y(node: Input, batch: object) -> tuple[object, object]:
    """Give the samples and the labels of a batch, None where it has no labels."""
    if isinstance(batch, list | tuple):
        if len(batch) == 2:
            return batch[0], batch[1]
        # a loader of one tensor wraps each batch into a list, which is no axis of the data
        alone = len(batch) == 1 and hasattr(batch[0], "shape")
        if alone and np.ndim(to_numpy(batch[0])) > len(node.shape):
            return batch[0], None
    return batch, None


def _silenced(x: Array, steps: int) -> Array:
    """Pad a batch to ``steps`` with silence."""
    pad = [(0, 0), (0, steps - x.shape[1]), *[(0, 0)] * (x.ndim - 2)]
    return np.pad(x, pad)


def _fitted(node: Input, x: Array, layout: str, findings: list[Finding]) -> Array:
    rank = len(node.shape)
    timed = x.ndim == rank + 2
    if timed and layout == "TN":
        x = np.moveaxis(x, 0, 1)
    if x.ndim not in (rank + 1, rank + 2) or (rank and x.shape[-rank:] != node.shape):
        expected = ", ".join(map(str, node.shape))
        findings.append(
            Finding(
                f"data of shape {list(x.shape)} does not fit (N, {expected}) or (N, T, {expected})",
                node=node.name,
                hint="batch first; one array per input",
            )
        )
        return x
    return _typed(node.name, x, node.type, findings)


def _typed(name: str, x: Array, kind: NumType, findings: list[Finding]) -> Array:
    wanted = num_type_text(kind)
    if x.dtype.kind not in "biuf":
        findings.append(Finding(f"data of type {x.dtype} is no {wanted}", node=name))
        return x
    if x.dtype.kind == "f":
        bad = ~np.isfinite(x)
        if bad.any():
            at = [int(i) for i in np.argwhere(bad)[0]]
            findings.append(Finding(f"the data holds {x[tuple(at)]} at {at}", node=name))
            return x
    if kind == BOOL:
        if x.dtype.kind != "b" and not ((x == 0) | (x == 1)).all():
            findings.append(Finding("a spike input takes 0 and 1 only", node=name))
        return x.astype(np.bool_)
    if isinstance(kind, QType):
        whole = x.dtype.kind in "iu" or bool((x == np.rint(x)).all())
        if not whole or (x.size and (x.min() < kind.lo or x.max() > kind.hi)):
            findings.append(Finding(f"the data does not lie in {wanted}", node=name))
        return x.astype(np.int64)
    with np.errstate(over="ignore"):
        cast_ = x.astype(kind.dtype)
    if not np.isfinite(cast_).all():
        findings.append(Finding(f"the data overflows {wanted}", node=name))
    return cast_


def _classes(graph: Graph) -> int:
    """Give the number of classes that the output tells apart, or a bound where it is no vector."""
    shapes = [graph.signals[(n.name, "out")].shape for n in graph.outputs]
    return shapes[0][0] if len(shapes) == 1 and len(shapes[0]) == 1 else MAX_LABEL


def _labels(y: object, count: int, steps: int | None, classes: int) -> npt.NDArray[np.int64]:
    labels = to_numpy(y)
    if labels.ndim != 1 or labels.shape[0] != count:
        if steps is not None and labels.ndim == 1 and labels.shape[0] == steps:
            raise DataError(
                f"{labels.shape[0]} labels fit the second axis of the data, not the first "
                f"({count}): the data is time-first",
                hint='layout="TN" (--layout TN)',
            )
        raise DataError(f"labels of shape {list(labels.shape)} for {count} samples")
    if labels.dtype.kind not in "iuf":
        raise DataError(f"labels of type {labels.dtype}", hint="class indices from 0 on")
    strange = (labels != np.rint(labels)) | (labels < 0) | (labels >= classes)
    if strange.any():
        value = labels[strange][0].item()
        raise DataError(
            Finding(
                f"label {value}, where the output tells {classes} classes apart"
                if classes < MAX_LABEL and value >= classes
                else f"label {value}",
                node="y",
                hint="class indices from 0 on",
                value=str(value),
                limit=classes - 1,
            )
        )
    return labels.astype(np.int64)
