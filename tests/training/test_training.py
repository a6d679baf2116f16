"""Training: gradients through time, a loss that falls, and the way back into a graph."""

from __future__ import annotations

import copy
import sys
from typing import Any

import numpy as np
import pytest

from neurodeploy.errors import GraphError, MissingDependencyError, UsageError
from neurodeploy.ir import BOOL, Graph, GraphBuilder
from neurodeploy.ir.ops import ReduceAxes
from neurodeploy.ir.types import tensor
from neurodeploy.reference import simulate
from neurodeploy.semantics.types import F64
from oracles import Ledger

torch = pytest.importorskip("torch", reason="training needs torch")

from neurodeploy.training import from_torch, surrogate, to_torch  # noqa: E402

RNG = np.random.default_rng


class _FastSigmoid(torch.autograd.Function):  # type: ignore[misc, name-defined]
    """Written independently of the package: a step, and 1 / (1 + 25 |u|)^2 behind it."""

    @staticmethod
    def forward(ctx: Any, u: Any) -> Any:
        ctx.save_for_backward(u)
        return (u > 0).float()

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        (u,) = ctx.saved_tensors
        return grad / (25 * u.abs() + 1) ** 2


def _recurrent(r: np.random.Generator) -> Graph:
    b = GraphBuilder()
    x = b.input("x", (6,))
    d = b.dense("fc", x, r.normal(size=(8, 6)) / 2, r.normal(size=8) / 4)
    back = b.dense("rec", b.ref("hidden", shape=(8,)), r.normal(size=(8, 8)) / 3)
    s = b.cell(
        "hidden", "lif", b.cell("sum", "add", d, back),
        params={"beta": r.uniform(0.7, 0.95, 8), "threshold": 1.0}, options={"strict": True},
    )  # fmt: skip
    o = b.dense("out_fc", s, r.normal(size=(3, 8)) / 2)
    return b.output("out", b.cell("readout", "li", o, params={"beta": 0.9})).build()


def test_bptt_equals_a_hand_written_network(oracle: Ledger) -> None:
    graph = _recurrent(RNG(0))
    module = to_torch(graph)
    p = {n: torch.tensor(t.data, requires_grad=True) for n, t in graph.tensors.items()}
    x = torch.from_numpy(RNG(1).uniform(0, 1.5, (4, 20, 6)).astype(np.float32))
    v, s, u = torch.zeros(4, 8), torch.zeros(4, 8), torch.zeros(4, 3)
    outputs, spikes = [], 0.0
    for t in range(20):
        current = x[:, t] @ p["fc.weight"].T + p["fc.bias"] + s @ p["rec.weight"].T
        v = p["hidden.beta"] * v + current
        s = _FastSigmoid.apply(v - p["hidden.threshold"])
        v = v - s * p["hidden.threshold"]
        u = p["readout.beta"] * u + s @ p["out_fc.weight"].T
        outputs.append(u)
        spikes += float(s.detach().sum())
    expected = torch.stack(outputs, 1)
    found = module(x)
    assert spikes > 100
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    target = torch.from_numpy(RNG(2).normal(size=(4, 20, 3)).astype(np.float32))
    ((found - target) ** 2).mean().backward()
    ((expected - target) ** 2).mean().backward()
    for name in ("fc.weight", "fc.bias", "rec.weight", "hidden.beta", "hidden.threshold",
                 "out_fc.weight", "readout.beta"):  # fmt: skip
        assert float(p[name].grad.abs().max()) > 1e-4, name
        torch.testing.assert_close(module.tensor(name).grad, p[name].grad, rtol=1e-5, atol=1e-6)
    oracle("torch").record(spiking=1)


@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_bptt_equals_snntorch(reset: str, oracle: Ledger) -> None:
    snntorch = oracle("snntorch")
    from snntorch import surrogate as theirs

    r = RNG(4)
    leaky = snntorch.module.Leaky(
        beta=0.9, learn_beta=True, reset_mechanism=reset, spike_grad=theirs.fast_sigmoid(slope=25)
    )
    weight = torch.tensor(r.normal(size=(5, 4)) / 2, dtype=torch.float32, requires_grad=True)
    b = GraphBuilder()
    d = b.dense("fc", b.input("x", (4,)), weight.detach().numpy())
    # snnTorch resets in the next step, by a spike that it detaches
    options = {
        "subtract": {"timing": "next_after", "strict": True, "detach_reset": True},
        "zero": {"timing": "next_before", "reset": "value", "strict": True, "detach_reset": True},
    }[reset]
    s = b.cell("s", "lif", d, params={"beta": 0.9}, options=options)
    graph = b.output("out", s).build()
    module = to_torch(graph, surrogate="fast_sigmoid", slope=25)
    x = torch.from_numpy(r.uniform(0, 2, (3, 20, 4)).astype(np.float32))
    membrane, spikes, membranes = leaky.init_leaky(), [], []
    for t in range(20):
        spike, membrane = leaky(x[:, t] @ weight.T, membrane)
        spikes.append(spike)
        membranes.append(membrane)
    out, trace = module(x, record=[("s", "v")])
    assert float(out.detach().sum()) > 20
    assert torch.equal(out, torch.stack(spikes, 1))
    torch.testing.assert_close(trace[("s", "v")], torch.stack(membranes, 1))
    scale = torch.from_numpy(r.normal(size=out.shape).astype(np.float32))
    (out * scale).sum().backward()
    (torch.stack(spikes, 1) * scale).sum().backward()
    assert float(weight.grad.abs().max()) > 1e-3
    torch.testing.assert_close(module.tensor("fc.weight").grad, weight.grad, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        module.tensor("s.beta").grad.sum(), leaky.beta.grad.sum(), rtol=1e-4, atol=1e-5
    )
    snntorch.record(spiking=1)


