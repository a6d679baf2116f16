"""Fills the table of ATen handlers; each file with a group of operators is imported here."""

from __future__ import annotations

from neurodeploy.converters.torch import (
    handlers_activations,
    handlers_linear,
    handlers_norms,
    handlers_pointwise,
    handlers_pool,
    handlers_recurrent,
    handlers_resize,
    handlers_shape,
)
from neurodeploy.converters.torch.table import HANDLERS

__all__ = [
    "HANDLERS",
    "handlers_activations",
    "handlers_linear",
    "handlers_norms",
    "handlers_pointwise",
    "handlers_pool",
    "handlers_recurrent",
    "handlers_resize",
    "handlers_shape",
]
