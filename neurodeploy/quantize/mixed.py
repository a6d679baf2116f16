"""Mixed precision: gives each projection as few bits as a budget of bytes asks for.

Every projection is quantised alone to each width, the others as they are, and the distance of the
network's outputs to those of floats is measured on samples. Then bits are taken away where a byte
saved costs the least distance, until the weights fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import QuantizationError
from neurodeploy.execute import reference_runner
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.types import QType
from neurodeploy.quantize.post_training import calibrated
from neurodeploy.quantize.projections import weighted_maps
from neurodeploy.quantize.scheme import Scheme
from neurodeploy.recording import decode
from neurodeploy.targets.base import Run

__all__ = ["WIDTHS", "Sensitivity", "bits_within", "sensitivities", "weight_bytes"]

Array = npt.NDArray[Any]
WIDTHS = (8, 6, 4, 3, 2)


@dataclass(frozen=True)
class Sensitivity:
    """What narrower weights of one projection cost.

    Attributes:
        node: Name of the projection.
        weights: How many weights it has.
        distance: By bits, the distance of the outputs to those of floats, as a share of their
            root mean square.
    """

    node: str
    weights: int
    distance: Mapping[int, float]


def weight_bytes(weights: int, bits: int) -> int:
    """Give the bytes of weights that are packed to their bits."""
    return -(-weights * bits // 8)


def sensitivities(
    graph: Graph,
    inputs: Mapping[str, Array],
    inputs_of: Callable[[Graph], Mapping[str, Array]],
    timesteps: int,
    scheme: Scheme,
    *,
    make_runner: Callable[[Graph], Run] = reference_runner,
) -> list[Sensitivity]:
    """Measure each projection at each width.

    Args:
        graph: The float graph.
        inputs: Calibration samples as the float graph takes them.
        inputs_of: Gives the same samples as an integer graph takes them.
        timesteps: Steps.
        scheme: All other widths; the other projections have the most bits of `WIDTHS`.
        make_runner: Gives what runs a graph.
    """
    due = _outputs(graph, make_runner(graph), inputs, timesteps)
    whole = replace(scheme, weight_bits=max(WIDTHS))
    calibration = calibrated(graph, inputs, timesteps, whole, make_runner=make_runner)
    found = []
    for node in weighted_maps(calibration.graph):
        distance = {}
        for width in WIDTHS:
            made = calibration.integers({node.name: width})
            got = _outputs(made, make_runner(made), inputs_of(made), timesteps)
            distance[width] = _distance(due, got)
        weights = int(calibration.graph.tensors[node.op.weight].data.size)
        found.append(Sensitivity(node.name, weights, distance))
    return found


def bits_within(found: list[Sensitivity], budget: int) -> dict[str, int]:
    """Choose bits so that all weights fit into a budget of bytes.

    Raises:
        QuantizationError: not even the fewest bits fit; names every projection with its bytes.
    """
    chosen = {s.node: 0 for s in found}  # index into WIDTHS

    def used() -> int:
        return sum(weight_bytes(s.weights, WIDTHS[chosen[s.node]]) for s in found)

    while used() > budget:
        steps = [s for s in found if chosen[s.node] + 1 < len(WIDTHS)]
        if not steps:
            each = ", ".join(f"{s.node} {weight_bytes(s.weights, WIDTHS[-1])}" for s in found)
            raise QuantizationError(
                f"the weights need {used()} bytes at {WIDTHS[-1]} bits, the budget is {budget}: "
                f"{each}",
                hint="prune, or a smaller network",
            )
        best = min(steps, key=lambda s: _price(s, chosen[s.node]))
        chosen[best.node] += 1
    return {node: WIDTHS[i] for node, i in chosen.items()}


def _price(s: Sensitivity, now: int) -> float:
    """Give the distance that each byte costs which the next width saves."""
    here, there = WIDTHS[now], WIDTHS[now + 1]
    saved = weight_bytes(s.weights, here) - weight_bytes(s.weights, there)
    return max(0.0, s.distance[there] - s.distance[here]) / max(1, saved)


def _outputs(graph: Graph, run: Run, inputs: Mapping[str, Array], timesteps: int) -> list[Array]:
    """Give the decoded outputs, as real values."""
    keys = [(n.name, "out") for n in graph.outputs]
    trace = run(inputs, timesteps, record=keys)
    found = []
    for node in graph.outputs:
        kind = graph.signals[(node.name, "out")].type
        scale = kind.scale[0] if isinstance(kind, QType) else 1.0
        values = np.asarray(decode(trace[(node.name, "out")], node.decode), np.float64)
        found.append(values * (1.0 if node.decode == "first" else scale))
    return found


def _distance(due: list[Array], got: list[Array]) -> float:
    error = sum(float(np.square(a - b).sum()) for a, b in zip(due, got, strict=True))
    size = sum(float(np.square(a).sum()) for a in due)
    return (error / size) ** 0.5 if size else 0.0
