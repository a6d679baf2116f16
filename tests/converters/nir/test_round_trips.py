"""Random graphs from `neurodeploy.testing`: out to NIR and back, or refused by name."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from neurodeploy.converters.nir import load_nir, save_nir
from neurodeploy.errors import ConversionError
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Node
from neurodeploy.ir.ops import Dense, Pool, Reshape
from neurodeploy.targets.base import Capabilities, CellRule
from neurodeploy.testing.random_graphs import RandomCase, RandomProfile, graphs, random_graph
from oracles import Ledger
from tiers import sample_count

pytest.importorskip("h5py", reason="h5py is not installed")

# NIR's table of nodes as the capabilities of a target
TABLE = Capabilities(
    name="nir",
    description="what NIR has a node for",
    maps=frozenset({"Dense", "Conv", "Pool", "Reshape"}),
    reduces=frozenset(),
    products=False,
    cells=tuple(
        CellRule(name) for name in ("add", "if", "lif", "li", "cuba_lif", "cuba_li", "scale")
    ),
)
INSIDE = RandomProfile(numbers=("float32", "float64"), can=TABLE, blocks=(1, 4), rare=0.1)
ANY = RandomProfile(numbers=("float32", "float64", "integer", "mixed"))


def outside(graph: Graph) -> bool:
    """Say whether a graph holds what NIR has no word for at all, by our own list."""
    for node in graph.nodes:
        window = getattr(getattr(node, "op", None), "window", None)
        if window is not None:
            uneven = any(low != high for low, high in window.padding)
            rank = len(window.kernel)
            if uneven or rank > 2 or (isinstance(node.op, Pool) and rank != 2):
                return True
            if isinstance(node.op, Pool) and node.op.divisor == "valid" and node.op.mode != "sum":
                return True
        if isinstance(node, Cell) and any(p.timed for p in node.params):
            return True
        op = getattr(node, "op", None)
        if isinstance(op, Dense) and op.axis not in (-1, len(_shape(graph, node)) - 1):
            return True
        bias = getattr(op, "bias", None)
        if bias is not None and graph.tensors[bias].data.ndim > 1:
            return True
        if isinstance(op, Reshape) and len(op.shape) > 1:
            return True
    return any(e.output != graph.node(e.source).outputs[0] for e in graph.edges)


def _shape(graph: Graph, node: Node) -> tuple[int, ...]:
    return graph.signal(graph.edges_into[node.name][0]).shape


def comes_back(case: RandomCase, folder: Path) -> bool:
    """Write and read a graph; False where it is refused, each finding naming its node."""
    before = case.graph.digest
    try:
        save_nir(case.graph, folder / "a.nir")
    except ConversionError as error:
        unnamed = [f for f in error.findings if f.node not in case.graph or not f.message]
        if unnamed:
            raise
        return False
    again = load_nir(folder / "a.nir")
    assert again == case.graph
    assert str(again) == str(case.graph)
    assert case.graph.digest == before
    return True


def seeds() -> range:
    return range(sample_count(1000, 150))


@settings(max_examples=sample_count(300, 25))
@given(graphs(ANY))
def test_any_graph_comes_back_or_is_refused_by_name(case: RandomCase) -> None:
    with tempfile.TemporaryDirectory() as folder:
        comes_back(case, Path(folder))


def test_nine_of_ten_inside_the_table_come_back(tmp_path: Path, oracle: Ledger) -> None:
    drawn = (random_graph(np.random.default_rng(seed), INSIDE) for seed in seeds())
    cases = [case for case in drawn if not outside(case.graph)]
    exact = sum(comes_back(case, tmp_path) for case in cases)
    assert len(cases) >= 20
    assert exact >= 0.9 * len(cases)
    oracle("brute force").record(exact)
