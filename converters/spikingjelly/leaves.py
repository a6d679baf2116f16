"""SpikingJelly's stateful layers as leaves of a capture.

In step mode ``s`` a layer takes one step per call, in mode ``m`` a sequence with time on axis 0.
Stateless wrappers (``layer.Conv2d`` and so on) are looked into, and so are recurrent containers,
whose way back is made visible (`neurodeploy.converters.spikingjelly.containers`).
Source: SpikingJelly 2.0.0, ``activation_based``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
import torch
from torch import nn

from neurodeploy.converters.spikingjelly.containers import container_forward
from neurodeploy.converters.spikingjelly.table import SPECS, refusal
from neurodeploy.converters.torch.cell_leaf import CellLeaf
from neurodeploy.converters.torch.classes import class_name
from neurodeploy.converters.torch.leaf import Leaf, OneInputLeaf
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.types import F32, NumType

if TYPE_CHECKING:
    from neurodeploy.converters.torch.walk import Walk

__all__ = ["ModeLeaf", "make_leaf", "rewritten", "transparent"]

_LAYERS = "spikingjelly.activation_based.layer"
# they remember a mask while they train, and do nothing in evaluation
_IDLE = ("Dropout", "Dropout2d")
_DECODES: Mapping[str | None, Callable[[torch.Tensor], object]] = {
    None: list,
    "max-mem": lambda v: v.amax(0),
    "mean-mem": lambda v: v.mean(0),
    "last_mem": lambda v: v[-1],
}


def transparent(layer: nn.Module) -> bool:
    """Say whether the layer keeps no state that capture would lose, so that it looks inside."""
    kinds = {c.__name__ for c in type(layer).__mro__}
    stateful = "MemoryModule" in kinds or "NonSpikingBaseNode" in kinds
    return not stateful or type(layer).__name__ in _IDLE or rewritten(layer) is not None


def rewritten(layer: nn.Module) -> Callable[..., object] | None:
    """Give a ``forward`` for a container that shows its way back to the capture, or None."""
    return container_forward(layer)


def make_leaf(path: str, layer: nn.Module) -> Leaf:
    """Give the leaf of a stateful layer.

    Raises:
        ConversionError: the class or one of its arguments is not handled.
    """
    name = class_name(layer)
    if name == f"{_LAYERS}.misc.Delay":
        return DelayLeaf(path, layer)
    if name.endswith((".psn.SlidingPSN", ".psn.MaskedPSN")):
        from neurodeploy.converters.spikingjelly.psn import TapsLeaf

        return TapsLeaf(path, layer)
    if name not in SPECS:
        raise refusal(layer)
    spec = SPECS[name](layer)
    if any(c.__name__ == "NonSpikingBaseNode" for c in type(layer).__mro__):
        return NonSpikingLeaf(path, layer, spec)
    return NodeLeaf(path, layer, spec)


class ModeLeaf(OneInputLeaf):
    """What all layers here share: one input, a step mode, and a memory that they reset."""

    @property
    def over_time(self) -> bool:
        """Step mode ``m``."""
        return bool(self.module.step_mode == "m")

    def reset(self) -> None:
        """Return every memory to its initial value."""
        self.module.reset()


class NodeLeaf(ModeLeaf, CellLeaf):
    """A neuron."""

    @property
    def comparable(self) -> tuple[str, ...]:
        """All states, or over a sequence those that the layer can keep of every step."""
        return ("out", *self._kept) if self.over_time else self.outputs

    @property
    def _kept(self) -> tuple[str, ...]:
        if hasattr(self.module, "store_state_seqs"):
            return ("v", "m")
        return ("v",) if hasattr(self.module, "store_v_seq") else ()

    def reset(self) -> None:
        """Return every memory to its initial value; keep what can be kept of every step."""
        super().reset()
        for name in ("store_v_seq", "store_state_seqs"):
            if self.over_time and hasattr(self.module, name):
                setattr(self.module, name, True)

    def observed(self, result: object) -> dict[str, torch.Tensor]:
        """Read states from the layer; over a sequence, those that it keeps of every step."""
        spikes: Any = result
        if not self.over_time:
            found = {name: getattr(self.module, name) for name in self.states}
            return {"out": spikes, **{k: v for k, v in found.items() if torch.is_tensor(v)}}
        kept = getattr(self.module, "state_seqs", None) or [getattr(self.module, "v_seq", None)]
        pairs = zip(self._kept, kept, strict=False)
        return {"out": spikes, **{name: v for name, v in pairs if v is not None}}


class NonSpikingLeaf(ModeLeaf, CellLeaf):
    """An integrator, which starts anew with every sequence and may decode it itself."""

    @property
    def over_time(self) -> bool:
        """It takes sequences alone."""
        return True

    def result(self, outputs: Mapping[str, torch.Tensor]) -> object:
        """Give the membrane of every step, or what the layer decodes of it."""
        if self.module.decode not in _DECODES:
            raise ConversionError(
                f"decodes its membrane by {self.module.decode!r}", hint="max-mem or mean-mem"
            )
        return _DECODES[self.module.decode](outputs["out"])

    @property
    def comparable(self) -> tuple[str, ...]:
        """Its membrane is its output, which it returns where it decodes nothing."""
        return ("out",) if self.module.decode is None else ()

    def reset(self) -> None:
        """It resets itself."""

    def observed(self, result: object) -> dict[str, torch.Tensor]:
        """Give the membranes where the layer returns them."""
        return {"out": torch.stack(list(result))} if isinstance(result, list) else {}


class DelayLeaf(ModeLeaf):
    """``layer.Delay``: its input some whole steps later, zeros before."""

    @property
    def states(self) -> tuple[str, ...]:
        """Its queue becomes the delay of an edge."""
        return ()

    def observed(self, result: object) -> dict[str, torch.Tensor]:
        """Nothing: a delayed signal is no node."""
        return {}

    def kind(self, output: str) -> NumType:
        """A delayed value is never read back before it is written."""
        return F32

    def emit(
        self, walk: Walk, inputs: Sequence[Ref], initial: Mapping[str, npt.NDArray[Any]]
    ) -> Mapping[str, Ref]:
        """Read the input some steps later."""
        before = inputs[0]
        return {"out": before.after(before.delay + int(self.module.delay_steps), before.initial)}
