"""Fills the table of ONNX handlers; each file with a group of operators is imported here."""

from __future__ import annotations

from neurodeploy.converters.onnx import (
    handlers_activations,
    handlers_elementary,
    handlers_linear,
    handlers_norms,
    handlers_pointwise,
    handlers_pool,
    handlers_quantised,
    handlers_recurrent,
    handlers_resize,
    handlers_shape,
)
from neurodeploy.converters.onnx.table import HANDLERS

__all__ = [
    "HANDLERS",
    "handlers_activations",
    "handlers_elementary",
    "handlers_linear",
    "handlers_norms",
    "handlers_pointwise",
    "handlers_pool",
    "handlers_quantised",
    "handlers_recurrent",
    "handlers_resize",
    "handlers_shape",
]
