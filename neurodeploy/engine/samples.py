"""Puts what a caller gives into the form that the compiled program reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.engine.plan import DTYPES
from neurodeploy.errors import DataError, Finding, raise_findings
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Input
from neurodeploy.ir.types import BOOL, QType, expression_type, num_type_text
from neurodeploy.semantics.c_eval import c_type

__all__ = ["MAX_STEPS", "Prepared", "check_times", "most_steps", "prepare"]

Array = npt.NDArray[Any]
MAX_STEPS = 2**31 - 1


@dataclass(frozen=True)
class Prepared:
    """The inputs of a run.

    Attributes:
        arrays: By input in canonical order, contiguous, in the C type of the signal.
        sample_strides: Elements from sample to sample.
        step_strides: Elements from step to step; 0 for a value that is presented unchanged.
        samples: Number of samples.
    """

    arrays: tuple[Array, ...]
    sample_strides: tuple[int, ...]
    step_strides: tuple[int, ...]
    samples: int

    def piece(self, sample: int, begin: int) -> Prepared:
        """Give the inputs of one sample from a step on."""
        strides = zip(self.sample_strides, self.step_strides, strict=True)
        first = [sample * a + begin * b for a, b in strides]
        arrays = tuple(x.reshape(-1)[at:] for x, at in zip(self.arrays, first, strict=True))
        return Prepared(arrays, self.sample_strides, self.step_strides, 1)


def prepare(graph: Graph, inputs: Mapping[str, Array], timesteps: int) -> Prepared:
    """Check and convert the inputs of a run.

    Raises:
        DataError: an input is missing, unknown, or of another shape than the graph's.
    """
    names = [n.name for n in graph.inputs]
    found = [Finding("no value is given for this input", node=n) for n in names if n not in inputs]
    found += [
        Finding("the graph has no such input", node=n, hint=f"inputs: {', '.join(names)}")
        for n in inputs
        if n not in names
    ]
    raise_findings(DataError, found)
    given = [(node, np.asarray(inputs[node.name])) for node in graph.inputs]
    raise_findings(DataError, _shape_findings(given, timesteps))
    arrays: list[Array] = []
    sample_strides: list[int] = []
    step_strides: list[int] = []
    for node, values in given:
        timed = values.ndim == len(node.shape) + 2
        size = graph.signals[(node.name, "out")].size
        arrays.append(_stored(node, values))
        sample_strides.append(size * values.shape[1] if timed else size)
        step_strides.append(size if timed else 0)
    samples = given[0][1].shape[0]
    return Prepared(tuple(arrays), tuple(sample_strides), tuple(step_strides), samples)


def _shape_findings(given: list[tuple[Input, Array]], timesteps: int) -> list[Finding]:
    found: list[Finding] = []
    for node, values in given:
        rank = len(node.shape)
        shown = f"(samples, steps, {', '.join(map(str, node.shape))})"
        if values.ndim not in (rank + 1, rank + 2) or values.shape[values.ndim - rank :] != (
            node.shape
        ):
            message = f"an array of shape {list(values.shape)} stands where {shown} is due"
            found.append(Finding(message, node=node.name, hint="the steps may be left out"))
        elif values.ndim == rank + 2 and values.shape[1] < timesteps:
            message = f"{values.shape[1]} steps are given, {timesteps} are to be run"
            found.append(Finding(message, node=node.name, value=values.shape[1], limit=timesteps))
        elif values.dtype.kind not in "biuf":
            found.append(Finding(f"an array of {values.dtype} holds no numbers", node=node.name))
    counts = {values.shape[0] for _, values in given if values.ndim}
    if not found and len(counts) > 1:
        found.append(Finding(f"the inputs have {sorted(counts)} samples"))
    return found


def _stored(node: Input, values: Array) -> Array:
    stored = DTYPES[c_type(expression_type(node.type))]
    if node.type == BOOL:
        return np.ascontiguousarray(values, np.bool_).view(np.uint8)
    if isinstance(node.type, QType):
        whole = values.astype(np.int64)
        kind = node.type
        if whole.size and (int(whole.min()) < kind.lo or int(whole.max()) > kind.hi):
            raise DataError(
                Finding(
                    f"values {int(whole.min())} to {int(whole.max())} leave {num_type_text(kind)}",
                    node=node.name,
                )
            )
        values = whole
    return np.ascontiguousarray(values, dtype=stored)


def check_times(graph: Graph, timesteps: int) -> None:
    """Check the number of steps against what counts steps.

    Raises:
        DataError: it is negative, too large, or beyond the rows of a parameter with a time axis.
    """
    if not 0 <= timesteps <= MAX_STEPS:
        raise DataError(
            Finding(
                f"{timesteps} timesteps are outside of the 0 to {MAX_STEPS} that a run can have",
                value=timesteps,
                limit=MAX_STEPS,
            )
        )
    raise_findings(
        DataError,
        [
            Finding(
                f"parameter {ref.name!r} has values for "
                f"{graph.tensors[ref.tensor].data.shape[0]} steps, {timesteps} are to be run",
                node=node.name,
                source=node.source,
                value=timesteps,
                limit=graph.tensors[ref.tensor].data.shape[0],
            )
            for node in graph.nodes
            if isinstance(node, Cell)
            for ref in node.params
            if ref.timed and graph.tensors[ref.tensor].data.shape[0] < timesteps
        ],
    )


def most_steps(graph: Graph) -> int:
    """Give the steps that a graph can make: as many as its parameters have values for."""
    rows = [
        int(graph.tensors[ref.tensor].data.shape[0])
        for cell in graph.cells
        for ref in cell.params
        if ref.timed
    ]
    return min(rows, default=MAX_STEPS)
