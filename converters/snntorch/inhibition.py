"""snnTorch's ``inhibition=True``: of a layer, only the neuron at the largest margin may fire.

Four nodes: the neuron, the membrane minus its threshold, the one-hot argmax of that, and the
spike that is both. All neurons past their threshold are reset in the next step, the silent ones
among them, and the factor of graded spikes has no effect: so does the source, snnTorch 1.0.0,
``_neurons/neurons.py``, ``fire_inhibition``.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from neurodeploy.converters.snntorch.table import SPECS, refusal
from neurodeploy.converters.torch.classes import class_name
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import GraphBuilder, Ref
from neurodeploy.ir.ops import ArgMax

__all__ = ["add_inhibited"]


def add_inhibited(b: GraphBuilder, name: str, module: Any, *arrived: Ref) -> Ref:
    """Add a neuron that inhibits its layer, and give the spikes of the winner.

    Args:
        b: Builder of the graph.
        name: Name of the node that gives the spikes; the neuron is ``name.neuron``.
        module: The neuron; its layer has one axis.
        *arrived: The inputs of the neuron's cell.

    Raises:
        ConversionError: the neuron is not handled, or its reset depends on the winner.
    """
    if class_name(module) not in SPECS:
        raise refusal(module)
    if not getattr(module, "reset_delay", True):
        raise ConversionError(
            "inhibition=True with reset_delay=False takes its reset back from losers",
            hint="train with reset_delay=True",
        )
    if len(arrived[0].shape) != 1:
        raise ConversionError(
            f"inhibition=True over a layer of shape {arrived[0].shape}", hint="flatten it before"
        )
    single = copy.copy(module)
    single.inhibition = False
    spec = SPECS[class_name(module)](single)
    spec = replace(
        spec,
        params={k: v for k, v in spec.params.items() if k != "amplitude"},
        options={k: v for k, v in spec.options.items() if k != "payload"},
    )
    params: dict[str, npt.ArrayLike] = {
        k: torch.as_tensor(v).cpu().numpy() for k, v in spec.params.items()
    }
    spikes = b.cell(f"{name}.neuron", spec.cell, *arrived, params=params, options=spec.options)
    shift: dict[str, npt.ArrayLike] = {
        "shift": -np.asarray(params["threshold"]),
        "scale": np.float32(1),
    }
    margin = b.cell(f"{name}.margin", "affine", b.state(spikes, "v"), params=shift)
    return b.cell(name, "winner", spikes, b.reduce(f"{name}.first", ArgMax(0), margin))
