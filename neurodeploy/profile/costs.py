"""How a target says what its operations cost: the interface of every energy model.

A model turns the counts of a layer into charges, each an amount of one constant of its table; it
computes no joules itself, so that every joule of a bill leads back to a count and to a row with
its source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from neurodeploy.profile.constants import Constant
from neurodeploy.profile.counts import Counts, LayerCounts

__all__ = ["PARTS", "Charge", "CostModel", "Part", "Priced"]

Part = Literal["compute", "memory", "neuron", "routing", "io"]
PARTS: tuple[Part, ...] = ("compute", "memory", "neuron", "routing", "io")


@dataclass(frozen=True)
class Charge:
    """An amount of one constant.

    Attributes:
        part: Which part of the breakdown it belongs to.
        constant: Name of a row of the model's table.
        amount: (N,) how many of the row's unit, for each sample.
    """

    part: Part
    constant: str
    amount: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Priced:
    """What a layer is charged.

    Attributes:
        charges: The charges.
        refused: Why the layer cannot be priced; the bill then gives no joules at all, since a
            figure without it would be wrong.
        left_out: Minor operations without a price, by description, with their number over all
            samples; they are named on the bill.
    """

    charges: tuple[Charge, ...] = ()
    refused: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)


class CostModel(Protocol):
    """What `Target.costs` gives; bills of equal models may be compared."""

    @property
    def name(self) -> str:
        """Name of the model."""
        ...

    @property
    def scope(self) -> str:
        """What the joules cover."""
        ...

    @property
    def constants(self) -> Mapping[str, Constant]:
        """The table, by name of the row."""
        ...

    @property
    def not_modelled(self) -> Mapping[str, str]:
        """Missing terms with their reasons."""
        ...

    def price(self, counts: Counts, layer: LayerCounts) -> Priced:
        """Give the charges of a layer, for each sample."""
        ...
