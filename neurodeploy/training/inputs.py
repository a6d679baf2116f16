"""Checks what is fed into a graph as torch tensors, and brings it to the declared types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

from neurodeploy.errors import DataError, Finding, raise_findings
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Input
from neurodeploy.ir.types import BOOL, QType, expression_type
from neurodeploy.semantics.torch_eval import torch_dtype

__all__ = ["prepared_inputs"]


def prepared_inputs(
    graph: Graph, x: Tensor | Mapping[str, Tensor], timesteps: int | None
) -> tuple[dict[str, Tensor], int]:
    """Give the inputs in their types, and the number of steps.

    Raises:
        DataError: everything that is wrong with them.
    """
    names = [node.name for node in graph.inputs]
    if isinstance(x, Tensor):
        if len(names) != 1:
            raise DataError(f"one tensor for the inputs {names}", hint="give a dict by name")
        given = {names[0]: x}
    else:
        given = dict(x)
    found = [Finding("the input is missing", node=n) for n in names if n not in given]
    found += [Finding(f"the graph has no input {n!r}") for n in given if n not in names]
    raise_findings(DataError, found)
    for node in graph.inputs:
        found += _value_findings(node, given[node.name])
    raise_findings(DataError, found)
    raise_findings(DataError, _sample_findings(given))
    steps = _steps(graph, given, timesteps)
    return {node.name: _typed(node, given[node.name]) for node in graph.inputs}, steps


def _value_findings(node: Input, x: Tensor) -> Iterator[Finding]:
    rank = len(node.shape)
    if x.ndim not in (rank + 1, rank + 2) or tuple(x.shape[x.ndim - rank :]) != node.shape:
        wanted = ", ".join(map(str, node.shape))
        yield Finding(
            f"data of shape {list(x.shape)} arrives",
            node=node.name,
            hint=f"(N, {wanted}) for a constant input, (N, T, {wanted}) for a sequence",
        )
        return
    if node.type == BOOL:
        if not bool(((x == 0) | (x == 1)).all()):
            yield Finding("values other than 0 and 1 arrive as spikes", node=node.name)
    elif isinstance(node.type, QType):
        if x.is_floating_point() or x.is_complex():
            yield Finding(f"{x.dtype} arrives where integers are due", node=node.name)
        elif x.numel() and (int(x.min()) < node.type.lo or int(x.max()) > node.type.hi):
            yield Finding(
                f"values {int(x.min())} to {int(x.max())} leave [{node.type.lo}, {node.type.hi}]",
                node=node.name,
            )
    elif not bool(x.to(torch_dtype(expression_type(node.type))).isfinite().all()):
        yield Finding("NaN or an infinite value arrives", node=node.name)


def _sample_findings(given: Mapping[str, Tensor]) -> Iterator[Finding]:
    if len({x.shape[0] for x in given.values()}) > 1:
        counts = {name: x.shape[0] for name, x in given.items()}
        yield Finding(f"the inputs have different numbers of samples: {counts}")
    if len({x.device for x in given.values()}) > 1:
        yield Finding("the inputs are on different devices")


def _steps(graph: Graph, given: Mapping[str, Tensor], timesteps: int | None) -> int:
    lengths = {
        node.name: given[node.name].shape[1]
        for node in graph.inputs
        if given[node.name].ndim == len(node.shape) + 2
    }
    found: list[Finding] = []
    if timesteps is None and len(set(lengths.values())) > 1:
        found.append(Finding(f"the inputs have different numbers of steps: {lengths}"))
    steps = timesteps
    if steps is None:
        steps = next(iter(lengths.values()), graph.timesteps or 1)
    if steps < 1:
        found.append(Finding(f"{steps} steps", hint="at least 1"))
    found += [
        Finding(f"{steps} steps of data that has {n}", node=name)
        for name, n in lengths.items()
        if n < steps
    ]
    for node in graph.cells:
        for ref in node.params:
            rows = graph.tensors[ref.tensor].data.shape[0] if ref.timed else steps
            if rows < steps:
                found.append(
                    Finding(
                        f"{steps} steps, but parameter {ref.name!r} has values for {rows}",
                        node=node.name,
                        source=node.source,
                    )
                )
    raise_findings(DataError, found)
    return steps


def _typed(node: Input, x: Tensor) -> Tensor:
    if node.type != BOOL:
        return x.to(torch_dtype(expression_type(node.type)))
    if x.is_floating_point() and x.requires_grad:
        return x  # spikes that carry a gradient
    return x != 0
