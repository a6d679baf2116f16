"""Training on a teacher: its loss against scipy, what it reaches, what it refuses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")
special = pytest.importorskip("scipy.special", reason="its entropies are the oracle")

import neurodeploy as nd  # noqa: E402
from demo_digits import demo_ann, demo_digits  # noqa: E402
from neurodeploy.errors import UsageError  # noqa: E402
from neurodeploy.ir import BOOL, Graph, GraphBuilder  # noqa: E402
from neurodeploy.quantize import Scheme  # noqa: E402
from neurodeploy.training import distil, quantization_aware, to_torch  # noqa: E402
from neurodeploy.training.fitting import MARGIN  # noqa: E402
from oracles import Ledger  # noqa: E402

STEPS = 24


def network(outputs: int = 5, seed: int = 0) -> Graph:
    random = np.random.default_rng(seed)
    b = GraphBuilder()
    x = b.input("x", (12,), type=BOOL)
    params = {"beta": 0.9, "threshold": 1.0}
    a = b.cell("a", "lif", b.dense("d", x, random.normal(0, 0.5, (30, 12))), params=params)
    z = b.cell("z", "lif", b.dense("e", a, random.normal(0.05, 0.3, (outputs, 30))), params=params)
    return b.output("y", z).build()


def samples(count: int = 40) -> np.ndarray:
    return np.random.default_rng(1).random((count, STEPS, 12)) < 0.2


def divergence(found: np.ndarray, wanted: np.ndarray, scale: float) -> float:
    p, q = (special.softmax(v * scale, axis=-1) for v in (wanted, found))
    return float(special.rel_entr(p, q).sum(-1).mean())


@pytest.mark.parametrize("windows", [1, 4])
def test_the_loss(windows: int, oracle: Ledger) -> None:
    teacher, module = to_torch(network()), to_torch(network(seed=3))
    x = samples(8)
    with torch.no_grad():
        wanted, found = (m(torch.as_tensor(x)).numpy() for m in (teacher, module))
    mean = wanted.mean(1)
    scale = MARGIN / float((mean.max(1) - mean.mean(1)).mean())
    due = divergence(found.mean(1), mean, scale)
    if windows > 1:
        cut = [v.reshape(8 * windows, STEPS // windows, -1).mean(1) for v in (found, wanted)]
        due += divergence(cut[0], cut[1], scale)
    got = distil(module, teacher, x, windows=windows, epochs=1, batch=8, rate=0.0)
    assert got == pytest.approx([due], rel=1e-4)
    assert due > 0.1
    oracle("scipy").record(spiking=True)


def test_a_module_that_equals_its_teacher_has_nothing_to_learn() -> None:
    teacher, module = to_torch(network()), to_torch(network())
    losses = distil(module, teacher, samples(), epochs=1, batch=40, windows=4)
    assert losses == pytest.approx([0], abs=1e-6)


def test_rounded_weights_come_nearer_to_the_teacher() -> None:
    """Digits of ternary weights, without a label."""
    xtr, xte = (demo_digits()[k] for k in ("xtr", "xte"))
    graph = nd.convert(demo_ann(), data=xtr[:256], timesteps=4)
    teacher = to_torch(graph)
    module = quantization_aware(to_torch(graph), Scheme(grid="ternary"))
    held = torch.as_tensor(xte[:200])

    def agreed() -> int:
        with torch.no_grad():
            picked = [m(held, 4).mean(1).argmax(1) for m in (module, teacher)]
        return int((picked[0] == picked[1]).sum())

    before, weights = agreed(), teacher.tensor("0.weight").clone()
    losses = distil(module, teacher, xtr[:512], timesteps=4, windows=2, epochs=8)
    assert losses[-1] < 0.75 * losses[0]
    assert agreed() >= before + 20
    assert torch.equal(weights, teacher.tensor("0.weight"))
    assert all(p.grad is None for p in teacher.parameters())


def test_samples_are_altered_alike_for_both_and_reproducibly() -> None:
    def shifted(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return torch.roll(x, int(torch.randint(0, 9, (1,), generator=generator)), 1)

    def trained(augment: Callable[..., torch.Tensor] | None) -> list[float]:
        module = to_torch(network(seed=3))
        return distil(module, to_torch(network()), samples(), augment=augment, epochs=2, batch=10)

    assert trained(shifted) == trained(shifted) != trained(None)


def test_refused() -> None:
    teacher, module = to_torch(network()), to_torch(network(4))
    with pytest.raises(UsageError, match=r"outputs of shape \[4\], of the teacher \[5\]"):
        distil(module, teacher, samples())
    for windows in (0, 5):
        with pytest.raises(UsageError, match=f"windows: {windows}. Hint: a divisor of the 24"):
            distil(teacher, teacher, samples(), windows=windows)
    b = GraphBuilder()
    x = b.input("x", (12,), type=BOOL)
    b.output("y", x)
    two = to_torch(b.output("z", x).build())
    with pytest.raises(UsageError, match="several outputs"):
        distil(two, teacher, samples())
    with pytest.raises(UsageError, match="several outputs"):
        distil(teacher, two, samples())
