"""SpikingJelly's parallel spiking neurons that read the past alone, as nodes of a graph.

SlidingPSN is a map: each neuron has k synapses from itself, of delays 0 to k - 1. The weights of
MaskedPSN change from step to step, for T steps, which no map has; it is a sum of k delayed
signals, each scaled by a parameter with an axis of time. Both end in a bare threshold:
``h + bias >= 0`` holds where ``h >= -bias``. There is no state, and no reset.

Sums run from the oldest input to the newest; the source leaves their order to torch, so that the
two agree in every bit where all partial sums are exact, else within their rounding.

Source: SpikingJelly 2.0.0, ``activation_based/neuron/psn.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurodeploy.converters.spikingjelly.attributes import Attributes
from neurodeploy.ir.builder import GraphBuilder, Ref

__all__ = ["add_masked_psn", "add_sliding_psn"]


def add_sliding_psn(b: GraphBuilder, name: str, module: Any, x: Ref) -> Ref:
    """Add a SlidingPSN: ``h = sum of weight[k - 1 - i] * x[t - i]``, then the threshold.

    Args:
        b: Builder of the graph.
        name: Name of the spiking node; the map is ``name.taps``.
        module: The SlidingPSN.
        x: Its input.

    Raises:
        ConversionError: its surrogate function is no step.
    """
    found = Attributes(module)
    found.steps()
    found.check()
    weight = module.weight.detach().cpu().numpy()
    taps, size = len(weight), int(np.prod(x.shape))
    neurons = np.repeat(np.arange(size), taps)
    h = b.synapses(
        f"{name}.taps",
        x,
        x.shape,
        np.tile(weight, size),
        neurons,
        neurons,
        np.tile(np.arange(taps)[::-1], size),
    )
    threshold = -module.bias.detach().cpu().numpy()
    return b.cell(name, "threshold", h, params={"threshold": threshold})


def add_masked_psn(b: GraphBuilder, name: str, module: Any, x: Ref) -> Ref:
    """Add a MaskedPSN: ``h = sum of weight[t, t - i] * x[t - i]``, then the threshold of step t.

    Args:
        b: Builder of the graph.
        name: Name of the spiking node; what it adds up is ``name.tap0`` and so on.
        module: The MaskedPSN; its mask must be closed (``lambda_`` 1 or more).
        x: Its input.

    Raises:
        ConversionError: the mask is open, or its surrogate function is no step.
    """
    found = Attributes(module)
    found.steps()
    if module.lambda_ < 1:
        found.refuse(
            f"lambda_ is {float(module.lambda_)}: its steps read all steps",
            "train until lambda_ is 1, or set it",
        )
    found.check()
    weight = module.masked_weight().detach().cpu().numpy()
    steps = np.arange(module.T)
    total: Ref | None = None
    for delay in reversed(range(min(module.k, module.T))):
        timed = np.where(steps >= delay, weight[steps, np.maximum(steps - delay, 0)], 0)
        timed = timed.reshape(-1, *[1] * len(x.shape)).astype(np.float32)
        before = x.after(x.delay + delay, x.initial) if delay else x
        tap = b.cell(
            f"{name}.tap{delay}", "scale", before, params={"scale": timed}, timed=["scale"]
        )
        total = tap if total is None else b.cell(f"{name}.sum{delay}", "add", total, tap)
    threshold = -module.bias.detach().cpu().numpy().reshape(-1, *[1] * len(x.shape))
    h = x if total is None else total
    return b.cell(name, "threshold", h, params={"threshold": threshold}, timed=["threshold"])
