"""What a run is refused for before it begins, and for what the processor does to floats."""

from __future__ import annotations

from collections.abc import Collection

from neurodeploy.errors import Finding, UnavailableTargetError, UsageError, raise_findings
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.types import BOOL, num_type_text

__all__ = ["check_keys", "check_numbers", "check_spikes", "raise_inexact"]

Key = tuple[str, str]


def check_keys(graph: Graph, record: Collection[Key]) -> None:
    """Check that what is to be recorded is there.

    Raises:
        UsageError: an unknown output.
    """
    raise_findings(
        UsageError,
        [
            Finding(f"there is no output {key!r} to record", node=str(key[0]))
            for key in record
            if key not in graph.signals
        ],
    )


def check_spikes(graph: Graph, record: Collection[Key]) -> None:
    """Check that what is to be listed are spikes.

    Raises:
        UsageError: an unknown output, or one that carries no spikes.
    """
    check_keys(graph, record)
    raise_findings(
        UsageError,
        [
            Finding(
                f"{key[1]!r} carries {num_type_text(graph.signals[key].type)}, no spikes",
                node=key[0],
                hint="record its values instead",
            )
            for key in record
            if graph.signals[key].type != BOOL
        ],
    )


def check_numbers(seed: int, first_sample: int, threads: int) -> None:
    """Check the numbers of a run.

    Raises:
        UsageError: one is out of its range.
    """
    found = []
    if not 0 <= seed < 2**64:
        found.append(Finding(f"seed {seed} is not in 0 to 2**64 - 1"))
    if not 0 <= first_sample < 2**62:
        found.append(Finding(f"first_sample {first_sample} is not in 0 to 2**62 - 1"))
    if threads < 1:
        found.append(Finding(f"threads is {threads}", hint="at least 1"))
    raise_findings(UsageError, found)


def raise_inexact(code: int) -> None:
    """Refuse floats that do not behave: an exact comparison would mean nothing.

    Args:
        code: What ``nd_check`` of the compiled code gave.

    Raises:
        UnavailableTargetError: it is not 0.
    """
    if code:
        named = ("subnormals are flushed to 0", "products are fused", "halves do not round to even")
        wrong = "; ".join(name for bit, name in enumerate(named) if code >> bit & 1)
        raise UnavailableTargetError(
            Finding(
                f"compiled code does not compute as the reference does: {wrong}",
                hint="another library of this process may have set the processor's float mode",
            )
        )
