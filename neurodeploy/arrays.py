"""Numpy arrays of whatever people hold their numbers in."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import DataError

__all__ = ["to_numpy"]

Array = npt.NDArray[Any]


def to_numpy(value: object) -> Array:
    """Give an array of an array-like or a tensor, on whatever device it is."""
    detach = getattr(value, "detach", None)
    try:
        return np.asarray(cast(Any, detach()).cpu().numpy() if callable(detach) else value)
    except (ValueError, TypeError, RuntimeError) as error:  # such as a sparse or bfloat16 tensor
        raise DataError(f"the data is no regular array: {error}") from error
