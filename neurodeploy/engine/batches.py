"""Rows of weights that are added several at a time: a list of those whose source is not zero.

A sum then stays in registers while the rows of a list are added to it. Integer sums of proven
range alone are written so: they do not depend on the order in which their terms come.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.engine.rows import in_quads
from neurodeploy.engine.text import loop

__all__ = ["Batch", "Pairs", "Spikes"]

Array = npt.NDArray[Any]
LISTED = 32  # numbers of one list: more would pay little, and a list takes memory


@dataclass(frozen=True)
class Batch(ABC):
    """A form of rows.

    Attributes:
        stored: C type of the weights.
        width: Targets that are computed together; divides the begin and the length of every run.
    """

    stored: str
    width: int

    @property
    @abstractmethod
    def sources(self) -> int:
        """Neighbouring sources that share a row; also the numbers of a row in the list."""

    @property
    @abstractmethod
    def helper(self) -> str:
        """The C function that adds the rows of a list to a run of sums."""

    @abstractmethod
    def arrange(self, weights: Array) -> Array:
        """Give the array of weights (groups, sources, targets of all taps)."""

    @abstractmethod
    def entry(self, count: int, x: Callable[[str], str], place: str) -> list[str]:
        """Give statements that enter row ``j`` into the list if one of its sources is not zero.

        Args:
            count: Sources of a group.
            x: Gives the value of a source, as C.
            place: Where the row begins, in weights, as C.
        """

    def rows(self, count: int) -> int:
        """Give the rows of ``count`` sources."""
        return -(-count // self.sources)

    def listed(self, count: int) -> int:
        """Give the numbers that the list has room for."""
        return min(LISTED, self.sources * self.rows(count))

    def blocks(
        self, count: int, x: Callable[[str], str], place: str, add: Sequence[str]
    ) -> list[str]:
        """Loop over the rows of a group, a list at a time; ``add`` stands where one is full.

        Args:
            count: Sources of the group.
            x: Gives the value of a source, as C.
            place: Where row ``j`` begins, as C.
            add: Statements that add the ``n`` numbers of the list ``at``.
        """
        rows, most = self.rows(count), LISTED // self.sources
        if rows <= most:
            fill = loop("j", rows, self.entry(count, x, place))
            return ["{", "nd_int n = 0;", *fill, "if (n > 0) {", *add, "}", "}"]
        fill = loop("j", "end", self.entry(count, x, place), start="j0")
        head = f"const nd_int end = j0 + {most} < {rows} ? j0 + {most} : {rows};"
        body = [head, "nd_int n = 0;", *fill, "if (n > 0) {", *add, "}"]
        return loop("j0", rows, body, step=most)

    def add(self, to: str, place: str, count: int | str) -> list[str]:
        """Give statements that add the list's rows, from a place on, to ``count`` sums."""
        at = place if self.sources == 1 else f"({place}) * {self.sources}"
        return [f"{self.helper}({to}, w + {at}, at, at + n, {count});"]


@dataclass(frozen=True)
class Spikes(Batch):
    """Spikes: rows are added as they are."""

    @property
    def sources(self) -> int:
        """Each source has a row."""
        return 1

    @property
    def helper(self) -> str:
        """Sums of 16 bits."""
        return f"nd_add_rows_{self.width}"

    def arrange(self, weights: Array) -> Array:
        """Swap the middle two of each four."""
        return in_quads(weights)

    def entry(self, count: int, x: Callable[[str], str], place: str) -> list[str]:
        """Write the begin of the row; it stays if the source spikes."""
        return [f"at[n] = {place};", f"n += {x('j')} != 0;"]


@dataclass(frozen=True)
class Pairs(Batch):
    """Numbers: two neighbouring sources share a row and are multiplied together."""

    @property
    def sources(self) -> int:
        """Two."""
        return 2

    @property
    def helper(self) -> str:
        """Sums of 32 bits."""
        return f"nd_mac_rows_{self.width}"

    def arrange(self, weights: Array) -> Array:
        """Let two targets of one source and the same two of the next lie together."""
        groups, sources, targets = weights.shape
        even = np.pad(weights, ((0, 0), (0, sources % 2), (0, 0)))
        parts: Array = even.reshape(groups, -1, 2, targets // 2, 2).transpose(0, 1, 3, 2, 4)
        return np.ascontiguousarray(parts)

    def entry(self, count: int, x: Callable[[str], str], place: str) -> list[str]:
        """Write the begin of the row and its two factors of 16 bits."""
        second = x("(2 * j + 1)")
        if count % 2:
            second = f"2 * j + 1 < {count} ? {second} : 0" if count > 1 else "0"
        return [
            f"const int32_t low = {x('2 * j')}, high = {second};",
            f"at[n] = 2 * ({place});",
            "at[n + 1] = (int32_t)(((uint32_t)low & 0xFFFF) | ((uint32_t)high << 16));",
            "n += (low | high) != 0 ? 2 : 0;",
        ]
