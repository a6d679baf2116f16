"""Spiking networks in the forms that snnTorch's tutorials teach, and how to compare them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from neurodeploy.comparison import compare
from neurodeploy.converters.torch.load import spiking_model
from neurodeploy.converters.torch.load_spiking import SpikingModel
from neurodeploy.differences import Comparison

__all__ = ["Sequence", "Static", "Stepped", "events", "on_grid", "proof", "prove_exact", "read"]


def on_grid(module: nn.Module, steps: int = 32, gain: float = 4.0) -> nn.Module:
    """Put weights and biases on a binary grid, so that every sum of spikes is exact."""
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d):
                for p in layer.parameters():
                    p.copy_((p * gain * steps).round() / steps)
    return module.eval()


def events(shape: tuple[int, ...], rate: float = 0.3, seed: int = 0) -> np.ndarray[Any, Any]:
    """Draw zeros and ones."""
    return (np.random.default_rng(seed).random(shape) < rate).astype(np.float32)


class Sequence(nn.Module):
    """``forward`` loops over the first axis of (T, N, features), states in variables."""

    def __init__(self, first: nn.Module, second: nn.Module, sizes: tuple[int, int, int]) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(sizes[0], sizes[1]), first
        self.fc2, self.lif2 = nn.Linear(sizes[1], sizes[2]), second

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        state1, state2 = _states(self.lif1), _states(self.lif2)
        spikes, membranes = [], []
        for step in range(x.size(0)):
            spk1, *state1 = self.lif1(self.fc1(x[step]), *state1)
            spk2, *state2 = self.lif2(self.fc2(spk1), *state2)
            state1 = _with_spikes(self.lif1, spk1, state1)
            state2 = _with_spikes(self.lif2, spk2, state2)
            spikes.append(spk2)
            membranes.append(state2[-1])
        return torch.stack(spikes, dim=0), torch.stack(membranes, dim=0)


def _states(layer: nn.Module) -> list[torch.Tensor]:
    names = [n for n in dir(layer) if n.startswith("init_") and callable(getattr(layer, n))]
    states = getattr(layer, names[0])()
    return list(states) if isinstance(states, tuple) else [states]


def _with_spikes(layer: nn.Module, spikes: torch.Tensor, states: list[torch.Tensor]) -> list[Any]:
    """Recurrent neurons take their spikes before their states."""
    recurrent = hasattr(layer, "recurrent")
    known = 3 if type(layer).__name__ == "RSynaptic" else 2
    return [spikes, *states] if recurrent and len(states) < known else list(states)


class Stepped(nn.Module):
    """``forward`` makes one step; the layers keep their own states."""

    def __init__(self, first: nn.Module, second: nn.Module, sizes: tuple[int, int, int]) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(sizes[0], sizes[1]), first, nn.Linear(sizes[1], sizes[2]), second
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.net(x)
        return out


class Static(Sequence):
    """``forward`` presents one static input for a number of steps that it knows itself."""

    def __init__(
        self, first: nn.Module, second: nn.Module, sizes: tuple[int, int, int], steps: int
    ) -> None:
        super().__init__(first, second, sizes)
        self.steps = steps

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return super().forward(x.unsqueeze(0).repeat(self.steps, *[1] * x.ndim))


def read(module: nn.Module, x: np.ndarray[Any, Any], **form: Any) -> SpikingModel:
    """Read a module; ``x`` is (N, T, ...) for a sequence, else (N, ...)."""
    return spiking_model(module, x[:2], **form)


def proof(model: SpikingModel, x: np.ndarray[Any, Any], timesteps: int | None = None) -> Comparison:
    """Compare every output and state of every layer, in eager mode and in the graph."""
    return compare(model.side(), model.graph, x, timesteps=timesteps)


def prove_exact(model: SpikingModel, x: np.ndarray[Any, Any], *states: str) -> None:
    """Require that every bit agrees, that every node fires, and that ``states`` were compared."""
    found = proof(model, x)
    assert found.verdict == "exact", [n for n in found.nodes if n.first]
    assert all(n.count_a for n in found.nodes), [n for n in found.nodes if not n.count_a]
    compared = {signal for _, signal in model.side().keys or ()}
    assert compared >= {"out", *states}, compared
