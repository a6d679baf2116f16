"""Operators of analog networks, against PyTorch in eager mode, on samples not exported."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from oracles import Ledger

torch = pytest.importorskip("torch", reason="torch is not installed")

from analog_nets import ANALOG_NETS  # noqa: E402
from neurodeploy.converters.torch import load_torch  # noqa: E402
from neurodeploy.reference import simulate  # noqa: E402


@pytest.mark.filterwarnings("ignore:The default behavior for interpolate:UserWarning")
@pytest.mark.parametrize("name", ANALOG_NETS)
def test_graph_computes_what_the_module_does(name: str, oracle: Ledger) -> None:
    found = oracle("torch")
    net = ANALOG_NETS[name]
    torch.manual_seed(len(name))
    module = net.make().eval()
    generator = torch.Generator().manual_seed(1)
    example, x = (torch.randn((n, *net.shape), generator=generator) for n in (3, 5))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = load_torch(module, example=example)
    with torch.no_grad():
        due = module(x).numpy()
    assert due.any()
    [inner], [outer] = graph.inputs, graph.outputs
    key = (outer.name, "out")
    value = simulate(graph, {inner.name: x.numpy()}, 1, record=[key])[key][:, 0]
    assert value.shape == due.shape
    assert np.abs(value - due).max() <= 1e-5 * max(1, np.abs(due).max())
    found.record()
