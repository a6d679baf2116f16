"""Files that frameworks wrote, against those frameworks themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurodeploy.converters.nir import load_nir
from neurodeploy.errors import ConversionError
from neurodeploy.ir.types import F64
from neurodeploy.reference import simulate
from nir_nets import alone, integrate, traced

nir = pytest.importorskip("nir", reason="nir is not installed")
# snnTorch exports through the older of nirtorch's two interfaces
pytestmark = pytest.mark.filterwarnings("ignore:nirtorch.extract_nir_graph is being deprecated")
T = 60
of_snntorch = pytest.mark.parametrize(
    ("convention", "options"),
    [
        ("snntorch", {"reset_mechanism": "zero", "reset_delay": False}),
        ("snntorch-subtract", {}),
        ("snntorch-zero", {"reset_mechanism": "zero"}),
    ],
)


def grid(rng: np.random.Generator, *shape: int) -> Any:
    """Draw weights on a binary grid, so that no order of adding can change a sum."""
    return (rng.integers(-24, 40, shape) / 64).astype(np.float32)


def outputs(graph: Any, x: Any) -> Any:
    edge = graph.edges_into[graph.outputs[0].name][0]
    name = graph.inputs[0].name
    found = simulate(graph, {name: x}, x.shape[1], record=[(edge.source, edge.output)])
    return found[(edge.source, edge.output)].astype(np.float32)


def snn_model(snn: Any, torch: Any, beta: Any, **options: Any) -> Any:
    rng = np.random.default_rng(7)
    fc1, fc2 = torch.nn.Linear(6, 12), torch.nn.Linear(12, 4)
    for layer in (fc1, fc2):
        layer.weight.data = torch.from_numpy(grid(rng, *layer.weight.shape))
        layer.bias.data = torch.from_numpy(grid(rng, *layer.bias.shape))
    cells = [
        snn.Leaky(beta=torch.full((n,), beta), threshold=torch.ones(n), init_hidden=True, **options)
        for n in (12, 4)
    ]
    return torch.nn.Sequential(fc1, cells[0], fc2, cells[1])


def run_torch(torch: Any, model: Any, x: Any) -> Any:
    for layer in model.modules():
        if hasattr(layer, "reset_mem"):
            layer.reset_mem()
    with torch.no_grad():
        return np.stack([model(torch.from_numpy(x[:, t])).numpy() for t in range(x.shape[1])], 1)


def stepped(torch: Any, cell: Any, x: Any) -> Any:
    """Run a neuron that takes the last two of its results: its states, or spikes and membrane."""
    held, rows = [torch.zeros(x[:, 0].shape) for _ in range(2)], []
    with torch.no_grad():
        for t in range(x.shape[1]):
            found = cell(torch.from_numpy(x[:, t]), *held)
            held = list(found[-2:])
            rows.append(found[0].numpy())
    return np.stack(rows, 1)


@of_snntorch
def test_snntorch(convention: str, options: Any, oracle: Any, tmp_path: Path) -> None:
    oracle("nirtorch")
    snntorch, torch = oracle("snntorch"), oracle("torch").module
    from snntorch.export_nir import export_to_nir

    model = snn_model(snntorch.module, torch, 0.875, **options)
    x = np.random.default_rng(1).integers(0, 2, (5, T, 6)).astype(np.float32)
    exported = export_to_nir(model, torch.zeros(1, 6), ignore_dims=[0])
    nir.write(tmp_path / "net.nir", exported)
    with pytest.raises(ConversionError, match="snntorch-subtract"):
        load_nir(tmp_path / "net.nir")
    graph = load_nir(tmp_path / "net.nir", convention=convention)
    ours, theirs = outputs(graph, x), run_torch(torch, model, x)
    np.testing.assert_array_equal(ours, theirs)
    assert theirs.any()
    snntorch.record(spiking=True)


@of_snntorch
def test_recurrent_snntorch(convention: str, options: Any, oracle: Any) -> None:
    oracle("nirtorch")
    snntorch, torch = oracle("snntorch"), oracle("torch").module
    from snntorch.export_nir import _extract_snntorch_module

    rng = np.random.default_rng(5)
    cell = snntorch.module.RLeaky(
        beta=torch.full((6,), 0.875), threshold=torch.ones(6), linear_features=6, **options
    )
    cell.recurrent.weight.data = torch.from_numpy(grid(rng, 6, 6) / 4)
    cell.recurrent.bias.data = torch.from_numpy(grid(rng, 6) / 4)
    graph = load_nir(_extract_snntorch_module(cell), convention=convention)
    x = np.random.default_rng(1).integers(0, 2, (5, T, 6)).astype(np.float32) / 4
    theirs = stepped(torch, cell, x)
    np.testing.assert_array_equal(outputs(graph, x), theirs)
    assert 0.05 < theirs.mean() < 0.95
    snntorch.record(spiking=True)


@of_snntorch
def test_synaptic_of_snntorch(convention: str, options: Any, oracle: Any) -> None:
    oracle("nirtorch")
    snntorch, torch = oracle("snntorch"), oracle("torch").module
    from snntorch.export_nir import _extract_snntorch_module

    alpha, beta = torch.full((6,), 0.75), torch.full((6,), 0.875)
    cell = snntorch.module.Synaptic(alpha=alpha, beta=beta, threshold=torch.ones(6), **options)
    graph = load_nir(alone(_extract_snntorch_module(cell), (6,)), convention=convention)
    x = (np.random.default_rng(0).integers(-4, 12, (4, T, 6)) / 32).astype(np.float32)
    theirs = stepped(torch, cell, x)
    np.testing.assert_array_equal(outputs(graph, x), theirs)
    assert 0.05 < theirs.mean() < 0.95
    snntorch.record(spiking=True)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("LIFNode", {"tau": 4.0, "v_reset": -0.5}),
        ("LIFNode", {"tau": 4.0, "decay_input": False, "v_reset": 0.0}),
        ("IFNode", {"v_reset": -0.25}),
        ("CUBALIFNode", {"c_decay": 0.5, "v_decay": 0.75, "v_threshold": 1.0, "v_reset": -0.5}),
    ],
)
def test_each_neuron_of_spikingjelly(name: str, options: Any, oracle: Any) -> None:
    oracle("nirtorch")
    spikingjelly, torch = oracle("spikingjelly"), oracle("torch").module
    from spikingjelly import activation_based as sj
    from spikingjelly.activation_based.nir_exchange import export_to_nir

    cell = getattr(sj.neuron, name)(**options)
    exported = export_to_nir(torch.nn.Sequential(cell), torch.zeros(1, 6))
    graph = load_nir(exported, convention="spikingjelly")
    x = (np.random.default_rng(0).integers(-4, 40, (4, T, 6)) / 16).astype(np.float32)
    sj.functional.reset_net(cell)
    with torch.no_grad():
        theirs = np.stack([cell(torch.from_numpy(x[:, t])).numpy() for t in range(T)], 1)
    np.testing.assert_array_equal(outputs(graph, x), theirs)
    assert theirs.any()
    spikingjelly.record(spiking=True)


def spikingjelly_model(sj: Any, torch: Any) -> Any:
    rng = np.random.default_rng(3)
    fc1, fc2 = torch.nn.Linear(6, 12), torch.nn.Linear(12, 4, bias=False)
    fc1.weight.data = torch.from_numpy(grid(rng, 12, 6))
    fc1.bias.data = torch.from_numpy(grid(rng, 12))
    fc2.weight.data = torch.from_numpy(grid(rng, 4, 12))
    return torch.nn.Sequential(
        fc1,
        sj.neuron.LIFNode(tau=2.0, decay_input=False, v_reset=-0.25),
        fc2,
        sj.neuron.IFNode(v_reset=0.0),
    )


def test_spikingjelly(oracle: Any, tmp_path: Path) -> None:
    oracle("nirtorch")
    spikingjelly, torch = oracle("spikingjelly"), oracle("torch").module
    from spikingjelly import activation_based as sj
    from spikingjelly.activation_based.nir_exchange import export_to_nir

    model = spikingjelly_model(sj, torch)
    export_to_nir(model, torch.zeros(1, 6), save_path=tmp_path / "net.nir")
    graph = load_nir(tmp_path / "net.nir")  # found by itself
    assert dict(graph.metadata)["convention"] == "spikingjelly"
    x = np.random.default_rng(1).integers(0, 2, (5, T, 6)).astype(np.float32)
    sj.functional.reset_net(model)
    with torch.no_grad():
        theirs = np.stack([model(torch.from_numpy(x[:, t])).numpy() for t in range(T)], 1)
    np.testing.assert_array_equal(outputs(graph, x), theirs)
    assert theirs.any()
    spikingjelly.record(spiking=True)


# -- sinabs: a trained network that its source distribution ships ------------------------------


def test_scnn_mnist_of_sinabs(oracle: Any, tmp_path: Path) -> None:
    sinabs, torch = oracle("sinabs"), oracle("torch").module
    path = tmp_path / "scnn_mnist.nir"
    path.write_bytes(sinabs.member("docs/tutorials/scnn_mnist.nir"))
    with pytest.raises(ConversionError, match="sinabs"):
        load_nir(path)  # r = 1 on every neuron: nothing tells who wrote it
    graph = load_nir(path, convention="sinabs", float_type=F64)
    assert len(graph.cells) == 5
    x = np.random.default_rng(0).poisson(0.15, (1, 12, 2, 34, 34)).astype(np.float64)
    names = [c.name for c in graph.cells]
    ours = simulate(graph, {"input": x}, 12, record=[(n, o) for n in names for o in ("out", "v")])
    tree = nir.read(path, type_check=False)
    signal = x[0]
    for name in map(str, range(13)):
        node = tree.nodes[name]
        if isinstance(node, nir.Conv2d):
            w, b = (torch.from_numpy(a.astype(np.float64)) for a in (node.weight, node.bias))
            pads = [int(n) for n in node.padding]
            stride = [int(n) for n in node.stride]
            y = torch.nn.functional.conv2d(torch.from_numpy(signal), w, b, stride, pads)
            signal = y.numpy()
        elif isinstance(node, nir.SumPool2d):
            n, c, h, w = signal.shape
            signal = signal.reshape(n, c, h // 2, 2, w // 2, 2).sum((3, 5))
        elif isinstance(node, nir.Affine):
            signal = signal @ node.weight.T.astype(np.float64) + node.bias
        elif isinstance(node, nir.Flatten):
            signal = signal.reshape(len(signal), -1)
        elif isinstance(node, nir.IF):
            fields = {k: np.asarray(getattr(node, k), np.float64) for k in ("v_threshold", "r")}
            due = integrate("sinabs", "IF", fields, signal, 1.0)
            np.testing.assert_array_equal(ours[(name, "out")][0], due["z"])
            np.testing.assert_allclose(ours[(name, "v")][0], due["v"], rtol=1e-9, atol=1e-10)
            signal = due["z"]
    assert signal.shape == (12, 10)
    assert signal.any()
    sinabs.record(5, spiking=5)


def test_torch_tensors_in_nodes_are_read_and_left(oracle: Any) -> None:
    torch = oracle("torch").module
    ones = torch.ones(3)
    node = nir.LIF(tau=ones * 4, r=ones, v_leak=ones * 0, v_threshold=ones, v_reset=ones * 0)
    graph = load_nir(alone(node, (3,)), convention="sinabs")
    assert isinstance(node.tau, torch.Tensor)
    trace = traced(graph, np.full((9, 3), 0.5))
    assert trace[("n", "out")].any()
