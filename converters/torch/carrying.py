"""Modules that return their state beside their output, and take it again as ``state``."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from neurodeploy.converters.torch.forms import Form
from neurodeploy.converters.torch.leaf import Leaf
from neurodeploy.errors import ConversionError

__all__ = ["Carried", "carried_apart", "with_carrying"]


class Carried(nn.Module):
    """Calls a module once, or for each step of a sequence, and hands its state on.

    Args:
        module: Its ``forward(..., state=None)`` returns ``(out, state)``.
        loops: Call it once per step, time on axis 0.
    """

    def __init__(self, module: nn.Module, *, loops: bool) -> None:
        super().__init__()
        self.module = module
        self.loops = loops

    def forward(self, *inputs: torch.Tensor) -> object:
        """Give the output alone, stacked over time where it loops."""
        if not self.loops:
            return carried_apart(self.module(*inputs))[0]
        rows: list[Any] = []
        state: object = None
        for now in zip(*inputs, strict=True):
            out, state = carried_apart(self.module(*now, state=state))
            rows.append(out)
        return torch.stack(rows)


def carried_apart(result: object) -> tuple[object, object]:
    """Give output and state of what a module returned.

    Raises:
        ConversionError: it did not return two things.
    """
    if not isinstance(result, tuple) or len(result) != 2:
        raise ConversionError(
            f"forward takes a state and returns a {type(result).__name__}",
            hint="return (out, state)",
        )
    return result


def with_carrying(
    module: nn.Module, leaves: Mapping[str, Leaf], inputs: Collection[str], form: Form
) -> Form:
    """Give the form with whether ``forward`` takes and returns a state by itself.

    Args:
        module: The module.
        leaves: Its stateful layers.
        inputs: Arguments that the example gives.
        form: How the module meets time.
    """
    found = inspect.signature(module.forward).parameters.get("state")
    takes = found is not None and found.default is None and "state" not in inputs
    hands = not all(leaf.keeps_state for leaf in leaves.values())
    return replace(form, carries=takes and hands)
