"""Folds batch norms into weights, on whichever side they stand."""

from __future__ import annotations

from neurodeploy.ir.graph import Graph
from neurodeploy.passes.fold_affine_backward import fold_affine_backward
from neurodeploy.passes.fold_affine_forward import fold_affine_forward

__all__ = ["fold_batch_norm"]


def fold_batch_norm(graph: Graph) -> Graph:
    """Fold every affine cell that weights in front of it, or behind it, can take in.

    1. Backward first (`fold_affine_backward`): it needs no bias per position.
    2. Then forward (`fold_affine_forward`): batch norms behind an activation or a pool.
    3. What is left stays a cell: correct, and computed at every step.
    """
    return fold_affine_forward(fold_affine_backward(graph))
