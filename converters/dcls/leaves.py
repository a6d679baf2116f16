r"""DCLS' ``Dcls1d`` over time as a leaf of a capture: a map of synapses with whole delays.

It takes (batch, channels, time), the time padded by kernel size - 1 zeros in front. Its kernel is
what its own construction makes of weights and positions; tap k of K is a delay of K - 1 - k steps:

.. math:: y_j(t) = b_j + \sum_{i, k} K_{jik} x_i(t - (K - 1 - k))

A whole position gives one tap. Another (``v0``, ``v1``) gives two, and a Gaussian (``gauss``) as
many as do not vanish: each non-zero tap is a synapse, which is exact for all of them. Source: DCLS
0.1.1, ``construct/modules.py``; Hammouamri et al. 2024, "Learning delays in spiking neural
networks using dilated convolutions with learnable spacings".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from neurodeploy.converters.torch.capture import untouched
from neurodeploy.converters.torch.leaf import Leaf, OneInputLeaf
from neurodeploy.errors import ConversionError, Finding, raise_findings
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.types import F32, NumType

if TYPE_CHECKING:
    from neurodeploy.converters.torch.walk import Walk

__all__ = ["DelayedLeaf", "make_leaf", "transparent"]

_VERSIONS = ("v0", "v1", "max", "gauss")


def transparent(layer: nn.Module) -> bool:
    """Say that capture looks into none of its layers: they build their kernels as they go."""
    return False


def make_leaf(path: str, layer: nn.Module) -> Leaf:
    """Give the leaf of a convolution over time.

    Raises:
        ConversionError: the class or one of its arguments is not handled.
    """
    kind = type(layer).__name__
    if kind != "Dcls1d":
        raise ConversionError(
            f"{kind}: of DCLS, Dcls1d over time alone is handled",
            hint="over space, replace it by nn.Conv2d with the kernel that its DCK gives",
        )
    module: Any = layer
    size = int(module.dilated_kernel_size[0])
    found = []
    if module.version not in _VERSIONS:
        found.append(Finding(f"Dcls1d: version {module.version!r} is unknown"))
    if module.padding != (0,):
        found.append(
            Finding(
                "Dcls1d: its padding is on both sides of the sequence",
                hint=f"padding=0, and torch.nn.functional.pad(x, ({size - 1}, 0)) in front of it",
            )
        )
    if module.stride != (1,):
        found.append(Finding("Dcls1d: its stride leaves steps out", hint="stride=1"))
    raise_findings(ConversionError, found)
    return DelayedLeaf(path, layer)


class DelayedLeaf(OneInputLeaf):
    """A convolution over time."""

    @property
    def states(self) -> tuple[str, ...]:
        """Its history is that of a map with delays."""
        return ()

    @property
    def over_time(self) -> bool:
        """It takes sequences alone."""
        return True

    @property
    def time_dim(self) -> int:
        """Behind batch and channels."""
        return 2

    @property
    def history(self) -> int:
        """As many zeros in front as its longest delay."""
        return int(self.module.dilated_kernel_size[0]) - 1

    def shapes(self, inputs: Sequence[torch.Tensor]) -> tuple[tuple[int, ...], ...]:
        """Give (batch, channels, time) of its output."""
        samples, *_, steps = inputs[0].shape
        # too short a sequence is refused where it is seen how many zeros are in front of it
        left = max(1, int(steps) - self.history)
        return ((int(samples), int(self.module.out_channels), left),)

    def reset(self) -> None:
        """It keeps no state."""

    def observed(self, result: object) -> dict[str, torch.Tensor]:
        """Give the sums at every step."""
        sums: Any = result
        return {"out": sums.movedim(-1, 0)}

    def kind(self, output: str) -> NumType:
        """Sums are values."""
        return F32

    def emit(
        self, walk: Walk, inputs: Sequence[Ref], initial: Mapping[str, npt.NDArray[Any]]
    ) -> Mapping[str, Ref]:
        """Write a synapse for each tap of the kernel that is not zero."""
        kernel = self._kernel()
        target, within, tap = np.nonzero(kernel)
        if not target.size:
            target, within, tap = (np.zeros(1, np.int64) for _ in range(3))
        groups, per_group = int(self.module.groups), kernel.shape[1]
        source = within + per_group * (target // (kernel.shape[0] // groups))
        order = np.argsort(source, kind="stable")
        source, target, within, tap = (a[order] for a in (source, target, within, tap))
        bias = self.module.bias
        e = walk.emit
        weight = e.weight(_part(self.path, "weight"), kernel[target, within, tap])
        shift = None if bias is None else bias.detach().cpu().numpy()
        out = e.builder.synapses(
            e.fresh(),
            inputs[0],
            (kernel.shape[0],),
            weight,
            source,
            target,
            self.history - tap,
            None if shift is None else e.weight(_part(self.path, "bias"), shift),
            source=e.source,
        )
        return {"out": out}

    def _kernel(self) -> npt.NDArray[Any]:
        """Give the kernel (out, in / groups, taps), as the layer itself constructs it."""
        module = self.module
        # the construction keeps its index tables as attributes
        with untouched(module):
            kernel = module.DCK(module.weight, module.P, module.SIG)
        array: npt.NDArray[Any] = kernel.detach().cpu().numpy()
        return array


def _part(path: str, part: str) -> str:
    return f"{path}.{part}" if path else part
