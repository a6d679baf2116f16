"""Cuts the translation unit of a large graph into parts that are compiled side by side.

A part holds the functions of some nodes and the helpers that these call; the last one has the tile
and the run as well. Alone in a unit, a node's function is static; in parts, ``ND_NODE`` is defined
otherwise, and the functions are seen within the library only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neurodeploy.engine.prelude import CHECK, HEAD, kernels
from neurodeploy.semantics.c_helpers import needed_helpers

__all__ = ["PART_LINES", "Pieces", "in_parts", "whole"]

PART_LINES = 200  # below, starting another compiler costs what it saves


@dataclass(frozen=True)
class Pieces:
    """What a translation unit is made of.

    Attributes:
        title: Comment at its top.
        data: Comment that lists the program's data.
        declarations: By node, its functions declared.
        functions: By node, its functions.
        main: The functions of a tile and of a run.
    """

    title: str
    data: str
    declarations: tuple[str, ...]
    functions: tuple[str, ...]
    main: str


def whole(pieces: Pieces) -> str:
    """Give the unit in one."""
    code = "\n".join((*pieces.functions, pieces.main))
    return _joined(pieces.title, _prelude(code), CHECK, pieces.data, *pieces.functions, pieces.main)


def in_parts(pieces: Pieces, most: int) -> tuple[str, ...]:
    """Give the texts of parts of about the same length, at most ``most`` of them."""
    lines = [f.count("\n") for f in pieces.functions]
    count = min(most, sum(lines) // PART_LINES)
    if count < 2:
        return (whole(pieces),)
    groups = _balanced(lines, [*[0] * (count - 1), pieces.main.count("\n")])
    texts = []
    for number, group in enumerate(groups):
        functions = [pieces.functions[i] for i in group]
        if number < count - 1:
            texts.append(_joined(pieces.title, _prelude("\n".join(functions)), *functions))
            continue
        own = "\n".join((*functions, pieces.main))
        texts.append(
            _joined(
                pieces.title,
                _prelude(own),
                CHECK,
                pieces.data,
                *pieces.declarations,
                *functions,
                pieces.main,
            )
        )
    return tuple(texts)


def _prelude(code: str) -> str:
    return _joined(HEAD, needed_helpers(code), kernels(code))


def _joined(*texts: str) -> str:
    return "\n".join(t.strip("\n") + "\n" for t in texts if t.strip())


def _balanced(sizes: Sequence[int], begun: Sequence[int]) -> list[list[int]]:
    """Divide into groups: the largest first, each to the group that has least so far.

    Args:
        sizes: What is divided.
        begun: What each group has before.
    """
    groups: list[list[int]] = [[] for _ in begun]
    total = list(begun)
    for i in sorted(range(len(sizes)), key=lambda i: (-sizes[i], i)):
        least = total.index(min(total))
        groups[least].append(i)
        total[least] += sizes[i]
    return [sorted(g) for g in groups]
