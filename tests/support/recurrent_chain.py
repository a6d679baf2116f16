"""One recurrent spiking network with samples, and what it means that two recordings are equal."""

from __future__ import annotations

import numpy as np

from neurodeploy.ir import BOOL, Graph, GraphBuilder
from neurodeploy.recording import Recording

__all__ = ["N", "T", "network", "same", "samples"]

N, T = 7, 6


def network() -> Graph:
    rng = np.random.default_rng(0)
    b = GraphBuilder("1ms")
    x = b.input("x", (2, 5), type=BOOL)
    flat = b.flatten("flat", x)
    back = b.dense("back", b.ref("hidden", shape=(6,)), rng.normal(size=(6, 6)) / 3)
    both = b.cell("both", "add", b.dense("fc1", flat, rng.normal(size=(6, 10))), back)
    hidden = b.cell("hidden", "lif", both, params={"beta": 0.9})
    last = b.cell("last", "lif", b.dense("fc2", hidden, rng.normal(size=(3, 6))))
    return b.output("out", last).build(timesteps=T)


def samples() -> np.ndarray:
    return np.random.default_rng(1).random((N, T, 2, 5)) < 0.4


def same(a: Recording, b: Recording) -> None:
    assert np.array_equal(a.outputs, b.outputs)
    assert np.array_equal(a.decoded, b.decoded)
    assert np.array_equal(a.steps, b.steps)
    assert a.counts.keys() == b.counts.keys()
    assert all(np.array_equal(a.counts[n], b.counts[n]) for n in a.counts)
    assert a.events.keys() == b.events.keys()
    assert all(np.array_equal(a.events[n], b.events[n]) for n in a.events)
    assert a.states.keys() == b.states.keys()
    for node, states in a.states.items():
        assert states.keys() == b.states[node].keys()
        assert all(np.array_equal(states[s], b.states[node][s]) for s in states)
