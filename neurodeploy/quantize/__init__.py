"""Quantisation: observers measure, schemes decide, and a graph of integers comes out."""

from __future__ import annotations

from neurodeploy.callable_package import make_callable
from neurodeploy.quantize.equalise import equalised
from neurodeploy.quantize.groups import grouped
from neurodeploy.quantize.post_training import quantised
from neurodeploy.quantize.report import LayerError, QuantisationReport, layer_errors
from neurodeploy.quantize.scheme import Scheme

__all__ = [
    "LayerError",
    "QuantisationReport",
    "Scheme",
    "equalised",
    "grouped",
    "layer_errors",
    "quantised",
]

make_callable(__name__, "neurodeploy.quantizing", "quantize")
