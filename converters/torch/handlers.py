"""Fills the table of ATen handlers; each file with a group of operators is imported here."""

from __future__ import annotations

from neurodeploy.converters.torch import (
    handlers_linear,
    handlers_pointwise,
    handlers_pool,
    handlers_shape,
)
from neurodeploy.converters.torch.table import HANDLERS

__all__ = [
    "HANDLERS",
    "handlers_linear",
    "handlers_pointwise",
    "handlers_pool",
    "handlers_shape",
]
