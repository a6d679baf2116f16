"""Weights set to 0, and stored as single synapses where that is smaller."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import neurodeploy as nd
from edge_runs import EdgeProgram
from neurodeploy.errors import QuantizationError
from neurodeploy.ir import BOOL, Graph, GraphBuilder
from neurodeploy.ir.nodes import Map
from neurodeploy.ir.ops import Dense, Synapses
from neurodeploy.passes.sparse_storage import sparse_storage
from neurodeploy.quantize import Scheme
from neurodeploy.quantize.prune import pruned
from neurodeploy.reference import all_outputs, simulate
from neurodeploy.targets.edge import TARGET
from neurodeploy.targets.edge.source import edge_unit
from oracles import Ledger

N, T = 4, 12


def network() -> Graph:
    random = np.random.default_rng(0)
    b = GraphBuilder()
    first = b.dense("fc1", b.input("x", (64,), type=BOOL), random.normal(size=(96, 64)))
    hidden = b.cell("hidden", "lif", first, params={"beta": 0.9})
    last = b.dense("fc2", hidden, random.normal(size=(8, 96)), random.normal(size=8) / 4)
    return b.output("y", b.cell("last", "lif", last, params={"beta": 0.8})).build()


def spikes() -> np.ndarray:
    return np.random.default_rng(1).random((N, T, 64)) < 0.3


def test_the_smallest_weights_go() -> None:
    graph = network()
    made = pruned(graph, 0.75)
    for name in ("fc1.weight", "fc2.weight"):
        before, after = graph.tensors[name].data, made.tensors[name].data
        gone = after == 0
        assert gone.sum() == int(0.75 * before.size)
        assert np.array_equal(after[~gone], before[~gone])
        assert np.abs(before[gone]).max() <= np.abs(before[~gone]).min()
    assert graph == network()
    assert {c.node for c in made.changes} == {"fc1", "fc2"}
    assert pruned(graph, 0.0) == graph


def test_whole_channels_go() -> None:
    graph = network()
    made = pruned(graph, 0.5, "channel")
    before, after = (g.tensors["fc1.weight"].data for g in (graph, made))
    empty = ~after.any(axis=1)
    assert empty.sum() == 48
    assert np.array_equal(after[~empty], before[~empty])
    norms = np.square(before).sum(axis=1)
    assert norms[empty].max() <= norms[~empty].min()


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_shares_out_of_range(share: float) -> None:
    with pytest.raises(QuantizationError, match="prune is"):
        pruned(network(), share)
    with pytest.raises(QuantizationError, match="prune is"):
        Scheme(prune=share)


def test_single_synapses_compute_the_same() -> None:
    """Floats and integers, every output and state, bit for bit."""
    sparse = pruned(network(), 0.9)
    integers = nd.quantize(network(), data=spikes(), scheme=Scheme(prune=0.9))
    for graph in (sparse, integers):
        stored = sparse_storage(graph, lambda weights, present, sources: True)
        assert isinstance(stored.node("fc1"), Map)
        assert all(isinstance(stored.node(n).op, Synapses) for n in ("fc1", "fc2"))  # type: ignore[attr-defined]
        keys = all_outputs(graph)
        a, b = (simulate(g, {"x": spikes()}, T, record=keys) for g in (graph, stored))
        for key in keys:
            assert np.array_equal(a[key], b[key]), key
        assert a[("last", "out")].any()
    kept = sparse_storage(sparse, lambda weights, present, sources: False)
    assert kept == sparse


def test_on_a_device_what_is_smaller(tmp_path: Path, oracle: Ledger) -> None:
    """Few weights become synapses on the edge target; many stay a matrix."""
    capabilities = next(p for p in TARGET.profiles if p.name == "host")
    options = {o.name: o.default for o in capabilities.options}
    sizes = {}
    for share in (0.2, 0.95):
        made = nd.quantize(network(), data=spikes(), scheme=Scheme(prune=share))
        lowered = TARGET.lower(made, capabilities, options).graph
        assert isinstance(lowered.node("fc1").op, Synapses) == (share > 0.9)  # type: ignore[attr-defined]
        unit = edge_unit(lowered, f"net{int(100 * share)}")
        sizes[share] = unit.flash["fc1"]
        program = EdgeProgram(unit, f"net{int(100 * share)}", tmp_path)
        found = program.run({"x": spikes()}, T)
        due = simulate(made, {"x": spikes()}, T, record=list(found))
        for key, values in found.items():
            assert np.array_equal(values.astype(np.int64), due[key].astype(np.int64)), key
        oracle("gcc").record(spiking=bool(due[("y", "out")].any()))
    dense = network().tensors["fc1.weight"].data.size
    assert sizes[0.2] >= dense > 2 * sizes[0.95]
    assert isinstance(network().node("fc1").op, Dense)  # type: ignore[attr-defined]
