"""The range that a network was calibrated on, and data that lies far outside of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import Finding
from neurodeploy.ir.graph import Graph

__all__ = ["range_finding", "with_input_range"]

PREFIX = "input_range."


def with_input_range(graph: Graph, inputs: Mapping[str, npt.NDArray[Any]]) -> Graph:
    """Note in the metadata of a graph the smallest and largest value of each input.

    Args:
        graph: The graph.
        inputs: Calibration samples by input node.
    """
    kept = {k: v for k, v in graph.metadata if not k.startswith(PREFIX)}
    for name, x in inputs.items():
        if x.dtype.kind == "f" and x.size:
            kept[PREFIX + name] = f"{float(x.min())!r},{float(x.max())!r}"
    return replace(graph, metadata=tuple(sorted(kept.items())))


def range_finding(graph: Graph, name: str, x: npt.NDArray[Any]) -> Finding | None:
    """Report data that leaves the calibrated range by more than the range is wide.

    A picture in 0 to 255 given to a network that was calibrated on 0 to 1 runs without an error
    and is wrong; noise at the edge of the range is no finding.
    """
    noted = dict(graph.metadata).get(PREFIX + name)
    if noted is None or not x.size or x.dtype.kind != "f":
        return None
    try:
        low, high = (float(part) for part in noted.split(","))
    except ValueError:
        return Finding(f"the graph notes {noted[:40]!r} as its calibrated range", node=name)
    width = max(high - low, float(np.finfo(np.float32).tiny))
    least, most = float(x.min()), float(x.max())
    if least >= low - width and most <= high + width:
        return None
    return Finding(
        f"the data lies in [{least:g}, {most:g}], the calibration samples in [{low:g}, {high:g}]",
        node=name,
        hint="scale the data as for calibration and training",
        value=most if most > high + width else least,
        limit=high if most > high + width else low,
    )
