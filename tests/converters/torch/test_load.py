"""What a graph keeps of its module: names, sources, shared weights; what stays untouched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from oracles import Ledger

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402

from neurodeploy.converters.torch import load_torch  # noqa: E402
from neurodeploy.errors import ConversionError, UsageError  # noqa: E402
from neurodeploy.ir import F64  # noqa: E402
from neurodeploy.ir.ops import Conv, Dense  # noqa: E402
from neurodeploy.reference import simulate  # noqa: E402
from plain_nets import Residual, build, samples  # noqa: E402

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "conversion"


def digits_cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip


def mnist1d_cnn() -> nn.Module:
    layers: list[nn.Module] = []
    for inside, outside in ((1, 32), (32, 64), (64, 64)):
        layers += [nn.Conv1d(inside, outside, 5, padding=2, bias=False), nn.BatchNorm1d(outside)]
        layers += [nn.ReLU(), nn.MaxPool1d(2) if outside != inside else nn.AvgPool1d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(320, 64), nn.ReLU(), nn.Linear(64, 10))


@pytest.mark.parametrize(
    ("name", "make", "accuracy"),
    [("digits", digits_cnn, 0.992), ("mnist1d", mnist1d_cnn, 0.986)],
)
def test_trained_network_keeps_its_accuracy(
    name: str, make: type[nn.Module], accuracy: float, oracle: Ledger
) -> None:
    """The accuracies were measured with torch on these files."""
    found = oracle("torch")
    if not (DATA / f"{name}.npz").is_file():
        pytest.skip(f"no {name}.npz in {DATA}")
    module = make()
    module.load_state_dict(torch.load(DATA / f"{name}_cnn.pt", weights_only=True))
    with np.load(DATA / f"{name}.npz") as data:
        x, y, example = data["xte"], data["yte"], data["xtr"][:4]
    graph = load_torch(module, example=example)
    logits = simulate(graph, {"input": x}, 1, record=[("out", "out")])[("out", "out")][:, 0]
    assert (logits.argmax(1) == y).mean() == pytest.approx(accuracy, abs=1e-9)
    with torch.no_grad():
        due = module.eval()(torch.from_numpy(x)).numpy()
    assert np.abs(logits - due).max() <= 1e-5 * np.abs(due).max()
    found.record()


def test_nodes_are_named_after_layers() -> None:
    module = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Sequential(Residual(4, 4, 1), nn.ReLU6()))
    graph = load_torch(module, example=torch.randn(2, 2, 6, 6), dt="1ms")
    assert {n.name: n.source for n in graph.nodes} == {
        "input": ("input",),
        "0": ("0",),
        "1.0.conv1": ("1.0.conv1",),
        "1.0.bn1": ("1.0.bn1",),
        "1.0.act": ("1.0.act",),
        "1.0.conv2": ("1.0.conv2",),
        "1.0.bn2": ("1.0.bn2",),
        "1.0.down.0": ("1.0.down.0",),
        "1.0.down.1": ("1.0.down.1",),
        "1.0.add": ("1.0",),
        "1.0.relu": ("1.0",),
        "1.1": ("1.1",),
        "out": ("out",),
    }
    names = {name for name, _ in module.named_parameters()}
    assert {"0.weight", "0.bias", "1.0.conv1.weight", "1.0.down.0.bias"} <= names & set(
        graph.tensors
    )
    assert dict(graph.metadata)["framework"] == "torch"
    assert dict(graph.metadata)["framework_version"] == torch.__version__
    assert graph.dt is not None
    assert graph.dt * 1000 == 1
    assert graph.outputs[0].decode == "mean"
    assert graph.inputs[0].kind == "value"
    assert graph.inputs[0].encoding == "direct"


def test_shared_weights_are_one_tensor_and_shared_activations_several_nodes() -> None:
    graph = load_torch(build("shared relu and weights"), example=samples("relu6", 2)[:, :6])
    weights = [n.op.weight for n in graph.nodes if isinstance(getattr(n, "op", None), Dense)]
    assert weights == ["0.weight"] * 3
    biases = [n.op.bias for n in graph.nodes if isinstance(getattr(n, "op", None), Dense)]
    assert biases == ["0.bias", "2.bias", "0.bias"]
    relus = [c for c in graph.cells if c.definition == "relu"]
    assert len(relus) == 3
    assert [c.source for c in relus] == [("1",), ("3",), ("5",)]


def test_constant_behind_a_sum_becomes_its_bias() -> None:
    graph = load_torch(build("matmul"), example=samples("matmul", 2))
    [dense] = [n for n in graph.nodes if isinstance(getattr(n, "op", None), Dense)]
    assert dense.op.bias is not None
    assert not graph.cells


def test_batch_norm_is_what_torch_computes_per_channel() -> None:
    """Scale and shift in float32, operation by operation as torch's kernel does."""
    bn = nn.BatchNorm2d(5).eval()
    with torch.no_grad():
        for value in (bn.weight, bn.bias, bn.running_mean):
            value.normal_(generator=torch.Generator().manual_seed(3))
        bn.running_var.uniform_(1e-6, 4)
    graph = load_torch(bn, example=torch.randn(2, 5, 3, 3))
    [cell] = graph.cells
    x = torch.randn(4, 5, 3, 3)
    value = simulate(graph, {"input": x.numpy()}, 1, record=[("out", "out")])[("out", "out")][:, 0]
    with torch.no_grad():
        due = bn(x).numpy()
    assert cell.definition == "affine"
    assert graph.tensors[cell.params[0].tensor].data.shape == (5, 1, 1)
    # torch may fuse the multiplication and the addition: one rounding of the product
    product = np.abs(x.numpy() * graph.tensors[cell.params[0].tensor].data)
    assert (np.abs(value - due) <= np.spacing(np.maximum(product, np.abs(due)))).all()


