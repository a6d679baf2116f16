"""From a time constant to the factor of one step: a named step, never a by-product.

The ODE ``tau * dv/dt = -v`` over one step of ``dt``, both in the same unit:

| scheme | factor beta | source |
| -- | -- | -- |
| ``euler`` | ``1 - dt / tau`` | forward Euler; snnTorch, SpikingJelly, norse, spyx, Lava |
| ``exponential`` | ``exp(-dt / tau)`` | the exact solution; sinabs, rockpool |
"""

from __future__ import annotations

import numpy as np

from neurodeploy.converters.nir.primitives import Array
from neurodeploy.ir.nodes import Provenance

__all__ = ["decay_findings", "decay_provenance", "tau_to_decay"]


def tau_to_decay(tau: Array, dt: float, scheme: str) -> Array:
    """Give beta, computed in the type in which the file holds tau."""
    if scheme == "exponential":
        return np.asarray(np.exp(-dt / tau))
    return np.asarray(1 - dt / tau)


def decay_findings(name: str, tau: Array, dt: float, scheme: str) -> list[str]:
    """Say where a step is too long for a time constant: forward Euler would change the sign."""
    if scheme != "euler":
        return []
    bad = dt / tau > 1 + 1e-6
    if not bad.any():
        return []
    smallest = float(tau.min())
    return [f"{int(bad.sum())} of {tau.size} values of {name} are below dt: {smallest:g} < {dt:g}"]


def decay_provenance(name: str, tau: Array, dt: float, scheme: str) -> Provenance:
    """Give what is kept beside the factor: tau (or its range), dt and scheme."""
    low, high = float(tau.min()), float(tau.max())
    text = repr(low) if low == high else f"{low!r} to {high!r}"
    return ((name, text), (f"{name} dt", repr(dt)), (f"{name} scheme", scheme))
