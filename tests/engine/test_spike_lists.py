"""Lists of spikes, and runs in chunks: the same as a raster of the whole run."""

from __future__ import annotations

import numpy as np
import pytest

from neurodeploy.engine import Engine, build
from neurodeploy.errors import UsageError
from neurodeploy.ir import BOOL, GraphBuilder
from neurodeploy.reference import all_outputs, simulate
from neurodeploy.testing.random_graphs import random_graph
from oracles import Ledger
from tiers import sample_count


def _engine(oracle: Ledger) -> Engine:
    oracle("cc")
    rng = np.random.default_rng(0)
    b = GraphBuilder("1ms")
    x = b.input("x", (300,), type=BOOL)
    a = b.cell("a", "lif", b.dense("d", x, rng.normal(0.05, 0.2, (90, 300))))
    late = b.dense("e", a.after(2), rng.normal(0.1, 0.3, (40, 90)))
    return build(b.output("y", b.cell("z", "lif", late)).build())


KEYS = [("x", "out"), ("a", "out"), ("z", "out"), ("y", "out")]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("rate", [0.0, 0.05, 1.0])
def test_lists_are_the_raster(rate: float, threads: int, oracle: Ledger) -> None:
    engine = _engine(oracle)
    x = {"x": np.random.default_rng(1).random((70, 90, 300)) < rate}
    whole = engine.run(x, 90, record=KEYS)
    found = engine.spikes(x, 90, record=KEYS, threads=threads)
    for key in KEYS:
        spikes = found[key]
        assert (spikes.raster() == whole[key].astype(bool)).all()
        assert (spikes.counts() == whole[key].astype(int).sum(axis=(0, 1))).all()
        assert (spikes.per_step() == whole[key].astype(int).sum(axis=-1)).all()
        assert spikes.at(3, 7).tolist() == np.flatnonzero(whole[key][3, 7]).tolist()
    assert (rate == 0.0) == (found["z", "out"].neurons.size == 0)


@pytest.mark.parametrize("steps", [1, 7, 64, 1000])
def test_chunks_are_the_whole_run(steps: int, oracle: Ledger) -> None:
    cc = oracle("cc")
    for seed in range(2000, 2000 + sample_count(30, 2)):
        case = random_graph(np.random.default_rng(seed))
        engine, keys = build(case.graph), all_outputs(case.graph)
        want = simulate(case.graph, case.inputs, case.timesteps, record=keys, first_sample=5)
        listed = [key for key in keys if case.graph.signals[key].type == BOOL]
        got: dict[int, list[dict[tuple[str, str], np.ndarray]]] = {}
        chunks = engine.chunks(
            case.inputs, case.timesteps, steps=steps, record=keys, spikes=listed, first_sample=5
        )
        for chunk in chunks:
            assert chunk.first == steps * len(got.setdefault(chunk.sample, []))
            for key in listed:
                assert (chunk.spikes[key].raster() == chunk.trace[key].astype(bool)).all()
            got[chunk.sample].append(chunk.trace)
        for sample, parts in got.items():
            for key in keys:
                values = np.concatenate([part[key] for part in parts], axis=1)[0]
                assert np.array_equal(values, want[key][sample], equal_nan=True), (seed, key)
        cc.record(spiking=any(want[key].any() for key in listed))


def test_no_samples_and_no_steps(oracle: Ledger) -> None:
    engine = _engine(oracle)
    for samples, steps in ((0, 5), (3, 0)):
        x = {"x": np.zeros((samples, steps, 300), bool)}
        found = engine.spikes(x, steps, record=KEYS)["a", "out"]
        assert found.raster().shape == (samples, steps, 90)
        assert list(engine.chunks(x, steps, steps=2)) == []


def test_what_is_no_spike_is_refused(oracle: Ledger) -> None:
    engine = _engine(oracle)
    x = {"x": np.zeros((1, 5, 300), bool)}
    with pytest.raises(UsageError, match="d: 'out' carries f32, no spikes"):
        engine.spikes(x, 5, record=[("d", "out")])
    with pytest.raises(UsageError, match="no output"):
        engine.spikes(x, 5, record=[("nobody", "out")])
    with pytest.raises(UsageError, match="chunks of 0 steps"):
        list(engine.chunks(x, 5, steps=0))
