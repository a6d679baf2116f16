"""Matrix products of signals and stacks of constant matrices."""

from __future__ import annotations

from string import ascii_lowercase

import numpy as np

from neurodeploy.converters.emit import Array, Emitter, as_array, signal
from neurodeploy.converters.emit_analog import constant
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref

__all__ = ["matmul", "stacked"]


def _aligned(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[str, str, str]:
    """Give the labels of a stack of products; an axis of length 1 has to be squeezed before.

    Raises:
        ConversionError: the shapes are no matrices, or do not go together.
    """
    if len(a) < 2 or len(b) < 2 or a[-1] != b[-2] or max(len(a), len(b)) > 20:
        raise ConversionError(f"a product of samples {list(a)} and {list(b)}")
    rank = max(len(a), len(b))
    stack = ascii_lowercase[: rank - 2]
    left = stack[rank - len(a) :] + "xy"
    right = stack[rank - len(b) :] + "yz"
    return left, right, stack + "xz"


def matmul(e: Emitter, a: object, b: object) -> Ref:
    """Add ``a @ b`` of two signals, stacks of matrices by numpy's rules.

    Raises:
        ConversionError: the shapes do not go together.
    """
    x, y = signal(a), signal(b)
    left, right, out = _aligned(x.shape, y.shape)
    sizes: dict[str, int] = {}
    for labels, shape in ((left, x.shape), (right, y.shape)):
        for label, n in zip(labels, shape, strict=True):
            sizes[label] = max(n, sizes.get(label, 1))
    x, left = _squeezed(e, x, left, sizes)
    y, right = _squeezed(e, y, right, sizes)
    return e.builder.product(e.fresh(), f"{left},{right}->{out}", x, y, source=e.source)


def _squeezed(e: Emitter, x: Ref, labels: str, sizes: dict[str, int]) -> tuple[Ref, str]:
    """Drop axes of length 1 that meet a longer one: a product broadcasts by missing labels."""
    kept = [i for i, label in enumerate(labels) if x.shape[i] == sizes[label]]
    if len(kept) == len(labels):
        return x, labels
    if any(x.shape[i] != 1 for i in range(len(labels)) if i not in kept):
        raise ConversionError(f"stacks of matrices {list(x.shape)} do not go together")
    shape = tuple(x.shape[i] for i in kept)
    made = e.builder.reshape(e.fresh("stack"), x, shape, source=e.source)
    return made, "".join(labels[i] for i in kept)


def stacked(e: Emitter, a: object, b: object) -> Ref:
    """Add ``a @ b`` where one factor is a constant stack of matrices, without the batch."""
    if isinstance(a, Ref):
        return matmul(e, a, constant(e, _sample(b, a)))
    x = signal(b)
    return matmul(e, constant(e, _sample(a, x)), x)


def _sample(values: object, x: Ref) -> Array:
    array = as_array(values)
    if array.ndim == len(x.shape) + 1 and len(array) == 1:
        array = array[0]
    if array.ndim < 2 or array.ndim > max(2, len(x.shape)) or not np.isfinite(array).all():
        raise ConversionError(
            f"a constant of shape {list(array.shape)} multiplies samples {list(x.shape)}"
        )
    return array
