"""From counts to joules: the charges of a cost model, added up with their intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import Finding
from neurodeploy.profile.cmos import generic_cmos
from neurodeploy.profile.constants import EVIDENCE_FACTOR, Interval
from neurodeploy.profile.costs import PARTS, Charge, CostModel, Part, Priced
from neurodeploy.profile.counts import Counts

__all__ = [
    "Charge",
    "CostModel",
    "Energy",
    "Priced",
    "energy_of",
    "generic_cmos",
]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Energy:
    """The modelled energy of a run.

    Attributes:
        model: The cost model.
        priced: By layer, what it was charged.
        samples: Number of samples.
        refused: Why there is no figure; empty where there is one.
    """

    model: CostModel
    priced: Mapping[str, Priced]
    samples: int
    refused: tuple[Finding, ...]

    def layer(self, name: str) -> Interval | None:
        """Give the joules of a layer over all samples; None where the bill is refused."""
        return None if self.refused else self._sum(self.priced[name].charges)

    @property
    def total(self) -> Interval | None:
        """Joules over all samples."""
        return None if self.refused else self._sum(self._charges())

    @property
    def per_sample(self) -> Interval | None:
        """Mean joules per sample."""
        total = self.total
        return None if total is None else total * (1 / self.samples)

    @property
    def breakdown(self) -> dict[Part, Interval] | None:
        """Mean joules per sample of each part that is charged."""
        if self.refused:
            return None
        found: dict[Part, Interval] = {}
        for part in PARTS:
            charges = [c for c in self._charges() if c.part == part]
            if charges:
                found[part] = self._sum(charges) * (1 / self.samples)
        return found

    @property
    def values(self) -> Floats | None:
        """(N,) joules of each sample, the mid value of the interval."""
        if self.refused:
            return None
        total = np.zeros(self.samples)
        for charge in self._charges():
            total += charge.amount * self.model.constants[charge.constant].joules.value
        return total

    @property
    def usage(self) -> dict[str, int]:
        """How much of each constant was charged over all samples."""
        found: dict[str, int] = {}
        for charge in self._charges():
            found[charge.constant] = found.get(charge.constant, 0) + sum(charge.amount.tolist())
        return {name: amount for name, amount in found.items() if amount}

    @property
    def left_out(self) -> dict[str, int]:
        """Operations without a price, by description, over all samples."""
        found: dict[str, int] = {}
        for priced in self.priced.values():
            for what, amount in priced.left_out.items():
                found[what] = found.get(what, 0) + amount
        return found

    @property
    def sentences(self) -> tuple[str, ...]:
        """Where the figure comes from and how wide its interval is, in plain words."""
        if self.refused:
            return ("no figure", *(str(f) for f in self.refused))
        rows = [self.model.constants[name] for name in self.usage]
        found = [f"modelled, not measured: {self.model.name}, {self.model.scope}"]
        for kind in sorted({row.evidence for row in rows}):
            names = ", ".join(row.name for row in rows if row.evidence == kind)
            width = EVIDENCE_FACTOR[kind]
            spread = f", a factor {width:g} either way where the source gives no spread"
            found.append(f"class {kind} constants{spread if width > 1 else ''}: {names}")
        found.append(f"dynamic energy only, not modelled: {', '.join(self.model.not_modelled)}")
        for what, amount in sorted(self.left_out.items()):
            found.append(f"left out, having no price: {amount:,} operations ({what})")
        return tuple(found)

    @property
    def evidence(self) -> str:
        """The same in one text."""
        return "; ".join(self.sentences)

    def _charges(self) -> Iterable[Charge]:
        return (c for priced in self.priced.values() for c in priced.charges)

    def _sum(self, charges: Iterable[Charge]) -> Interval:
        total = Interval(0.0, 0.0, 0.0)
        for charge in charges:
            row = self.model.constants[charge.constant]
            total += row.joules * float(sum(charge.amount.tolist()))
        return total


def energy_of(counts: Counts, model: CostModel) -> Energy:
    """Price every layer of a run.

    ``E = sum over layers and rows of amount * joules per unit``; low and high add the low and
    high ends of the rows.
    """
    priced = {layer.name: model.price(counts, layer) for layer in counts.layers}
    refused = tuple(
        Finding(reason, node=layer.name, source=layer.source, hint="counts are not affected")
        for layer in counts.layers
        for reason in dict.fromkeys(priced[layer.name].refused)
    )
    return Energy(model, priced, counts.samples, refused)
