"""Energy measured by this computer: the counters that Linux offers under powercap (RAPL).

A counter gives microjoules, wraps at its own range, and is often readable by root alone. A
window lasts at least a second, so that the counter's own period (about a millisecond) does not
matter; the work is repeated until it does. Idle power is measured before, over a window of the
same length, and subtracted for the dynamic figure. Where nothing can be read, the answer says so
with the reason; no load or TDP is ever put in its place.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from neurodeploy.errors import Finding, UnavailableTargetError

__all__ = ["POWERCAP", "Measured", "NotMeasured", "measure_energy", "powercap_counters"]

POWERCAP = Path("/sys/class/powercap")
MIN_SECONDS = 1.0
MAX_WATTS = 1000.0
"""More than a package can draw: bounds the time within which a counter wraps at most once."""


@dataclass(frozen=True)
class Measured:
    """Joules per sample from a sensor.

    Attributes:
        total: Joules per sample, idle power included.
        dynamic: Joules per sample above idle power.
        idle_watts: Idle power, measured before.
        seconds: Length of the window.
        samples: Samples that were run within it.
        scope: What the counters cover.
    """

    total: float
    dynamic: float
    idle_watts: float
    seconds: float
    samples: int
    scope: str


@dataclass(frozen=True)
class NotMeasured:
    """No measurement, and why."""

    reason: str


@dataclass(frozen=True)
class Counter:
    """One energy counter: its label, its file, and the microjoules at which it wraps to 0."""

    label: str
    file: Path
    range: int

    def read(self) -> int:
        """Read the counter in microjoules.

        Raises:
            OSError: it cannot be read.
            ValueError: it holds no number.
        """
        return int(self.file.read_text("ascii"))

    def elapsed(self, before: int, after: int) -> int:
        """Give the microjoules between two readings with at most one wrap between them.

        >>> Counter("package-0", Path("energy_uj"), 1000).elapsed(990, 15)
        25
        """
        return after - before if after >= before else after + self.range - before


def powercap_counters(root: Path = POWERCAP) -> tuple[Counter, ...] | NotMeasured:
    """Give the counters of all packages, and of DRAM where it is counted apart.

    Cores and graphics are parts of their package and are left out, and so is the second (mmio)
    view of the same counters.
    """
    if not root.is_dir():
        return NotMeasured(f"no {root}: this system offers no powercap counters")
    found: list[Counter] = []
    problems: list[str] = []
    for zone in sorted(root.glob("*rapl*:*")):
        try:
            label = (zone / "name").read_text("ascii").strip()
            if "mmio" in zone.name or not label.startswith(("package", "dram")):
                continue
            span = int((zone / "max_energy_range_uj").read_text("ascii"))
            counter = Counter(label, zone / "energy_uj", span)
            counter.read()
            found.append(counter)
        except PermissionError:
            problems.append(f"{zone.name}/energy_uj is not readable: permission denied")
        except (OSError, ValueError) as error:
            problems.append(f"{zone.name}: {error}")
    if problems:
        return NotMeasured("; ".join(problems))
    if not any(c.label.startswith("package") for c in found):
        return NotMeasured(f"{root} holds no counter of a package")
    return tuple(found)


def measure_energy(
    work: Callable[[], object],
    samples: int,
    *,
    require_measured: bool = False,
    reason: NotMeasured | None = None,
    root: Path = POWERCAP,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Measured | NotMeasured:
    """Measure what ``work`` takes, repeated until the window lasts a second.

    ``dynamic = total - idle power * seconds``, each divided by the samples that were run.

    Args:
        work: Runs ``samples`` samples once.
        samples: Samples per call.
        require_measured: Raise where nothing can be measured.
        reason: Why nothing can be measured, where that is known already.
        root: Where the counters are.
        clock: Seconds that never go back.
        sleep: Waits, for the idle window.

    Raises:
        UnavailableTargetError: ``require_measured``, and there is no sensor that can be read.
    """
    counters = reason or powercap_counters(root)
    if isinstance(counters, NotMeasured):
        result: Measured | NotMeasured = counters
    else:
        try:
            result = _measure(counters, work, samples, clock, sleep)
        except (OSError, ValueError) as error:
            result = NotMeasured(f"a counter failed while measuring: {error}")
    if require_measured and isinstance(result, NotMeasured):
        raise UnavailableTargetError(
            Finding(
                f"energy not measured: {result.reason}",
                node="require_measured",
                hint="leave it out for the modelled figure, or make the counters readable",
            )
        )
    return result


def _measure(
    counters: tuple[Counter, ...],
    work: Callable[[], object],
    samples: int,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> Measured | NotMeasured:
    longest = min(c.range for c in counters) * 1e-6 / MAX_WATTS
    idle, idle_seconds = _window(counters, lambda: sleep(MIN_SECONDS), clock)
    used, seconds, calls = 0, 0.0, 0
    while seconds < MIN_SECONDS:
        spent, wait = _window(counters, work, clock)
        used, seconds, calls = used + spent, seconds + wait, calls + 1
        if wait > longest:
            return NotMeasured(
                f"one run took {wait:.0f} s, in which a counter may wrap more than once; "
                f"measure fewer samples"
            )
    watts = idle * 1e-6 / idle_seconds if idle_seconds > 0 else 0.0
    runs = calls * samples
    total = used * 1e-6
    scope = ", ".join(c.label for c in counters)
    return Measured(
        total=total / runs,
        dynamic=(total - watts * seconds) / runs,
        idle_watts=watts,
        seconds=seconds,
        samples=runs,
        scope=f"RAPL {scope}; everything that ran on this computer meanwhile",
    )


def _window(
    counters: tuple[Counter, ...], work: Callable[[], object], clock: Callable[[], float]
) -> tuple[int, float]:
    """Give the microjoules and seconds of one call."""
    before = [c.read() for c in counters]
    started = clock()
    work()
    seconds = clock() - started
    after = [c.read() for c in counters]
    used = sum(c.elapsed(b, a) for c, b, a in zip(counters, before, after, strict=True))
    return used, seconds
