"""Makes bool spikes travel: moves their amplitudes into the weights that follow."""

from __future__ import annotations

from neurodeploy.ir.graph import Graph
from neurodeploy.passes.carry_forward import carry_forward, scaling_of
from neurodeploy.passes.recognise import computes

__all__ = ["fold_spike_scale"]

STEP = "fold_spike_scale"


def fold_spike_scale(graph: Graph) -> Graph:
    """Fold the amplitudes of spikes into the weights of what receives them.

    A spike_scale cell, ``amplitude`` where a spike arrives, else 0, is passed by: spikes stay
    bools and the weights behind them only accumulate.

    1. Structural operations and concatenations carry the bools on, amplitude by channel.
    2. Sum and average pools add bools, then the scale follows behind the division.
    3. A cumulative max pool counts bools, where one window has one positive amplitude: its
       increments are bools again. A max pool of a frame likewise.
    4. Dense, Conv, ConvTranspose and Synapses multiply the amplitude into their weights.
    5. In front of an addition, an activation, an output, a delay, or weights that cannot take
       the amplitude in, the graded spike stays.
    """
    cells = {
        node.name: scaling_of(graph, node, "amplitude")
        for node in graph.cells
        if computes(node, "spike_scale")
        and not any(p.timed for p in node.params)
        and graph.edges_into[node.name][0].delay == 0
        and graph.signal(graph.edges_into[node.name][0]).shape == node.shape
    }
    if not cells:
        return graph
    return carry_forward(
        graph,
        cells,
        step=STEP,
        whole=False,
        why="a spike without amplitude needs an addition, not a multiplication",
    )
