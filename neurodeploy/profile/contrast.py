"""Two bills side by side: which network needs less, at the same constants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neurodeploy.errors import Finding, UsageError
from neurodeploy.profile.constants import Interval

if TYPE_CHECKING:
    from neurodeploy.profile.bill import Bill

__all__ = ["Contrast", "compare_bills"]


@dataclass(frozen=True)
class Contrast:
    """The energy of ``a`` over that of ``b``, per sample.

    Attributes:
        ratio: Below 1 where ``a`` needs less. Both networks pay the same, unknown, constants, so
            the interval is much narrower than the quotient of the two intervals.
        footprints: Bytes of constants of both; a comparison is fair at an equal budget of bits.
        instructions: Instructions per sample of both; None where one processor did not run both.
        processor: That processor.
    """

    ratio: Interval
    footprints: tuple[int, int]
    instructions: tuple[float, float] | None = None
    processor: str = ""

    @property
    def verdict(self) -> str:
        """Say which one needs less, if the whole interval says so."""
        if self.ratio.high < 1:
            return "a needs less energy, whatever the constants within their intervals"
        if self.ratio.low > 1:
            return "b needs less energy, whatever the constants within their intervals"
        return "undecided: the constants' intervals hold the break-even"

    @property
    def instruction_ratio(self) -> float | None:
        """Instructions of ``a`` over those of ``b``; below 1 where ``a`` is the cheaper one."""
        return None if self.instructions is None else self.instructions[0] / self.instructions[1]

    @property
    def chip_verdict(self) -> str:
        """Say which one is cheaper on the processor that ran both; empty where none did.

        Both are code of one emitter, so that what an instruction takes divides out.
        """
        found = self.instruction_ratio
        if found is None:
            return ""
        cheaper = "a is cheaper" if found < 1 else "b is cheaper" if found > 1 else "both are equal"
        return f"on {self.processor} {cheaper}: a takes {found:.2f} of b's instructions"

    def text(self) -> str:
        """Give the contrast for a terminal."""
        low, high = self.ratio.low, self.ratio.high
        lines = [
            f"energy of a over b: {self.ratio.value:.3g} ({low:.3g} to {high:.3g}); {self.verdict}",
            f"constants: {self.footprints[0]:,} and {self.footprints[1]:,} bytes",
        ]
        return "\n".join([*lines, *filter(None, [self.chip_verdict])])

    def to_json(self) -> dict[str, object]:
        """Give the contrast for reports."""
        return {
            "ratio": self.ratio.to_json(),
            "verdict": self.verdict,
            "weight_bytes": list(self.footprints),
            "instructions": None if self.instructions is None else list(self.instructions),
            "instruction_ratio": self.instruction_ratio,
            "processor": self.processor or None,
        }


def compare_bills(a: Bill, b: Bill) -> Contrast:
    """Compare the modelled energy per sample of two networks, such as an ANN and its SNN.

    The ratio ``sum(a_k e_k) / sum(b_k e_k)`` over constants ``low_k <= e_k <= high_k`` is
    largest, and smallest, at a corner: the constants ordered by ``a_k / b_k``, some first ones
    at one end and all others at the other.

    Raises:
        UsageError: the two were priced by different models, or one has no price.
    """
    if a.energy.model.name != b.energy.model.name:
        names = f"{a.energy.model.name!r} and {b.energy.model.name!r}"
        raise UsageError(Finding(f"the bills were priced by {names}", hint="price both alike"))
    if a.energy.per_sample is None or b.energy.per_sample is None:
        raise UsageError("a bill without a price is compared")
    if a.energy.per_sample.value == 0 or b.energy.per_sample.value == 0:
        raise UsageError("a bill of 0 J is compared")
    used_a, used_b = a.energy.usage, b.energy.usage
    rows = []
    for name in {**used_a, **used_b}:
        amounts = (
            used_a.get(name, 0) / a.counts.samples,
            used_b.get(name, 0) / b.counts.samples,
        )
        rows.append((*amounts, a.energy.model.constants[name].joules))
    rows.sort(key=lambda r: r[0] / r[1] if r[1] else float("inf"))
    corners = [
        _quotient(rows, [cheap if i < cut else dear for i in range(len(rows))])
        for cut in range(len(rows) + 1)
        for cheap, dear in (("low", "high"), ("high", "low"))
    ]
    middle = a.energy.per_sample.value / b.energy.per_sample.value
    return Contrast(
        Interval(middle, min(corners), max(corners)),
        (a.counts.weight_bytes, b.counts.weight_bytes),
        *_on_chip(a, b),
    )


def _on_chip(a: Bill, b: Bill) -> tuple[tuple[float, float] | None, str]:
    """Give the instructions per sample that one processor took for both."""
    if a.cycles is None or b.cycles is None or a.cycles.processor != b.cycles.processor:
        return None, ""
    counted = a.cycles.instructions, b.cycles.instructions
    if counted[0] is None or counted[1] is None or not counted[1].any():
        return None, ""
    return (float(counted[0].mean()), float(counted[1].mean())), a.cycles.processor.name


def _quotient(rows: list[tuple[float, float, Interval]], ends: list[str]) -> float:
    prices = [float(getattr(row[2], end)) for row, end in zip(rows, ends, strict=True)]
    over = sum(row[0] * price for row, price in zip(rows, prices, strict=True))
    under = sum(row[1] * price for row, price in zip(rows, prices, strict=True))
    return over / under
