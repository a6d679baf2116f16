"""Pieces of C text: loops, indentation, comments that hold any name."""

from __future__ import annotations

import string
from collections.abc import Sequence

__all__ = ["collapsed", "comment", "indented", "linear", "loop", "nest", "strides_of"]

_PLAIN = frozenset(string.ascii_letters + string.digits + " _.-:,()[]")
SHOWN = 120


def comment(text: str) -> str:
    """Give a C comment; characters that could end it, or mean anything to C, are numbered.

    >>> comment("conv1"), comment("*/ #error")
    ('/* conv1 */', '/* <2a><2f> <23>error */')
    """
    shown = "".join(c if c in _PLAIN else f"<{ord(c):x}>" for c in text[:SHOWN])
    return f"/* {shown}{'...' if len(text) > SHOWN else ''} */"


def indented(lines: Sequence[str], depth: int = 1) -> str:
    """Join lines, indented by the braces that they open and close."""
    out: list[str] = []
    for line in lines:
        if line.startswith("}"):
            depth -= 1
        out.append("  " * depth + line)
        if line.endswith("{"):
            depth += 1
    return "\n".join(out)


def loop(
    name: str, stop: int | str, body: Sequence[str], *, start: int | str = 0, step: int | str = 1
) -> list[str]:
    """Give a counted loop; none where it runs once from 0."""
    if start == 0 and stop == 1:
        return ["{", f"const nd_int {name} = 0;", *body, "}"]
    advance = f"{name}++" if step == 1 else f"{name} += {step}"
    return [f"for (nd_int {name} = {start}; {name} < {stop}; {advance}) {{", *body, "}"]


def nest(names: Sequence[str], sizes: Sequence[int], body: Sequence[str]) -> list[str]:
    """Give nested loops, the first name outermost; loops of one pass are left out."""
    lines = list(body)
    for name, size in reversed(list(zip(names, sizes, strict=True))):
        if size != 1:
            lines = loop(name, size, lines)
    return lines


def strides_of(shape: Sequence[int]) -> tuple[int, ...]:
    """Give the element strides of a contiguous array."""
    strides = [1] * len(shape)
    for i in range(len(shape) - 2, -1, -1):
        strides[i] = strides[i + 1] * shape[i + 1]
    return tuple(strides)


def linear(names: Sequence[str], sizes: Sequence[int], strides: Sequence[int]) -> str:
    """Give the flat index ``sum(name * stride)``; axes of one position are left out."""
    terms = [
        name if stride == 1 else f"{name} * {stride}"
        for name, size, stride in zip(names, sizes, strides, strict=True)
        if size != 1 and stride != 0
    ]
    return " + ".join(terms) or "0"


def collapsed(
    shape: Sequence[int], operands: Sequence[tuple[int, ...]]
) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """Merge neighbouring axes that all operands walk through alike.

    >>> collapsed((4, 8, 8), [(64, 8, 1), (1, 0, 0)])
    ((4, 64), [(64, 1), (1, 0)])
    """
    sizes: list[int] = []
    walks: list[list[int]] = [[] for _ in operands]
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        here = [strides[axis] for strides in operands]
        if sizes and all(w[-1] == stride * size for w, stride in zip(walks, here, strict=True)):
            sizes[-1] *= size
            for w, stride in zip(walks, here, strict=True):
                w[-1] = stride
        else:
            sizes.append(size)
            for w, stride in zip(walks, here, strict=True):
                w.append(stride)
    return tuple(sizes), [tuple(w) for w in walks]
