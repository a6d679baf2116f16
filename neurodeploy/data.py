r"""Samples as people have them, brought into the one form that a run takes.

Accepted: an array or tensor; a mapping of input names to arrays; the path of an ``.npz`` file
(``x`` or the inputs' names, labels ``y``, ``lengths`` in steps); an iterable of batches ``x`` or
``(x, y)``, such as a DataLoader; a data set of torch or tonic, whose items are samples. Arrays are
batch first, (N, \*input) for a value presented at every step or (N, T, \*input); ``layout="TN"``
takes (T, N, \*input).

Events (`neurodeploy.events`) are binned into steps of the graph's dt: the path of an ``.npz`` file
with ``events`` and ``offsets``, of an ``.h5`` in the layout of SHD or of an ``.aedat4``; a mapping
like the ``.npz``; structured arrays (t, x, y, p), each with its label or not. A spike input gets 1
where events fell, a value input their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.arrays import to_numpy
from neurodeploy.errors import DataError, Finding, raise_findings
from neurodeploy.gathering import gather
from neurodeploy.input_range import range_finding
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Input
from neurodeploy.ir.types import BOOL, NumType, QType, num_type_text

__all__ = [
    "Data",
    "Samples",
    "as_samples",
    "check_timed",
    "timesteps_of",
    "to_steps",
    "typed_values",
]

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
    graph: Graph,
    data: Data,
    labels: object = None,
    *,
    layout: str = "NT",
    limit: int | None = None,
    timesteps: int | None = None,
    dt: Fraction | None = None,
) -> Samples:
    """Bring ``data`` into the form that runs of ``graph`` take.

    Args:
        graph: The graph whose inputs are fed.
        data: Samples in any accepted form.
        labels: (N,) class indices; those found in ``data`` are used where this is None.
        layout: ``NT`` (batch first) or ``TN``.
        limit: Take the first ``limit`` samples only.
        timesteps: T of the run. Events are binned into T steps, and silence follows the last one;
            without it a sample lasts up to its last event. Arrays are left as they are.
        dt: Duration of a step that events are binned into, in seconds, where not the graph's.

    Raises:
        DataError: all that does not fit, each finding naming the input.
    """
    if layout not in ("NT", "TN"):
        raise DataError(f"there is no layout {layout!r}", hint="NT: batch first; TN: time first")
    if timesteps is not None:
        _check_t(timesteps)
    found = gather(graph, data, layout, timesteps=timesteps, dt=dt, limit=limit)
    raw, layout = found.arrays, found.layout
    y = labels if labels is not None else found.labels
    findings: list[Finding] = []
    inputs: dict[str, Array] = {}
    for node in graph.inputs:
        if node.name not in raw:
            findings.append(Finding("no data for this input", node=node.name))
            continue
        before = len(findings)
        inputs[node.name] = _fitted(node, raw[node.name], layout, findings)
        # numbers for a quantised input are judged before they are held to its range
        told = raw if isinstance(node.type, QType) else inputs
        far = range_finding(graph, node.name, told[node.name])
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
    if 0 in timed:
        raise DataError("some samples last no step", hint="leave empty samples out")
    if len(counts) > 1:
        raise DataError(f"the inputs hold {sorted(counts)} samples")
    if len(timed) > 1:
        raise DataError(f"the inputs last {sorted(timed)} steps")
    if counts == {0}:
        raise DataError("there are no samples")
    steps = timed.pop() if timed else None
    lengths = _lengths(found.lengths, next(iter(counts)), steps)
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
    if given is not None:
        _check_t(given)
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


def _check_t(given: object) -> None:
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise DataError(f"timesteps is {given!r}", hint="a whole number of at least 1")


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
    return typed_values(node.name, x, node.type, findings)


def typed_values(name: str, x: Array, kind: NumType, findings: list[Finding]) -> Array:
    """Give numbers for an input in the type that it has; add what is wrong to ``findings``."""
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
    if isinstance(kind, QType) and x.dtype.kind == "f" and kind.scale != (1.0,):
        # numbers for an input that is quantised; integers are taken as they are
        return to_steps(x, kind).astype(np.int64)
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


def to_steps(x: Array, kind: QType) -> Array:
    """Round numbers to the steps of a type, whose range they saturate at; still as floats."""
    steps = np.asarray(np.divide(x, kind.scale[0], dtype=np.float64))
    # in place: a session calls this once in each step
    np.rint(steps, out=steps)
    np.add(steps, kind.zero_point, out=steps)
    np.maximum(steps, kind.lo, out=steps)
    np.minimum(steps, kind.hi, out=steps)
    return steps


def _lengths(given: object, count: int, steps: int | None) -> npt.NDArray[np.int64] | None:
    """Check the steps that each sample lasts."""
    if given is None:
        return None
    lengths = to_numpy(given)
    if lengths.shape != (count,) or lengths.dtype.kind not in "iu":
        raise DataError(
            f"lengths of type {lengths.dtype} and shape {list(lengths.shape)} for {count} samples",
            hint="the steps that each sample lasts",
        )
    if steps is None:
        raise DataError("lengths are given, and the data has no time axis")
    outside = np.flatnonzero((lengths < 1) | (lengths > steps))
    if outside.size:
        at = int(outside[0])
        if lengths[at] < 1:
            text = f"some samples last no step, such as sample {at}"
            raise DataError(text, hint="leave empty samples out")
        raise DataError(f"sample {at} lasts {lengths[at]} steps of {steps}")
    return lengths.astype(np.int64)


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
