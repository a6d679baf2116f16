"""Sums of single synapses that the spikes of a step clear again, and what they may be added to.

Where few neurons spike, few targets have a sum: the others stay zero from step to step, and only
those that were hit are cleared. Where a cell uses such a sum for nothing but to add it to a state,

    g' = f(g + y, ...)      with g and y at no other place,

the sum is added to the state at the targets that were hit, before the cell is computed, and the
cell need not read an array of sums that are nearly all zero. Every value is the same, bit by bit:
at other targets the cell adds zero itself, as -0 + 0 is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Edge, Map
from neurodeploy.ir.ops import Synapses
from neurodeploy.ir.types import expression_type
from neurodeploy.semantics.program import Program
from neurodeploy.semantics.types import Float

__all__ = ["added_to_states", "cleared_sums"]

Key = tuple[str, str]


def cleared_sums(
    graph: Graph, lists: Callable[[str], bool], stay: Collection[str]
) -> tuple[str, ...]:
    """Give the synapses whose sums the spikes of a step clear again.

    Args:
        graph: The graph.
        lists: Says whether single synapses are those of listed spikes.
        stay: Nodes whose output is read after the step.
    """
    return tuple(
        n.name
        for n in graph.nodes
        if isinstance(n, Map) and isinstance(n.op, Synapses) and n.name not in stay
        if n.op.delay is None and n.op.bias is None and lists(n.name)
    )


def added_to_states(graph: Graph, cleared: Collection[str]) -> dict[str, Key]:
    """Give the states to which cleared sums may be added, by synapses: (cell, state)."""
    readers: dict[Key, list[Edge]] = {(name, "out"): [] for name in cleared}
    for edge in graph.edges:
        if (edge.source, edge.output) in readers:
            readers[edge.source, edge.output].append(edge)
    found: dict[str, Key] = {}
    for (name, _), edges in readers.items():
        if len(edges) != 1 or edges[0].delay:
            continue
        cell = graph.node(edges[0].target)
        state = _state_of(graph, cell, edges[0]) if isinstance(cell, Cell) else None
        if state is not None:
            found[name] = (cell.name, state)
    return found


def _state_of(graph: Graph, cell: Cell, edge: Edge) -> str | None:
    """Give the state to which a cell adds what arrives by ``edge``; None for another use."""
    signal = graph.signal(edge)
    # before its first step a cell drops what arrives
    if cell.start > 0 or signal.shape != cell.shape:
        return None
    port = cell.program.inputs[graph.edges_into[cell.name].index(edge)].name
    kind = expression_type(signal.type)
    state = _added_to(cell.program, port)
    kinds = {s.name: expression_type(s.type) for s in cell.states}
    return state if state is not None and kinds[state] == kind else None


def _added_to(program: Program, port: str) -> str | None:
    """Give the state of ``state + input`` where both are used there alone, and are floats."""
    instrs = program.instrs
    for add in instrs:
        if add.op != "add" or not isinstance(add.type, Float):
            continue
        leaves = {instrs[index].op: index for index in add.args}
        if leaves.keys() != {"input", "state"} or instrs[leaves["input"]].attr("name") != port:
            continue
        if all(_uses(program, index) == 1 for index in leaves.values()):
            return str(instrs[leaves["state"]].attr("name"))
    return None


def _uses(program: Program, index: int) -> int:
    """Count the uses of an instruction: as an operand, an output, or a state after the step."""
    operands = sum(i.args.count(index) for i in program.instrs)
    return operands + sum(found == index for _, found in (*program.outputs, *program.updates))
