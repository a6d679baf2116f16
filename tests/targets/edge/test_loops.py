"""Dense and event-driven loops give the same bits; the measured rate decides between them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import neurodeploy as nd
from edge_runs import EdgeProgram
from neurodeploy.errors import CapabilityError
from neurodeploy.ir import Graph, GraphBuilder, QType
from neurodeploy.ir.types import BOOL, NumType, tensor
from neurodeploy.reference import all_outputs, simulate
from neurodeploy.targets.edge.loops import dense_projections, rates_of
from neurodeploy.targets.edge.source import edge_unit
from oracles import Ledger

T = 3
WEIGHT = QType(-127, 127)


def network(kind: NumType) -> Graph:
    rng = np.random.default_rng(0)

    def weights(*shape: int) -> object:
        return tensor(rng.integers(-127, 128, shape), WEIGHT)

    b = GraphBuilder()
    flat, image = b.input("flat", (40,), type=kind), b.input("image", (4, 6, 6), type=kind)
    b.output("one", b.dense("to one", flat, weights(1, 40)))
    b.output("many", b.dense("to many", flat, weights(16, 40)))
    b.output("wide", b.conv("conv", image, weights(8, 4, 3, 3), padding=1))
    return b.output("thin", b.conv("to thin", image, weights(1, 4, 3, 3))).build(timesteps=T)


@pytest.mark.parametrize("kind", [BOOL, QType(0, 255)], ids=["spikes", "numbers"])
def test_both_forms_agree(kind: NumType, tmp_path: Path, oracle: Ledger) -> None:
    gcc = oracle("gcc")
    graph = network(kind)
    rng = np.random.default_rng(1)
    top = 1 if kind == BOOL else 255
    inputs = {
        n.name: (rng.integers(0, top, (2, T, *n.shape), endpoint=True) * (rng.random() < 0.9))
        for n in graph.inputs
    }
    inputs = {k: v.astype(bool) if kind == BOOL else v for k, v in inputs.items()}
    due = simulate(graph, inputs, T, record=all_outputs(graph))
    every = {n.name for n in graph.nodes}
    texts = set()
    for prefix, dense in (("events", set()), ("dense", every)):
        unit = edge_unit(graph, prefix, dense=dense)
        texts.add(unit.source.replace(prefix, "net"))
        for key, values in EdgeProgram(unit, prefix, tmp_path).run(inputs, T).items():
            assert np.array_equal(values.astype(np.int64), due[key].astype(np.int64)), key
    assert len(texts) == 2
    gcc.record()


@pytest.mark.parametrize("kind", [BOOL, QType(0, 255)], ids=["spikes", "numbers"])
def test_the_rate_decides(kind: NumType) -> None:
    graph = network(kind)

    def chosen(rate: float) -> frozenset[str]:
        return dense_projections(graph, {(n.name, "out"): rate for n in graph.inputs})

    assert chosen(0.05) <= {"to one"}
    assert chosen(1.0) == {"to one", "to thin"}  # where each source reaches many, events win
    assert dense_projections(graph, {}) == frozenset()


def test_rates_are_shares_of_what_is_not_zero() -> None:
    trace = {("a", "out"): np.array([[0, 3], [-1, 0]]), ("b", "out"): np.zeros((2, 5), bool)}
    assert rates_of(trace) == {("a", "out"): 0.5, ("b", "out"): 0.0}


def test_by_an_option(tmp_path: Path) -> None:
    """What `dense_projections` names goes into the compiler as it is."""
    graph = network(QType(0, 255))
    made = nd.compile(graph, "host", tmp_path / "fw", {"dense": "to one, conv"})
    due = edge_unit(graph, "net", dense={"to one", "conv"})
    assert (tmp_path / "fw" / "net.c").read_text(encoding="utf-8") == due.source
    assert made.options["dense"] == "to one, conv"
    with pytest.raises(CapabilityError, match="dense names 'flat'"):
        nd.compile(graph, "host", tmp_path / "other", {"dense": "to one,flat"})
