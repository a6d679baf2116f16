"""The built-in cells. Importing this package registers them."""

from __future__ import annotations

from neurodeploy.semantics.cells import activations, arithmetic, integrators, neurons

__all__ = ["BUILTIN", "activations", "arithmetic", "integrators", "neurons"]

BUILTIN = (
    "add",
    "affine",
    "alif",
    "clipped_relu",
    "cuba_li",
    "cuba_lif",
    "if",
    "leaky_relu",
    "li",
    "lif",
    "multiply",
    "relu",
    "scale",
    "spike_scale",
    "threshold",
    "to_float",
)
