"""What lowerings share: a cell of a graph rewritten as a cell of the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy.typing as npt

from neurodeploy.ir.make_cell import MadeCell, traced_cell
from neurodeploy.ir.nodes import Cell
from neurodeploy.ir.types import F32, Signal, Tensor
from neurodeploy.semantics.trace import CellDefinition

__all__ = ["lowered_cell"]


def lowered_cell(
    node: Cell,
    cell: str | CellDefinition,
    arrived: Sequence[Signal],
    params: Mapping[str, npt.ArrayLike | Tensor] | None = None,
    initial: Mapping[str, npt.ArrayLike | Tensor] | None = None,
    options: Mapping[str, str | int | bool] | None = None,
) -> MadeCell:
    """Give the target's ``cell`` in the place of ``node``.

    Name, sources, provenance, shape, start and random stream stay; the caller replaces the
    node's tensors by the new ones.

    Args:
        node: The cell that is replaced.
        cell: Registered name of the new cell, or its definition.
        arrived: What arrives at it after lowering.
        params: Parameters of the new cell.
        initial: Initial values of its states.
        options: Options of its function.

    Raises:
        GraphError: as for `neurodeploy.ir.make_cell.traced_cell`.
    """
    made = traced_cell(
        node.name,
        cell,
        arrived,
        shape=node.shape,
        params=params or {},
        initial=initial or {},
        options=options or {},
        state_types={},
        timed=frozenset(),
        float_type=F32,
    )
    kept = replace(
        made.node,
        source=node.source,
        provenance=node.provenance,
        start=node.start,
        stream=node.stream,
    )
    return replace(made, node=kept)
