"""sinabs' stateful layers as leaves of a capture.

A layer takes a sequence with time on axis 1; a squeezing one takes batch and time as one axis,
and holds their sizes as attributes. Stateless layers are looked into. Source: sinabs 3.1.3,
``layers``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from neurodeploy.converters.emit import Layer
from neurodeploy.converters.emit_algebra import add, dense
from neurodeploy.converters.emit_spikes import as_number
from neurodeploy.converters.sinabs.table import SPECS, TRANSPARENT, refusal
from neurodeploy.converters.torch.cell_leaf import CellLeaf
from neurodeploy.converters.torch.cell_spec import CellSpec
from neurodeploy.converters.torch.classes import class_name, looked_into
from neurodeploy.converters.torch.leaf import Leaf, OneInputLeaf
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref

if TYPE_CHECKING:
    from neurodeploy.converters.torch.walk import Walk

__all__ = ["LayerLeaf", "RecurrentLeaf", "make_leaf", "rewritten", "sized", "transparent"]


def transparent(layer: nn.Module) -> bool:
    """Say whether the layer keeps no state, so that capture looks inside."""
    return looked_into(layer, "sinabs", TRANSPARENT)


def rewritten(layer: nn.Module) -> Callable[..., object] | None:
    """Give a ``forward`` for a sum pool that says what it computes, or None."""
    return _sum_pool(layer) if class_name(layer) == "sinabs.layers.pool2d.SumPool2d" else None


def sized(layer: nn.Module, samples: int, steps: int) -> None:
    """Set the sizes of batch and time that a layer holds; let a network count no operations."""
    held: Any = layer
    if class_name(layer) == "sinabs.network.Network":
        _uncounted(layer)
    if _squeezes(layer):
        held.batch_size, held.num_timesteps = samples, steps
    elif class_name(layer) == "sinabs.layers.reshape.UnflattenTime":
        held.batch_size = samples


def make_leaf(path: str, layer: nn.Module) -> Leaf:
    """Give the leaf of a stateful layer.

    Raises:
        ConversionError: the class or one of its arguments is not handled.
    """
    name = class_name(layer)
    if name not in SPECS:
        raise refusal(layer)
    spec = SPECS[name](layer)
    if not hasattr(layer, "rec_connect"):
        return LayerLeaf(path, layer, spec)
    if not isinstance(layer.rec_connect, nn.Linear):
        raise ConversionError(
            f"returns its spikes through a {type(layer.rec_connect).__name__}",
            hint="handled is nn.Linear",
        )
    return RecurrentLeaf(path, layer, spec)


def _squeezes(layer: nn.Module) -> bool:
    return any(c.__name__ == "SqueezeMixin" for c in type(layer).__mro__)


def _uncounted(network: nn.Module) -> None:
    """Leave out the hooks by which ``synops=True`` counts: they compute nothing of the network."""
    for layer in network.modules():
        hooks = type(layer._forward_hooks)(
            (key, hook)
            for key, hook in layer._forward_hooks.items()
            if getattr(hook, "__module__", "") != "sinabs.synopcounter"
        )
        # a new dictionary, so that the caller can put the old one back
        layer._forward_hooks = hooks


def _sum_pool(layer: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    """Give a sum pool as an average times its size; as a plain sum where that is the same."""
    size = layer.kernel_size
    high, wide = (size, size) if isinstance(size, int) else size
    area = int(high) * int(wide)
    # the average of a window that sticks out is over what is inside
    exact = area & (area - 1) == 0 and not layer.ceil_mode

    def forward(x: torch.Tensor) -> torch.Tensor:
        if exact:
            return F.avg_pool2d(x, size, layer.stride, divisor_override=1)
        return F.avg_pool2d(x, size, layer.stride, ceil_mode=layer.ceil_mode) * area

    return forward


class LayerLeaf(OneInputLeaf, CellLeaf):
    """A layer that is one cell."""

    def __init__(self, path: str, module: nn.Module, spec: CellSpec) -> None:
        super().__init__(path, module, spec)
        self._kept: dict[str, list[torch.Tensor]] = {}

    @property
    def over_time(self) -> bool:
        """It takes sequences alone."""
        return True

    @property
    def time_dim(self) -> int:
        """Behind the batch."""
        return 1

    @property
    def folded(self) -> bool:
        """A squeezing layer takes batch and time as one axis."""
        return _squeezes(self.module)

    @property
    def _records(self) -> bool:
        """Say whether the layer's own recording holds what it had at each step.

        ALIF and the recurrent ones record dictionaries that the next step writes to.
        """
        return "b" not in self.states and not hasattr(self.module, "rec_connect")

    @property
    def comparable(self) -> tuple[str, ...]:
        """All states; not a membrane that is changed after it was seen."""
        late = not self._records and getattr(self.module, "min_v_mem", None) is not None
        seen = (s for s in self.states if not (late and s == "v_mem") and s != "b")
        return ("out", *seen, *(("b",) if "b" in self.states else ()))

    def reset(self) -> None:
        """Return every state to zero, and keep what the states are at every step."""
        self.module.reset_states()
        self.module.record_states = True
        if self._records:
            return
        inner = self.module.reset_fn
        self._kept = {name: [] for name in self.comparable if name in self.states and name != "b"}

        def reset_fn(spikes: torch.Tensor, state: Any, threshold: torch.Tensor) -> object:
            after = inner(spikes, state, threshold)
            for name, values in self._kept.items():
                values.append(after[name].clone())
            return after

        self.module.reset_fn = reset_fn

    def observed(self, result: object) -> dict[str, torch.Tensor]:
        """Read states of every step from the layer's recordings."""
        spikes: Any = result
        held = self.module.recordings
        if self.folded:
            spikes = spikes.unflatten(0, next(iter(held.values())).shape[:2])
        found = {"out": spikes.movedim(1, 0)}
        if self._records:
            return found | {name: held[name].movedim(1, 0) for name in self.states}
        found |= {name: torch.stack(values) for name, values in self._kept.items()}
        return found | ({"b": held["b"].movedim(1, 0)} if "b" in self.states else {})


class RecurrentLeaf(LayerLeaf):
    """A layer whose last spikes are added to its input, through a linear map.

    At the first step nothing is added, not even the bias of the map: the delay is behind it.
    """

    def emit(
        self, walk: Walk, inputs: Sequence[Ref], initial: Mapping[str, npt.NDArray[Any]]
    ) -> Mapping[str, Ref]:
        """Write the map, the sum and the cell."""
        shape = inputs[0].shape
        spikes = walk.returns.promise(self.path, "out", shape, self.kind("out"))
        path = f"{self.path}.rec_connect" if self.path else "rec_connect"
        layer = self.module.rec_connect
        if len(shape) != 1:
            raise ConversionError(f"its recurrent map is given spikes of shape {list(shape)}")
        with walk.emit.at(Layer(path, (path,))):
            weight = walk.emit.weight(f"{path}.weight", layer.weight.detach().cpu().numpy())
            bias = None
            if layer.bias is not None:
                bias = walk.emit.weight(f"{path}.bias", layer.bias.detach().cpu().numpy())
            returned = dense(walk.emit, spikes, weight, bias)
            total = add(walk.emit, as_number(walk.emit, inputs[0]), returned.after(1))
        return self.cell(walk, (total,), initial)
