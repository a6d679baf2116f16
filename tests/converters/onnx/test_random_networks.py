"""Random analog networks, from torch and from the ONNX file that torch writes of them."""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodeploy as nd
from neurodeploy.errors import ConversionError
from oracles import Ledger
from tiers import sample_count

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")

from torch import nn  # noqa: E402

COUNT = sample_count(125, 6)
CHUNK = 3
SEEN: Counter[str] = Counter()


class Net(nn.Module):
    """Blocks one behind the other, some with a bypass."""

    def __init__(self, blocks: list[nn.Module], bypass: set[int]) -> None:
        super().__init__()
        self.blocks, self.bypass = nn.ModuleList(blocks), bypass

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for number, block in enumerate(self.blocks):
            y = block(x)
            x = x + y if number in self.bypass and x.shape == y.shape else y
        return x


def draw(seed: int) -> tuple[nn.Module, torch.Tensor]:
    """Draw a network and a batch."""
    rng = np.random.default_rng([seed, 3])
    torch.manual_seed(seed)

    def pick(*values: Any) -> Any:
        return values[int(rng.integers(len(values)))]

    def activation() -> nn.Module:
        made: nn.Module = pick(
            nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.SiLU, nn.GELU, nn.Tanh, nn.Sigmoid, nn.Hardswish,
            nn.ELU, nn.Softplus,
        )()  # fmt: skip
        return made

    channels, side = int(rng.integers(1, 4)), int(rng.integers(6, 13))
    x = torch.randn(3, channels, side, side)
    blocks: list[nn.Module] = []
    for _ in range(int(rng.integers(1, 4))):
        wider = channels * int(rng.integers(1, 4))
        kernel = (pick(1, 3), pick(1, 3, 5))
        pads = (kernel[0] // 2, kernel[1] // 2)
        groups = pick(1, channels)
        blocks.append(nn.Conv2d(channels, wider, kernel, padding=pads, groups=groups))
        if rng.random() < 0.6:
            norm = pick(nn.BatchNorm2d(wider), nn.GroupNorm(1, wider))
            if isinstance(norm, nn.BatchNorm2d):
                norm.running_mean.normal_()
                norm.running_var.uniform_(0.5, 2)
            blocks.append(norm)
        blocks.append(activation())
        channels = wider
        if side >= 6 and rng.random() < 0.5:
            blocks.append(pick(nn.MaxPool2d(2), nn.AvgPool2d(2), nn.MaxPool2d(3, 2, 1)))
            side = blocks[-1](torch.zeros(1, 1, side, side)).shape[-1]
    if rng.random() < 0.3:
        blocks.append(nn.AdaptiveAvgPool2d(1))
        side = 1
    hidden = int(rng.integers(4, 20))
    blocks += [nn.Flatten(), nn.Linear(channels * side * side, hidden)]
    if rng.random() < 0.4:
        blocks.append(nn.LayerNorm(hidden))
    blocks += [activation(), nn.Linear(hidden, 5)]
    if rng.random() < 0.3:
        blocks.append(nn.Softmax(dim=1))
    bypass = {int(n) for n in rng.integers(0, len(blocks), 2)}
    return Net(blocks, bypass).eval(), x


@pytest.mark.parametrize("start", range(0, COUNT, CHUNK))
def test_network(start: int, tmp_path: Path, oracle: Ledger) -> None:
    from_torch, runtime = oracle("torch"), oracle("onnxruntime")
    for seed in range(start, min(COUNT, start + CHUNK)):
        net, x = draw(seed)
        file = tmp_path / f"{seed}.onnx"
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(net, (x,), str(file), dynamo=False, opset_version=17)
        session = runtime.module.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        due = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
        for ledger, model, options in (
            (from_torch, net, {"example": x}),
            (runtime, str(file), {}),
        ):
            try:
                graph = nd.load(model, **options)
            except ConversionError as error:
                SEEN["refused"] += 1
                SEEN["nameless"] += sum(not f.node for f in error.findings)
                continue
            got = nd.run(graph, x.numpy(), on="engine", timesteps=1).decoded
            apart = np.abs(np.asarray(got) - due).max()
            assert apart <= 1e-5 * max(1.0, float(np.abs(due).max())), (seed, apart, net)
            SEEN["equal"] += 1
            ledger.record()


def test_share(capsys: pytest.CaptureFixture[str], oracle: Ledger) -> None:
    """At least nine in ten are read; the others named an operator."""
    oracle("onnxruntime")
    drawn = SEEN["equal"] + SEEN["refused"]
    if not drawn:
        pytest.skip("no network was read in this run")
    with capsys.disabled():
        sys.stdout.write(f"\nrandom analog networks: {SEEN['equal']} of {drawn} equal\n")
    assert SEEN["equal"] >= 0.9 * drawn
    assert not SEEN["nameless"]
