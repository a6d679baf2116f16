"""What one neuron of a framework is in the graph: a cell, its options, parameters and states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

__all__ = ["CellSpec"]


@dataclass(frozen=True)
class CellSpec:
    """One cell for one layer.

    Attributes:
        cell: Registered name of the cell.
        params: As the module has them, computed in its own arithmetic (``sigmoid(w)``, ``1 /
            tau``, ``clamp(beta)`` once by torch); neuron shape without batch, or one that
            broadcasts to it.
        options: Options of the cell.
        states: The framework's name of each state, and the cell's, in the framework's order.
        initial: Of the cell's states, initial values that are not 0.
        provenance: What is worth keeping beside them.
        timed: Names of parameters that have a leading axis of time.
    """

    cell: str
    params: Mapping[str, torch.Tensor | float]
    options: Mapping[str, str | int | bool]
    states: Mapping[str, str]
    initial: Mapping[str, float] = field(default_factory=dict)
    provenance: tuple[tuple[str, str], ...] = ()
    timed: tuple[str, ...] = ()