class Counting(nn.Module):
    """Keeps a batch norm, a list and a flag, which reading must not touch."""

    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm1d(3)
        self.fc = nn.Linear(3, 2)
        self.calls: list[int] = []
        self.last: object = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.last = x.shape
        return self.fc(self.bn(x))


def test_module_is_left_as_it_was() -> None:
    module = Counting().train()
    module.bn.eval()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    load_torch(module, example=torch.randn(4, 3))
    assert module.training
    assert not module.bn.training
    assert module.fc.training
    assert module.last is None
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in module.parameters())
    assert not module._forward_hooks


class Several(nn.Module):
    """Two inputs, and outputs in a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 4), nn.Linear(5, 4)

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> dict[str, object]:
        total = self.a(left) + self.b(right)
        return {"sum": total, "parts": (total.relu(), -total)}


def test_several_inputs_and_outputs() -> None:
    module = Several()
    left, right = torch.randn(3, 3), torch.randn(3, 5)
    graph = load_torch(module, example={"left": left, "right": right})
    assert [i.name for i in graph.inputs] == ["left", "right"]
    assert {o.name for o in graph.outputs} == {"sum", "parts.out0", "parts.out1"}
    record = [(o.name, "out") for o in graph.outputs]
    values = simulate(graph, {"left": left.numpy(), "right": right.numpy()}, 1, record=record)
    with torch.no_grad():
        due = module(left, right)
    assert np.allclose(values[("parts.out1", "out")][:, 0], due["parts"][1].numpy(), atol=1e-6)
    one = load_torch(module, example=(left, right), output="parts.out0")
    assert [o.name for o in one.outputs] == ["parts.out0"]
    assert load_torch(module, example=(left, right), output=-2) == one
    with pytest.raises(UsageError, match="no output 'logits'"):
        load_torch(module, example=(left, right), output="logits")


def test_one_sample_and_numpy_are_enough() -> None:
    module = build("conv1d")
    one = samples("conv1d", 1)
    graph = load_torch(module, example=one.numpy().astype(np.float64))
    assert graph == load_torch(module, example=samples("conv1d", 20))
    assert isinstance(graph.node("conv1d").op, Conv)


def test_float64_module_as_float64_graph() -> None:
    module = build("conv2d groups").double()
    with pytest.raises(ConversionError, match=r"call \.float\(\)"):
        load_torch(module, example=samples("conv2d groups", 2))
    graph = load_torch(module, example=samples("conv2d groups", 2), float_type=F64)
    assert {t.type for t in graph.tensors.values()} == {F64}


def test_wrappers_are_taken_off() -> None:
    module = build("linear")
    wrapped = nn.DataParallel(module)
    example = samples("linear", 2)
    assert load_torch(wrapped, example=example) == load_torch(module, example=example)