def test_gradients_of_a_graph_without_spikes_equal_central_differences() -> None:
    r = RNG(5)
    b = GraphBuilder(float_type=F64)
    x = b.input("x", (2, 5, 4))
    c = b.conv("c", x, r.normal(size=(3, 2, 2, 2)), r.normal(size=3), padding=((1, 0), (0, 1)))
    v = b.cell("v", "li", c.after(1, 0.5), params={"beta": 0.8})
    m = b.max_pool("m", v, 2, mode="cumulative")
    w = b.synapses("w", m, (4,), r.normal(size=6), r.integers(0, 12, 6), r.integers(0, 4, 6),
                   r.integers(0, 3, 6))  # fmt: skip
    top = b.reduce("top", ReduceAxes("max", (1, 2)), b.pool("p", v, 2))
    q = b.product("q", "a,b->ab", w, top)
    module = to_torch(b.output("out", q).build())
    names = ("c.weight", "c.bias", "v.beta", "w.weight")
    data = torch.tensor(r.normal(size=(2, 2, 5, 4)))

    def run(*values: Any) -> Any:
        held = dict(zip(names, values, strict=True))
        renamed = {f"tensors.{n.replace('.', '/')}": v for n, v in held.items()}
        return torch.func.functional_call(module, renamed, (data, 3), strict=False)

    start = tuple(module.tensor(n).detach().clone().requires_grad_() for n in names)
    assert not torch.equal(run(*start), run(*(2 * v for v in start)))
    assert torch.autograd.gradcheck(run, start, eps=1e-6, atol=1e-6)


def test_truncation_cuts_the_gradient_and_nothing_else() -> None:
    graph = _recurrent(RNG(0))
    x = torch.from_numpy(RNG(1).uniform(0, 1.5, (2, 6, 6)).astype(np.float32))
    x.requires_grad_()
    whole, cut = to_torch(graph)(x), to_torch(graph)(x, truncate=3)
    assert torch.equal(whole, cut)
    (reached,) = torch.autograd.grad(whole[:, 5].sum(), x)
    (near,) = torch.autograd.grad(cut[:, 5].sum(), x)
    assert bool(reached[:, 2].any())
    assert not near[:, :3].any()
    assert bool(near[:, 3].any())


def test_spikes_that_come_in_may_carry_a_gradient() -> None:
    b = GraphBuilder()
    d = b.dense("fc", b.input("x", (2,), type=BOOL), [[2.0, -3.0]])
    module = to_torch(b.output("out", d).build())
    x = torch.tensor([[1.0, 0.0]], requires_grad=True)
    module(x).sum().backward()
    assert x.grad.tolist() == [[2.0, -3.0]]


def test_the_first_of_equal_maxima_takes_the_gradient() -> None:
    b = GraphBuilder()
    x = b.input("x", (1, 2, 2))
    b.output("window", b.max_pool("pool", x, 2))
    module = to_torch(b.output("axes", b.reduce("top", ReduceAxes("max", (1, 2)), x)).build())
    for name in ("window", "axes"):
        data = torch.tensor([[[[1.0, 3.0], [3.0, 2.0]]]], requires_grad=True)
        module(data)[name].sum().backward()
        assert data.grad.tolist() == [[[[0.0, 1.0], [0.0, 0.0]]]]


def test_spikes_keep_their_gradient_through_a_cumulative_pool() -> None:
    b = GraphBuilder()
    s = b.cell("s", "if", b.input("x", (1, 2)), params={"threshold": 1.0})
    graph = b.output("out", b.max_pool("pool", s, 2, mode="cumulative")).build()
    module = to_torch(graph, surrogate="straight_through")
    x = torch.tensor([[[[0.25, 0.5]]] * 6]).reshape(1, 6, 1, 2).requires_grad_()
    out = module(x)
    assert out.ravel().tolist() == [0, 1, 0, 1, 0, 1]
    out.sum().backward()
    # the increments add up to the spikes of the second neuron; with a slope and a threshold of 1,
    # its reset takes away what would flow on through the membrane
    assert x.grad[0, :, 0].tolist() == [[0.0, 1.0]] * 6


