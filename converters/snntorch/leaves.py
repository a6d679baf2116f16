"""snnTorch's neurons as leaves of a capture.

``forward(input, *states)`` returns ``(spk, *states)``, or the spikes alone where the layer keeps
its states itself (``init_hidden=True``) and is no ``output`` layer. Source: snnTorch 1.0.0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any

import torch
from torch import nn

from neurodeploy.converters.snntorch.table import PARTS, SPECS, refusal
from neurodeploy.converters.torch.cell_leaf import CellLeaf
from neurodeploy.converters.torch.classes import class_name
from neurodeploy.converters.torch.leaf import Arrived, Leaf
from neurodeploy.errors import ConversionError

__all__ = ["SnnTorchLeaf", "make_leaf", "transparent"]


_OVER_TIME = (".LeakyParallel", ".StateLeaky", ".LinearLeaky")


def transparent(layer: nn.Module) -> bool:
    """Say whether the layer keeps no state, so that capture looks inside."""
    return not any(c.__module__.startswith("snntorch._neurons") for c in type(layer).__mro__)


def make_leaf(path: str, layer: nn.Module) -> Leaf:
    """Give the leaf of a neuron.

    Raises:
        ConversionError: the class or one of its arguments is not handled.
    """
    name = class_name(layer)
    if name.endswith("LSTM"):
        from neurodeploy.converters.snntorch.gated import GatedLeaf

        return GatedLeaf(path, layer, PARTS[name](layer))
    if name.endswith(_OVER_TIME):
        from neurodeploy.converters.snntorch.sequences import SequenceLeaf

        return SequenceLeaf(path, layer, PARTS[name](layer))
    if name not in SPECS:
        raise refusal(layer)
    if getattr(layer, "inhibition", False) and not hasattr(layer, "recurrent"):
        from neurodeploy.converters.snntorch.inhibited import InhibitedLeaf

        single: Any = copy(layer)
        single.inhibition = False
        return InhibitedLeaf(path, layer, SPECS[name](single))
    spec = SPECS[name](layer)
    if hasattr(layer, "recurrent"):
        from neurodeploy.converters.snntorch.recurrent import RecurrentLeaf

        return RecurrentLeaf(path, layer, spec)
    return SnnTorchLeaf(path, layer, spec)


class SnnTorchLeaf(CellLeaf):
    """A neuron with one input."""

    def arrived(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arrived:
        """Sort input and states; a state that is None is the layer's own."""
        names = ("input_", *self.states)
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        signal = given.pop("input_", None)
        states = {k: given[k] for k in self.states if given.get(k) is not None}
        if (
            not isinstance(signal, torch.Tensor)
            or len(args) > len(names)
            or set(given) - set(names)
        ):
            raise ConversionError(f"is called with other arguments than {', '.join(names)}")
        if self.module.init_hidden and states:
            raise ConversionError("keeps its state itself, and is handed one", hint="pass one only")
        if not self.module.init_hidden and states and len(states) != len(self.states):
            raise ConversionError(f"is handed only {', '.join(states)}", hint="all states, or none")
        return Arrived((signal,), states)

    def result(self, outputs: Mapping[str, torch.Tensor]) -> object:
        """Give the spikes, with the states where the layer returns them."""
        if self.module.init_hidden and not self.module.output:
            return outputs["out"]
        return (outputs["out"], *(outputs[name] for name in self.states if name != "spk"))

    def stubs(self) -> Mapping[str, Callable[..., object]]:
        """Give methods that set states to zero: they would write to buffers."""

        def zeros() -> object:
            found = tuple(torch.zeros(0) for _ in self.states)
            return found[0] if len(found) == 1 else found

        names = [n for n in dir(type(self.module)) if n.startswith("init_") or n == "reset_mem"]
        return {n: zeros for n in names if callable(getattr(type(self.module), n))}

    def reset(self) -> None:
        """Set all states to zero."""
        self.module.reset_mem()

    def observed(self, result: object) -> dict[str, torch.Tensor]:
        """Read spikes from what was returned, states from the layer itself."""
        spikes: Any = result[0] if isinstance(result, tuple) else result
        return {"out": spikes, **{name: getattr(self.module, name) for name in self.states}}
