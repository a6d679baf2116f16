"""What to quantise to: the policy. How ranges are measured stands in `observers`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from neurodeploy.errors import Finding, QuantizationError, raise_findings

__all__ = ["Fit", "Granularity", "Grid", "Observer", "Scheme", "Structure", "scheme_of"]

Grid = Literal["uniform", "ternary", "power-of-two"]
Fit = Literal["max", "mse"]
Observer = Literal["max", "percentile", "mse"]
Granularity = Literal["channel", "tensor"]
Structure = Literal["none", "channel"]


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """Widths, grids and how their steps are chosen.

    Attributes:
        weight_bits: Bits of a weight, 2 to 16; the grid is symmetric, so 8 bits are -127 to 127.
        grid: ``uniform``; ``ternary`` (-1, 0, 1); ``power-of-two`` (0 and +-2**k within the bits).
        granularity: One step of the weights for each output ``channel``, or one per ``tensor``.
        group: Inputs of a weighted sum that share a step (`neurodeploy.quantize.groups`); 0: all.
        fit: How the step of the weights is chosen: the largest weight is the end of the grid
            (``max``), or the mean squared error is least (``mse``).
        state_bits: Bits of membranes and synaptic currents, 8 to 32.
        activation_bits: Bits of what a cell sends that is no spike, 2 to 16.
        input_bits: Bits of an input that is a number, 2 to 16.
        factor_bits: Bits of a decay or another factor of a membrane, 4 to 30.
        observer: How the range of states and activations is taken from the calibration data.
        percentile: Share of the values inside the range, for ``percentile``.
        prune: Share of each projection's weights that is set to 0 before all else.
        structure: ``none``: the smallest weights; ``channel``: whole output channels.
        equalise: Balance the channels of layers that meet through a rectifier first
            (`neurodeploy.quantize.equalise`).
        bias_correction: Add to each bias what rounding the weights takes from the mean of the sum.
        headroom: Factor between the observed range of a state and its declared one, at least 1.
    """

    weight_bits: int = 8
    grid: Grid = "uniform"
    granularity: Granularity = "channel"
    group: int = 0
    fit: Fit = "mse"
    state_bits: int = 16
    activation_bits: int = 8
    input_bits: int = 8
    factor_bits: int = 15
    observer: Observer = "max"
    percentile: float = 0.9999
    prune: float = 0.0
    structure: Structure = "none"
    equalise: bool = False
    bias_correction: bool = True
    headroom: float = 1.25

    def __post_init__(self) -> None:
        raise_findings(QuantizationError, [*self._widths(), *self._choices()])

    def _widths(self) -> list[Finding]:
        limits = {
            "weight_bits": (2, 16),
            "state_bits": (8, 32),
            "activation_bits": (2, 16),
            "input_bits": (2, 16),
            "factor_bits": (4, 30),
        }
        found = []
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not whole or not low <= value <= high:
                found.append(Finding(f"{name} is {value!r}", value=value, hint=f"{low} to {high}"))
        if not isinstance(self.group, int) or self.group < 0:
            found.append(Finding(f"group is {self.group!r}", hint="inputs; 0 for all of them"))
        if not 0.5 < self.percentile <= 1:
            found.append(Finding(f"percentile is {self.percentile!r}", hint="above 0.5, up to 1"))
        if not 0 <= self.prune < 1:
            found.append(Finding(f"prune is {self.prune!r}", hint="a share from 0 to below 1"))
        if not 1 <= self.headroom <= 1024:
            found.append(Finding(f"headroom is {self.headroom!r}", hint="1 to 1024"))
        return found

    def _choices(self) -> list[Finding]:
        known = {
            "grid": Grid,
            "granularity": Granularity,
            "fit": Fit,
            "observer": Observer,
            "structure": Structure,
        }
        return [
            Finding(f"{name} {value!r} is unknown", hint=", ".join(get_args(kind)))
            for name, kind in known.items()
            if (value := getattr(self, name)) not in get_args(kind)
        ]

    @property
    def weight_limit(self) -> int:
        """Largest integer of a weight."""
        return 1 if self.grid == "ternary" else 2 ** (self.weight_bits - 1) - 1

    def described(self) -> str:
        """Give what differs from the defaults, for the record of changes."""
        plain = Scheme()
        changed = [
            f"{f.name.replace('_', ' ')} {getattr(self, f.name)}"
            for f in fields(self)
            if getattr(self, f.name) != getattr(plain, f.name)
        ]
        return ", ".join(changed) or "defaults"


def scheme_of(table: Mapping[str, str | int | float | bool]) -> Scheme:
    """Give the scheme that a recipe's table says, its keys as the long options.

    >>> scheme_of({"bits": 4, "fit": "max"}).described()
    'weight bits 4, fit max'

    Raises:
        QuantizationError: a width or a name is out of its range.
    """
    names = {"bits": "weight_bits"}
    given: Any = {names.get(k, k.replace("-", "_")): v for k, v in table.items()}
    return Scheme(**given)
