"""A network of snnTorch goes out as a trainable module, is fine-tuned, and comes back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from oracles import Ledger

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("snntorch", reason="snntorch is not installed")

import neurodeploy as nd  # noqa: E402
from neurodeploy.errors import UsageError  # noqa: E402
from spiking_nets import Sequence, events, on_grid  # noqa: E402


def imported() -> tuple[Any, Any, Any]:
    import snntorch as snn

    torch.manual_seed(0)
    net = on_grid(Sequence(snn.Leaky(beta=0.9), snn.Leaky(beta=0.8), (12, 24, 3)))
    x = events((30, 15, 12))
    return net, nd.load(net, example=x, time_axis=0, output=0), x


def test_fine_tuned_and_taken_back(oracle: Ledger) -> None:
    found = oracle("torch")
    net, graph, x = imported()
    module = nd.to_torch(graph)
    assert nd.compare(graph, module, x).verdict == "exact"
    assert nd.compare(net, graph, x).verdict == "exact"
    y = torch.from_numpy((x[:, :, :4].sum((1, 2)) > x[:, :, 4:8].sum((1, 2))).astype(np.int64))
    optimiser = torch.optim.Adam(module.parameters(), lr=2e-3)
    losses = []
    for _ in range(40):
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(module(torch.from_numpy(x)).sum(1) / 4, y)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
    back = nd.load(module)
    assert back != graph
    assert [n.source for n in back.nodes] == [n.source for n in graph.nodes]
    assert {c.step for c in back.changes} == {"train"}
    assert nd.compare(back, module, x).equal
    # what comes back is a graph like any other
    again = nd.to_torch(back)
    assert nd.load(again) == back
    found.record(spiking=True)


def test_an_option_that_means_nothing_is_refused() -> None:
    _, graph, _ = imported()
    with pytest.raises(UsageError, match="time_axis"):
        nd.load(nd.to_torch(graph), time_axis=0)
