"""Recognises results that a loop adds up: ``out = out + y`` in every step, perhaps over T."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import fx

from neurodeploy.converters.torch.schema import by_name, operator_name

__all__ = ["accumulated"]


def accumulated(
    node: fx.Node, stamp: Callable[[fx.Node], int], steps: int
) -> tuple[tuple[fx.Node, ...], str]:
    """Give the addends of a running sum, one per step, and how the module reads it.

    Args:
        node: The result.
        stamp: Gives the latest step that a node depends on, -1 for none.
        steps: Number of steps.

    Returns:
        The addends and ``count`` or ``mean``; no addends where the result is no running sum.
    """
    how = "count"
    name = operator_name(node)
    if name in ("div", "mul"):
        a = by_name(node.target, node.args, node.kwargs)
        factor: Any = a["other"]
        wanted = steps if name == "div" else 1 / steps
        if not isinstance(factor, int | float) or factor != wanted:
            return (), how
        node, how = a["self"], "mean"
    addends: list[fx.Node] = []
    while operator_name(node) == "add":
        a = by_name(node.target, node.args, node.kwargs)
        left, right = a["self"], a["other"]
        if a.get("alpha", 1) != 1 or not isinstance(left, fx.Node):
            return (), how
        if not isinstance(right, fx.Node):
            if right != 0:
                return (), how
            node = left
            continue
        if stamp(left) > stamp(right):
            left, right = right, left
        addends.append(right)
        node = left
        if len(addends) == steps:
            break
    if len(addends) < steps:
        addends.append(node)
    elif not _zero(node):
        return (), how
    addends.reverse()
    if [stamp(n) for n in addends] != list(range(steps)) or steps < 2:
        return (), how
    return tuple(addends), how


def _zero(node: fx.Node) -> bool:
    if operator_name(node) == "full":
        return bool(by_name(node.target, node.args, node.kwargs)["fill_value"] == 0)
    return operator_name(node) == "zeros"
