r"""The three ways in which people write a spiking network's ``forward``.

| form | ``forward`` takes | example | told by |
| -- | -- | -- | -- |
| `STEP` | one step; it is called once per step | (N, \*input) | nothing |
| `SEQUENCE` | the whole sequence, maybe time and batch on one axis | (N, T, \*input) | ``time_axis=`` |
| `STATIC` | one static input; it loops by itself | (N, \*input) | ``steps=`` |
"""  # noqa: E501  # a table

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.utils import _pytree as pytree

from neurodeploy.errors import Finding, UsageError

__all__ = ["CAPTURED_STEPS", "Form", "Repeated", "form_of"]

# the first step has initial values, the second reads them, the third shows that it repeats
CAPTURED_STEPS = 3


@dataclass(frozen=True)
class Form:
    """How a module meets time.

    Attributes:
        kind: ``step``, ``sequence`` or ``static``.
        time_axis: Axis of time of what ``forward`` takes, for a sequence.
        steps: How often a static module loops.
        folded: A sequence comes and goes with time and batch on one axis.
        carries: ``forward`` returns its state beside its output, and takes it as ``state``.
    """

    kind: Literal["step", "sequence", "static"]
    time_axis: int = 0
    steps: int = 1
    folded: bool = False
    carries: bool = False

    def noted(self) -> dict[str, str]:
        """Give what a graph's metadata keep of it."""
        if self.kind == "sequence":
            return {"time_axis": str(self.time_axis)}
        return {"steps": str(self.steps)} if self.kind == "static" else {}

    def placed(self, x: torch.Tensor) -> torch.Tensor:
        """Bring samples, (N, T, ...) for a sequence, into the layout that ``forward`` takes."""
        if self.kind != "sequence":
            return x
        placed = x.movedim(1, self.time_axis)
        return placed.flatten(0, 1) if self.folded else placed

    def unfolded(self, result: object, samples: int) -> object:
        """Give what ``forward`` returned with time and batch on axes of their own."""
        if not self.folded:
            return result
        lead = (samples, -1) if self.time_axis else (-1, samples)
        return pytree.tree_map_only(torch.Tensor, lambda v: v.unflatten(0, lead), result)

    def captured(
        self,
        inputs: Mapping[str, torch.Tensor],
        *,
        repeated: bool,
        steps: int = CAPTURED_STEPS,
    ) -> dict[str, torch.Tensor]:
        """Give inputs of a few steps, for capture; one step ``repeated`` for `Repeated`."""
        if repeated:
            return {
                k: x.unsqueeze(0).repeat(CAPTURED_STEPS, *[1] * x.ndim) for k, x in inputs.items()
            }
        if self.kind != "sequence":
            return dict(inputs)
        return {name: self.placed(_lasting(x, steps)) for name, x in inputs.items()}


class Repeated(nn.Module):
    """Calls a module of one step for each step of a sequence, time on axis 0.

    So capture sees what a layer hands on from one call to the next.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: torch.Tensor) -> object:
        """Give the results of every step, each stacked over time."""
        rows = [self.module(*now) for now in zip(*inputs, strict=True)]
        flat = [pytree.tree_flatten(row) for row in rows]
        stacked = [torch.stack(values) for values in zip(*(f[0] for f in flat), strict=True)]
        return pytree.tree_unflatten(stacked, flat[0][1])


def _lasting(x: torch.Tensor, steps: int) -> torch.Tensor:
    """Give the first steps of (N, T, ...), repeated where there are fewer."""
    repeats = -(-steps // x.shape[1])
    return x.repeat(1, repeats, *[1] * (x.ndim - 2))[:, :steps]


def form_of(time_axis: int | None, steps: int | None) -> Form:
    """Give the form that a caller states.

    Raises:
        UsageError: both are given, or one is out of its range.
    """
    if time_axis is not None and steps is not None:
        raise UsageError(
            "time_axis and steps exclude each other",
            hint="time_axis where forward takes the sequence, steps where it loops over one input",
        )
    if time_axis is not None:
        if time_axis not in (0, 1):
            raise UsageError(
                Finding(
                    f"time_axis is {time_axis}",
                    node="time_axis",
                    hint="0 for (T, N, ...), 1 for (N, T, ...)",
                )
            )
        return Form("sequence", time_axis=time_axis)
    if steps is not None:
        if steps < 1:
            raise UsageError(Finding(f"steps is {steps}", node="steps", hint="at least 1"))
        return Form("static", steps=steps)
    return Form("step")
