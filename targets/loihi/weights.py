"""What Loihi's synapses make of 8-bit weights, as lava-nc 0.10.0 has it.

The signs of a connection's weights choose its mode. Weights of both signs keep one bit less than
those of one sign: the lowest bits are cut, and Lava cuts them without a word.

Source: lava-nc 0.10.0, lava/utils/weightutils.py: determine_sign_mode, clip_weights,
truncate_weights.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import Finding, QuantizationError

__all__ = ["WEIGHT_BITS", "SignMode", "held_weights", "kept_weights", "sign_mode", "weight_step"]

Array = npt.NDArray[Any]
WEIGHT_BITS = 8


class SignMode(Enum):
    """Which signs the weights of a connection have, with the range that Loihi holds."""

    MIXED = (-256, 255)
    EXCITATORY = (0, 255)
    INHIBITORY = (-255, 0)


def sign_mode(weights: npt.ArrayLike) -> SignMode:
    """Give the mode that fits the weights of a connection best.

    >>> [sign_mode(w).name for w in ([0, 3], [-1, 0], [-1, 1])]
    ['EXCITATORY', 'INHIBITORY', 'MIXED']
    """
    values = np.asarray(weights)
    if not values.size or values.min() >= 0:
        return SignMode.EXCITATORY
    return SignMode.INHIBITORY if values.max() <= 0 else SignMode.MIXED


def weight_step(mode: SignMode, bits: int = WEIGHT_BITS) -> int:
    """Give the difference of two neighbouring weights.

    >>> weight_step(SignMode.EXCITATORY), weight_step(SignMode.MIXED, bits=4)
    (1, 32)
    """
    return int(2 ** (WEIGHT_BITS - bits + (mode is SignMode.MIXED)))


def kept_weights(weights: npt.ArrayLike, mode: SignMode, bits: int = WEIGHT_BITS) -> Array:
    """Give what Loihi keeps of integer weights: clipped to the range, the lowest bits cut.

    The cut is downwards, of inhibitory weights towards zero.

    >>> kept_weights([-3, -1, 1, 255, 300], SignMode.MIXED).tolist()
    [-4, -2, 0, 254, 254]
    >>> kept_weights([-3, -1, 0], SignMode.INHIBITORY, bits=7).tolist()
    [-2, 0, 0]
    """
    step = weight_step(mode, bits)
    clipped = np.clip(np.asarray(weights, np.int64), *mode.value)
    if mode is SignMode.INHIBITORY:
        return -(-clipped // step * step)
    return clipped // step * step


def held_weights(weights: npt.ArrayLike, mode: SignMode, bits: int = WEIGHT_BITS) -> Array:
    """Give weights as integers that Loihi keeps as they are.

    Raises:
        QuantizationError: weights that are no integers or that Loihi would clip or cut, or a
            number of bits that it does not have.
    """
    values = np.asarray(weights)
    if not 1 <= bits <= WEIGHT_BITS:
        raise QuantizationError(Finding(f"weights of {bits} bits", value=bits, limit=WEIGHT_BITS))
    if values.dtype.kind not in "iu":
        text = f"weights of type {values.dtype}, Loihi holds integers"
        hint = "neurodeploy quantize; as floats, all between -1 and 1 would become 0"
        raise QuantizationError(Finding(text, value=str(values.dtype), hint=hint))
    kept = kept_weights(values, mode, bits)
    changed = np.flatnonzero(kept.reshape(-1) != values.reshape(-1))
    if changed.size:
        first = int(values.reshape(-1)[changed[0]])
        lo, hi = mode.value
        step = weight_step(mode, bits)
        text = f"{changed.size} of {values.size} weights are not held as they are, as {first}"
        hint = f"multiples of {step} from {lo} to {hi // step * step} ({mode.name.lower()} signs)"
        raise QuantizationError(Finding(text, value=first, limit=f"{lo} to {hi}", hint=hint))
    return kept
