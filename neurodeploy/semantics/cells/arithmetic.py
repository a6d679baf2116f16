"""Elementwise arithmetic that graphs need between their nodes."""

from __future__ import annotations

from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.language import Sym, where
from neurodeploy.semantics.language import to_float as as_float
from neurodeploy.semantics.trace import cell

__all__ = ["add", "affine", "multiply", "scale", "spike_scale", "to_float"]


@cell("add")
def add(p: Leaves, s: Leaves, a: Sym, b: Sym) -> Sym:
    """Sum of two signals, in this order: ``a + b``."""
    return a + b


@cell("multiply")
def multiply(p: Leaves, s: Leaves, a: Sym, b: Sym) -> Sym:
    """Elementwise product of two signals: ``a * b``."""
    return a * b


@cell("scale", params={"scale": 1.0})
def scale(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Scaled signal: ``x * scale``."""
    return x * p.scale


@cell("affine", params={"scale": 1.0, "shift": 0.0})
def affine(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Scaled and shifted signal, as an unfolded batch norm is: ``x * scale + shift``."""
    return x * p.scale + p.shift


@cell("spike_scale", params={"amplitude": 1.0})
def spike_scale(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Graded form of a spike: ``amplitude`` where ``x`` is true, else 0."""
    return where(x, p.amplitude, 0)


@cell("to_float")
def to_float(p: Leaves, s: Leaves, x: Sym, *, bits: int = 32) -> Sym:
    """Integer as a float of ``bits``, rounded to nearest even where it is not exact."""
    return as_float(x, bits=bits)
