"""Counter-based random bits: a pure function of where and when they are drawn.

The words (seed, stream, sample, step, index, draw) are folded one after another through the
finaliser of SplitMix64 (Steele, Lea, Flood 2014, doi:10.1145/2660193.2660195; constants of
Stafford's variant 13), so the same draw comes out in any batch, thread, or order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["GOLDEN", "MULTIPLIERS", "fold", "random_words"]

GOLDEN = 0x9E3779B97F4A7C15
MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)

U64 = npt.NDArray[np.uint64]


def _mix(z: U64) -> U64:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(MULTIPLIERS[0])
    z = (z ^ (z >> np.uint64(27))) * np.uint64(MULTIPLIERS[1])
    return z ^ (z >> np.uint64(31))


def fold(state: npt.ArrayLike, word: npt.ArrayLike) -> U64:
    """Fold one word into the running 64-bit state."""
    # 1-d arrays wrap around silently; numpy warns for scalars only
    a = np.atleast_1d(np.asarray(state, dtype=np.uint64))
    b = np.atleast_1d(np.asarray(word, dtype=np.uint64))
    return _mix((a + np.uint64(GOLDEN)) ^ b)


def random_words(
    seed: int, stream: int, sample: npt.ArrayLike, step: int, index: npt.ArrayLike, draw: int
) -> npt.NDArray[np.int64]:
    """Give 32 random bits for each broadcast position of ``sample`` and ``index``.

    >>> random_words(1, 0, [[0], [1]], 0, [0, 1], 0).shape
    (2, 2)
    """
    state = fold(fold(0, seed), stream)
    state = fold(fold(state, sample), step)
    state = fold(fold(state, index), draw)
    words: npt.NDArray[Any] = state >> np.uint64(32)
    return words.astype(np.int64)
