"""A stateful layer that is one cell of the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from neurodeploy.converters.emit_spikes import as_number
from neurodeploy.converters.torch.cell_spec import CellSpec
from neurodeploy.converters.torch.leaf import Leaf
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.types import NumType, stored_type
from neurodeploy.semantics.trace import cell_definition, trace
from neurodeploy.semantics.types import F32

if TYPE_CHECKING:
    from neurodeploy.converters.torch.walk import Walk

__all__ = ["CellLeaf"]


class CellLeaf(Leaf):
    """A layer whose step is one cell.

    Args:
        path: Path of the layer in the module.
        module: The layer.
        spec: The cell that it is.
    """

    def __init__(self, path: str, module: nn.Module, spec: CellSpec) -> None:
        super().__init__(path, module)
        self.spec = spec

    @property
    def states(self) -> tuple[str, ...]:
        """States that are also states of the cell."""
        return tuple(self.spec.states)

    @cached_property
    def _types(self) -> Mapping[str, NumType]:
        definition = cell_definition(self.spec.cell)
        inputs = dict.fromkeys(definition.inputs, F32)
        program = trace(definition, inputs=inputs, options=self.spec.options).program
        out = program.instrs[program.outputs[0][1]].type
        states = {p.name: stored_type(p.type) for p in program.states}
        return {"out": stored_type(out), **{t: states[o] for t, o in self.spec.states.items()}}

    def kind(self, output: str) -> NumType:
        """Give the type that the cell gives."""
        return self._types[output]

    def emit(
        self, walk: Walk, inputs: Sequence[Ref], initial: Mapping[str, npt.NDArray[Any]]
    ) -> Mapping[str, Ref]:
        """Write the cell."""
        return self.cell(walk, inputs, initial)

    def cell(
        self, walk: Walk, inputs: Sequence[Ref], initial: Mapping[str, npt.NDArray[Any]]
    ) -> Mapping[str, Ref]:
        """Write the cell; give its main output as ``out`` and its states by the layer's names."""
        shape = inputs[0].shape
        # a layer right behind one that spikes reads its spikes as 0 and 1
        arrived: Any = as_number(walk.emit, list(inputs))
        start: dict[str, npt.ArrayLike] = dict(self.spec.initial)
        for name, value in initial.items():
            # of another shape, the layer starts anew
            if name in self.spec.states and value.shape == shape:
                start[self.spec.states[name]] = value
        builder = walk.emit.builder
        out = builder.cell(
            walk.emit.fresh(),
            self.spec.cell,
            *arrived,
            shape=shape,
            params={k: _array(v) for k, v in self.spec.params.items()},
            initial=start,
            options=dict(self.spec.options),
            source=walk.emit.source,
            timed=self.spec.timed,
            provenance=self.spec.provenance,
        )
        found = {theirs: builder.state(out, ours) for theirs, ours in self.spec.states.items()}
        return {"out": out, **found}


def _array(value: torch.Tensor | float) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = (
        value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    )
    return array
