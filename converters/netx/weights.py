"""What lava-dl 0.6.0 makes of the weights of a netx file before Lava gets them.

It shifts them to the left until they use all bits of Loihi's synapses, gives the exponent that
takes this back, and asks for no more bits than needed. What Lava then cuts off is lost.

Source: lava-dl 0.6.0, netx/utils.py: optimize_weight_bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import ConversionError, Finding
from neurodeploy.targets.loihi.weights import SignMode, kept_weights

__all__ = ["weights_in_lava"]

Array = npt.NDArray[Any]


def weights_in_lava(weights: Array, where: str) -> tuple[Array, int]:
    """Give the weights that Lava keeps, and their exponent.

    >>> weights_in_lava(np.array([[-4, 2]]), "w")
    (array([[-4,  2]]), 0)

    Args:
        weights: Whole numbers.
        where: The layer, for errors.

    Raises:
        ConversionError: they leave the range of Loihi's synapses, where lava-dl clips.
    """
    most, least = int(weights.max()), int(weights.min())
    mixed = most >= 0 > least
    limits = (-256, 254) if mixed else ((-256, -1) if most < 0 else (0, 255))
    if least < limits[0] or most > limits[1]:
        text = f"weights from {least} to {most}, Loihi holds {limits[0]} to {limits[1]}"
        raise ConversionError(Finding(text, where, hint="lava-dl would clip them"))
    if not weights.any():
        raise ConversionError(Finding("all its weights are 0", where))
    if mixed:
        scale = min(127 / most if most else np.inf, -128 / least)
        mode = SignMode.MIXED
    else:
        scale = -256 / least if most < 0 else 255 / most
        mode = SignMode.INHIBITORY if most < 0 else SignMode.EXCITATORY
    shift = int(np.floor(np.log2(scale))) + mixed
    zeros = next((n for n in range(8, 0, -1) if not (weights % 2**n).any()), 0)
    # 9 bits of both signs are what Lava takes without a word, and cuts nothing of
    bits = min(8 + mixed, max(1, 8 - shift - (zeros - mixed)))
    shifted = weights.astype(np.int64) << shift
    kept = kept_weights(shifted, mode, bits)
    if (kept % 2**shift).any():
        return kept, -shift
    return kept >> shift, 0
