"""What was counted: exact integers per layer and per sample, and their sums."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt

from neurodeploy.ir.graph import Graph
from neurodeploy.profile.operations import Operation

__all__ = ["BINS", "COLUMNS", "Activity", "Counts", "LayerCounts", "Row"]

Counts64 = npt.NDArray[np.int64]
BINS = 10


@dataclass(frozen=True)
class Row:
    """The counted columns of one layer; each (N,), one integer per sample.

    Attributes:
        spikes: Events sent: nonzero values of a spike, graded or signed signal.
        activations: Nonzero values sent by neurons, analog ones included.
        messages: Events, once for each projection that carries them.
        synops: Synaptic operations: nonzero values that arrived, times the existing synapses of
            nonzero weight that each reaches; ``acs + macs``.
        acs: Those of a step in which all values that arrive are -0, 0, 1 or -1: additions.
        macs: Those of any other step: multiplications and additions.
        dense_ops: Synaptic operations if every value and every weight were nonzero.
        padded_ops: The same for a kernel that visits the padding too.
        bias_ops: Additions of a nonzero bias.
        pool_ops: Operations of a pool, over windows.
        reduce_ops: Operations of a reduction along axes.
        residual_ops: Operations of a cell without memory that joins several signals.
        elementwise_ops: Operations of a cell without memory and with one input.
        neuron_updates: Updates of neurons with memory or a spike decision: neurons times steps.
        neuron_ops: Operations of these updates.
        other_ops: Selections, logic, shifts, conversions, wherever they occur.
        weight_traffic: Bytes of weights, biases, indices and parameters read.
        state_traffic: Bytes of state read and written.
    """

    spikes: Counts64
    activations: Counts64
    messages: Counts64
    synops: Counts64
    acs: Counts64
    macs: Counts64
    dense_ops: Counts64
    padded_ops: Counts64
    bias_ops: Counts64
    pool_ops: Counts64
    reduce_ops: Counts64
    residual_ops: Counts64
    elementwise_ops: Counts64
    neuron_updates: Counts64
    neuron_ops: Counts64
    other_ops: Counts64
    weight_traffic: Counts64
    state_traffic: Counts64

    def total(self, column: str) -> int:
        """Give the sum of a column over the samples, as a Python integer."""
        return sum(getattr(self, column).tolist())


COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(Row))


@dataclass(frozen=True)
class Activity:
    """How active the neurons of a layer are; integers over all (sample, neuron) pairs.

    Attributes:
        histogram: Pairs by activations per step, in ten bins of equal width from 0 to 1, the
            last one closed.
        pairs: Number of pairs.
        silent: Pairs without any activation.
        saturated: Pairs that are active at every step.
        steps: Activations that were possible: pairs times the steps of each.
        dead: Neurons that are silent in every sample.
    """

    histogram: tuple[int, ...] = (0,) * BINS
    pairs: int = 0
    silent: int = 0
    saturated: int = 0
    steps: int = 0
    dead: int = 0


@dataclass(frozen=True)
class LayerCounts:
    """The counts of one node.

    Attributes:
        name: Name of the node.
        source: Layers of the source model that it came from.
        kind: Operation, or name of the cell.
        neurons: Number of neurons (0 where the node holds none).
        row: The columns.
        work: Operations outside synapses by verb and width, (N,) each.
        per_update: Operations of one update of one neuron.
        activity: Rates; None where the node holds no neurons.
        weight_bytes: Bytes of its constants; a shared tensor counts with its first node.
        initial_bytes: Bytes of the initial values of its states.
        state_bytes: Bytes of its state for one sample.
    """

    name: str
    source: tuple[str, ...]
    kind: str
    neurons: int
    row: Row
    work: Mapping[Operation, Counts64]
    per_update: Mapping[Operation, int]
    activity: Activity | None
    weight_bytes: int
    initial_bytes: int
    state_bytes: int


@dataclass(frozen=True)
class Counts:
    """The counts of a run.

    Attributes:
        graph: The graph that ran.
        layers: One entry per node that computes or remembers something, in canonical order.
        inputs: Nonzero values that entered, by input node, (N,).
        steps: (N,) steps of each sample.
        zero_weights: Synaptic weights that are 0, each tensor once.
        weights: Synaptic weights in all, each tensor once.
    """

    graph: Graph
    layers: tuple[LayerCounts, ...]
    inputs: Mapping[str, Counts64]
    steps: Counts64
    zero_weights: int
    weights: int
    total: Row = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", sum_rows((y.row for y in self.layers), self.samples))

    @property
    def samples(self) -> int:
        """Number of samples."""
        return int(self.steps.shape[0])

    @property
    def weight_bytes(self) -> int:
        """Bytes of all constants."""
        return sum(layer.weight_bytes for layer in self.layers)

    @property
    def state_bytes(self) -> int:
        """Bytes of all state of one sample."""
        return sum(layer.state_bytes for layer in self.layers)

    @property
    def footprint(self) -> int:
        """Bytes of the program's data: constants, initial values and the state of one sample."""
        kept = sum(layer.initial_bytes for layer in self.layers)
        return self.weight_bytes + kept + self.state_bytes

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return sum(layer.neurons for layer in self.layers)

    def layer(self, name: str) -> LayerCounts:
        """Give the counts of the node ``name``."""
        return next(layer for layer in self.layers if layer.name == name)


def sum_rows(rows: Iterable[Row], samples: int) -> Row:
    """Add rows column by column."""
    total = {name: np.zeros(samples, np.int64) for name in COLUMNS}
    for row in rows:
        for name in COLUMNS:
            total[name] += getattr(row, name)
    return Row(**total)
