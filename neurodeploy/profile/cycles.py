"""From counted instructions to cycles, seconds and joules of a processor.

One instruction is counted as one cycle: evidence class B, a factor of 2 either way. A processor
waits for flash and branches, and one with two pipelines may start two at once; neither is
modelled. What a processor's data do not give is left out with a reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neurodeploy.profile.constants import Constant, Evidence, Interval, interval_of

__all__ = ["EVIDENCE", "Cycles", "Processor"]

EVIDENCE: Evidence = "B"
PER_INSTRUCTION = interval_of([1.0], EVIDENCE)
_UNCOUNTED = "instructions: none were counted, or a step was too long for the machine's clock"


@dataclass(frozen=True)
class Processor:
    """What turns cycles into time and energy.

    Attributes:
        name: The board.
        clock: Hertz; None where not known.
        clock_source: Where that was read.
        joules_per_cycle: Energy of a cycle; None where not known.
    """

    name: str
    clock: int | None
    clock_source: str
    joules_per_cycle: Constant | None


@dataclass(frozen=True)
class Cycles:
    """What a run took on a processor; means per sample.

    Attributes:
        processor: The processor.
        instructions: (N,) counted instructions of each sample; None where none were counted.
    """

    processor: Processor
    instructions: npt.NDArray[np.int64] | None

    @property
    def cycles(self) -> Interval | None:
        """Cycles of one sample."""
        if self.instructions is None:
            return None
        return PER_INSTRUCTION * float(self.instructions.mean())

    @property
    def seconds(self) -> Interval | None:
        """Cycles over the clock."""
        if self.cycles is None or self.processor.clock is None:
            return None
        return self.cycles * (1 / self.processor.clock)

    @property
    def joules(self) -> Interval | None:
        """Cycles times the energy of one; the widest interval of both."""
        each = self.processor.joules_per_cycle
        if self.cycles is None or each is None:
            return None
        a, b = self.cycles, each.joules
        return Interval(a.value * b.value, a.low * b.low, a.high * b.high)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why a figure is missing, one sentence each."""
        if self.instructions is None:
            return (_UNCOUNTED,)
        found = []
        if self.processor.clock is None:
            found.append(f"seconds: {self.processor.name} has no clock in its data")
        if self.processor.joules_per_cycle is None:
            found.append(f"joules: {self.processor.name} has no energy per cycle in its data")
        return tuple(found)

    @property
    def sentences(self) -> Iterator[str]:
        """Where the figures come from, in plain words."""
        if self.instructions is not None:
            yield f"one instruction counted as one cycle, class {EVIDENCE}, a factor 2 either way"
        if self.seconds is not None:
            clock = f"{(self.processor.clock or 0) / 1e6:g} MHz"
            yield f"time = cycles / clock, {clock} ({self.processor.clock_source or 'no source'})"
        each = self.processor.joules_per_cycle
        if self.joules is not None and each is not None:
            yield (
                f"energy = cycles x {each.joules.value * 1e9:.3g} nJ, class {each.evidence} "
                f"({each.source or 'no source'}); {each.conditions}"
            )

    def to_json(self) -> dict[str, object]:
        """Give the figures for reports, in cycles, seconds and joules."""
        each, counted = self.processor.joules_per_cycle, self.instructions
        return {
            "name": self.processor.name,
            "instructions_per_sample": None if counted is None else float(counted.mean()),
            "cycles_per_sample": _interval(self.cycles),
            "cycles_evidence": EVIDENCE,
            "clock_hertz": self.processor.clock,
            "clock_source": self.processor.clock_source,
            "seconds_per_sample": _interval(self.seconds),
            "joules_per_sample": _interval(self.joules),
            "joules_per_cycle": None if each is None else each.to_json(),
            "evidence": list(self.sentences),
            "reasons": list(self.reasons),
        }


def _interval(found: Interval | None) -> dict[str, float | None]:
    return {**found.to_json()} if found else {"value": None, "low": None, "high": None}
