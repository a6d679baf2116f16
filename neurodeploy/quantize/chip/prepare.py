"""Brings a float graph into the form that chips have: weighted sums between neurons."""

from __future__ import annotations

import numpy as np

from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Map, Output
from neurodeploy.passes.fold_batch_norm import fold_batch_norm
from neurodeploy.passes.fold_pools import fold_pools
from neurodeploy.passes.fold_spike_scale import fold_spike_scale
from neurodeploy.passes.recognise import computes
from neurodeploy.passes.rewire import Draft
from neurodeploy.semantics.types import Float

__all__ = ["STEP", "chip_prepared"]

STEP = "quantize"


def chip_prepared(graph: Graph) -> Graph:
    """Give a graph of the same values, still over floats.

    1. Batch norms, amplitudes of spikes and pools are folded into weights.
    2. An output that reads a weighted sum reads a membrane without memory instead, whose value
       is the sum: neurons alone can be read on a chip.
    """
    folded = fold_pools(fold_spike_scale(fold_batch_norm(graph)))
    draft = Draft(folded, STEP)
    for node in folded.outputs:
        (edge,) = draft.into(node.name)
        read = draft.nodes[edge.source]
        if not isinstance(read, Map) and not computes(read, "add"):
            continue
        signal = draft.signal((edge.source, edge.output))
        made, _ = draft.cell(
            draft.fresh(f"{edge.source}.readout"),
            "li",
            [(edge.source, edge.output)],
            shape=signal.shape,
            params={"beta": np.float64(0)},
            initial={"v": np.float64(0)},
            source=read.source,
            float_type=signal.type if isinstance(signal.type, Float) else Float(32),
        )
        for reader in draft.readers((edge.source, edge.output)):
            if isinstance(draft.nodes[reader.target], Output):
                draft.read(reader, (made, draft.nodes[made].outputs[0]))
        draft.note(
            made,
            "a neuron that is read in the place of a weighted sum",
            "exact: its membrane keeps nothing and is the sum",
            "neurons alone can be read on a chip",
        )
    return draft.finish()
