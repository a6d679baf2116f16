"""Compares what a module itself reads of a sequence (a sum, mean, maximum, last step)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn
from torch.utils import _pytree as pytree

from neurodeploy.converters.torch.leaf import Leaf
from neurodeploy.converters.torch.spiking_side import Reading, arguments_of, run_eagerly
from neurodeploy.errors import ConversionError, Finding
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Output
from neurodeploy.recording import decode
from neurodeploy.reference import simulate

__all__ = ["verify_decoded"]

# of the largest value: a sum over time has another order in torch
TOLERANCE = 1e-5
Array = npt.NDArray[Any]


def verify_decoded(
    module: nn.Module,
    graph: Graph,
    leaves: Mapping[str, Leaf],
    reading: Reading,
    inputs: Mapping[str, Array],
    timesteps: int,
) -> None:
    """Compare the decoded outputs of a graph with those results of its module.

    An error is allowed up to `TOLERANCE` times the largest value, or 4 times what float64 makes
    of the graph's own result.

    Args:
        module: The module, which takes a sequence or loops by itself.
        graph: The graph.
        leaves: The module's stateful layers.
        reading: How the two belong together.
        inputs: By input node, samples.
        timesteps: Steps.

    Raises:
        ConversionError: they differ.
    """
    keys = list(reading.decoded)
    if not keys:
        return
    given = arguments_of(reading, graph, inputs, timesteps)
    results, _ = run_eagerly(module, leaves, reading.form, given, timesteps)
    values = pytree.tree_leaves(results[0])
    trace = simulate(graph, inputs, timesteps, record=keys)
    wide = simulate(graph, inputs, timesteps, record=keys, widen=True)
    for key in keys:
        node = graph.node(key[0])
        how = node.decode if isinstance(node, Output) else "mean"
        due = values[reading.decoded[key]].detach().cpu().numpy()
        got, exact = (
            np.asarray(decode(t[key], how, None), np.float64).reshape(due.shape)
            for t in (trace, wide)
        )
        error = float(np.abs(got - due).max(initial=0))
        drift = float(np.abs(got - exact).max(initial=0))
        allowed = max(TOLERANCE * float(np.abs(due).max(initial=0)), 4 * drift)
        if error > allowed:
            raise ConversionError(
                Finding(
                    f"what is read over time ({how}) differs from the module's by up to "
                    f"{error:.3g}, where {allowed:.3g} is allowed",
                    node=key[0],
                    source=node.source,
                    value=error,
                    limit=allowed,
                    hint="please report this network",
                )
            )
