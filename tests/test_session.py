"""Sessions: step by step what a run gives, whatever is in the network and who else runs."""

from __future__ import annotations

import gc
import resource
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import neurodeploy as nd
from demo_digits import demo_ann, demo_digits
from neurodeploy.errors import DataError, UsageError
from neurodeploy.ir import BOOL, GraphBuilder
from neurodeploy.ir.nodes import Input
from neurodeploy.reference import all_outputs, simulate
from neurodeploy.testing.random_graphs import RandomProfile, random_graph, spiking_share
from oracles import Ledger
from tiers import sample_count

Array = npt.NDArray[Any]
COUNT = sample_count(200, 8)


def at_step(x: Array, node: Input, t: int) -> Array:
    """Give one step of the first sample."""
    return np.asarray(x[0, t] if x.ndim > len(node.shape) + 1 else x[0])


@pytest.mark.parametrize("start", range(0, COUNT, 8))
@pytest.mark.parametrize("on", ["engine", "reference"])
def test_every_step_of_a_run(start: int, on: str, oracle: Ledger) -> None:
    """Random graphs: delays, rings, random bits, parameters of each step; all states."""
    cc = oracle("cc") if on == "engine" else None
    for seed in range(start, start + 8):
        case = random_graph(np.random.default_rng(seed), RandomProfile())
        keys = all_outputs(case.graph)
        due = simulate(case.graph, case.inputs, case.timesteps, record=keys, seed=seed)
        names = tuple(n.name for n in case.graph.nodes)
        with nd.open_session(case.graph, record=names, on=on, seed=seed) as session:
            for turn in range(2):
                for t in range(case.timesteps):
                    now = {
                        n.name: x[0, t]
                        if (x := case.inputs[n.name]).ndim > len(n.shape) + 1
                        else x[0]
                        for n in case.graph.inputs
                    }
                    session._made(list(now.items()), [])  # as they are: infinities too
                    found = session.recorded()
                    for key in keys:
                        a, b = found[key], due[key][0, t]
                        floats = a.dtype.kind == "f"
                        same = np.array_equal(a, b.astype(a.dtype), equal_nan=floats)
                        assert same, (seed, turn, t, key)
                session.reset()
        if cc is not None:
            cc.record(spiking=spiking_share(due, case.graph) == 1)


def network() -> nd.Graph:
    random = np.random.default_rng(0)
    b = GraphBuilder()
    spikes = b.input("x", (3, 4), type=BOOL)
    drive = b.dense("fc", b.reshape("flat", spikes, (12,)), random.normal(size=(5, 12)))
    return b.output("y", b.cell("lif", "lif", drive, params={"beta": 0.9})).build()


def test_events_are_spikes() -> None:
    """Indices in any order, none, and one twice."""
    random = np.random.default_rng(1)
    dense, events = nd.open_session(network()), nd.open_session(network())
    fired = 0
    for t in range(30):
        at = random.integers(0, 12, size=t % 7)
        x = np.zeros(12, np.bool_)
        x[at] = True
        a, b = dense.step(x.reshape(3, 4))["y"], events.step_events(at)["y"]
        assert np.array_equal(a, b)
        fired += int(a.sum())
    assert fired
    assert dense.time == 30


def test_two_sessions_and_what_they_return() -> None:
    """Each has memory of its own, and results stay what they were."""
    graph = network()
    ones, zeros = np.ones((3, 4), np.bool_), np.zeros((3, 4), np.bool_)
    a, b = nd.open_session(graph, record="states"), nd.open_session(graph, record="states")
    first = a.step(ones)["y"]
    kept, state = first.copy(), a.recorded()["lif", "v"]
    for _ in range(3):
        b.step(zeros)
        a.step(zeros)
    assert np.array_equal(first, kept)
    assert not b.recorded()["lif", "v"].any()
    a.reset()
    a.step(ones)
    assert np.array_equal(a.recorded()["lif", "v"], state)


def test_a_compiled_network_and_its_quantised_form() -> None:
    """Numbers are rounded to the steps of an integer input, as in a run."""
    digits = demo_digits()
    snn = nd.convert(demo_ann(), data=digits["xtr"][:64], timesteps=4)
    made = nd.quantize(snn, data=digits["xtr"][:64])
    due = nd.run(made, digits["xte"][:1]).outputs
    session = nd.open_session(made)
    found = [session.step(digits["xte"][0]) for _ in range(4)]
    assert np.array_equal(np.stack([next(iter(f.values())) for f in found]), due[0])
    with pytest.raises(DataError, match="the calibration samples in"):
        session.step(255 * digits["xte"][0])
    assert session.time == 4


def test_an_artifact_opens_sessions(tmp_path: Any) -> None:
    program = nd.compile(network(), "cpu", out=tmp_path / "out")
    with program.open_session() as session:
        assert session.step(np.ones((3, 4), np.bool_))["y"].shape == (5,)


def refused(message: str, call: Any, *given: Any) -> None:
    with pytest.raises(DataError, match=message):
        call(*given)


def test_bad_input_makes_no_step() -> None:
    session = nd.open_session(network())
    refused(r"shape \[12\] stands where \[3, 4\]", session.step, np.zeros(12))
    refused("takes 0 and 1 only", session.step, np.full((3, 4), 0.5))
    refused("holds nan", session.step, np.full((3, 4), np.nan))
    refused("event 12", session.step_events, [0, 12])
    refused("event -1", session.step_events, [-1])
    refused("no list of indices", session.step_events, [0.5])
    refused("z is wrong", session.step, {"x": np.zeros((3, 4)), "z": 0})
    assert session.time == 0
    session.close()
    refused("is closed", session.step, np.zeros((3, 4)))
    with pytest.raises(UsageError, match="a session on 'moon'"):
        nd.open_session(network(), on="moon")
    with pytest.raises(UsageError, match="seed is -1"):
        nd.open_session(network(), seed=-1)
    b = GraphBuilder()
    numbers = b.output("y", b.cell("relu", "relu", b.input("x", (2,)))).build()
    refused("takes numbers, not spikes", nd.open_session(numbers).step_events, [0])


def test_steps_end_with_the_parameters() -> None:
    b = GraphBuilder()
    cell = b.cell("s", "scale", b.input("x", (2,)), params={"scale": np.ones((3, 2), np.float32)},
                  timed=("scale",))  # fmt: skip
    session = nd.open_session(b.output("y", cell).build())
    for _ in range(3):
        session.step(np.ones(2))
    refused("makes 3 steps", session.step, np.ones(2))
    session.reset()
    session.step(np.ones(2))


def test_many_steps_leak_nothing(oracle: Ledger) -> None:
    oracle("cc").record()
    session = nd.open_session(network(), on="engine")
    x = np.ones((3, 4), np.bool_)

    def peak(steps: int) -> int:
        for _ in range(steps):
            session.step(x)
        gc.collect()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = peak(5_000)
    assert peak(sample_count(1_000_000, 50_000)) - before < 1024  # KiB
