"""Small networks without spikes, each with an operator in an odd form; used by both front ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["NETS", "Net", "build", "samples"]


class Lambda(nn.Module):
    """A forward given as a function of the module and its input."""

    def __init__(self, function: Callable[[nn.Module, Tensor], object], **layers: nn.Module):
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.function = function

    def forward(self, x: Tensor) -> object:
        return self.function(self, x)


@dataclass(frozen=True)
class Net:
    """How a network is made, and the shape of one of its samples."""

    make: Callable[[], nn.Module]
    shape: tuple[int, ...]


def of(function: Callable[[nn.Module, Tensor], object], **layers: nn.Module) -> nn.Module:
    return Lambda(function, **layers)


class Residual(nn.Module):
    """A block of a residual network with a shared activation and functional operators."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.act = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.down = nn.Sequential(nn.Conv2d(inside, outside, 1, stride), nn.BatchNorm2d(outside))

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += self.down(x)
        return functional.relu(y)


def _shared_weights() -> nn.Module:
    first, second = nn.Linear(6, 6), nn.Linear(6, 6)
    second.weight = first.weight
    relu = nn.ReLU()
    return nn.Sequential(first, relu, second, relu, first, relu)


def _residual() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        Residual(4, 6, 2),
        Residual(6, 6, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    )


IMAGE, LINE, VOLUME = (2, 9, 8), (3, 12), (2, 4, 5, 4)

