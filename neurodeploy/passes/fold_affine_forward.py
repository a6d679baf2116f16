"""Folds a batch norm that stands behind an activation into the weights that follow."""

from __future__ import annotations

from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell
from neurodeploy.passes.carry_forward import carry_forward, scaling_of
from neurodeploy.passes.recognise import computes

__all__ = ["fold_affine_forward"]

STEP = "fold_affine_forward"


def fold_affine_forward(graph: Graph) -> Graph:
    """Fold ``x * scale + shift`` into the weights and biases of all that reads it.

    1. An affine or scale cell in front of Dense, Conv or ConvTranspose is folded: the scale into
       the weight, ``weight * shift`` into the bias. With zero padding that bias differs by
       position, and has the shape of the output.
    2. Structural operations and average pools between the two are passed through; max pools
       where the scale is positive and one number in each window.
    3. The cell stays if anything that reads it cannot take it in (an activation, an addition, an
       output, a max pool with a negative scale, integer weights), or if it starts late.
    4. A delay behind the cell keeps it where it is.
    """
    cells = {}
    for node in graph.cells:
        if computes(node, "affine", "scale") and isinstance(node, Cell):
            shift = "shift" if computes(node, "affine") else ""
            if not any(p.timed for p in node.params) and _keeps_shape(graph, node):
                cells[node.name] = scaling_of(graph, node, "scale", shift)
    if not cells:
        return graph
    return carry_forward(
        graph, cells, step=STEP, whole=True, why="a scaling of inputs is a scaling of weights"
    )


def _keeps_shape(graph: Graph, node: Cell) -> bool:
    edge = graph.edges_into[node.name][0]
    return edge.delay == 0 and graph.signal(edge).shape == node.shape
