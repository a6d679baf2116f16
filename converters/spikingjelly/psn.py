"""SpikingJelly's SlidingPSN and MaskedPSN as leaves: taps of their own past, and a threshold.

Source: SpikingJelly 2.0.0, ``activation_based/neuron/psn.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
import torch

from neurodeploy.converters.emit_spikes import as_number
from neurodeploy.converters.spikingjelly.leaves import ModeLeaf
from neurodeploy.converters.spikingjelly.taps import add_masked_psn, add_sliding_psn
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.types import BOOL, NumType

if TYPE_CHECKING:
    from neurodeploy.converters.torch.walk import Walk

__all__ = ["TapsLeaf"]


class TapsLeaf(ModeLeaf):
    """A parallel spiking neuron that reads the past alone."""

    @property
    def states(self) -> tuple[str, ...]:
        """Its queue becomes delays."""
        return ()

    def kind(self, output: str) -> NumType:
        """Spikes."""
        return BOOL

    def observed(self, result: object) -> dict[str, torch.Tensor]:
        """Give the spikes."""
        spikes: Any = result
        return {"out": spikes}

    def emit(
        self, walk: Walk, inputs: Sequence[Ref], initial: Mapping[str, npt.NDArray[Any]]
    ) -> Mapping[str, Ref]:
        """Write the taps and the threshold, all of them of this layer."""
        builder, masked = walk.emit.builder, type(self.module).__name__ == "MaskedPSN"
        x: Any = as_number(walk.emit, inputs[0]) if masked else inputs[0]
        before = len(builder.nodes)
        add = add_masked_psn if masked else add_sliding_psn
        out = add(builder, walk.emit.fresh(), self.module, x)
        made = builder.nodes[before:]
        builder.nodes[before:] = [replace(n, source=walk.emit.source) for n in made]
        return {"out": out}
