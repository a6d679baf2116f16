"""Operations, sparsity and density against NeuroBench itself, on a network in torch."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from neurodeploy.ir import GraphBuilder
from neurodeploy.profile import profile_graph
from neurodeploy.reference import simulate
from oracles import Ledger


@pytest.mark.parametrize("analog", [False, True])
def test_metrics_equal_neurobench_sample_by_sample(analog: bool, oracle: Ledger) -> None:
    torch = oracle("torch").module
    neurobench = oracle("neurobench")
    from neurobench.metrics.static import ConnectionSparsity, Footprint
    from neurobench.metrics.workload import ActivationSparsity, SynapticOperations
    from neurobench.models import TorchModel

    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3, padding=1, stride=2, bias=True),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(64, 10),
        torch.nn.ReLU(),
    )
    with torch.no_grad():
        net[0].weight[:, 1, 0] = 0
        net[3].weight[torch.rand(10, 64) < 0.5] = 0
    rng = np.random.default_rng(1)
    x = (rng.random((6, 2, 8, 8)) < 0.3).astype(np.float32)
    if analog:
        x *= rng.random(x.shape, dtype=np.float32)

    model = TorchModel(net)
    model.register_hooks()
    operations = SynapticOperations()
    sparsity = []
    for sample in x:
        batch = torch.from_numpy(sample[None])
        out = model(batch)
        operations(model, out, (batch, None))
        sparsity.append(ActivationSparsity()(model, out, (batch, None)))
        model.reset_hooks()

    b = GraphBuilder()
    conv = b.conv("conv", b.input("x", (2, 8, 8)), net[0].weight.detach().numpy(),
                  net[0].bias.detach().numpy(), stride=2, padding=1)  # fmt: skip
    flat = b.flatten("flat", b.cell("relu1", "relu", conv))
    fc = b.dense("fc", flat, net[3].weight.detach().numpy(), net[3].bias.detach().numpy())
    graph = b.output("out", b.cell("relu2", "relu", fc)).build()
    bill = profile_graph(graph, partial(simulate, graph), {"x": x}, 1, hosted=False)
    found = bill.to_json()["neurobench"]

    assert found["Synaptic Operations"] == pytest.approx(operations.compute())
    assert found["Activation Sparsity"] == pytest.approx(np.mean(sparsity))
    assert found["Connection Sparsity"] == pytest.approx(ConnectionSparsity()(model), abs=5e-4)
    assert found["Footprint"] == Footprint()(model)
    neurobench.record(len(x))
