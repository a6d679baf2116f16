"""Training with rounded weights: on the grid in the forward pass, straight through behind it."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

import neurodeploy as nd  # noqa: E402
from demo_digits import demo_ann, demo_digits  # noqa: E402
from neurodeploy.errors import DataError, UsageError  # noqa: E402
from neurodeploy.ir import Graph, GraphBuilder  # noqa: E402
from neurodeploy.quantize import Scheme  # noqa: E402
from neurodeploy.training import fit, from_torch, quantization_aware, to_torch  # noqa: E402
from tiers import VERIFY  # noqa: E402


def network() -> Graph:
    random = np.random.default_rng(0)
    b = GraphBuilder()
    first = b.conv("conv", b.input("x", (1, 6, 6)), random.normal(size=(4, 1, 3, 3)))
    hidden = b.cell("hidden", "lif", first, params={"beta": 0.9})
    last = b.dense("fc", b.reshape("flat", hidden, (64,)), random.normal(size=(3, 64)) / 4)
    return b.output("y", b.cell("last", "li", last, params={"beta": 0.9})).build()


@pytest.mark.parametrize(
    ("scheme", "levels"),
    [
        (Scheme(weight_bits=4), 15),
        (Scheme(weight_bits=4, fit="max"), 15),
        (Scheme(grid="ternary"), 3),
        (Scheme(weight_bits=4, grid="power-of-two"), 7),
        (Scheme(weight_bits=3, granularity="tensor"), 7),
    ],
)
def test_weights_lie_on_the_grid(scheme: Scheme, levels: int) -> None:
    graph = network()
    module = quantization_aware(to_torch(graph), scheme)
    for name in ("conv.weight", "fc.weight"):
        rounded = module.tensor(name).detach()
        rows = rounded.flatten(1) if scheme.granularity == "channel" else rounded.reshape(1, -1)
        for row in rows:
            assert len(np.unique(np.round(row.numpy(), 5))) <= levels
        exact = torch.from_numpy(graph.tensors[name].data.copy())
        assert (rounded - exact).norm() < 0.6 * exact.norm()
    # and the integers find the same grid: what is trained is what runs
    again = nd.quantize(
        from_torch(module, graph),
        data=np.random.default_rng(1).random((8, 5, 1, 6, 6)),
        scheme=scheme,
    )
    for name in ("conv.weight", "fc.weight"):
        held = again.tensors[name]
        scales = np.asarray(held.type.scale)  # type: ignore[union-attr]
        real = held.data * scales.reshape(-1, *[1] * (held.data.ndim - 1))
        due = module.tensor(name).detach().numpy()
        assert np.abs(real - due).max() < 0.02 * np.abs(due).max()


def test_the_gradient_passes_straight_through() -> None:
    module = to_torch(network())
    x = torch.rand(2, 5, 1, 6, 6)
    rounded = quantization_aware(to_torch(network()), Scheme(weight_bits=8))
    for made in (module, rounded):
        (made(x) ** 2).sum().backward()
    gradients = [
        {n: p.grad for n, p in made.named_parameters() if p.grad is not None}
        for made in (module, rounded)
    ]
    originals = [g for n, g in gradients[1].items() if "original" in n]
    assert len(originals) == 2
    assert all(g.abs().max() > 0 for g in originals)


def test_what_is_no_use_is_refused() -> None:
    module = quantization_aware(to_torch(network()), Scheme())
    with pytest.raises(UsageError, match="rounded already"):
        quantization_aware(module, Scheme())
    integers = nd.quantize(network(), data=np.random.default_rng(1).random((8, 5, 1, 6, 6)))
    with pytest.raises(UsageError, match="no float weights"):
        quantization_aware(to_torch(integers), Scheme())
    with pytest.raises(DataError, match="4 samples and labels of shape"):
        fit(to_torch(network()), np.zeros((4, 1, 6, 6), np.float32), [0, 1])


@pytest.mark.skipif(not VERIFY, reason="minutes of training: in the full tier")
@pytest.mark.parametrize(
    ("scheme", "points", "epochs", "rate"),
    [(Scheme(weight_bits=4), 0.5, 4, 1e-3), (Scheme(grid="ternary"), 2, 20, 3e-3)],
)
def test_digits(scheme: Scheme, points: float, epochs: int, rate: float) -> None:
    """Four bits within half a point of floats, ternary within two, as integers."""
    xtr, ytr, xte, yte = (demo_digits()[k] for k in ("xtr", "ytr", "xte", "yte"))
    snn = nd.convert(demo_ann(), data=xtr[:256], timesteps=4)
    module = quantization_aware(to_torch(snn), scheme)
    losses = fit(module, xtr, ytr, timesteps=4, epochs=epochs, rate=rate)
    assert losses[-1] < losses[0]
    made = nd.quantize(from_torch(module, snn), data=xtr[:256], scheme=scheme)
    before, after = (nd.run(g, xte, yte, timesteps=4, on="engine").accuracy for g in (snn, made))
    assert before is not None
    assert after is not None
    assert 100 * after >= 100 * before - points
