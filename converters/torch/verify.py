"""Compares a graph with the module that it was read from, and finds where they part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import fx

from neurodeploy.converters.torch.capture import Capture
from neurodeploy.converters.torch.layers import layer_of
from neurodeploy.converters.torch.walk import Walk
from neurodeploy.errors import ConversionError, Finding
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Map
from neurodeploy.reference import Trace, all_outputs, simulate

__all__ = ["TOLERANCE", "verify"]

Array = npt.NDArray[Any]

# of the largest absolute value of the output
TOLERANCE = 1e-5
# multiply-adds of the slow reference that a comparison may cost (about a second)
_BUDGET = 100_000_000


def verify(graph: Graph, walk: Walk, captured: Capture, chosen: Sequence[int]) -> None:
    """Run the graph on the example and compare its outputs with the module's.

    An error is allowed up to `TOLERANCE` times the largest output, or 4 times the largest
    difference that float64 makes to the graph's own result: sums of another order differ.

    Args:
        graph: The graph.
        walk: How it was made.
        captured: What the module gave.
        chosen: Which of the module's outputs the graph has, in order.

    Raises:
        ConversionError: they differ; names the first layer where they do.
    """
    count = max(1, min(captured.example.samples, _BUDGET // max(1, _multiply_adds(graph))))
    inputs = _inputs(walk, captured, count)
    keys = [(n.name, "out") for n in graph.outputs]
    got = simulate(graph, inputs, 1, record=keys)
    wide: Trace = {}
    for key, position in zip(walk.output_keys, chosen, strict=True):
        value, due = got[key][:, 0], _numpy(captured.outputs[position])[:count]
        allowed = TOLERANCE * _largest(due)
        error = _largest(value - due)
        if error > allowed:
            wide = wide or simulate(graph, inputs, 1, record=keys, widen=True)
            allowed = max(allowed, 4 * _largest(value - wide[key][:, 0]))
        if error > allowed:
            raise ConversionError(
                _first_difference(graph, walk, inputs, captured, count)
                or Finding(
                    f"output {key[0]!r} differs from the module's by up to {error:.3g}, where "
                    f"{allowed:.3g} is allowed, though every operator agrees: torch.export has "
                    "captured something else than what runs",
                    hint="forward may depend on Python values that change between calls",
                )
            )


def _multiply_adds(graph: Graph) -> int:
    total = 0
    for node in graph.nodes:
        weight = getattr(node.op, "weight", None) if isinstance(node, Map) else None
        if weight is not None:
            shape = graph.signals[(node.name, "out")].shape
            total += int(graph.tensors[weight].data.size) * max(1, prod(shape[1:]))
    return total


def _inputs(walk: Walk, captured: Capture, count: int) -> dict[str, Array]:
    values = captured.example.inputs.values()
    return {k: _numpy(v)[:count] for k, v in zip(walk.input_names, values, strict=True)}


def _numpy(value: torch.Tensor) -> Array:
    array: Array = value.detach().cpu().numpy()
    return array


def _largest(values: Array) -> float:
    return float(np.abs(values).max(initial=0))


def _first_difference(
    graph: Graph, walk: Walk, inputs: dict[str, Array], captured: Capture, count: int
) -> Finding | None:
    """Compare operator by operator; give the first that is off."""
    record = all_outputs(graph)
    got = simulate(graph, inputs, 1, record=record)
    wide = simulate(graph, inputs, 1, record=record, widen=True)
    joined = set(walk.emit.renamed.values())
    for node, due in _eager_values(walk, captured):
        ref = walk.values.get(node)
        if not isinstance(ref, Ref) or ref.node in joined:
            continue
        key = (walk.emit.renamed.get(ref.node, ref.node), ref.output)
        if key not in got:
            continue
        value, expected = got[key][:, 0], _numpy(due)[:count]
        error = _largest(value - expected)
        allowed = max(TOLERANCE * _largest(expected), 4 * _largest(value - wide[key][:, 0]))
        if error > allowed:
            layer = layer_of(node, node.name)
            return Finding(
                f"{node.target} gives values that differ from the module's by up to {error:.3g}, "
                f"where {allowed:.3g} is allowed; the graph is not what the module computes",
                node=key[0],
                source=layer.source,
                value=error,
                limit=allowed,
                hint="please report this layer and its arguments",
            )
    return None


def _eager_values(walk: Walk, captured: Capture) -> Iterator[tuple[fx.Node, torch.Tensor]]:
    """Run the program operator by operator."""
    given = iter(captured.example.inputs.values())
    values: dict[fx.Node, Any] = {}
    with torch.no_grad():
        for node in walk.program.graph.nodes:
            if node.op == "placeholder":
                known = walk.values[node]
                values[node] = next(given) if isinstance(known, Ref) else known
            elif node.op == "call_function":
                args = fx.map_arg(node.args, values.__getitem__)
                kwargs = fx.map_arg(node.kwargs, values.__getitem__)
                function: Any = node.target
                values[node] = function(*args, **kwargs)
                if isinstance(values[node], torch.Tensor):
                    yield node, values[node]
