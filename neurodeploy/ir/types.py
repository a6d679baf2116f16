"""Numeric types of tensors, states and signals, and the tensors themselves."""

from __future__ import annotations

import hashlib
import operator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import Finding, GraphError
from neurodeploy.semantics.types import BOOL, F32, F64, Bool, Float, Int, Type, type_text

__all__ = [
    "BOOL",
    "F32",
    "F64",
    "Kind",
    "NumType",
    "QType",
    "Signal",
    "Tensor",
    "expression_type",
    "num_type_text",
    "stored_type",
    "tensor",
]

Kind = Literal["spike", "graded", "signed", "current", "value"]
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class QType:
    """An integer by range, with the real number that one step stands for.

    The real value of an integer ``q`` is ``(q - zero_point) * scale``.

    Attributes:
        lo: Smallest value.
        hi: Largest value.
        scale: Real value of one step; one number, or one for each position of ``axis``.
        zero_point: The integer that stands for the real 0.
        axis: Axis that a per-channel scale runs along; None for one scale.
        rounding: How a real number became an integer.
        overflow: What happens to a result outside the range: ``refuse`` (it is proven not to
            happen), ``saturate`` or ``wrap``.
    """

    lo: int
    hi: int
    scale: tuple[float, ...] = (1.0,)
    zero_point: int = 0
    axis: int | None = None
    rounding: Literal["nearest_even", "floor", "zero"] = "nearest_even"
    overflow: Literal["refuse", "saturate", "wrap"] = "refuse"

    def __post_init__(self) -> None:
        # Python's own numbers, so that what is equal has one text and one digest
        for name in ("lo", "hi", "zero_point"):
            object.__setattr__(self, name, operator.index(getattr(self, name)))
        object.__setattr__(self, "scale", tuple(float(s) for s in self.scale))
        Int(self.lo, self.hi)
        if not self.scale or any(not s > 0 or s == float("inf") for s in self.scale):
            raise GraphError(f"scale {self.scale} holds a number that is not positive and finite")
        if (self.axis is None) != (len(self.scale) == 1):
            raise GraphError(
                "a scale has one value without an axis, or one for each position of it"
            )
        if self.overflow == "wrap" and self.hi - self.lo + 1 != 2**self.bits:
            raise GraphError(f"wrap needs a full range of bits, not [{self.lo}, {self.hi}]")

    @property
    def bits(self) -> int:
        """Bits that hold the range."""
        return Int(self.lo, self.hi).bits

    @property
    def storage(self) -> np.dtype[Any]:
        """The narrowest numpy integer that holds the range; the type in files and in C."""
        names = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
        for name in names:
            info = np.iinfo(name)
            if info.min <= self.lo and self.hi <= info.max:
                return np.dtype(name)
        raise GraphError(f"no integer holds [{self.lo}, {self.hi}]")


NumType = Bool | Float | QType


def expression_type(kind: NumType) -> Type:
    """Give the type that the expression language sees: a QType without its scale."""
    return Int(kind.lo, kind.hi) if isinstance(kind, QType) else kind


def stored_type(kind: Type) -> NumType:
    """Give the type that a value of the expression language is stored in: scale 1.

    >>> stored_type(Int(0, 7)) == QType(0, 7)
    True
    """
    return QType(kind.lo, kind.hi) if isinstance(kind, Int) else kind


def num_type_text(kind: NumType) -> str:
    """Write a type for people, and for the canonical text form.

    >>> num_type_text(QType(-128, 127, (0.5,)))
    'int[-128,127]*0.5'
    """
    text = type_text(expression_type(kind))
    if isinstance(kind, QType):
        if kind.scale != (1.0,):
            scale = "*" + repr(kind.scale[0]) if kind.axis is None else f"*axis{kind.axis}"
            text += scale
        if kind.zero_point:
            text += f"@{kind.zero_point}"
        if kind.overflow != "refuse":
            text += f"/{kind.overflow}"
    return text


def storage_dtype(kind: NumType) -> np.dtype[Any]:
    """Give the numpy type in which tensors of the type are stored."""
    return kind.storage if isinstance(kind, QType) else kind.dtype


@dataclass(frozen=True)
class Signal:
    """What flows along an edge at each step: shape of one sample, type, and kind."""

    shape: tuple[int, ...]
    type: NumType
    kind: Kind

    @property
    def size(self) -> int:
        """Number of elements of one sample."""
        size = 1
        for n in self.shape:
            size *= n
        return size


@dataclass(frozen=True, eq=False)
class Tensor:
    """A constant array with its numeric type; read-only from the moment that it exists."""

    data: Array
    type: NumType

    @cached_property
    def digest(self) -> str:
        """SHA-256 over type, shape and little-endian bytes."""
        h = hashlib.sha256(f"{self.type!r} {self.data.shape}".encode())
        little = self.data.astype(self.data.dtype.newbyteorder("<"), order="C", copy=False)
        h.update(little.reshape(-1).view(np.uint8).data)
        return h.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tensor) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


def tensor(data: npt.ArrayLike, kind: NumType, *, name: str = "") -> Tensor:
    """Make a tensor: check that every value is one of the type, and freeze a copy.

    An array that is frozen already, owns its memory and is of the type's storage is not copied.

    A float array is rounded once to the float type. Integers are never rounded: a value that is
    not an integer in range is refused.

    Raises:
        GraphError: NaN, infinity, or a value outside the type.
    """
    array = np.asarray(data)
    problem = _problem(array, kind)
    if problem:
        raise GraphError(Finding(problem, node=name))
    own = array.base is None and not array.flags.writeable and array.flags.c_contiguous
    if own and array.dtype == storage_dtype(kind):
        return Tensor(array, kind)
    with np.errstate(over="ignore"):
        frozen = np.array(array, dtype=storage_dtype(kind), order="C", copy=True)
    if isinstance(kind, Float) and not np.isfinite(frozen).all():
        raise GraphError(Finding(f"a value overflows {num_type_text(kind)}", node=name))
    frozen.setflags(write=False)
    return Tensor(frozen, kind)


def _problem(array: Array, kind: NumType) -> str:
    if array.dtype.kind not in "biuf":
        return f"an array of {array.dtype} is no tensor"
    if isinstance(kind, Bool):
        return "" if array.dtype.kind == "b" else f"{array.dtype} stands where bool is due"
    if isinstance(kind, Float):
        if array.dtype.kind == "b":
            return "bool stands where a float is due"
        bad = ~np.isfinite(array)
        if bad.any():
            at = tuple(int(i) for i in np.argwhere(bad)[0])
            return f"{array[at]} at {list(at)}"
        return ""
    if array.dtype.kind == "b" or (array.dtype.kind == "f" and not (array == np.rint(array)).all()):
        return f"{array.dtype} values stand where integers are due"
    if array.size and (int(array.min()) < kind.lo or int(array.max()) > kind.hi):
        return f"values {array.min()} to {array.max()} leave {num_type_text(kind)}"
    return ""