NETS: dict[str, Net] = {
    # convolutions
    "conv1d": Net(lambda: nn.Conv1d(3, 4, 5, 2, 3, 2), LINE),
    "conv2d": Net(lambda: nn.Conv2d(2, 4, (3, 2), (2, 1), (2, 1), (1, 2)), IMAGE),
    "conv2d groups": Net(lambda: nn.Conv2d(2, 6, 3, groups=2, bias=False), IMAGE),
    "conv2d same": Net(lambda: nn.Conv2d(2, 3, (4, 3), padding="same", dilation=(1, 2)), IMAGE),
    "conv2d valid": Net(lambda: nn.Conv2d(2, 3, 3, padding="valid"), IMAGE),
    "conv3d": Net(lambda: nn.Conv3d(2, 3, (2, 3, 2), padding=(1, 0, 1)), VOLUME),
    "depthwise": Net(lambda: nn.Conv2d(2, 2, 3, groups=2, padding=1), IMAGE),
    "padded": Net(lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 2, 0)), nn.Conv2d(2, 3, 3, 2)), IMAGE),
    "conv transpose": Net(
        lambda: nn.ConvTranspose2d(2, 4, 3, (2, 1), (1, 0), (1, 0), groups=2), IMAGE
    ),
    # dense
    "linear": Net(lambda: nn.Linear(7, 4), (7,)),
    "linear no bias": Net(lambda: nn.Linear(7, 4, bias=False), (7,)),
    "linear on the last axis": Net(lambda: nn.Linear(12, 5), LINE),
    "matmul": Net(
        lambda: of(lambda m, x: x @ m.fc.weight.t() + m.fc.bias, fc=nn.Linear(7, 4)), (7,)
    ),
    "matmul from the left": Net(lambda: of(lambda m, x: m.fc.weight @ x, fc=nn.Linear(3, 5)), LINE),
    "weight norm": Net(lambda: nn.utils.parametrizations.weight_norm(nn.Linear(7, 4)), (7,)),
    # pools
    "max pool1d": Net(lambda: nn.MaxPool1d(3, 2, 1), LINE),
    "max pool2d": Net(lambda: nn.MaxPool2d((3, 2), (2, 3), (1, 0), (1, 2)), IMAGE),
    "max pool3d": Net(lambda: nn.MaxPool3d(2, 1, 1), VOLUME),
    "max pool ceil": Net(lambda: nn.MaxPool2d(2, ceil_mode=True), IMAGE),
    "max pool ceil padded": Net(lambda: nn.MaxPool2d(3, 2, 1, ceil_mode=True), IMAGE),
    "max pool ceil in the padding": Net(lambda: nn.MaxPool1d(2, 2, 1, ceil_mode=True), (3, 5)),
    "avg pool1d": Net(lambda: nn.AvgPool1d(4, 3, 2), LINE),
    "avg pool2d": Net(lambda: nn.AvgPool2d((3, 2), (1, 2), (1, 0)), IMAGE),
    "avg pool2d inside": Net(lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False), IMAGE),
    "avg pool ceil": Net(lambda: nn.AvgPool2d(2, ceil_mode=True), IMAGE),
    "global average": Net(lambda: nn.AdaptiveAvgPool2d(1), IMAGE),
    "global max": Net(lambda: nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten()), IMAGE),
    "global mean": Net(lambda: of(lambda m, x: x.mean((2, 3))), IMAGE),
    "mean of one axis": Net(lambda: of(lambda m, x: x.mean(2, keepdim=True)), IMAGE),
    "mean over channels": Net(lambda: of(lambda m, x: x.mean(1)), IMAGE),
    "amax": Net(lambda: of(lambda m, x: x.amax((-1, -2))), IMAGE),
    "sum": Net(lambda: of(lambda m, x: x.sum(-1)), IMAGE),
    "adaptive average": Net(lambda: nn.AdaptiveAvgPool2d((3, None)), IMAGE),
    # norm and activations
    "bn before relu": Net(
        lambda: nn.Sequential(nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4), nn.ReLU()), LINE
    ),
    "bn after relu": Net(
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.BatchNorm2d(4, affine=False)), IMAGE
    ),
    "bn on vectors": Net(lambda: nn.Sequential(nn.BatchNorm1d(7), nn.Linear(7, 3)), (7,)),
    "relu6": Net(lambda: nn.Sequential(nn.Linear(7, 20), nn.ReLU6()), (7,)),
    "clamp": Net(lambda: of(lambda m, x: x.clamp(0, 0.5)), IMAGE),
    "clamp min": Net(lambda: of(lambda m, x: x.clamp(min=0)), IMAGE),
    "leaky relu": Net(lambda: nn.LeakyReLU(0.1), IMAGE),
    "shared relu and weights": Net(_shared_weights, (6,)),
    "dropout": Net(lambda: nn.Sequential(nn.Dropout(), nn.Linear(7, 3), nn.Identity()), (7,)),
    # sums and products
    "residual": Net(_residual, (2, 8, 8)),
    "in place on a view": Net(
        lambda: of(lambda m, x: (y := x * 1.0, y.view(y.shape[0], -1).relu_(), y)[2]), IMAGE
    ),
    "concat": Net(
        lambda: of(
            lambda m, x: torch.cat([m.a(x), x, functional.relu(m.b(x))], 1),
            a=nn.Conv2d(2, 3, 1),
            b=nn.Conv2d(2, 1, 3, padding=1),
        ),
        IMAGE,
    ),
    "arithmetic": Net(lambda: of(lambda m, x: (2 - x) * 0.5 + x / 3 - (x - 1) * x), IMAGE),
    "negative": Net(lambda: of(lambda m, x: -x - x.relu()), IMAGE),
    "constants per channel": Net(
        lambda: of(lambda m, x: x * m.bn.weight.view(-1, 1, 1) + m.bn.bias[:, None, None],
                   bn=nn.BatchNorm2d(2)), IMAGE,
    ),
    # shapes
    "view": Net(lambda: of(lambda m, x: m.fc(x.view(x.size(0), -1)), fc=nn.Linear(36, 3)), LINE),
    "flatten from two": Net(lambda: nn.Flatten(2), IMAGE),
    "permute": Net(lambda: of(lambda m, x: x.permute(0, 3, 1, 2).flatten(1)), IMAGE),
    "transpose": Net(lambda: of(lambda m, x: x.transpose(1, 2)), LINE),
    "squeeze": Net(lambda: of(lambda m, x: x.mean(2, keepdim=True).squeeze(2).unsqueeze(1)), IMAGE),
    "slices": Net(lambda: of(lambda m, x: x[:, :, 1:-1:2, -3:] + x[:, 1:, :1, 0:1]), IMAGE),
    "select": Net(lambda: of(lambda m, x: x[:, 0] - x[:, -1]), IMAGE),
    "split": Net(lambda: of(lambda m, x: (lambda a, b: a * 2 + b)(*x.split([4, 4], 3))), IMAGE),
    "chunk": Net(lambda: of(lambda m, x: x.chunk(3, 2)[1]), IMAGE),
    "flip": Net(lambda: of(lambda m, x: x.flip(2)), LINE),
}  # fmt: skip


def build(name: str) -> nn.Module:
    """Make a network with weights, and statistics of its batch norms, that are no round numbers."""
    generator = torch.Generator().manual_seed(len(name))
    torch.manual_seed(len(name))
    module = NETS[name].make()
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.running_mean.normal_(generator=generator)
            layer.running_var.uniform_(0.2, 3, generator=generator)
            if layer.weight is not None:
                nn.init.normal_(layer.weight, generator=generator)
                nn.init.normal_(layer.bias, generator=generator)
    return module.eval()


def samples(name: str, count: int, seed: int = 0) -> Tensor:
    """Draw samples for a network."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((count, *NETS[name].shape), generator=generator)
