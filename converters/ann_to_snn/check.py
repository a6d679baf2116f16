"""What must hold before a network is converted. Each function gives all its findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.data import Samples
from neurodeploy.errors import Finding
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Map, Node, Product, Reduce
from neurodeploy.ir.ops import ArgMax, MaxPool, ReduceAxes
from neurodeploy.ir.types import QType
from neurodeploy.passes.recognise import computes, is_linear
from neurodeploy.semantics.types import Float

__all__ = [
    "calibration_inputs",
    "graph_findings",
    "is_activation",
    "option_findings",
    "without_spikes",
]

Array = npt.NDArray[Any]
KEEP = "method='none' keeps the network analog"
ALONE = f"keep_ann=True (--keep-ann) keeps this part as float; {KEEP}"


def is_activation(node: Node) -> bool:
    """Say whether ``node`` is an activation that a spiking neuron can stand for."""
    return computes(node, "relu", "clipped_relu")


def graph_findings(graph: Graph, *, keep_ann: bool = False) -> Iterator[Finding]:
    """Find what has no spiking form; with ``keep_ann``, only what cannot stay a float either."""
    for node in graph.nodes:
        for name, kind in _integers(graph, node):
            yield _of(node, f"{name} is {kind}", "convert first, then quantise")
        if isinstance(node, Cell):
            yield from _cell_findings(graph, node)
        if not keep_ann:
            yield from without_spikes(node)
        if isinstance(node, Map) and getattr(node.op, "delay", None) is not None:
            yield _of(node, "delayed synapses in an analog network", KEEP)
    for edge in graph.edges:
        if edge.delay:
            yield _of(graph.node(edge.target), f"reads {edge.source} {edge.delay} steps late", KEEP)
    if not any(is_activation(n) for n in graph.nodes):
        yield Finding("the network has no ReLU, so that nothing would spike", hint=KEEP)


def _cell_findings(graph: Graph, node: Cell) -> Iterator[Finding]:
    label = node.definition or "a cell"
    if is_activation(node):
        if not isinstance(node.program.inputs[0].type, Float):
            yield _of(node, f"{label} of integers", "convert first, then quantise")
        for ref in node.params:
            if ref.timed or graph.tensors[ref.tensor].data.min() <= 0:
                yield _of(node, f"{label} with a ceiling that is not one positive number", KEEP)
    elif node.states:
        names = ", ".join(s.name for s in node.states)
        yield _of(node, f"{label} keeps the state {names}", KEEP)


def without_spikes(node: Node) -> Iterator[Finding]:
    """Find that a node has no spiking form, but can stay a float beside spikes."""
    if isinstance(node, Cell) and not (is_activation(node) or node.states or is_linear(node)):
        yield _of(
            node,
            f"{node.definition or 'a cell'} has no spiking form",
            "train with ReLU or clipped ReLU in its place, or " + ALONE,
        )
    elif isinstance(node, Product):
        yield _of(node, "a product of two signals is not linear", ALONE)
    elif isinstance(node, Reduce) and not _convertible(node):
        yield _of(
            node,
            f"{_what(node)} of rates is not that of spikes",
            "end the network at the logits, or " + ALONE,
        )


def _convertible(node: Reduce) -> bool:
    if isinstance(node.op, MaxPool):
        return True
    return isinstance(node.op, ReduceAxes) and node.op.function != "max"


def _what(node: Reduce) -> str:
    return "the argmax" if isinstance(node.op, ArgMax) else "a maximum along axes"


def _integers(graph: Graph, node: Node) -> Iterator[tuple[str, str]]:
    if isinstance(node, Map):
        for field in ("weight", "bias"):
            name = getattr(node.op, field, None)
            if name is not None and isinstance(graph.tensors[name].type, QType):
                yield field, "of integers"


def _of(node: Node, message: str, hint: str) -> Finding:
    return Finding(message, node=node.name, source=node.source, hint=hint)


def option_findings(timesteps: object, method: str, methods: tuple[str, ...]) -> Iterator[Finding]:
    """Find options that are out of range."""
    if isinstance(timesteps, bool) or not isinstance(timesteps, int) or timesteps < 1:
        hint = "a whole number of at least 1"
        yield Finding(f"{timesteps!r} steps", node="timesteps", hint=hint, limit=1)
    if method not in methods:
        yield Finding(
            f"no method is named {method!r}", node="method", hint=f"one of {', '.join(methods)}"
        )


def calibration_inputs(graph: Graph, data: object) -> tuple[dict[str, Array], list[Finding]]:
    r"""Give the calibration samples of each input, (N, \*shape), and what is wrong with them."""
    if data is None:
        missing = Finding(
            "the thresholds of its neurons come from calibration data, and there is none",
            node="data",
            hint="--calibrate data.npz, or data=x with some hundred training samples "
            "(no labels are needed)",
        )
        return {}, [missing]
    names = [n.name for n in graph.inputs]
    if isinstance(data, Samples):
        data = data.inputs
    if not isinstance(data, Mapping):
        if len(names) > 1:
            hint = f"a mapping with {', '.join(names)}"
            return {}, [Finding("one array for several inputs", node="data", hint=hint)]
        data = {names[0]: data}
    found = [
        Finding(f"the network has no input {name!r}", node="data", hint=f"inputs: {names}")
        for name in data
        if name not in names
    ]
    arrays: dict[str, Array] = {}
    for node in graph.inputs:
        if node.name not in data:
            found.append(Finding(f"nothing for input {node.name!r}", node="data"))
            continue
        array = np.asarray(data[node.name])
        problem = _problem(array, node.shape)
        if problem:
            found.append(Finding(problem, node=f"data[{node.name!r}]", hint="batch first"))
        arrays[node.name] = array
    if not found and len({a.shape[0] for a in arrays.values()}) > 1:
        counts = {name: a.shape[0] for name, a in arrays.items()}
        found.append(Finding(f"inputs of different length: {counts}", node="data"))
    return arrays, found


def _problem(array: Array, shape: tuple[int, ...]) -> str:
    if array.dtype.kind not in "biuf":
        return f"an array of {array.dtype}"
    if array.shape[1:] != shape or array.ndim != len(shape) + 1:
        return f"shape {list(array.shape)}, expected [samples, {', '.join(map(str, shape))}]"
    if not array.shape[0]:
        return "no samples"
    with np.errstate(over="ignore"):
        bad = ~np.isfinite(array.astype(np.float32))
    if bad.any():
        at = [int(i) for i in np.argwhere(bad)[0]]
        return f"{array[tuple(at)]} at {at} ({int(bad.sum())} values that are not finite)"
    return ""
