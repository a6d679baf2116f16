"""What a comparison found: differences by node, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import UsageError

__all__ = [
    "Comparison",
    "FirstDifference",
    "NodeDifference",
    "expected_share",
    "first_difference",
    "unequal_values",
]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class FirstDifference:
    """The earliest step at which a node differs.

    Attributes:
        sample: Sample.
        step: Step.
        index: Flat index of the neuron.
        a: Value on the left.
        b: Value on the right.
        margin: ``|v - threshold|`` of the node's first root; None where it has none.
    """

    sample: int
    step: int
    index: int
    a: float
    b: float
    margin: float | None

    def to_json(self) -> dict[str, object]:
        """Give the keys of the JSON contract."""
        return {
            "sample": self.sample,
            "step": self.step,
            "index": self.index,
            "a": self.a,
            "b": self.b,
            "margin": self.margin,
        }


@dataclass(frozen=True)
class NodeDifference:
    """How the outputs and states of one pair of nodes compare.

    Attributes:
        name: Name of the node on the left.
        mismatches: Values of its outputs that differ, over samples, steps and neurons.
        state_mismatches: Values of its states that differ, where both sides have the state.
        count_a: Spikes on the left (non-zero values where it does not spike).
        count_b: Spikes on the right.
        compared: Values compared, states included.
        roots: Neurons that diverge although their inputs are still equal.
        worst: Largest margin of a root, as a multiple of the node's rounding bound.
        first: The earliest difference; None where there is none.
    """

    name: str
    mismatches: int
    state_mismatches: int
    count_a: int
    count_b: int
    compared: int
    roots: int = 0
    worst: float = 0.0
    first: FirstDifference | None = None

    def to_json(self) -> dict[str, object]:
        """Give the keys of the JSON contract."""
        return {
            "name": self.name,
            "mismatches": self.mismatches,
            "state_mismatches": self.state_mismatches,
            "count_a": self.count_a,
            "count_b": self.count_b,
            "compared": self.compared,
            "roots": self.roots,
            "first": None if self.first is None else self.first.to_json(),
        }


@dataclass(frozen=True)
class Comparison:
    """The outcome of `compare`.

    Attributes:
        verdict: ``exact``, ``near`` or ``differs``.
        nodes: One entry per matched pair of nodes.
        unmatched: Outputs and nodes with spikes that cannot be compared: they have no partner on
            the other side, or one of another shape.
        samples: Samples compared.
        timesteps: Steps compared.
        predictions: Share of samples with the same prediction, each side by its own decoding;
            None where nothing is classified: the outputs cannot be compared, or one is no vector
            of at least two elements.
    """

    verdict: str
    nodes: tuple[NodeDifference, ...]
    unmatched: tuple[str, ...]
    samples: int
    timesteps: int
    predictions: float | None

    @property
    def equal(self) -> bool:
        """True for ``exact`` and ``near``."""
        return self.verdict in ("exact", "near")

    @property
    def first(self) -> NodeDifference | None:
        """The node that differs at the earliest step."""
        different = [n for n in self.nodes if n.first is not None]
        return min(different, key=lambda n: n.first.step if n.first else 0, default=None)

    def meets(self, expected: str) -> bool:
        """Say whether the outcome is at least what was expected.

        Args:
            expected: ``exact``, ``near``, or ``predictions>=SHARE``.

        Raises:
            UsageError: it is none of these.
        """
        share = expected_share(expected)
        if share is not None:
            return self.predictions is not None and self.predictions >= share
        return self.equal if expected == "near" else self.verdict == "exact"

    def to_json(self) -> dict[str, object]:
        """Give the keys of the JSON contract of ``compare``."""
        return {
            "equal": self.equal,
            "verdict": self.verdict,
            "nodes": [n.to_json() for n in self.nodes],
            "unmatched": list(self.unmatched),
            "samples": self.samples,
            "timesteps": self.timesteps,
            "predictions": self.predictions,
        }

    def __str__(self) -> str:
        lines = [
            f"{self.verdict}: {self.samples} samples, {self.timesteps} timesteps, "
            f"{sum(n.compared for n in self.nodes)} values compared"
        ]
        for n in self.nodes:
            if n.mismatches or n.state_mismatches:
                lines.append(
                    f"  {n.name}: {n.mismatches} outputs and {n.state_mismatches} states differ, "
                    f"{n.count_a} against {n.count_b} spikes"
                )
        if self.unmatched:
            lines.append(f"  without a partner that fits: {', '.join(self.unmatched)}")
        return "\n".join(lines)


def expected_share(expected: str) -> float | None:
    """Give the share of equal predictions that is expected; None for ``exact`` and ``near``.

    >>> expected_share("predictions>=0.99"), expected_share("near")
    (0.99, None)

    Raises:
        UsageError: it is no expectation.
    """
    if expected in ("exact", "near"):
        return None
    name, sign, number = expected.partition(">=")
    try:
        share = float(number)
    except ValueError:
        share = -1.0
    if name != "predictions" or not sign or not 0 <= share <= 1:
        raise UsageError(f"no expectation: {expected!r}", hint="exact, near, or predictions>=0.99")
    return share


def unequal_values(a: Array, b: Array) -> Array:
    """Say where values differ; -0 equals 0, NaN equals NaN."""
    return np.asarray((a != b) & ((a == a) | (b == b)))  # NaN is not itself


def first_difference(a: Array, b: Array, unequal: Array, start: int = 0) -> FirstDifference:
    r"""Give the earliest step that differs, of its first sample and neuron.

    Args:
        a: Values on the left, (N, T, \*shape).
        b: Values on the right.
        unequal: Where they differ; somewhere they must.
        start: Number of the first sample.
    """
    flat = unequal.reshape(*unequal.shape[:2], -1)
    step = int(flat.any(axis=(0, 2)).argmax())
    sample, index = (int(i) for i in np.argwhere(flat[:, step])[0])
    at = sample, step, index
    left, right = float(a.reshape(flat.shape)[at]), float(b.reshape(flat.shape)[at])
    return FirstDifference(sample + start, step, index, left, right, None)
