"""Follows values of an unrolled program back: their form, what they read, what they are."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import fx

from neurodeploy.converters.torch.opaque import LEAF
from neurodeploy.converters.torch.program import Constant
from neurodeploy.converters.torch.schema import operator_name
from neurodeploy.converters.torch.unroll import step_of
from neurodeploy.errors import ConversionError

__all__ = ["Key", "arguments", "evaluated", "flat", "leaf_call", "leaf_reads", "operation"]

Key = tuple[Any, ...]


def arguments(node: fx.Node) -> Any:
    """Give the arguments of a call, as the nested tuples that they are."""
    return node.args


def evaluated(node: fx.Node, constants: Mapping[str, Constant], what: str) -> torch.Tensor:
    """Compute a value that depends on parameters alone.

    Raises:
        ConversionError: it depends on the input, or on a stateful layer.
    """
    if node.op == "placeholder":
        if node.target not in constants:
            raise ConversionError(f"{what} is computed from the input", hint="start from zeros")
        held: Any = constants[str(node.target)].value
        return held  # type: ignore[no-any-return]
    if node.op != "call_function" or node.target in (LEAF, step_of):
        raise ConversionError(f"{what} depends on {operator_name(node)}")
    function: Any = node.target
    args, kwargs = fx.map_arg((node.args, node.kwargs), lambda n: evaluated(n, constants, what))
    with torch.no_grad():
        result: torch.Tensor = function(*args, **kwargs)
    return result


def flat(value: Any, describe: Any) -> Iterator[Any]:
    """Give nested arguments as a flat sequence that can be compared and hashed."""
    if isinstance(value, fx.Node):
        yield describe(value)
    elif isinstance(value, list | tuple):
        yield len(value)
        for v in value:
            yield from flat(v, describe)
    elif isinstance(value, Mapping):
        for k in sorted(value):
            yield k
            yield from flat(value[k], describe)
    else:
        yield type(value), value


def leaf_call(node: fx.Node) -> tuple[fx.Node, int] | None:
    """Give the call of a stateful layer that made a value, and which of its outputs that is."""
    call = node.args[0] if node.target is operator.getitem else None
    if isinstance(call, fx.Node) and call.target is LEAF:
        output: Any = node.args[1]
        return call, int(output)
    return None


def leaf_reads(key: Key) -> Iterator[Key]:
    """Give the layers' values that a key ends in."""
    todo = [key]
    while todo:
        now = todo.pop()
        if now and now[0] == "leaf" and isinstance(now[0], str):
            yield now
        else:
            todo += [k for k in now if isinstance(k, tuple) and k and not isinstance(k[0], type)]


def operation(node: fx.Node) -> Key:
    """Describe an operator and those of its arguments that are no values of the program."""
    return (node.target, *flat((node.args, node.kwargs), lambda n: "value"))
