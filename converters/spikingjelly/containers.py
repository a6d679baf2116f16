"""SpikingJelly's recurrent containers: their output of the last step is part of their input.

During capture the container's ``forward`` is replaced by one that keeps the last output in a
variable, so that the captured operators show the way back, and the neuron inside stays a leaf.
Source: SpikingJelly 2.0.0, ``activation_based/layer/container.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

__all__ = ["container_forward"]

Step = Callable[[torch.Tensor, "torch.Tensor | None"], torch.Tensor]


def container_forward(layer: nn.Module) -> Callable[..., object] | None:
    """Give the replacement for a container's ``forward``; None where the layer is none."""
    makers = {
        "ElementWiseRecurrentContainer": _elementwise,
        "LinearRecurrentContainer": _linear,
    }
    made = makers.get(type(layer).__name__)
    return None if made is None else _looping(layer, made(layer))


def _elementwise(layer: Any) -> Step:
    def step(x: torch.Tensor, y: torch.Tensor | None) -> torch.Tensor:
        before = torch.zeros_like(x) if y is None else y
        out: torch.Tensor = layer.sub_module(layer.element_wise_function(before, x))
        return out

    return step


def _linear(layer: Any) -> Step:
    def step(x: torch.Tensor, y: torch.Tensor | None) -> torch.Tensor:
        shape = (*x.shape[:-1], layer.sub_module_out_features)
        before = x.new_zeros(shape) if y is None else y
        out: torch.Tensor = layer.sub_module(layer.rc(torch.cat((x, before), dim=-1)))
        return out

    return step


def _looping(layer: Any, step: Step) -> Callable[..., object]:
    last: list[torch.Tensor] = []

    def forward(x: torch.Tensor) -> torch.Tensor:
        rows = []
        for now in x if layer.step_mode == "m" else [x]:
            last[:] = [step(now, last[0] if last else None)]
            rows.append(last[0])
        return torch.stack(rows) if layer.step_mode == "m" else rows[0]

    return forward
