"""How many bits of a core's synapse memory the synapses of an axon take.

Source: nengo-loihi 1.1.0, block.py, SynapseConfig.bits_per_axon, INDEX_BITS_MAP, WEIGHT_BITS_MAP;
its authors mark the limits of a core as to be checked.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["DELAY_BITS", "WORD", "axon_bits", "index_bits"]

Array = npt.NDArray[Any]
WEIGHT_BITS = 8
DELAY_BITS = 6  # of delays up to 62 steps
INDEX_BITS = (0, 6, 7, 8, 9, 10, 11, 12)
BLOCK = 64  # synapses that share a head
HEAD = 10  # bits: 4 of the format, 6 of the number of synapses
WORD = 64


def index_bits(neurons: int) -> int:
    """Give the bits that say which of a core's neurons a synapse reaches.

    >>> index_bits(1), index_bits(50), index_bits(65)
    (0, 6, 7)
    """
    needed = int(neurons - 1).bit_length()
    return next((b for b in INDEX_BITS if b >= needed), needed)


def axon_bits(synapses: Array, *, index: int, delays: bool) -> Array:
    """Give the bits of axons with so many synapses each.

    ``sum over blocks of 64 of n (8 + delay + index) + 10``, each block rounded up to 64 bits.

    >>> axon_bits(np.array([10, 64, 100]), index=0, delays=False).tolist()
    [128, 576, 896]

    Args:
        synapses: Number of synapses of each axon.
        index: Bits of the index of a neuron; 0 where every neuron in turn has a synapse.
        delays: Whether synapses have delays.
    """
    each = WEIGHT_BITS + index + (DELAY_BITS if delays else 0)
    whole, rest = np.divmod(synapses, BLOCK)
    full = -(-(BLOCK * each + HEAD) // WORD) * WORD
    last = np.where(rest > 0, -(-(rest * each + HEAD) // WORD) * WORD, 0)
    found: Array = whole * full + last
    return found
