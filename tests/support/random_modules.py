"""Random spiking modules of two frameworks, on a binary grid, in every form of ``forward``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from spiking_nets import on_grid

__all__ = ["Drawn", "draw_snntorch", "draw_spikingjelly"]

Rng = np.random.Generator


@dataclass(frozen=True)
class Drawn:
    """A module, samples (N, T, ...), and how it meets time."""

    module: nn.Module
    x: npt.NDArray[np.float32]
    form: dict[str, int]

    @property
    def timesteps(self) -> int:
        """Steps to compare."""
        return int(self.form.get("steps", self.x.shape[1]))

    @property
    def given(self) -> npt.NDArray[np.float32]:
        """The samples as the module and its graph take them."""
        return self.x[:, 0] if "steps" in self.form else self.x

    @property
    def example(self) -> npt.NDArray[np.float32]:
        """What is shown when the module is read."""
        return self.x if "time_axis" in self.form else self.x[:, 0]


class Chain(nn.Module):
    """Layers one behind the other, some with a bypass, in a loop or step by step."""

    def __init__(self, layers: list[nn.Module], bypass: set[int], steps: int, over: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.bypass, self.steps, self.over = bypass, steps, over

    def step(self, x: torch.Tensor) -> torch.Tensor:
        for number, layer in enumerate(self.layers):
            y = layer(x)
            x = x + y if number in self.bypass and x.shape == y.shape else y
        return x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.over:
            return torch.stack([self.step(now) for now in x])
        if self.steps:
            return torch.stack([self.step(x) for _ in range(self.steps)])
        return self.step(x)


def _pick(rng: Rng, *values: Any) -> Any:
    return values[int(rng.integers(len(values)))]


def _number(rng: Rng, low: float, high: float, size: int | None = None) -> Any:
    if size is None:
        return float(np.round(rng.uniform(low, high), 2))
    return torch.from_numpy(rng.uniform(low, high, size).astype(np.float32))


def _snn_neuron(rng: Rng, size: int, features: bool) -> nn.Module:
    import snntorch as snn

    kind = _pick(rng, "Leaky", "Leaky", "Synaptic", "RLeaky" if features else "Leaky")
    per_neuron = features and bool(rng.integers(2))
    options: dict[str, Any] = {
        "beta": _number(rng, 0.3, 0.97, size if per_neuron else None),
        "threshold": _number(rng, 0.4, 1.5, size if per_neuron else None),
        "reset_mechanism": _pick(rng, "subtract", "zero", "none"),
        "reset_delay": bool(rng.integers(2)),
        "init_hidden": True,
    }
    if kind == "Synaptic":
        options["alpha"] = _number(rng, 0.2, 0.9)
    if kind == "RLeaky":
        options["linear_features"] = size
    if kind == "Leaky" and rng.random() < 0.2:
        options["graded_spikes_factor"] = 2.0
    made: nn.Module = getattr(snn, kind)(**options)
    return made


def _jelly_neuron(rng: Rng, size: int, features: bool) -> nn.Module:
    from spikingjelly.activation_based import neuron

    options: dict[str, Any] = {
        "v_threshold": _number(rng, 0.4, 1.5),
        "v_reset": _pick(rng, None, 0.0, -0.25),
    }
    kind = _pick(rng, "IFNode", "LIFNode", "ParametricLIFNode")
    if kind == "LIFNode":
        options |= {"tau": _number(rng, 1.2, 5.0), "decay_input": bool(rng.integers(2))}
    if kind == "ParametricLIFNode":
        options |= {"init_tau": _number(rng, 1.2, 5.0), "decay_input": bool(rng.integers(2))}
    made: nn.Module = getattr(neuron, kind)(**options)
    return made


def _layers(rng: Rng, neuron: Any) -> tuple[list[nn.Module], tuple[int, ...]]:
    """Draw two to five blocks; give the shape of a sample at one step as well."""
    layers: list[nn.Module] = []
    if rng.random() < 0.5:
        shape: tuple[int, ...] = (int(rng.integers(4, 17)),)
        size = shape[0]
        for _ in range(int(rng.integers(2, 5))):
            wider = _pick(rng, size, int(rng.integers(4, 25)))
            layers += [nn.Linear(size, wider, bias=bool(rng.integers(2))), neuron(rng, wider, True)]
            size = wider
        return layers, shape
    channels, side = int(rng.integers(1, 4)), int(rng.integers(6, 10))
    shape, at = (channels, side, side), channels
    for _ in range(int(rng.integers(1, 3))):
        groups = _pick(rng, 1, at)
        wider = at * int(rng.integers(1, 4))
        kernel = (_pick(rng, 1, 3), _pick(rng, 3, 5))
        layers.append(
            nn.Conv2d(
                at,
                wider,
                kernel,
                padding=(kernel[0] // 2, kernel[1] // 2),
                groups=groups,
                stride=1,
                bias=bool(rng.integers(2)),
            )
        )
        layers.append(neuron(rng, wider, False))
        at = wider
        if side >= 4 and rng.random() < 0.7:
            layers.append(_pick(rng, nn.AvgPool2d(2), nn.MaxPool2d(2)))
            side //= 2
    outputs = int(rng.integers(3, 11))
    layers += [nn.Flatten(), nn.Linear(at * side * side, outputs), neuron(rng, outputs, True)]
    return layers, shape


def _samples(rng: Rng, shape: tuple[int, ...], steps: int) -> npt.NDArray[np.float32]:
    whole = (2, steps, *shape)
    if rng.random() < 0.5:
        return (rng.random(whole) < 0.4).astype(np.float32)
    return (rng.integers(0, 17, whole) / 16).astype(np.float32)


def draw_snntorch(seed: int, steps: int = 30) -> Drawn:
    """Draw a network of snnTorch's neurons, which keep their own state."""
    rng = np.random.default_rng([seed, 1])
    torch.manual_seed(seed)
    layers, shape = _layers(rng, _snn_neuron)
    form: dict[str, int] = _pick(rng, {}, {"time_axis": 0}, {"steps": 12})
    bypass = {int(rng.integers(len(layers)))} if rng.random() < 0.5 else set()
    module = Chain(layers, bypass, form.get("steps", 0), "time_axis" in form)
    return Drawn(on_grid(module, gain=5.0), _samples(rng, shape, steps), form)


def draw_spikingjelly(seed: int, steps: int = 30) -> Drawn:
    """Draw a network of SpikingJelly's neurons, in single or multi-step mode."""
    from spikingjelly.activation_based import functional, layer

    rng = np.random.default_rng([seed, 2])
    torch.manual_seed(seed)
    layers, shape = _layers(rng, _jelly_neuron)
    form: dict[str, int] = _pick(rng, {}, {"time_axis": 0}, {"steps": 12})
    bypass = {int(rng.integers(len(layers)))} if rng.random() < 0.5 else set()
    if form.get("time_axis") == 0 and rng.random() < 0.7:
        # the whole sequence goes through each layer at once
        wrapped = [_over_time(layer, one) for one in layers]
        module: nn.Module = Chain(wrapped, bypass, 0, over=False)
        functional.set_step_mode(module, "m")
    else:
        module = Chain(layers, bypass, form.get("steps", 0), "time_axis" in form)
    return Drawn(on_grid(module, gain=5.0), _samples(rng, shape, steps), form)


def _over_time(layer: Any, one: nn.Module) -> nn.Module:
    """Give SpikingJelly's own form of a stateless layer."""
    if hasattr(one, "step_mode"):
        return one
    return layer.SeqToANNContainer(one)  # type: ignore[no-any-return]
