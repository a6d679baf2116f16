"""Compares a graph with the spiking module that it was read from, over several steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from neurodeploy.comparison import Side, compare
from neurodeploy.converters.torch.example import Example
from neurodeploy.converters.torch.leaf import Leaf
from neurodeploy.converters.torch.spiking_side import Reading
from neurodeploy.converters.torch.verify_decoded import verify_decoded
from neurodeploy.errors import ConversionError, Finding
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell

__all__ = ["VERIFIED_STEPS", "verify_spiking"]

# enough for spikes, resets and what comes back through recurrences
VERIFIED_STEPS = 8


def verify_spiking(
    module: nn.Module,
    side: Side,
    graph: Graph,
    leaves: Mapping[str, Leaf],
    reading: Reading,
    example: Example,
    least: int,
) -> None:
    """Run module and graph on the example; every output and state must agree.

    Args:
        module: The module.
        side: The module as one side of a comparison.
        graph: The graph.
        leaves: The module's stateful layers.
        reading: How the two belong together.
        example: Samples.
        least: Steps of a sequence, where the example has fewer.

    Raises:
        ConversionError: the verdict is ``differs``; names the first layer, step and neuron.
    """
    steps = _steps(graph, reading, example, least)
    inputs = _inputs(reading, example, steps)
    static = reading.form.kind == "static"
    steps = reading.form.steps if static else steps
    found = compare(side, graph, inputs, timesteps=steps)
    nothing = not found.nodes and bool(reading.decoded)
    if found.verdict != "differs" or nothing:
        # a spike that falls otherwise within rounding changes a count by one
        if not any(n.mismatches for n in found.nodes):
            verify_decoded(module, graph, leaves, reading, inputs, steps)
        return
    wrong = [n for n in found.nodes if n.first is not None]
    # the earliest step; at one step, the first in the order of the graph
    wrong.sort(key=lambda n: n.first.step if n.first is not None else 0)
    if not wrong:
        raise ConversionError("nothing of the graph could be compared with the module")
    first = wrong[0].first
    node = graph.node(wrong[0].name)
    where = (
        ""
        if first is None
        else (
            f" first at sample {first.sample}, step {first.step}, index {first.index}: "
            f"{first.a:.9g} in the module, {first.b:.9g} in the graph"
        )
    )
    raise ConversionError(
        Finding(
            f"the graph does not compute what the module computes:{where}",
            node=node.name,
            source=node.source,
            hint=_why(module, side, leaves, inputs),
        )
    )


def _why(
    module: nn.Module,
    side: Side,
    leaves: Mapping[str, Leaf],
    inputs: Mapping[str, npt.NDArray[Any]],
) -> str:
    """Say what ``forward`` may do that a graph cannot hold, or what else to do."""
    owners = {
        name: layer
        for name, layer in module.named_modules()
        if not any(name == site or name.startswith(f"{site}.") for site in leaves)
    }
    own = vars(nn.Module()).keys()
    before = {name: dict(vars(layer)) for name, layer in owners.items()}
    written: set[str] = set()

    def look(*_: object) -> None:
        for name, layer in owners.items():
            for key, value in vars(layer).items():
                if key not in own and before[name].get(key, own) is not value:
                    written.add(f"{name}.{key}".lstrip("."))

    handle = module.register_forward_hook(look)
    try:
        side.run(inputs, 1, record=())
    finally:
        handle.remove()
    if not written:
        return "please report this layer and its arguments"
    return (
        f"forward sets {', '.join(sorted(written))}: a value that lasts from call to call belongs "
        "into a stateful layer, or into an argument and a result"
    )


def _steps(graph: Graph, reading: Reading, example: Example, least: int) -> int:
    """Give all steps of a sequence, a few elsewhere, or as many as there are parameters for."""
    timed = [
        graph.tensors[ref.tensor].data.shape[0]
        for node in graph.nodes
        if isinstance(node, Cell)
        for ref in node.params
        if ref.timed
    ]
    # forward may branch on the step, late in a sequence
    lasting = next(iter(example.inputs.values())).shape[1] if _sequence(reading) else 0
    # fewer the layer cannot run
    return max(timed, default=max(least, int(lasting)))


def _sequence(reading: Reading) -> bool:
    return reading.form.kind == "sequence"


def _inputs(reading: Reading, example: Example, steps: int) -> dict[str, npt.NDArray[Any]]:
    """Give samples with a time axis, which change from step to step where the module may."""
    found = {}
    for argument, name in reading.inputs.items():
        if name is None:
            continue
        x = example.inputs[argument].detach().cpu().numpy()
        if reading.form.kind == "step":
            x = np.stack([np.roll(x, t, axis=0) for t in range(steps)], axis=1)
        elif _sequence(reading):
            repeats = -(-steps // x.shape[1])
            # of a long sequence fewer samples: the reference takes one step after another
            x = x[: max(2, x.shape[0] * VERIFIED_STEPS // steps)]
            x = np.concatenate([x] * repeats, axis=1)[:, :steps]
        found[name] = np.ascontiguousarray(x)
    return found
