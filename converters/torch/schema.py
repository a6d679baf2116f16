"""Names of ATen operators and of their arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import fx

__all__ = ["by_name", "operator_name"]


def operator_name(node: fx.Node) -> str:
    """Give the operator of a node without namespace and overload; its kind where it has none."""
    target = node.target
    if isinstance(target, torch._ops.OpOverload):
        return str(target._schema.name).removeprefix("aten::")
    return str(getattr(target, "__name__", target))


def by_name(target: Any, args: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Give the arguments of an operator by the names of its schema, defaults filled in."""
    if not isinstance(target, torch._ops.OpOverload):
        return dict(kwargs)
    schema = target._schema.arguments
    found = {a.name: a.default_value for a in schema}
    found.update({a.name: v for a, v in zip(schema, args, strict=False)})
    return {**found, **kwargs}
