"""PyTorch modules, spiking or not, captured by ``torch.export`` and compared with eager mode."""

from __future__ import annotations

from neurodeploy.converters.base import FrontEnd
from neurodeploy.converters.torch.load import load_torch

__all__ = ["FRONT_END", "load_torch"]

FRONT_END = FrontEnd(
    name="torch",
    load=load_torch,
    summary="PyTorch modules, spiking layers of snnTorch, SpikingJelly, sinabs, norse and DCLS too",
    classes=("torch.nn.modules.module.Module",),
    extra="torch",
)
