"""The canonical text of a graph: for `neurodeploy inspect`, for diffs, and for golden tests.

One line for each node: family, name, what it computes, ``<-`` what it reads, ``->`` what it
sends, and the source layers where they are not the name. A program that several cells share is
written once. A tensor shows its value if it has one element, and the start of its digest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from neurodeploy.ir.duration import duration_text
from neurodeploy.ir.graph import Change, Graph
from neurodeploy.ir.nodes import Cell, Edge, Input, Map, Node, Output, Product, Reduce
from neurodeploy.ir.ops import MapOp, ReduceOp, Window
from neurodeploy.ir.program_text import name_text, program_text
from neurodeploy.ir.types import QType, Signal, Tensor, num_type_text
from neurodeploy.semantics.program import Program
from neurodeploy.semantics.types import Bool, Float

__all__ = ["graph_text", "program_text"]

SHORT = 12  # hexadecimal digits of a digest


def graph_text(graph: Graph) -> str:
    """Write a graph: the same text for the same graph, history and sources."""
    numbers: dict[Program, int] = {}
    for cell in graph.cells:
        numbers.setdefault(cell.program, len(numbers) + 1)
    timesteps = "unset" if graph.timesteps is None else str(graph.timesteps)
    lines = [
        f"neurodeploy graph, opset {graph.opset}",
        f"dt {duration_text(graph.dt)}, timesteps {timesteps}",
        *(f"metadata {name_text(key)}: {_line(value)}".rstrip() for key, value in graph.metadata),
        "",
        "nodes",
        *(f"  {_node(graph, node, numbers)}" for node in graph.nodes),
    ]
    for program, number in numbers.items():
        first, *rest = program_text(program).split("\n")
        lines += ["", f"program {number} {first}", *rest]
    if graph.tensors:
        lines += ["", "tensors"]
        lines += [f"  {name_text(name)}: {_tensor(t)}" for name, t in graph.tensors.items()]
    if graph.changes:
        lines += ["", "changes"]
        lines += [f"  {_change(change)}" for change in graph.changes]
    return "\n".join(lines)


def _line(text: str) -> str:
    """Write free text on one line, without characters that steer a terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


# -- nodes ----------------------------------------------------------------------------------------


def _node(graph: Graph, node: Node, numbers: dict[Program, int]) -> str:
    text = f"{node.family} {name_text(node.name)}: {_what(node, numbers)}"
    edges = graph.edges_into[node.name]
    if edges:
        text += " <- " + ", ".join(_read(graph, node, edge) for edge in edges)
    text += " -> " + ", ".join(_sent(graph, node))
    if node.source and node.source != (node.name,):
        text += " from " + ", ".join(name_text(s) for s in node.source)
    return text


def _what(node: Node, numbers: dict[Program, int]) -> str:
    if isinstance(node, Cell):
        return _cell(node, numbers[node.program])
    if isinstance(node, Map | Reduce):
        return _operation(node.op)
    if isinstance(node, Product):
        return node.equation
    if isinstance(node, Input):
        return node.encoding
    return node.decode if isinstance(node, Output) else ""


def _cell(node: Cell, number: int) -> str:
    bound = [
        f"p.{name_text(p.name)}={name_text(p.tensor)}" + (" by step" if p.timed else "")
        for p in node.params
    ]
    bound += [f"s.{name_text(s.name)}={name_text(s.initial)}" for s in node.states]
    text = f"{name_text(node.definition)} " if node.definition else ""
    text += f"program {number}({', '.join(bound)})"
    if node.start:
        text += f" start {node.start}"
    return text + (f" stream {node.stream}" if node.stream else "")


def _operation(op: MapOp | ReduceOp) -> str:
    """Write an operation with the fields that differ from their defaults."""
    parts = []
    for f in fields(op):
        value = getattr(op, f.name)
        if value != f.default:
            parts.append(f"{f.name}={_value(value)}")
    return f"{type(op).__name__}({', '.join(parts)})"


def _value(value: object) -> str:
    if isinstance(value, Window):
        return _window(value)
    if isinstance(value, Bool | Float | QType):
        return num_type_text(value)
    if isinstance(value, tuple):
        return _shape(value)
    return name_text(value) if isinstance(value, str) else str(value)


def _window(window: Window) -> str:
    """Write a window: kernel, then stride, padding and dilation where they do something."""
    text = _times(window.kernel)
    if set(window.stride) != {1}:
        text += f" stride {_times(window.stride)}"
    if set(window.padding) != {(0, 0)}:
        text += " padding " + "x".join(
            str(lo) if lo == hi else f"({lo},{hi})" for lo, hi in window.padding
        )
    if set(window.dilation) != {1}:
        text += f" dilation {_times(window.dilation)}"
    return text


def _times(lengths: tuple[int, ...]) -> str:
    return "x".join(str(n) for n in lengths)


def _shape(shape: tuple[object, ...]) -> str:
    return "[" + ",".join(str(n) for n in shape) + "]"


# -- signals --------------------------------------------------------------------------------------


def _read(graph: Graph, node: Node, edge: Edge) -> str:
    """Write what a port reads; its name is left out where it is the only one."""
    text = name_text(edge.source)
    if edge.output != graph.node(edge.source).outputs[0]:
        text += f":{name_text(edge.output)}"
    if len(node.ports) > 1:
        text = f"{name_text(edge.port)}={text}"
    if edge.delay:
        text += f" delay {edge.delay}"
    if isinstance(edge.initial, str):
        text += f" initial tensor {name_text(edge.initial)}"
    elif edge.initial != 0:
        text += f" initial {edge.initial}"
    return text


def _sent(graph: Graph, node: Node) -> Iterator[str]:
    for output in node.outputs:
        text = _signal(graph.signals[(node.name, output)])
        yield text if len(node.outputs) == 1 else f"{name_text(output)} {text}"


def _signal(signal: Signal) -> str:
    return f"{num_type_text(signal.type)}{_shape(signal.shape)} {signal.kind}"


# -- the rest -------------------------------------------------------------------------------------


def _tensor(tensor: Tensor) -> str:
    text = f"{num_type_text(tensor.type)}{_shape(tensor.data.shape)}"
    if tensor.data.size == 1:
        text += f" = {tensor.data.reshape(-1)[0]!s}"
    return f"{text} {tensor.digest[:SHORT]}"


def _change(change: Change) -> str:
    where = name_text(change.node)
    if change.source and change.source != (change.node,):
        where += f" ({', '.join(name_text(s) for s in change.source)})"
    rest = "; ".join(_line(t) for t in (change.what, change.amount, change.why) if t)
    return f"{where}: {name_text(change.step)}: {rest}"
