"""Print how long `nd.load` takes for networks of 50 layers, beside one run of the module itself.

    python benchmarks/read_time.py [repetitions]

Each figure is the median, after one reading that loads what torch loads late; one thread. Reading
includes capture, translation, and the comparison of every layer with eager mode over 10 steps.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import snntorch as snn
import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

import neurodeploy as nd

BLOCKS, STEPS, SAMPLES = 25, 10, 4


class Loop(nn.Module):
    """snnTorch: a loop over time, states in variables."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(64, 64) for _ in range(BLOCKS))
        self.neurons = nn.ModuleList(snn.Leaky(beta=0.9) for _ in range(BLOCKS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states: list[Any] = [n.reset_mem() for n in self.neurons]
        spikes = []
        for now in x:
            for i, (mapped, cell) in enumerate(zip(self.maps, self.neurons, strict=True)):
                now, states[i] = cell(mapped(now), states[i])
            spikes.append(now)
        return torch.stack(spikes)


def stepped() -> nn.Module:
    """snnTorch: one step per call, neurons that keep their states."""
    layers: list[nn.Module] = []
    for _ in range(BLOCKS):
        layers += [nn.Linear(64, 64), snn.Leaky(beta=0.9, init_hidden=True)]
    return nn.Sequential(*layers)


def multistep() -> nn.Module:
    """SpikingJelly: convolutions and neurons in multi-step mode."""
    layers: list[nn.Module] = []
    for _ in range(BLOCKS):
        layers += [layer.Conv2d(4, 4, 3, padding=1), neuron.IFNode()]
    net = nn.Sequential(*layers)
    functional.set_step_mode(net, "m")
    return net


CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], dict[str, int]]] = {
    "snnTorch, one step per call": (stepped, (SAMPLES, 64), {}),
    "snnTorch, loop over a sequence": (Loop, (SAMPLES, STEPS, 64), {"time_axis": 0}),
    "SpikingJelly, multi-step": (multistep, (SAMPLES, STEPS, 4, 8, 8), {"time_axis": 0}),
}


def seconds(make: Callable[[], nn.Module], shape: tuple[int, ...], form: dict[str, int]) -> float:
    """Return the time of reading a fresh network."""
    net, x = make().eval(), torch.rand(shape)
    start = time.perf_counter()
    nd.load(net, example=x, **form)
    return time.perf_counter() - start


def main() -> None:
    """Measure in turns and print the medians."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    rounds = [[seconds(*case) for case in CASES.values()] for _ in range(repetitions + 1)][1:]
    for name, column in zip(CASES, zip(*rounds, strict=True), strict=True):
        spread = f"{min(column):.2f} to {max(column):.2f}"
        print(f"{name:32} {statistics.median(column):.2f} s ({spread}, n = {repetitions})")


if __name__ == "__main__":
    main()
