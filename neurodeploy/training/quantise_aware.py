"""Quantisation-aware training: weights are rounded in the forward pass, gradients pass through.

The gradient of the rounded weight is taken as that of the weight itself (straight-through
estimator, Bengio, Leonard and Courville 2013, "Estimating or Propagating Gradients Through
Stochastic Neurons for Conditional Computation").
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from neurodeploy.errors import Finding, UsageError, raise_findings
from neurodeploy.ir.nodes import Map
from neurodeploy.passes.weights import Weighted
from neurodeploy.quantize.grids import grid_values
from neurodeploy.quantize.projections import channel_axis
from neurodeploy.quantize.scheme import Scheme
from neurodeploy.semantics.types import Float
from neurodeploy.training.graph_module import GraphModule, attribute_of

__all__ = ["RoundedWeight", "quantization_aware"]

TERNARY_SHARE = 0.7
SHARES = tuple(float(s) for s in np.linspace(0.3, 1.0, 24))


class RoundedWeight(nn.Module):
    """Rounds weights to the grid of a scheme, one step for each channel or for all.

    Uniform and power-of-two grids take the step of least squared error among `SHARES` of the
    largest weight, or the largest weight itself (``fit="max"``). Ternary weights are 0 below 0.7
    times the mean magnitude, else plus or minus the mean of those above (Li, Zhang and Liu 2016,
    "Ternary Weight Networks", equations 6 and 7).

    Args:
        scheme: The grid.
        axis: Axis of the weights that runs along the output's channels; None for none.
    """

    def __init__(self, scheme: Scheme, axis: int | None) -> None:
        super().__init__()
        self.scheme = scheme
        self.axis = None if scheme.granularity == "tensor" else axis
        self.register_buffer("values", torch.tensor(grid_values(scheme), dtype=torch.float32))

    def forward(self, weight: Tensor) -> Tensor:
        """Give the rounded weights, with the gradient of the weights."""
        rounded = self._rounded(weight.detach())
        return weight + (rounded - weight.detach())

    def _rounded(self, weight: Tensor) -> Tensor:
        moved = weight if self.axis is None else weight.movedim(self.axis, 0)
        rows = moved.reshape(1 if self.axis is None else moved.shape[0], -1)
        made = self._ternary(rows) if self.scheme.grid == "ternary" else self._on_grid(rows)
        made = made.reshape(moved.shape)
        return made if self.axis is None else made.movedim(0, self.axis)

    def _ternary(self, rows: Tensor) -> Tensor:
        size = rows.abs()
        above = size > TERNARY_SHARE * size.mean(dim=1, keepdim=True)
        count = above.sum(dim=1, keepdim=True).clamp(min=1)
        scale = (size * above).sum(dim=1, keepdim=True) / count
        return rows.sign() * above * scale

    def _on_grid(self, rows: Tensor) -> Tensor:
        end = rows.abs().amax(dim=1, keepdim=True).clamp(min=1e-12)
        best = self._nearest(rows, end)
        if self.scheme.fit == "max":
            return best
        error = ((best - rows) ** 2).sum(dim=1, keepdim=True)
        for share in SHARES:
            tried = self._nearest(rows, end * share)
            found = ((tried - rows) ** 2).sum(dim=1, keepdim=True)
            best = torch.where(found < error, tried, best)
            error = torch.minimum(found, error)
        return best

    def _nearest(self, rows: Tensor, end: Tensor) -> Tensor:
        values: Any = self.values
        step = end / values[-1]
        between = (values[1:] + values[:-1]) / 2
        size: Tensor = values[torch.bucketize((rows / step).abs(), between)]
        signed: Tensor = rows.sign() * size * step
        return signed


def quantization_aware(module: GraphModule, scheme: Scheme) -> GraphModule:
    """Let a module compute with rounded weights from now on, and train the ones behind them.

    `from_torch` then gives the rounded weights, which `neurodeploy.quantize` finds again.

    Args:
        module: A module of `to_torch`; it is changed.
        scheme: The grid of the weights.

    Returns:
        The module.

    Raises:
        UsageError: its weights are rounded already, or the graph has no float weights; or the
            scheme changes the graph, which has to be done before.
    """
    raise_findings(
        UsageError,
        [
            Finding(f"{name} changes the projections that are trained", hint=hint)
            for name, given, hint in (
                ("group", scheme.group, "to_torch(grouped(graph, N)), and a scheme without it"),
                ("equalise", scheme.equalise, "to_torch(equalised(graph)), likewise"),
            )
            if given
        ],
    )
    found: dict[str, int | None] = {}
    for node in module.graph.nodes:
        if isinstance(node, Map) and isinstance(node.op, Weighted):
            name = node.op.weight
            if isinstance(module.graph.tensors[name].type, Float):
                found[name] = channel_axis(node.op)
    if not found:
        raise UsageError("the graph has no float weights", hint="train before it is quantised")
    for name, axis in found.items():
        attribute = attribute_of(name)
        if parametrize.is_parametrized(module.tensors, attribute):
            raise UsageError(f"the weights {name!r} are rounded already")
        rounding = RoundedWeight(scheme, axis)
        parametrize.register_parametrization(module.tensors, attribute, rounding)
    return module
