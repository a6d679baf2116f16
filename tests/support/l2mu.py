"""The L2MU network for Braille reading, as published, and its data; both are optional files."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import neurodeploy as nd

__all__ = ["DATA", "L2mu", "braille", "l2mu", "l2mu_graph"]

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


class L2mu(nn.Module):
    """Populations u (70), m (70 groups of 7), h (120) and the output (7), all Leaky neurons.

    In a step u takes the input and the last spikes of h and m; m its own last spikes and u's;
    h the input, its own last spikes and m's; the output h's. Source: the published L2MU Braille
    network (Apache-2.0) and the description of its step in its paper's repository.
    """

    def __init__(self) -> None:
        super().__init__()
        import snntorch

        self.e_x = nn.Linear(12, 70, bias=False)
        self.e_h = nn.Linear(120, 70, bias=False)
        self.e_m = nn.Linear(490, 70, bias=False)
        self.A, self.B = nn.Linear(7, 7, bias=False), nn.Linear(1, 7, bias=False)
        self.W_x = nn.Linear(12, 120, bias=False)
        self.W_h = nn.Linear(120, 120, bias=False)
        self.W_m = nn.Linear(490, 120, bias=False)
        self.output_transformation = nn.Linear(120, 7)
        self.spk_u, self.spk_m = snntorch.Leaky(beta=0.9), snntorch.Leaky(beta=0.9)
        self.spk_h, self.spk_output = snntorch.Leaky(beta=0.9), snntorch.Leaky(beta=0.9)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem_u, mem_m, mem_h, mem_out = (
            n.reset_mem() for n in (self.spk_u, self.spk_m, self.spk_h, self.spk_output)
        )
        samples = x.shape[1]
        spk_m, spk_h = torch.zeros(samples, 70, 7), torch.zeros(samples, 120)
        spikes = []
        for now in x:
            drive = self.e_x(now) + self.e_h(spk_h) + self.e_m(spk_m.flatten(1))
            spk_u, mem_u = self.spk_u(drive, mem_u)
            spk_m, mem_m = self.spk_m(self.A(spk_m) + self.B(spk_u.unsqueeze(2)), mem_m)
            hidden = self.W_x(now) + self.W_h(spk_h) + self.W_m(spk_m.flatten(1))
            spk_h, mem_h = self.spk_h(hidden, mem_h)
            out, mem_out = self.spk_output(self.output_transformation(spk_h), mem_out)
            spikes.append(out)
        return torch.stack(spikes)


def l2mu() -> L2mu:
    """Give the network with its published weights."""
    net = L2mu()
    with np.load(DATA / "l2mu_braille7_weights.npz") as data:
        state = {k: torch.from_numpy(data[k]) for k in data.files}
    net.load_state_dict(state, strict=False)
    missing = set(dict(net.named_parameters())) - set(state)
    if missing:
        raise ValueError(f"weights without a value: {sorted(missing)}")
    return net.eval()


@cache
def l2mu_graph() -> nd.Graph:
    """Give the graph of the published network, which several tests share."""
    return nd.load(l2mu(), example=braille()[0][:4], time_axis=0, dt="1ms")


def braille() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Give all samples, (1158, 256, 12) zeros and ones, and their letters."""
    with np.load(DATA / "braille7.npz") as data:
        shape = tuple(int(n) for n in data["shape"])
        bits = np.unpackbits(data["bits"])[: int(np.prod(shape))]
        return bits.reshape(shape).astype(np.float32), data["y"].astype(np.int64)
