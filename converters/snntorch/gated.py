"""snnTorch's SLSTM and SConv2dLSTM: maps to four gates, and a cell that they drive.

The maps see the input and the membrane of the step before, which returns over an edge of delay
1. Order of the gates: SLSTM i, f, g, o (torch's LSTMCell), SConv2dLSTM i, f, o, g. Sums and
sigmoids are torch's own in eager mode, so that the two agree within rounding, not in every bit.
Source: snnTorch 1.0.0, ``_neurons/slstm.py`` and ``sconv2dlstm.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
import torch

from neurodeploy.converters.emit import Layer
from neurodeploy.converters.emit_algebra import add, dense
from neurodeploy.converters.emit_shapes import join, select
from neurodeploy.converters.emit_spikes import as_number, delayed
from neurodeploy.converters.emit_windows import convolve, spread
from neurodeploy.converters.snntorch.leaves import SnnTorchLeaf
from neurodeploy.ir.builder import Ref

if TYPE_CHECKING:
    from neurodeploy.converters.torch.walk import Walk

__all__ = ["GatedLeaf"]


class GatedLeaf(SnnTorchLeaf):
    """A spiking LSTM, dense or convolutional."""

    @property
    def convolutional(self) -> bool:
        """The maps are one convolution of input and membrane."""
        return hasattr(self.module, "conv")

    def shapes(self, inputs: Sequence[torch.Tensor]) -> tuple[tuple[int, ...], ...]:
        """Give the shape of the hidden state, for every output."""
        samples, *shape = inputs[0].shape
        shape[0] = self.module.out_channels if self.convolutional else self.module.hidden_size
        return ((samples, *shape),) * len(self.outputs)

    def emit(
        self, walk: Walk, inputs: Sequence[Ref], initial: Mapping[str, npt.NDArray[Any]]
    ) -> Mapping[str, Ref]:
        """Write the maps, the gates and the cell."""
        size = self.module.out_channels if self.convolutional else self.module.hidden_size
        shape = (size, *inputs[0].shape[1:])
        handed = initial.get("mem")
        start = handed if handed is not None and handed.shape == shape else None
        promised = walk.returns.promise(self.path, "mem", shape, self.kind("mem"))
        before = delayed(walk.emit, promised, 1, start)
        maps = self._convolved if self.convolutional else self._projected
        order = "ifog" if self.convolutional else "ifgo"
        sums = maps(walk, inputs[0], before)
        gates = {}
        for number, gate in enumerate(order):
            with walk.emit.at(Layer(f"{self.path}.{gate}", (self.path,))):
                rows = range(number * size, (number + 1) * size)
                gates[gate] = select(walk.emit, sums, 0, list(rows))
        return self.cell(walk, [gates[g] for g in "ifgo"], initial)

    def _projected(self, walk: Walk, x: Ref, before: Ref) -> Ref:
        maps, e = self.module.lstm_cell, walk.emit
        parts = []
        for value, part in ((x, "ih"), (before, "hh")):
            path = f"{self.path}.lstm_cell"
            with e.at(Layer(f"{path}.{part}", (path,))):
                weight = e.weight(f"{path}.weight_{part}", _array(maps, f"weight_{part}"))
                bias = None
                if maps.bias:
                    bias = e.weight(f"{path}.bias_{part}", _array(maps, f"bias_{part}"))
                parts.append(dense(e, value, weight, bias))
        with e.at(Layer(f"{self.path}.add", (self.path,))):
            return add(e, *parts)

    def _convolved(self, walk: Walk, x: Ref, before: Ref) -> Ref:
        layer, e, path = self.module.conv, walk.emit, f"{self.path}.conv"
        with e.at(Layer(f"{self.path}.cat", (self.path,))):
            both = join(e, [as_number(e, x), before], 0)
        with e.at(Layer(path, (path,))):
            weight = e.weight(f"{path}.weight", _array(layer, "weight"))
            bias = None if layer.bias is None else e.weight(f"{path}.bias", _array(layer, "bias"))
            pads = tuple((int(n), int(n)) for n in layer.padding)
            return convolve(
                e,
                both,
                weight,
                bias,
                stride=spread(layer.stride, 2),
                padding=pads,
                dilation=spread(layer.dilation, 2),
                groups=layer.groups,
            )


def _array(layer: Any, name: str) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = getattr(layer, name).detach().cpu().numpy()
    return array
