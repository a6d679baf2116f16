"""netx files in and out: the HDF5 that lava-dl 0.6.0 exchanges trained networks in.

A netx file is a chain of layers with Loihi's integers. It is read in the time of Lava, where each
connection takes a step, as lava-dl's own reader builds it from Lava's processes.
"""

from __future__ import annotations

from neurodeploy.converters.base import FrontEnd
from neurodeploy.converters.netx.build import load_netx
from neurodeploy.converters.netx.write import save_netx

__all__ = ["FRONT_END", "load_netx", "save_netx"]

FRONT_END = FrontEnd(
    name="netx",
    load=load_netx,
    summary="netx files of lava-dl",
    suffixes=(".net",),
    extra="nir",
)
