"""Post-training quantisation: weights, thresholds, decays, biases and states become integers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import Finding, QuantizationError, raise_findings
from neurodeploy.execute import Progress, reference_runner
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Map, Product, Reduce
from neurodeploy.ir.ops import ArgMax, MaxPool, Pool
from neurodeploy.ir.types import QType
from neurodeploy.passes.fold_batch_norm import fold_batch_norm
from neurodeploy.quantize.equalise import equalised
from neurodeploy.quantize.groups import grouped
from neurodeploy.quantize.integers import Integers
from neurodeploy.quantize.observers import observe
from neurodeploy.quantize.prepare import prepared
from neurodeploy.quantize.projections import weighted_maps
from neurodeploy.quantize.prune import pruned
from neurodeploy.quantize.scheme import Scheme
from neurodeploy.quantize.units import CellUnits, Span, cell_units, wanted_keys
from neurodeploy.semantics.types import Float
from neurodeploy.targets.base import Run

__all__ = ["Calibration", "calibrated", "quantised"]

Array = npt.NDArray[Any]
MakeRunner = Callable[[Graph], Run]


@dataclass(frozen=True)
class Calibration:
    """A prepared float graph and what its cells and inputs did on the calibration data.

    Attributes:
        graph: The prepared graph.
        scheme: Widths and grids.
        units: Units of its cells.
        spans: What the data of each input that is a number are.
        means: Mean over samples and steps of what projections add up.
    """

    graph: Graph
    scheme: Scheme
    units: Mapping[str, CellUnits]
    spans: Mapping[str, Span]
    means: Mapping[tuple[str, str], Array]

    def integers(self, bits: Mapping[str, int]) -> Graph:
        """Give the integer graph.

        Args:
            bits: Bits of the weights of single projections, by node, where not the scheme's.

        Raises:
            QuantizationError: there is no projection of a name, or a node has no integer form.
        """
        raise_findings(QuantizationError, _unknown(self.graph, bits))
        parts = self.scheme, self.units, self.spans, self.means
        return Integers(self.graph, *parts, bits).run()


def quantised(
    graph: Graph,
    inputs: Mapping[str, Array],
    timesteps: int,
    scheme: Scheme,
    *,
    bits: Mapping[str, int] | None = None,
    make_runner: MakeRunner = reference_runner,
    seed: int = 0,
    progress: Progress | None = None,
) -> Graph:
    """Turn a float graph into one over integers.

    Every weight, threshold, decay, bias, input and state is a whole number with a declared range
    and step; sums are exact, and their ranges are proven from the weights. A product is rounded
    where it stands and a state saturates at its range, both visible in the cells' programs.

    Args:
        graph: The float graph.
        inputs: Calibration samples by input node.
        timesteps: Steps of a calibration run.
        scheme: Widths and grids.
        bits: Bits of the weights of single projections, by node, where not the scheme's.
        make_runner: Gives what runs the float graph; the reference by default.
        seed: Seed of the choice of values that observers keep.
        progress: Called with (samples done, samples in all).

    Raises:
        QuantizationError: all nodes that have no integer form; layers that the calibration data
            leave silent; weights that are all 0.
    """
    calibration = calibrated(
        graph, inputs, timesteps, scheme, make_runner=make_runner, seed=seed, progress=progress
    )
    return calibration.integers(bits or {})


def calibrated(
    graph: Graph,
    inputs: Mapping[str, Array],
    timesteps: int,
    scheme: Scheme,
    *,
    make_runner: MakeRunner = reference_runner,
    seed: int = 0,
    progress: Progress | None = None,
) -> Calibration:
    """Measure once what every integer form of a graph needs; see `quantised`."""
    floats = [t for t in graph.tensors.values() if isinstance(t.type, Float)]
    if not floats:
        raise QuantizationError(
            "the graph holds no float weights", hint="it is quantised already; start from floats"
        )
    start = equalised(fold_batch_norm(graph)) if scheme.equalise else graph
    ready = grouped(pruned(prepared(start), scheme.prune, scheme.structure), scheme.group)
    raise_findings(QuantizationError, _findings(ready))
    keys = list(dict.fromkeys([*wanted_keys(ready), *_arriving(ready)]))
    run = make_runner(ready)
    seen = observe(ready, run, inputs, timesteps, keys, seed=seed, progress=progress)
    spans = {
        n: Span(float(x.min()), float(x.max()), bool((x == np.rint(x)).all()))
        for n, x in inputs.items()
        if x.dtype.kind == "f"
    }
    units = cell_units(ready, seen, scheme)
    means = {key: seen[key].mean for key in _arriving(ready)}
    return Calibration(ready, scheme, units, spans, means)


def _arriving(graph: Graph) -> list[tuple[str, str]]:
    """Give the signals that projections add up."""
    edges = [graph.edges_into[n.name][0] for n in weighted_maps(graph)]
    return [(e.source, e.output) for e in edges]


def _unknown(graph: Graph, bits: Mapping[str, int]) -> list[Finding]:
    weighted = [n.name for n in weighted_maps(graph)]
    return [
        Finding("no projection of this name", node=name, hint=f"projections: {weighted}")
        for name in bits
        if name not in weighted
    ]


def _findings(graph: Graph) -> list[Finding]:
    """Name all nodes that have no integer form."""
    found = []
    for node in graph.nodes:
        problem = ""
        signal = graph.signals[(node.name, node.outputs[0])] if node.outputs else None
        number = signal is not None and isinstance(signal.type, Float)
        if isinstance(node, Product):
            problem = "a product of two signals has no integer form yet"
        elif isinstance(node, Map) and isinstance(node.op, Pool) and node.op.mode == "average":
            problem = "an average whose divisor differs from place to place"
        elif isinstance(node, Reduce) and number:
            if not isinstance(node.op, MaxPool | ArgMax):
                problem = f"a {node.op.function} along axes {list(node.op.axes)} of numbers"
            elif isinstance(node.op, MaxPool) and node.op.mode == "cumulative":
                problem = "a max pool of sums of numbers"
        if problem:
            found.append(Finding(problem, node.name, node.source, hint="keep this layer as floats"))
    for node in weighted_maps(graph):
        tensor = graph.tensors[node.op.weight]
        if isinstance(tensor.type, QType):
            found.append(Finding("its weights are integers already", node.name, node.source))
        elif not np.asarray(tensor.data).any():
            found.append(
                Finding(
                    "all its weights are 0",
                    node.name,
                    node.source,
                    hint="a network that was not trained, or pruned away",
                )
            )
    return found
