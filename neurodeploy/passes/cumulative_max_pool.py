"""Makes max pools exact for rates."""

from __future__ import annotations

from dataclasses import replace

from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Reduce
from neurodeploy.ir.ops import MaxPool
from neurodeploy.passes.recognise import fires
from neurodeploy.passes.rewire import Draft

__all__ = ["cumulative_max_pool"]

STEP = "cumulative_max_pool"


def cumulative_max_pool(graph: Graph) -> Graph:
    """Replace max pools of single steps, behind spikes, by pools of sums over the steps.

    The maximum of two rates is no maximum of single spikes: pooled spike by spike, a window
    fires whenever any of its neurons does. The cumulative pool sends the increment of the
    maximum of the sums, so that its mean over the steps is the maximum of the means.

    1. A max pool of a frame that reads, over any path, a firing cell is replaced.
    2. One that no spike reaches stays: what it reads is the same at every step, and so the
       maximum of a frame is that of the mean.
    3. A cumulative pool stays.
    """
    draft = Draft(graph, STEP)
    varying = {n.name for n in graph.nodes if fires(n)}
    grown = True
    while grown:  # loops run through delayed edges, against the order of the nodes
        more = {e.target for e in graph.edges if e.source in varying}
        grown = not more <= varying
        varying |= more
    for node in graph.nodes:
        if not isinstance(node, Reduce) or not isinstance(node.op, MaxPool):
            continue
        if node.name in varying and node.op.mode == "frame":
            draft.nodes[node.name] = replace(node, op=replace(node.op, mode="cumulative"))
            draft.note(
                node.name,
                "max pool of the sums over the steps instead of single steps",
                "exact: its sum over the steps is the maximum of the sums",
                "the maximum of rates is no maximum of spikes",
            )
    return draft.finish()
