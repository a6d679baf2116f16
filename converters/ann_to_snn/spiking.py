"""Puts integrate-and-fire neurons in the place of activations."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from neurodeploy.converters.ann_to_snn.check import is_activation
from neurodeploy.converters.ann_to_snn.keep import keep_analog
from neurodeploy.converters.ann_to_snn.thresholds import Threshold
from neurodeploy.ir.graph import Change, Graph
from neurodeploy.ir.nodes import Cell, Output
from neurodeploy.passes.cumulative_max_pool import cumulative_max_pool
from neurodeploy.passes.fold_spike_scale import fold_spike_scale
from neurodeploy.passes.rewire import Draft
from neurodeploy.semantics.types import F32, Float

__all__ = ["ACTIVATION", "METHOD", "STEP", "spiking_graph"]

STEP = "ann_to_snn"
ACTIVATION = "activation"
METHOD = "threshold_method"


def spiking_graph(
    graph: Graph,
    thresholds: Mapping[str, Threshold],
    timesteps: int,
    kept: Collection[str] = (),
) -> Graph:
    """Give the spiking form of an analog network.

    1. Each activation named in ``thresholds`` becomes a neuron of the same name that integrates
       its input, fires at ``v >= h``, loses h in the same step, and starts at ``h / 2``. It
       sends spikes of the amplitude h.
    2. Max pools behind spikes pool sums over the steps (`cumulative_max_pool`).
    3. Amplitudes move into the weights that follow (`fold_spike_scale`), so that spikes travel.
    4. All else is linear and stays: a bias, an analog input, a batch norm act at every step. Or
       it is kept as float (`neurodeploy.converters.ann_to_snn.keep`).
    5. Outputs average over the steps; the number of steps is stored.

    Args:
        graph: The analog network.
        thresholds: One per channel, for each activation that becomes a neuron.
        timesteps: Number of steps T that they were chosen for.
        kept: Nodes that stay analog.
    """
    draft = Draft(graph, STEP)
    for name, threshold in thresholds.items():
        _spike(draft, name, threshold, timesteps)
    for node in graph.outputs:
        if node.decode != "mean":
            draft.nodes[node.name] = replace(node, decode="mean")
            _note_output(draft, node)
    if kept:
        keep_analog(draft, kept)
    made = fold_spike_scale(cumulative_max_pool(draft.finish()))
    # amplitude cells that came and went between the passes are nobody's concern
    told = tuple(c for c in made.changes if c.node in made or c.node in graph)
    return replace(made, timesteps=timesteps, changes=told)


def _spike(draft: Draft, name: str, threshold: Threshold, timesteps: int) -> None:
    node = draft.nodes[name]
    if not isinstance(node, Cell):
        return
    edge = draft.into(name)[0]
    kind = node.program.inputs[0].type
    float_type = kind if isinstance(kind, Float) else F32
    values = threshold.values.astype(float_type.dtype)
    values = values.reshape(-1, *[1] * (len(node.shape) - 1)) if node.shape else values.reshape(())
    readers = draft.readers((name, node.outputs[0]))
    spikes = draft.cell(
        name,
        "if",
        [(edge.source, edge.output)],
        shape=node.shape,
        params={"threshold": values},
        initial={"v": values / np.asarray(2, values.dtype)},
        source=node.source,
        provenance=(*node.provenance, (ACTIVATION, node.definition), (METHOD, threshold.method)),
        float_type=float_type,
    )
    graded = draft.cell(
        draft.fresh(f"{name}.amplitude"),
        "spike_scale",
        [spikes],
        shape=node.shape,
        params={"amplitude": values},
        source=node.source,
        float_type=float_type,
    )
    for reader in readers:
        draft.read(reader, graded)
    draft.note(
        name,
        f"{node.definition or 'activation'} replaced by integrate-and-fire neurons with "
        f"{threshold.method} thresholds",
        f"bounded: rms error {threshold.error:.3g} at {timesteps} steps for constant input, "
        f"{threshold.clipped:.2%} of the calibration values clipped",
        "a neuron's mean output over the steps is its ReLU, rounded and clipped",
    )
    if threshold.dead.any():
        draft.note(
            name,
            f"{int(threshold.dead.sum())} of {threshold.dead.size} channels take the mean "
            "threshold of the others",
            f"threshold {float(threshold.values[threshold.dead][0]):.3g}",
            "they were never active on the calibration data",
        )


def _note_output(draft: Draft, node: Output) -> None:
    draft.note(
        node.name,
        f"decoding {node.decode} replaced by mean",
        "exact",
        "the rate of a converted network is its mean over the steps",
    )


def already_spiking(graph: Graph) -> Change:
    """Give the record of a graph that is left as it is."""
    names = [c.name for c in graph.cells if "fire" in c.program.uses]
    node = graph.node(names[0])
    analog = ", ".join(c.name for c in graph.cells if is_activation(c))
    return Change(
        node.name,
        node.source,
        STEP,
        "nothing: the network is already spiking",
        "exact",
        f"{len(names)} of its populations fire" + (f"; {analog} stay analog" if analog else ""),
    )
