"""NIR in and out: files and graphs of the Neuromorphic Intermediate Representation.

A convention says what the neurons compute (`neurodeploy.converters.nir.conventions`); a file
that we wrote carries the exact graph beside its nodes (`neurodeploy.converters.nir.record`).
"""

from __future__ import annotations

from neurodeploy.converters.base import FrontEnd
from neurodeploy.converters.nir.load import load_nir
from neurodeploy.converters.nir.save import NirLoss, save_nir

__all__ = ["FRONT_END", "NirLoss", "load_nir", "save_nir"]

FRONT_END = FrontEnd(
    name="nir",
    load=load_nir,
    summary="NIR files and graphs",
    suffixes=(".nir",),
    classes=("nir.ir.graph.NIRGraph",),
    extra="nir",
)
