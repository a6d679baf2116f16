"""snnTorch's RLeaky and RSynaptic: a cell whose spikes return to it through a map.

The map sees the spikes of the step before, so the delayed edge leaves the cell and ends at the
map: at the first step the map is given zeros, and adds its bias. Source: snnTorch 1.0.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
import torch
from torch import nn

from neurodeploy.converters.emit import Layer
from neurodeploy.converters.emit_algebra import dense
from neurodeploy.converters.emit_spikes import delayed
from neurodeploy.converters.emit_windows import convolve, spread
from neurodeploy.converters.snntorch.leaves import SnnTorchLeaf
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.types import NumType

if TYPE_CHECKING:
    from neurodeploy.converters.torch.walk import Walk

__all__ = ["RecurrentLeaf"]


class RecurrentLeaf(SnnTorchLeaf):
    """A neuron whose own spikes are its second input; they are the state ``spk`` as well."""

    @property
    def states(self) -> tuple[str, ...]:
        """The last spikes, then the states of the cell."""
        return ("spk", *self.spec.states)

    def kind(self, output: str) -> NumType:
        """Give the type of an output; ``spk`` is what the cell gives."""
        return super().kind("out" if output == "spk" else output)

    def result(self, outputs: Mapping[str, torch.Tensor]) -> object:
        """Give what ``forward`` returns; its spikes are the state that comes back."""
        return super().result({**outputs, "out": outputs["spk"]})

    def emit(
        self, walk: Walk, inputs: Sequence[Ref], initial: Mapping[str, npt.NDArray[Any]]
    ) -> Mapping[str, Ref]:
        """Write the recurrent map and the cell."""
        shape = inputs[0].shape
        handed = initial.get("spk")
        start = handed if handed is not None and handed.shape == shape else None
        spikes = walk.returns.promise(self.path, "out", shape, self.kind("out"))
        before = delayed(walk.emit, spikes, 1, start)
        path = f"{self.path}.recurrent" if self.path else "recurrent"
        with walk.emit.at(Layer(path, (path,))):
            feedback = _returned(walk, path, self.module, before)
        found = self.cell(walk, (*inputs, feedback), initial)
        return {**found, "spk": found["out"]}


def _returned(walk: Walk, path: str, module: Any, before: Ref) -> Ref:
    """Write what the recurrent module of a neuron computes of its last spikes."""
    layer = module.recurrent
    if isinstance(layer, nn.Linear):
        return dense(walk.emit, before, *_parameters(walk, path, layer))
    if isinstance(layer, nn.Conv2d):
        weights = _parameters(walk, path, layer)
        high, wide = (int(n) for n in layer.padding)
        return convolve(
            walk.emit,
            before,
            *weights,
            stride=spread(layer.stride, 2),
            padding=((high, high), (wide, wide)),
            dilation=spread(layer.dilation, 2),
            groups=layer.groups,
        )
    if type(layer).__name__ == "RecurrentOneToOne":
        amplitude = layer.V.detach().cpu().numpy()
        return walk.emit.builder.cell(
            walk.emit.fresh(),
            "spike_scale",
            before,
            params={"amplitude": amplitude},
            source=walk.emit.source,
        )
    raise ConversionError(
        f"returns its spikes through a {type(layer).__name__}",
        hint="handled are Linear, Conv2d and one to one",
    )


def _parameters(walk: Walk, path: str, layer: nn.Linear | nn.Conv2d) -> tuple[str, str | None]:
    weight = walk.emit.weight(f"{path}.weight", layer.weight.detach().cpu().numpy())
    if layer.bias is None:
        return weight, None
    return weight, walk.emit.weight(f"{path}.bias", layer.bias.detach().cpu().numpy())
