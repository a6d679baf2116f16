"""Single synapses as integers: near the floats, and the same on every simulator."""

from __future__ import annotations

import numpy as np
import pytest

import neurodeploy as nd
from neurodeploy import connect
from neurodeploy.ir import QType
from oracles import Ledger


def network(least: int, *, loop: bool) -> nd.Graph:
    rng = np.random.default_rng(0)
    b = nd.GraphBuilder("1ms")
    first = b.dense("d", b.input("x", (30,)), rng.normal(0.1, 0.5, (20, 30)))
    if loop:
        rows = connect.fixed_fan_out(
            20, 20, 3, weight=connect.normal(0, 0.2), delay=connect.whole(1, 5), seed=1
        )
        back = b.synapse_rows("back", b.ref("p", shape=(20,)), (20,), rows)
        first = b.cell("sum", "add", first, back)
    sent = b.cell("p", "lif", first, params={"beta": 0.9})
    rows = connect.fixed_probability(
        20, 10, 0.5, weight=connect.normal(0.2, 0.2), delay=connect.whole(least, 4), seed=2
    )
    last = b.synapse_rows("s", sent, (10,), rows, rng.normal(0, 0.05, 10))
    return b.output("y", b.cell("z", "lif", last, params={"beta": 0.9})).build()


@pytest.mark.parametrize("least", [0, 1])
@pytest.mark.parametrize("loop", [False, True])
def test_near_the_floats_and_equal_in_c(least: int, loop: bool, oracle: Ledger) -> None:
    graph = network(least, loop=loop)
    x = np.random.default_rng(1).random((12, 40, 30)).astype(np.float32)
    made = nd.quantize(graph, data=x)
    assert isinstance(made.tensors["s.weight"].type, QType)
    runs = [nd.run(made, x, on=on, record="states") for on in ("reference", "engine")]
    assert nd.compare(*runs).verdict == "exact"
    floats = nd.run(graph, x)
    for name, counts in floats.counts.items():
        assert counts.all()
        assert abs(int(counts.sum()) - int(runs[0].counts[name].sum())) < 0.03 * counts.sum()
    oracle("cc").record(spiking=True)