@pytest.mark.parametrize("name", ["fast_sigmoid", "arctan", "triangle", "boxcar"])
def test_training_lowers_the_loss(name: str) -> None:
    r = RNG(6)
    x = torch.from_numpy(r.uniform(0, 1, (32, 6)).astype(np.float32))
    labels = (x[:, :3].sum(1) > x[:, 3:].sum(1)).long()
    b = GraphBuilder()
    d = b.dense("fc", b.input("x", (6,)), r.normal(size=(16, 6)) / 2, np.zeros(16))
    s = b.cell("hidden", "lif", d, params={"beta": 0.9})
    o = b.dense("head", s, r.normal(size=(2, 16)) / 4)
    graph = b.output("out", b.cell("votes", "lif", o, params={"beta": 0.9})).build(timesteps=10)
    module = to_torch(graph, surrogate=name, slope=5 if name == "fast_sigmoid" else None)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.03)
    losses = []
    for _ in range(20):
        loss = torch.nn.functional.cross_entropy(module(x).mean(1) * 4, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.75 * losses[0], losses
    trained = from_torch(module, graph)
    counts = simulate(trained, {"x": x.numpy()}, 10, record=[("out", "out")])[("out", "out")]
    np.testing.assert_allclose(counts.sum(1), module(x).detach().sum(1), atol=1)


# -- the way back, and what is refused -------------------------------------------------------------


def test_written_back_values_and_the_record_of_changes() -> None:
    graph = _recurrent(RNG(0))
    module = to_torch(graph)
    assert from_torch(module, graph) == graph
    assert from_torch(module, graph).changes == ()
    with torch.no_grad():
        module.tensor("fc.weight")[2, 1] += 0.5
        module.tensor("hidden.beta").clamp_(max=0.8)
    trained = from_torch(module, graph)
    assert trained != graph
    assert [(c.node, c.step, c.what) for c in trained.changes] == [
        ("fc", "train", "fc.weight replaced by trained values"),
        ("hidden", "train", "hidden.beta replaced by trained values"),
    ]
    assert trained.changes[0].amount == "by at most 0.5"
    assert trained.tensors["fc.weight"].data.dtype == np.float32
    x = torch.from_numpy(RNG(1).uniform(0, 1.5, (2, 5, 6)).astype(np.float32))
    assert torch.equal(to_torch(trained)(x), module(x))


def test_what_cannot_be_written_back() -> None:
    graph = _recurrent(RNG(0))
    module = to_torch(graph)
    with torch.no_grad():
        module.tensor("fc.weight")[0, 0] = float("nan")
        module.tensor("rec.weight")[1, 1] = float("inf")
    with pytest.raises(GraphError) as caught:
        from_torch(module, graph)
    assert len(caught.value.findings) == 2
    b = GraphBuilder()
    other = b.output("out", b.dense("fc", b.input("x", (6,)), np.ones((2, 6)))).build()
    with pytest.raises(GraphError, match=r"fc.weight.*\[8, 6\] in the module, f32\[2, 6\]"):
        from_torch(module, other)


def test_copies_and_state_dicts() -> None:
    graph = _recurrent(RNG(0))
    module = to_torch(graph)
    twin = copy.deepcopy(module)
    with torch.no_grad():
        twin.tensor("fc.weight").zero_()
    assert twin.graph is graph
    assert bool(module.tensor("fc.weight").any())
    module.load_state_dict(twin.state_dict())
    assert not module.tensor("fc.weight").any()
    assert {n for n, _ in module.named_buffers()} == {
        "tensors.hidden/v/initial",
        "tensors.readout/v/initial",
    }


def test_without_torch_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import neurodeploy.training

    monkeypatch.delitem(sys.modules, "neurodeploy.training.graph_module")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingDependencyError, match=r"pip install neurodeploy\[torch\]"):
        _ = neurodeploy.training.to_torch
    with pytest.raises(AttributeError, match="no attribute 'from_jax'"):
        _ = neurodeploy.training.from_jax


@pytest.mark.parametrize("name", ["training", "a.b", "a/b", "a%2Fb", "forward", "."])
def test_any_name_of_a_tensor_has_its_parameter(name: str) -> None:
    b = GraphBuilder()
    b.tensors[name] = tensor(np.ones((2, 3)), b.float_type)
    b.tensors["a.c"] = tensor(np.zeros(2), b.float_type)
    graph = b.output("out", b.dense("fc", b.input("x", (3,)), name, "a.c")).build()
    module = to_torch(graph)
    assert module.tensor(name).shape == (2, 3)
    assert from_torch(module, graph) == graph


def test_unknown_names_and_types_are_refused() -> None:
    graph = _recurrent(RNG(0))
    module, x = to_torch(graph), torch.zeros(1, 6)
    with pytest.raises(UsageError, match=r"no output \('hidden', 'w'\)"):
        module(x, record=[("hidden", "w")])
    with pytest.raises(UsageError, match="truncate is 0"):
        module(x, truncate=0)
    with pytest.raises(UsageError, match="no tensor 'fc'"):
        module.tensor("fc")
    with pytest.raises(UsageError, match="no surrogate"):
        to_torch(graph, surrogate="step")
    with pytest.raises(UsageError, match="a slope stands beside"):
        to_torch(graph, surrogate=surrogate("arctan"), slope=2.0)
    with pytest.raises(
        UsageError, match=r"is torch\.float64, the graph computes it in torch\.float32"
    ):
        module.double()(x)
