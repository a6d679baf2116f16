"""Random graphs are legal, alive, various, and the same for the same seed."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given

from neurodeploy.errors import NeurodeployError
from neurodeploy.ir import Cell, Graph, Map, Product, Reduce
from neurodeploy.ir.file import graph_bytes
from neurodeploy.ir.ops import Conv, ConvTranspose, Dense, MaxPool, Pool, ReduceAxes, Synapses
from neurodeploy.ir.types import QType
from neurodeploy.reference import all_outputs, simulate
from neurodeploy.semantics.cells import BUILTIN
from neurodeploy.semantics.cells.firing import PAYLOADS, RESETS, TIMINGS
from neurodeploy.semantics.cells.membrane import DECAYS
from neurodeploy.targets.base import Capabilities, CellRule
from neurodeploy.targets.check import capability_findings
from neurodeploy.testing import cells
from neurodeploy.testing.random_graphs import (
    RandomCase,
    RandomProfile,
    graphs,
    populations,
    random_graph,
    spiking_share,
)
from tiers import sample_count

# the seeds that the engine is compared on when every case runs
COUNT = sample_count(400, 250)


@pytest.fixture(scope="module")
def drawn() -> list[RandomCase]:
    return [random_graph(np.random.default_rng(seed)) for seed in range(COUNT)]


def test_nine_of_ten_are_accepted_and_seven_of_ten_spike_everywhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    count, accepted, everywhere = sample_count(300, 60), 0, 0
    for seed in range(10_000, 10_000 + count):
        try:
            case = random_graph(np.random.default_rng(seed))
            keys = all_outputs(case.graph)
            trace = simulate(case.graph, case.inputs, case.timesteps, record=keys)
        except NeurodeployError:
            continue
        accepted += all(np.isfinite(v).all() for v in trace.values())
        everywhere += spiking_share(trace, case.graph) == 1
    with capsys.disabled():
        sys.stdout.write(
            f"\nrandom graphs: {accepted / count:.0%} of {count} accepted, "
            f"{everywhere / count:.0%} spike in every population\n"
        )
    assert accepted >= 0.9 * count
    assert everywhere >= 0.7 * count


def test_same_seed_gives_the_same_case(drawn: list[RandomCase]) -> None:
    for seed in range(12):
        again = random_graph(np.random.default_rng(seed))
        assert graph_bytes(again.graph) == graph_bytes(drawn[seed].graph)
        assert again.timesteps == drawn[seed].timesteps
        for name, values in drawn[seed].inputs.items():
            np.testing.assert_array_equal(again.inputs[name], values)
    assert len({c.graph.digest for c in drawn[:40]}) == 40


def _features(graph: Graph) -> Iterator[str]:
    """Name what the graph holds."""
    for node in graph.nodes:
        if isinstance(node, Map | Reduce):
            yield type(node.op).__name__
        if isinstance(node, Product):
            yield "Product"
        if isinstance(node, Cell):
            yield f"cell {node.definition}"
            yield from (f"{name}={value}" for name, value in node.options)
            yield from _cell_features(node, graph)
        op = getattr(node, "op", None)
        if isinstance(op, Dense | Conv | ConvTranspose | Synapses):
            yield "bias" if op.bias else "no bias"
            if op.accumulator is not None:
                yield f"accumulator {op.accumulator.overflow}"
            kind = graph.tensors[op.weight].type
            if isinstance(kind, QType):
                yield "weights up to 8 bits" if kind.bits <= 8 else "weights beyond 8 bits"
        window = getattr(op, "window", None)
        if window is not None:
            yield f"{type(op).__name__} of rank {len(window.kernel)}"
            yield from (f"{n}" for n in ("stride", "dilation") if max(getattr(window, n)) > 1)
            yield "uneven padding" if any(a != b for a, b in window.padding) else "even padding"
        if isinstance(op, Conv | ConvTranspose):
            yield "groups" if op.groups > 1 else "one group"
        if isinstance(op, Synapses):
            yield "synapses with delays" if op.delay else "synapses without delays"
        if isinstance(op, MaxPool):
            yield f"max pool {op.mode}"
        if isinstance(op, ReduceAxes):
            yield f"axes {op.function}"
        if isinstance(op, Pool):
            yield f"pool {op.mode} {op.divisor}"
    for edge in graph.edges:
        yield f"delay {edge.delay}"
        if edge.delay:
            yield (
                "begun by a tensor"
                if isinstance(edge.initial, str)
                else f"begun {bool(edge.initial)}"
            )
    position = {n.name: i for i, n in enumerate(graph.nodes)}
    if any(e.delay and position[e.source] >= position[e.target] for e in graph.edges):
        yield "recurrence"
    yield f"{min(len(graph.inputs), 2)} inputs"
    yield f"{min(len(graph.outputs), 3)} outputs"
    yield from (f"decode {n.decode}" for n in graph.outputs)
    yield from (f"input {n.kind} {type(n.type).__name__}" for n in graph.inputs)


def _cell_features(node: Cell, graph: Graph) -> Iterator[str]:
    if node.start:
        yield "start"
    for ref in node.params:
        shape = graph.tensors[ref.tensor].data.shape
        shape = shape[1:] if ref.timed else shape
        yield "timed" if ref.timed else "still"
        if ref.name != "table":
            size = int(np.prod(shape))
            full = size == int(np.prod(node.shape))
            yield "scalar" if size == 1 else ("per neuron" if full else "per channel")
    for state in node.states:
        initial = graph.tensors[state.initial].data
        if initial.size > 1 and initial.any():
            yield "initial per neuron"


WANTED = {
    *(f"cell {name}" for name in BUILTIN if name != "scale"),
    *(f"cell {d.name}" for d in (*cells.FLOAT_CELLS, *cells.INTEGER_CELLS)),
    *(f"reset={v}" for v in RESETS),
    *(f"timing={v}" for v in (*TIMINGS, "next")),
    *(f"payload={v}" for v in PAYLOADS),
    *(f"decay={v}" for v in DECAYS),
    *(
        f"{n}={v}"
        for n in ("strict", "floor", "lower", "decay_input", "rest")
        for v in (True, False)
    ),
    *(f"refractory={v}" for v in (0, 1, 2, 3)),
    *(f"spikes={v}" for v in (1, 2, 4)),
    *(f"overflow={v}" for v in ("saturate", "wrap")),
    *(f"rounding={v}" for v in ("floor", "zero", "nearest", "even")),
    *("Dense", "Conv", "ConvTranspose", "Synapses", "Pool", "Reshape", "Permute", "Concat"),
    *("Gather", "MaxPool", "ReduceAxes", "ArgMax", "Product"),
    *(f"axes {v}" for v in ("sum", "mean", "max")),
    *(f"Conv of rank {n}" for n in (1, 2, 3)),
    *("stride", "dilation", "uneven padding", "groups", "bias", "no bias"),
    *(f"accumulator {v}" for v in ("wrap", "saturate")),
    *("weights up to 8 bits", "weights beyond 8 bits"),
    *("synapses with delays", "synapses without delays", "max pool frame", "max pool cumulative"),
    *("pool sum kernel", "pool average kernel", "pool average valid"),
    *("recurrence", "delay 1", "delay 3", "begun True", "begun by a tensor"),
    *("start", "timed", "scalar", "per channel", "per neuron", "initial per neuron"),
    *("1 inputs", "2 inputs", "2 outputs", "3 outputs", "input spike Bool", "input value QType"),
    *(f"decode {v}" for v in ("count", "mean", "membrane", "max", "first")),
}


def test_everything_occurs(drawn: list[RandomCase]) -> None:
    found = Counter(f for case in drawn for f in set(_features(case.graph)))
    assert {name for name in WANTED if not found[name]} == set()
    assert {case.numbers for case in drawn} == {"float32", "float64", "integer", "mixed"}


def test_every_reset_meets_every_timing(drawn: list[RandomCase]) -> None:
    """The table of resets is covered by the graphs that the engine is compared on."""
    met = set()
    for case in drawn:
        for node in case.graph.cells:
            options = dict(node.options)
            if node.definition in ("if", "lif", "cuba_lif", "alif"):
                met.add((options["reset"], options["timing"]))
    wanted = {(r, t) for r in ("subtract", "value") for t in TIMINGS} | {("none", "same")}
    assert wanted <= met


def test_graphs_are_small(drawn: list[RandomCase]) -> None:
    for case in drawn:
        assert max(s.size for s in case.graph.signals.values()) <= 200
        assert len(case.graph.nodes) <= 40


def test_grid_sums_are_exact_in_float32() -> None:
    """With a grid, no weighted sum of a Map is rounded: float64 gives the same numbers."""
    profile = RandomProfile(numbers=("float32",), grid="binary")
    sums = 0
    for seed in range(25):
        case = random_graph(np.random.default_rng(seed), profile)
        keys = all_outputs(case.graph)
        trace = simulate(case.graph, case.inputs, case.timesteps, record=keys)
        for node in case.graph.nodes:
            if isinstance(node, Map) and isinstance(node.op, Dense):
                edge = case.graph.edges_into[node.name][0]
                if edge.delay:
                    continue
                x = trace[edge.source, edge.output].astype(np.float64)
                weight = case.graph.tensors[node.op.weight].data.astype(np.float64)
                axis = node.op.axis if node.op.axis < 0 else node.op.axis + 2
                y = np.tensordot(x[..., ::-1] if axis == -1 else x, _flip(weight, axis), (axis, 1))
                y = np.moveaxis(y, -1, axis)
                if node.op.bias:
                    bias = case.graph.tensors[node.op.bias].data.astype(np.float64)
                    y = np.moveaxis(np.moveaxis(y, axis, -1) + bias, -1, axis)
                np.testing.assert_array_equal(y, trace[node.name, "out"])
                sums += 1
    assert sums > 10


def _flip(weight: np.ndarray, axis: int) -> np.ndarray:
    """Add the last axis in the opposite order, so that an inexact sum would show."""
    return weight[:, ::-1] if axis == -1 else weight


def test_capabilities_are_kept() -> None:
    can = Capabilities(
        name="some",
        description="a few things",
        maps=frozenset({"Dense", "Conv"}),
        reduces=frozenset({"MaxPool"}),
        products=False,
        cells=(CellRule("to_float"), CellRule("if", (("reset", ("value", "none")),))),
        weight_bits=4,
    )
    profile = RandomProfile.within(can)
    shares = []
    for seed in range(30):
        case = random_graph(np.random.default_rng(seed), profile)
        assert capability_findings(case.graph, can) == []
        trace = simulate(case.graph, case.inputs, case.timesteps, record=populations(case.graph))
        shares.append(spiking_share(trace, case.graph))
    assert np.mean(np.array(shares) == 1) >= 0.7


def test_integer_graphs_hold_no_float_weights(drawn: list[RandomCase]) -> None:
    for case in drawn:
        for node in case.graph.nodes:
            op = getattr(node, "op", None)
            if isinstance(op, Dense | Conv | ConvTranspose | Synapses):
                whole = isinstance(case.graph.tensors[op.weight].type, QType)
                assert whole == (case.numbers in ("integer", "mixed"))


@given(graphs(RandomProfile(blocks=(1, 2), timesteps=(4, 6))))
def test_strategy_gives_cases_that_run(case: RandomCase) -> None:
    trace = simulate(case.graph, case.inputs, case.timesteps, record=populations(case.graph))
    assert all(v.shape[:2] == (7, case.timesteps) for v in trace.values())
    first = case.first(1)
    alone = simulate(first.graph, first.inputs, case.timesteps, record=populations(case.graph))
    for key, values in alone.items():
        np.testing.assert_array_equal(values, trace[key][:1])
