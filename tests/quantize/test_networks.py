"""Trained networks as integers: accuracy near that of floats, one result on every simulator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import neurodeploy as nd
from demo_digits import demo_ann, demo_digits
from engine_runs import assert_equal_traces
from neurodeploy.data import as_samples
from neurodeploy.engine import build
from neurodeploy.errors import GraphError, QuantizationError
from neurodeploy.ir import Graph
from neurodeploy.ir.types import QType
from neurodeploy.quantize import Scheme, quantised
from neurodeploy.reference import all_outputs, simulate
from neurodeploy.testing.random_graphs import RandomProfile, random_graph, spiking_share
from oracles import Ledger
from tiers import sample_count

Array = npt.NDArray[Any]
T = 8


@pytest.fixture(scope="module")
def digits() -> dict[str, Array]:
    return demo_digits()


@pytest.fixture(scope="module")
def ann() -> Graph:
    return demo_ann()


@pytest.fixture(scope="module")
def snn(ann: Graph, digits: dict[str, Array]) -> Graph:
    return nd.convert(ann, data=digits["xtr"][:256], timesteps=T)


def accuracy(graph: Graph, digits: dict[str, Array], timesteps: int) -> float:
    found = nd.run(graph, digits["xte"], digits["yte"], timesteps=timesteps, on="engine").accuracy
    assert found is not None
    return 100 * found


def same(graph: Graph, inputs: dict[str, Array], timesteps: int, what: str) -> bool:
    """Compare engine and reference in every output and state; say whether all populations fire."""
    keys = all_outputs(graph)
    expected = simulate(graph, inputs, timesteps, record=keys)
    assert_equal_traces(expected, build(graph).run(inputs, timesteps, record=keys), what)
    return spiking_share(expected, graph) == 1


@pytest.mark.parametrize(("bits", "points"), [(8, 0.3), (4, 1.5)])
def test_digits_as_a_spiking_network(
    snn: Graph, digits: dict[str, Array], bits: int, points: float, oracle: Ledger
) -> None:
    made = nd.quantize(snn, data=digits["xtr"][:256], bits=bits)
    assert accuracy(made, digits, T) >= accuracy(snn, digits, T) - points
    samples = as_samples(made, digits["xte"][:4])
    assert same(made, dict(samples.inputs), T, f"digits, {bits} bits")
    oracle("cc").record(spiking=True)


@pytest.mark.parametrize(("bits", "points"), [(8, 0.3), (4, 1.5)])
def test_digits_as_an_analog_network(
    ann: Graph, digits: dict[str, Array], bits: int, points: float, oracle: Ledger
) -> None:
    """The integer ANN that a microcontroller may run instead."""
    made = nd.quantize(ann, data=digits["xtr"][:256], bits=bits)
    assert accuracy(made, digits, 1) >= accuracy(ann, digits, 1) - points
    same(made, dict(as_samples(made, digits["xte"][:4]).inputs), 1, f"digits, {bits} bits")
    oracle("cc").record()


def test_layers_are_reported(snn: Graph, digits: dict[str, Array]) -> None:
    made = nd.quantize(snn, data=digits["xtr"][:64], bits=4)
    report = nd.quantization_report(snn, made, digits["xte"][:64], timesteps=T)
    layers = {layer.name: layer for layer in report.layers}
    counts = [nd.run(g, digits["xte"][:64], timesteps=T, on="engine").counts for g in (snn, made)]
    assert set(layers) == set(counts[0])
    for name, layer in layers.items():
        assert layer.spikes
        assert layer.before == pytest.approx(counts[0][name].mean())
        assert layer.after == pytest.approx(counts[1][name].mean())
        assert 0 < layer.different < 1
    assert "spikes/sample" in report.table()


def test_real_values_of_an_analog_network(ann: Graph, digits: dict[str, Array]) -> None:
    """Each activation, as a real value, is near that of the float network."""
    made = nd.quantize(ann, data=digits["xtr"][:256])
    report = nd.quantization_report(ann, made, digits["xte"][:64], timesteps=1)
    assert len(report.layers) == 3
    for layer in report.layers:
        assert layer.different < 0.02, layer
        assert layer.before > 0.1


COUNT = sample_count(200, 40)
FLOATS = RandomProfile(numbers=("float32",))


@pytest.mark.parametrize("start", range(0, COUNT, 20))
def test_random_networks(start: int, oracle: Ledger) -> None:
    """Quantised networks run alike on engine and reference; the others are refused by node."""
    cc, made = oracle("cc"), 0
    refused: list[QuantizationError] = []
    for seed in range(start, start + 20):
        case = random_graph(np.random.default_rng(seed), FLOATS)
        try:
            integers = quantised(case.graph, case.inputs, case.timesteps, Scheme())
        except QuantizationError as error:
            refused.append(error)
            continue
        inputs = {n.name: case.inputs[n.name] for n in integers.inputs}
        given = as_samples(integers, inputs, timesteps=None).inputs
        cc.record(spiking=same(integers, dict(given), case.timesteps, f"graph {seed}"))
        made += 1
    assert made
    for error in refused:
        assert all(f.node for f in error.findings) or "no float weights" in str(error), error


def test_steps_stand_in_the_types_and_in_the_file(
    ann: Graph, digits: dict[str, Array], tmp_path: Path
) -> None:
    """What an integer stands for is told by every signal, and is part of what a graph is."""
    made = nd.quantize(ann, data=digits["xtr"][:64])
    nd.save(made, tmp_path / "q.nd")
    assert nd.load(tmp_path / "q.nd") == made
    for node in made.nodes:
        kind = made.signals[(node.name, "out")].type
        assert isinstance(kind, QType)
        assert kind.scale != (1.0,), node.name
    cell = next(c for c in made.cells if c.steps)
    doubled = replace(cell, steps=tuple((n, 2 * s) for n, s in cell.steps))
    nodes = tuple(doubled if n.name == cell.name else n for n in made.nodes)
    assert replace(made, nodes=nodes).digest != made.digest
    with pytest.raises(GraphError, match="a step of 'v', which is no output of integers"):
        replace(made, nodes=tuple(
            replace(n, steps=(("v", 1.0),)) if n.name == cell.name else n for n in made.nodes
        ))  # fmt: skip


def test_biases_make_up_for_the_mean_that_rounding_takes(
    snn: Graph, digits: dict[str, Array]
) -> None:
    """Ternary weights without training: far better with the correction than without."""
    coarse = Scheme(grid="ternary")
    found = [
        accuracy(nd.quantize(snn, data=digits["xtr"][:256], scheme=s), digits, T)
        for s in (coarse, replace(coarse, bias_correction=False))
    ]
    assert found[0] > found[1] + 5
