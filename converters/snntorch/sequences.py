"""snnTorch's layers that take a whole sequence: LeakyParallel, StateLeaky, LinearLeaky.

They start anew with every sequence, time on axis 0. LeakyParallel and LinearLeaky map their
input before their neurons see it. Source: snnTorch 1.0.0, ``_neurons``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
import torch
from torch import nn

from neurodeploy.converters.emit import Layer
from neurodeploy.converters.emit_algebra import dense
from neurodeploy.converters.torch.cell_leaf import CellLeaf
from neurodeploy.converters.torch.leaf import Arrived
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref

if TYPE_CHECKING:
    from neurodeploy.converters.torch.walk import Walk

__all__ = ["SequenceLeaf"]


class SequenceLeaf(CellLeaf):
    """A layer over time: a map of its input, if it has one, and a cell."""

    @property
    def over_time(self) -> bool:
        """It takes sequences alone."""
        return True

    def arrived(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arrived:
        """Take one sequence."""
        if len(args) != 1 or kwargs or not isinstance(args[0], torch.Tensor):
            raise ConversionError("is not called with one sequence")
        return Arrived((args[0],))

    def shapes(self, inputs: Sequence[torch.Tensor]) -> tuple[tuple[int, ...], ...]:
        """Give the shape behind the map."""
        *front, size = inputs[0].shape
        mapped = _map(self.module)
        return ((*front, size if mapped is None else mapped[0].shape[0]),) * len(self.outputs)

    def result(self, outputs: Mapping[str, torch.Tensor]) -> object:
        """Give the spikes, the spikes and the membrane, or the membrane alone."""
        if not self.states or not self.module.output:
            return outputs["out"]
        return outputs["out"], outputs["mem"]

    def observed(self, result: object) -> dict[str, torch.Tensor]:
        """Give what the layer returns."""
        values: Any = result
        return (
            {"out": values[0], "mem": values[1]} if isinstance(values, tuple) else {"out": values}
        )

    def reset(self) -> None:
        """It resets itself."""

    def emit(
        self, walk: Walk, inputs: Sequence[Ref], initial: Mapping[str, npt.NDArray[Any]]
    ) -> Mapping[str, Ref]:
        """Write the map and the cell."""
        mapped, e = _map(self.module), walk.emit
        if mapped is None:
            return self.cell(walk, inputs, initial)
        path = f"{self.path}.map"
        with e.at(Layer(path, (self.path,))):
            weight = e.weight(f"{path}.weight", _array(mapped[0]))
            bias = None if mapped[1] is None else e.weight(f"{path}.bias", _array(mapped[1]))
            x = dense(e, inputs[0], weight, bias)
        return self.cell(walk, [x], initial)


def _map(module: Any) -> tuple[torch.Tensor, torch.Tensor | None] | None:
    """Give weight and bias of the map in front of the neurons."""
    if hasattr(module, "rnn"):
        return module.rnn.weight_ih_l0, module.rnn.bias_ih_l0 if module.rnn.bias else None
    linear = getattr(module, "linear", None)
    return (linear.weight, linear.bias) if isinstance(linear, nn.Linear) else None


def _array(value: torch.Tensor) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = value.detach().cpu().numpy()
    return array
