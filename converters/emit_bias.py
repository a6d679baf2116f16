"""Turns a constant that is added right after a weighted sum into that sum's bias.

Exporters write ``x @ W`` and ``+ b`` as two operators. A bias is added last (the canonical order
of sums), so that the values are bit for bit the same. Three cases must stay as they are: the sum
has a bias already; something else reads it before the constant is added; the constant is not one
number per target channel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from neurodeploy.converters.emit import Array, Emitter
from neurodeploy.ir.nodes import Cell, Map, Node
from neurodeploy.ir.ops import Conv, ConvTranspose, Dense

__all__ = ["join_biases"]


def join_biases(e: Emitter) -> None:
    """Rewrite the emitter's builder; ``e.renamed`` tells where the output of a cell went."""
    for name, shift in e.shifts.items():
        cell = next(n for n in e.builder.nodes if n.name == name)
        into = next(edge for edge in e.builder.edges if edge.target == name)
        before = next(n for n in e.builder.nodes if n.name == into.source)
        readers = [edge for edge in e.builder.edges if edge.source == before.name]
        if isinstance(cell, Cell) and isinstance(before, Map) and len(readers) == 1:
            _join(e, cell, before, shift)


def _join(e: Emitter, cell: Cell, before: Map, shift: Array) -> None:
    op = before.op
    if not isinstance(op, Dense | Conv | ConvTranspose) or op.bias is not None:
        return
    axis = op.axis % len(cell.shape) if isinstance(op, Dense) else 0
    full = (1,) * (len(cell.shape) - shift.ndim) + shift.shape
    if full[axis] != cell.shape[axis] or shift.size != full[axis]:
        return
    b = e.builder
    bias = e.weight(f"{before.name}.bias", shift.reshape(-1))
    source = (*before.source, *(s for s in cell.source if s not in before.source))
    joined: Node = replace(before, op=replace(op, bias=bias), source=source)
    b.nodes = [joined if n is before else n for n in b.nodes if n is not cell]
    b.edges = [
        replace(edge, source=before.name, output="out") if edge.source == cell.name else edge
        for edge in b.edges
        if edge.target != cell.name
    ]
    for tensor in _tensors(cell):
        del b.tensors[tensor]
    e.renamed[cell.name] = before.name


def _tensors(cell: Cell) -> Iterator[str]:
    yield from (p.tensor for p in cell.params)
