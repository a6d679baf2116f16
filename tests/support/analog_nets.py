"""Small analog networks, each with an activation, a norm, an attention or a recurrence."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from plain_nets import IMAGE, LINE, Net, of

__all__ = ["ANALOG_NETS"]


class Attention(nn.Module):
    """Self-attention with the batch in front throughout."""

    def __init__(self, *, fused: bool) -> None:
        super().__init__()
        self.qkv, self.out, self.fused = nn.Linear(12, 36), nn.Linear(12, 12), fused

    def forward(self, x: Tensor) -> Tensor:
        n, steps, _ = x.shape
        q, k, v = (p.view(n, steps, 2, 6).transpose(1, 2) for p in self.qkv(x).chunk(3, -1))
        if self.fused:
            y = functional.scaled_dot_product_attention(q, k, v)
        else:
            y = (q @ k.transpose(2, 3) / 6**0.5).softmax(-1) @ v
        return self.out(y.transpose(1, 2).flatten(2)) + x


class Last(nn.Module):
    """A recurrent network of which the last output is used."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)[0][:, -1]


class Whole(Last):
    """A recurrent network with all its outputs."""

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)[0]


ANALOG_NETS: dict[str, Net] = {
    "sigmoid": Net(lambda: nn.Sigmoid(), IMAGE),
    "tanh": Net(lambda: nn.Tanh(), IMAGE),
    "gelu": Net(lambda: nn.GELU(), IMAGE),
    "gelu tanh": Net(lambda: nn.GELU("tanh"), IMAGE),
    "silu": Net(lambda: nn.SiLU(), IMAGE),
    "mish": Net(lambda: nn.Mish(), IMAGE),
    "hardsigmoid": Net(lambda: nn.Hardsigmoid(), IMAGE),
    "hardswish": Net(lambda: nn.Hardswish(), IMAGE),
    "elu": Net(lambda: nn.ELU(0.7), IMAGE),
    "selu": Net(lambda: nn.SELU(), IMAGE),
    "celu": Net(lambda: nn.CELU(1.5), IMAGE),
    "softplus": Net(lambda: nn.Softplus(2), IMAGE),
    "softsign": Net(lambda: nn.Softsign(), IMAGE),
    "hardtanh": Net(lambda: nn.Hardtanh(-0.5, 1), IMAGE),
    "clamp above": Net(lambda: of(lambda m, x: x.clamp(max=0.3)), IMAGE),
    "prelu": Net(lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.PReLU(4)), IMAGE),
    "prelu of vectors": Net(lambda: nn.PReLU(7, 0.3), (7,)),
    "glu": Net(lambda: nn.GLU(1), IMAGE),
    "softmax": Net(lambda: nn.Softmax(1), IMAGE),
    "log softmax": Net(lambda: nn.LogSoftmax(-1), IMAGE),
    "layer norm": Net(lambda: nn.LayerNorm(12), LINE),
    "layer norm of images": Net(lambda: nn.LayerNorm((9, 8), elementwise_affine=False), IMAGE),
    "group norm": Net(lambda: nn.Sequential(nn.Conv2d(2, 4, 1), nn.GroupNorm(2, 4)), IMAGE),
    "instance norm": Net(lambda: nn.InstanceNorm2d(2, affine=True), IMAGE),
    "exponentials": Net(
        lambda: of(lambda m, x: (x.abs() + 1).log() * (-x * x).exp() + (x * x + 1).rsqrt()), IMAGE
    ),
    "powers": Net(
        lambda: of(lambda m, x: x**3 + (x * x + 0.5) ** 1.5 + (x.abs() + 1).sqrt()), IMAGE
    ),
    "quotients": Net(lambda: of(lambda m, x: x / (x * x + 1) - 2 / (x.abs() + 1)), IMAGE),
    "extremes": Net(
        lambda: of(lambda m, x: torch.maximum(x, x.flip(2)) - torch.minimum(x, -x)), IMAGE
    ),
    "rounded": Net(lambda: of(lambda m, x: x.floor() + (3 * x).ceil() * x.round()), IMAGE),
    "upsample nearest": Net(lambda: nn.Upsample(scale_factor=2), IMAGE),
    "upsample bilinear": Net(lambda: nn.Upsample(scale_factor=2, mode="bilinear"), IMAGE),
    "upsample to a size": Net(
        lambda: nn.Upsample((13, 17), mode="bilinear", align_corners=True), IMAGE
    ),
    "upsample by a fraction": Net(
        lambda: of(lambda m, x: functional.interpolate(x, scale_factor=1.7, mode="linear")), LINE
    ),
    "upsample bicubic": Net(lambda: nn.Upsample(scale_factor=2, mode="bicubic"), IMAGE),
    "pixel shuffle": Net(lambda: nn.PixelShuffle(2), (8, 3, 4)),
    "reflection pad": Net(lambda: nn.Sequential(nn.ReflectionPad2d(2), nn.Conv2d(2, 3, 3)), IMAGE),
    "replication pad": Net(lambda: nn.ReplicationPad1d((1, 3)), LINE),
    "constant pad": Net(lambda: nn.ConstantPad2d((1, 0, 2, 1), 0.4), IMAGE),
    "zero pad and max pool": Net(
        lambda: nn.Sequential(nn.ZeroPad2d(1), nn.MaxPool2d(2)), IMAGE
    ),
    "squeeze and excitation": Net(
        lambda: of(
            lambda m, x: x * m.gate(x.mean((2, 3), keepdim=True)),
            gate=nn.Sequential(
                nn.Conv2d(2, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1), nn.Hardsigmoid()
            ),
        ), IMAGE,
    ),
    "matmul of signals": Net(lambda: of(lambda m, x: x @ x.transpose(1, 2)), LINE),
    "expand": Net(lambda: of(lambda m, x: x.mean(2, keepdim=True).expand(-1, -1, 5)), LINE),
    "repeat": Net(lambda: of(lambda m, x: x.repeat(1, 2, 3)), LINE),
    "class token": Net(
        lambda: of(lambda m, x: torch.cat([m.fc.weight.expand(x.shape[0], -1, -1), x], 1),
                   fc=nn.Linear(12, 1)), LINE,
    ),
    "attention": Net(lambda: Attention(fused=False), LINE),
    "attention fused": Net(lambda: Attention(fused=True), LINE),
    "lstm": Net(lambda: Whole(nn.LSTM(12, 5, batch_first=True)), LINE),
    "lstm deep": Net(
        lambda: Last(nn.LSTM(12, 5, 2, batch_first=True, bidirectional=True)), LINE
    ),
    "gru": Net(lambda: Last(nn.GRU(12, 5, batch_first=True)), LINE),
    "gru without bias": Net(
        lambda: Whole(nn.GRU(12, 5, batch_first=True, bias=False, bidirectional=True)), LINE
    ),
    "rnn": Net(lambda: Last(nn.RNN(12, 5, batch_first=True, nonlinearity="relu")), LINE),
}  # fmt: skip
