"""The types of the expression language: bool, float32, float64, and integers by range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import SemanticsError

__all__ = ["BOOL", "F32", "F64", "Bool", "Float", "Int", "Type", "parse_type", "type_text"]

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1


@dataclass(frozen=True)
class Bool:
    """True or false; a spike, or a condition."""

    @property
    def dtype(self) -> np.dtype[np.bool_]:
        """The numpy type that the reference computes in."""
        return np.dtype(np.bool_)


@dataclass(frozen=True)
class Float:
    """IEEE 754 binary32 or binary64."""

    bits: int

    def __post_init__(self) -> None:
        if self.bits not in (32, 64):
            raise SemanticsError(f"a float has 32 or 64 bits, not {self.bits}")

    @property
    def dtype(self) -> np.dtype[np.float32] | np.dtype[np.float64]:
        """The numpy type that the reference computes in."""
        return np.dtype(np.float32) if self.bits == 32 else np.dtype(np.float64)


@dataclass(frozen=True)
class Int:
    """An integer that is proven to lie in ``[lo, hi]``; its bits are derived from the range."""

    lo: int
    hi: int

    def __post_init__(self) -> None:
        if self.lo > self.hi:
            raise SemanticsError(f"the integer range [{self.lo}, {self.hi}] is empty")
        if self.lo < INT64_MIN or self.hi > INT64_MAX:
            raise SemanticsError(
                f"the integer range [{self.lo}, {self.hi}] needs more than 64 bits",
                hint="saturate, wrap or declare an operand before this operation",
            )

    @property
    def dtype(self) -> np.dtype[np.int64]:
        """The numpy type that the reference computes in (C uses the narrowest of 32 and 64)."""
        return np.dtype(np.int64)

    @property
    def bits(self) -> int:
        """Bits that hold the range: two's complement if it has negative values, else unsigned."""
        if self.lo >= 0:
            return max(1, self.hi.bit_length())
        return max(self.hi.bit_length(), (-self.lo - 1).bit_length()) + 1

    def holds(self, other: Int) -> bool:
        """Say whether every value of ``other`` lies in this range."""
        return self.lo <= other.lo and other.hi <= self.hi

    def union(self, other: Int) -> Int:
        """Give the smallest range that holds both."""
        return Int(min(self.lo, other.lo), max(self.hi, other.hi))


Type = Bool | Float | Int

BOOL = Bool()
F32 = Float(32)
F64 = Float(64)


def type_text(kind: Type) -> str:
    """Write a type in its canonical form.

    >>> type_text(F32), type_text(BOOL), type_text(Int(-8, 7))
    ('f32', 'bool', 'int[-8,7]')
    """
    if isinstance(kind, Bool):
        return "bool"
    if isinstance(kind, Float):
        return f"f{kind.bits}"
    return f"int[{kind.lo},{kind.hi}]"


def parse_type(text: str) -> Type:
    """Read what ``type_text`` wrote.

    Raises:
        SemanticsError: the text is no type.
    """
    simple: dict[str, Type] = {"bool": BOOL, "f32": F32, "f64": F64}
    if text in simple:
        return simple[text]
    if text.startswith("int[") and text.endswith("]") and len(text) < 64:
        parts = text[4:-1].split(",")
        if len(parts) == 2 and all(
            p.lstrip("-").isascii() and p.lstrip("-").isdigit() for p in parts
        ):
            return Int(int(parts[0]), int(parts[1]))
    raise SemanticsError(f"{text[:64]!r} is no type of the expression language")


def as_array(value: npt.ArrayLike, kind: Type) -> npt.NDArray[np.generic]:
    """Give ``value`` as an array of the numpy type that the reference uses for ``kind``."""
    return np.asarray(value, dtype=kind.dtype)
