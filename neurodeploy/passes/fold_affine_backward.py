"""Folds a batch norm into the weights in front of it."""

from __future__ import annotations

from dataclasses import replace

from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Map
from neurodeploy.passes.carry_forward import scaling_of
from neurodeploy.passes.recognise import computes
from neurodeploy.passes.rewire import Draft, united
from neurodeploy.passes.weights import Weighted, output_scaled, store_weights

__all__ = ["fold_affine_backward"]

STEP = "fold_affine_backward"


def fold_affine_backward(graph: Graph) -> Graph:
    """Fold ``y * scale + shift`` behind a Map with weights into its weights and bias.

    ``weight' = scale * weight`` and ``bias' = scale * bias + shift``, in float64, rounded once.

    1. An affine or scale cell that alone reads a Dense, Conv, ConvTranspose or Synapses is
       folded, a chain of them from the front on.
    2. It stays if something else reads the Map too, if a delay stands between, if the scale
       varies along an axis that shares weights, if the weights are integers or would overflow,
       or if it starts late.
    """
    draft = Draft(graph, STEP)
    for cell in graph.cells:
        if computes(cell, "affine", "scale") and not any(p.timed for p in cell.params):
            _fold(draft, cell)
    return draft.finish()


def _fold(draft: Draft, cell: Cell) -> None:
    edge = draft.into(cell.name)[0]
    key = (edge.source, edge.output)
    node = draft.nodes[edge.source]
    if not isinstance(node, Map) or not isinstance(node.op, Weighted):
        return
    out = draft.signal(key)
    if edge.delay or out.shape != cell.shape or len(draft.readers(key)) > 1:
        return
    shift = "shift" if computes(cell, "affine") else ""
    wanted = scaling_of(draft.graph, cell, "scale", shift)
    new = output_scaled(node.op, wanted, out, draft.tensors)
    if new is None:
        return
    op, margin = store_weights(draft, node.name, node.op, new)
    source = united(node.source, cell.source)
    draft.nodes[node.name] = replace(node, op=op, source=source)
    for reader in draft.readers((cell.name, cell.outputs[0])):
        draft.read(reader, key)
    draft.note(
        node.name,
        f"{cell.name} folded into weight and bias",
        f"bounded: weights rounded by at most {margin:.1e} relative",
        "a scaling of outputs is a scaling of weights",
    )
    draft.remove(cell.name)
