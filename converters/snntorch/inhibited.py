"""snnTorch's neurons with ``inhibition=True`` as leaves: of a layer, one neuron fires.

Source: snnTorch 1.0.0, ``_neurons/neurons.py``, ``fire_inhibition``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from neurodeploy.converters.snntorch.inhibition import add_inhibited
from neurodeploy.converters.snntorch.leaves import SnnTorchLeaf
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.types import BOOL, NumType

if TYPE_CHECKING:
    from neurodeploy.converters.torch.walk import Walk

__all__ = ["InhibitedLeaf"]


class InhibitedLeaf(SnnTorchLeaf):
    """A neuron, the largest margin of its layer, and the spike that is both."""

    def kind(self, output: str) -> NumType:
        """Give the type of an output: the winner's spike is no graded one."""
        return BOOL if output == "out" else super().kind(output)

    def emit(
        self, walk: Walk, inputs: Sequence[Ref], initial: Mapping[str, npt.NDArray[Any]]
    ) -> Mapping[str, Ref]:
        """Write the four nodes, all of this layer."""
        if any(value.any() for value in initial.values()):
            raise ConversionError("an inhibited layer is handed states that are not 0")
        builder = walk.emit.builder
        before, name = len(builder.nodes), walk.emit.fresh()
        out = add_inhibited(builder, name, self.module, *inputs)
        made = builder.nodes[before:]
        builder.nodes[before:] = [replace(n, source=walk.emit.source) for n in made]
        neuron = Ref(f"{name}.neuron", "out", out.signal)
        states = self.spec.states.items()
        return {"out": out, **{theirs: builder.state(neuron, ours) for theirs, ours in states}}
