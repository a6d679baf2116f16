"""The range that a network was calibrated on, and data that lies far outside of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import Finding
from neurodeploy.ir.graph import Graph

__all__ = ["accepted_range", "range_finding", "with_input_range"]

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
    noted = _noted(graph, name)
    if noted is None or not x.size or x.dtype.kind != "f":
        return None
    bounds = _bounds(noted)
    if bounds is None:
        return Finding(f"the graph notes {noted[:40]!r} as its calibrated range", node=name)
    low, high = bounds
    width = _width(low, high)
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


def accepted_range(graph: Graph, name: str) -> tuple[float, float] | None:
    """Give the range within which `range_finding` finds nothing; None where it always does."""
    noted = _noted(graph, name)
    if noted is None:
        return -float("inf"), float("inf")
    bounds = _bounds(noted)
    if bounds is None:
        return None
    return bounds[0] - _width(*bounds), bounds[1] + _width(*bounds)


def _noted(graph: Graph, name: str) -> str | None:
    return dict(graph.metadata).get(PREFIX + name)


def _bounds(noted: str) -> tuple[float, float] | None:
    try:
        low, high = (float(part) for part in noted.split(","))
    except ValueError:
        return None
    return low, high


def _width(low: float, high: float) -> float:
    return max(high - low, float(np.finfo(np.float32).tiny))
