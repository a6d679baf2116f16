"""norse's neurons as leaves of a capture.

``forward(input_tensor, state=None)`` returns ``(out, state)``, a named tuple that the caller hands
in again: no layer keeps a state of its own. A ``...Cell`` makes one step, the others take a
sequence with time on axis 0. Source: norse 1.1.0, ``torch/module/snn.py``.
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
from neurodeploy.converters.norse.table import SPECS, TRANSPARENT, refusal
from neurodeploy.converters.torch.cell_leaf import CellLeaf
from neurodeploy.converters.torch.cell_spec import CellSpec
from neurodeploy.converters.torch.classes import class_name, looked_into
from neurodeploy.converters.torch.leaf import Arrived, Leaf
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.types import NumType

if TYPE_CHECKING:
    from neurodeploy.converters.torch.walk import Walk

__all__ = ["NeuronLeaf", "RecurrentNeuronLeaf", "make_leaf", "transparent"]


def transparent(layer: nn.Module) -> bool:
    """Say whether the layer keeps no state, so that capture looks inside."""
    return looked_into(layer, "norse", TRANSPARENT)


def make_leaf(path: str, layer: nn.Module) -> Leaf:
    """Give the leaf of a neuron.

    Raises:
        ConversionError: the class or one of its arguments is not handled.
    """
    name = class_name(layer)
    if name not in SPECS:
        raise refusal(layer)
    kind = RecurrentNeuronLeaf if hasattr(layer, "recurrent_weights") else NeuronLeaf
    return kind(path, layer, SPECS[name](layer))


class NeuronLeaf(CellLeaf):
    """A neuron with one input."""

    def __init__(self, path: str, module: nn.Module, spec: CellSpec) -> None:
        super().__init__(path, module, spec)
        self._kept: list[Any] = []

    @property
    def over_time(self) -> bool:
        """All but the cells take a sequence."""
        return not any(c.__name__ in ("SNNCell", "SNNRecurrentCell") for c in _ancestors(self))

    @property
    def keeps_state(self) -> bool:
        """It has what its caller hands in, or starts anew."""
        return False

    def arrived(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arrived:
        """Sort input and state; without a state the neuron starts anew."""
        given = {**dict(zip(("input_tensor", "state"), args, strict=False)), **kwargs}
        signal, state = given.pop("input_tensor", None), given.pop("state", None)
        if given or len(args) > 2 or not isinstance(signal, torch.Tensor):
            raise ConversionError("is called with other arguments than input_tensor and state")
        if self.over_time:
            if state is not None:
                raise ConversionError(
                    "takes a sequence, and is handed a state", hint="start each sequence anew"
                )
            return Arrived((signal,))
        shape = self.shapes((signal,))[0]
        start = {name: self.spec.initial.get(name, 0.0) for name in self.states}
        if state is None:
            new = {name: torch.full(shape, value) for name, value in start.items()}
            return Arrived((signal,), new)
        missing = [name for name in self.states if not hasattr(state, name)]
        if missing:
            raise ConversionError(f"is handed a state without {', '.join(missing)}")
        handed = {name: getattr(state, name) for name in self.states}
        return Arrived((signal,), {k: _whole(v, shape) for k, v in handed.items()})

    def result(self, outputs: Mapping[str, torch.Tensor]) -> object:
        """Give the output and the state after the last step, or after each where it records."""
        last = self.over_time and not self.module.record_states
        values = {name: outputs[name][-1] if last else outputs[name] for name in self.states}
        return outputs["out"], _state_class(self.module)(**values)

    def reset(self) -> None:
        """Keep what the state is after every step of a sequence."""
        self._kept = []
        inner = self.module.activation
        if not self.over_time:
            return

        def activation(*args: Any) -> Any:
            out, state = inner(*args)
            self._kept.append(state)
            return out, state

        self.module.activation = activation

    def observed(self, result: object) -> dict[str, torch.Tensor]:
        """Read states from what was returned, or from what was kept."""
        returned: Any = result
        out, state = returned
        if not self.over_time:
            return {"out": out, **{name: getattr(state, name) for name in self.states}}
        kept, self._kept = self._kept, []
        rows = {name: torch.stack([getattr(s, name) for s in kept]) for name in self.states}
        return {"out": out, **rows}


class RecurrentNeuronLeaf(NeuronLeaf):
    """A neuron with a map of its input and one of its own spikes; they are the state ``z``."""

    @property
    def states(self) -> tuple[str, ...]:
        """The last spikes, then the states of the cell."""
        return ("z", *self.spec.states)

    def kind(self, output: str) -> NumType:
        """Give the type of an output; ``z`` is what the cell gives."""
        return super().kind("out" if output == "z" else output)

    def shapes(self, inputs: Sequence[torch.Tensor]) -> tuple[tuple[int, ...], ...]:
        """Give that of the hidden layer."""
        shape = (*(int(n) for n in inputs[0].shape[:-1]), int(self.module.hidden_size))
        return (shape,) * len(self.outputs)

    def result(self, outputs: Mapping[str, torch.Tensor]) -> object:
        """Give what ``forward`` returns; its spikes are the state that comes back."""
        return super().result({**outputs, "out": outputs["z"]})

    def emit(
        self, walk: Walk, inputs: Sequence[Ref], initial: Mapping[str, npt.NDArray[Any]]
    ) -> Mapping[str, Ref]:
        """Write both maps and the cell."""
        shape = (*inputs[0].shape[:-1], int(self.module.hidden_size))
        handed = initial.get("z")
        spikes = walk.returns.promise(self.path, "out", shape, self.kind("out"))
        before = delayed(walk.emit, spikes, 1, handed)
        arrived = self._map(walk, "input_weights", inputs[0])
        found = self.cell(walk, (arrived, self._map(walk, "recurrent_weights", before)), initial)
        return {**found, "z": found["out"]}

    def _map(self, walk: Walk, name: str, x: Ref) -> Ref:
        path = f"{self.path}.{name}" if self.path else name
        with walk.emit.at(Layer(path, (path,))):
            weight = walk.emit.weight(path, getattr(self.module, name).detach().cpu().numpy())
            return dense(walk.emit, x, weight, None)


def _ancestors(leaf: Leaf) -> tuple[type, ...]:
    return type(leaf.module).__mro__


def _whole(value: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Give a state of the shape that it has after the first step."""
    return value if tuple(value.shape) == tuple(shape) else value.expand(shape)


def _state_class(module: nn.Module) -> Any:
    """Give the named tuple that a neuron's state is."""
    from norse.torch.functional import iaf, leaky_integrator, leaky_integrator_box, lif, lif_box

    name = type(module).__name__
    if hasattr(module, "recurrent_weights"):
        return lif.LIFState
    return {
        "LIF": lif.LIFFeedForwardState,
        "LIFBox": lif_box.LIFBoxFeedForwardState,
        "IAF": iaf.IAFFeedForwardState,
        "LI": leaky_integrator.LIState,
        "LIBox": leaky_integrator_box.LIBoxState,
    }[name.removesuffix("Cell")]
