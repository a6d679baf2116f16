"""The digits that ship with neurodeploy, scaled as the shipped network was trained."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy.typing as npt

import neurodeploy as nd
from ann_graphs import load_digits
from neurodeploy.ir import Graph

__all__ = ["demo_ann", "demo_digits"]


def demo_digits() -> dict[str, npt.NDArray[Any]]:
    """Give ``xtr``, ``ytr``, ``xte``, ``yte``."""
    return dict(zip(("xtr", "ytr", "xte", "yte"), load_digits(), strict=True))


def demo_ann() -> Graph:
    """Give the trained network as an analog graph."""
    return nd.load(str(files("neurodeploy.demo") / "digits.nd"))
