"""torch and the libraries on top of it, without gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from peers import Array, Peer

__all__ = ["norse", "snntorch", "spikingjelly", "torch_layers", "torch_steps"]


def _frames(x: Array) -> torch.Tensor:
    """Steps first, as floats."""
    return torch.from_numpy(np.moveaxis(x, 1, 0).astype(np.float32))


def _maps(workload: Any) -> list[nn.Module]:
    """The projections in front of each population."""
    found: list[nn.Module] = []
    for name, values in workload.weights.items():
        weight = nn.Parameter(torch.from_numpy(values), requires_grad=False)
        if values.ndim == 4:
            conv = nn.Conv2d(values.shape[1], values.shape[0], values.shape[2], bias=False)
            conv.weight = weight
            found.append(nn.Sequential(conv, nn.AvgPool2d(2)))
        else:
            fc = nn.Linear(values.shape[1], values.shape[0], bias=False)
            fc.weight = weight
            flat = name == "fc"
            found.append(nn.Sequential(nn.Flatten(), fc) if flat else fc)
    return found


def _lif(v: torch.Tensor, current: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    v = 0.9 * v + current
    s = (v >= 1).float()
    return v - s, s


def torch_steps(workload: Any) -> Peer:
    """Step by step."""
    maps = _maps(workload)

    @torch.inference_mode()
    def forward(x: Array) -> Array:
        states: list[Any] = [0.0] * len(maps)
        total: Any = 0.0
        for s in _frames(x):
            for k, m in enumerate(maps):
                states[k], s = _lif(states[k], m(s))
            total = total + s
        return np.asarray(total)

    @torch.inference_mode()
    def recurrent(x: Array) -> Array:
        into, rec, out = maps
        i: Any = 0.0
        v: Any = 0.0
        io: Any = 0.0
        vo: Any = 0.0
        total: Any = 0.0
        s = torch.zeros(len(x), 256)
        for frame in _frames(x):
            i = 0.8 * i + into(frame) + rec(s)
            v = 0.95 * v + i
            s = (v >= 1).float()
            v = v - s
            io = 0.8 * io + out(s)
            vo = 0.95 * vo + io
            so = (vo >= 1).float()
            vo = vo - so
            total = total + so
        return np.asarray(total)

    run = recurrent if workload.name == "W3" else forward
    return Peer(f"torch {torch.__version__}, step by step", run)


def torch_layers(workload: Any) -> Peer:
    """Layer by layer: a projection of all steps at once; nothing for a recurrent network."""
    maps = _maps(workload)

    @torch.inference_mode()
    def forward(x: Array) -> Array:
        s = _frames(x)
        for m in maps:
            current = m(s.flatten(0, 1)).unflatten(0, s.shape[:2])
            v: Any = 0.0
            spikes = []
            for c in current:
                v, z = _lif(v, c)
                spikes.append(z)
            s = torch.stack(spikes)
        return np.asarray(s.sum(0))

    @torch.inference_mode()
    def recurrent(x: Array) -> Array:
        into, rec, out = maps
        fed = into(_frames(x))
        i: Any = 0.0
        v: Any = 0.0
        s = torch.zeros(len(x), 256)
        hidden = []
        for current in fed:
            i = 0.8 * i + current + rec(s)
            v = 0.95 * v + i
            s = (v >= 1).float()
            v = v - s
            hidden.append(s)
        total: Any = 0.0
        io: Any = 0.0
        vo: Any = 0.0
        for current in out(torch.stack(hidden)):
            io = 0.8 * io + current
            vo = 0.95 * vo + io
            so = (vo >= 1).float()
            vo = vo - so
            total = total + so
        return np.asarray(total)

    run = recurrent if workload.name == "W3" else forward
    return Peer(f"torch {torch.__version__}, layer by layer", run)


def snntorch(workload: Any) -> Peer:
    """snnTorch, as its tutorials step a network."""
    import snntorch as snn

    maps = _maps(workload)
    if workload.name == "W3":
        made = {"reset_mechanism": "subtract", "reset_delay": False}
        hidden = snn.Synaptic(0.8, 0.95, **made)
        last = snn.Synaptic(0.8, 0.95, **made)

        @torch.inference_mode()
        def recurrent(x: Array) -> Array:
            i, v = hidden.init_synaptic()
            io, vo = last.init_synaptic()
            s = torch.zeros(len(x), 256)
            total: Any = 0.0
            for frame in _frames(x):
                # RSynaptic cannot reset without delay, so the recurrence stands here
                s, i, v = hidden(maps[0](frame) + maps[1](s), i, v)
                so, io, vo = last(maps[2](s), io, vo)
                total = total + so
            return np.asarray(total)

        return Peer(f"snnTorch {snn.__version__}", recurrent)
    cells = [snn.Leaky(beta=0.9, reset_mechanism="subtract", reset_delay=False) for _ in maps]

    @torch.inference_mode()
    def forward(x: Array) -> Array:
        states = [c.init_leaky() for c in cells]
        total: Any = 0.0
        for s in _frames(x):
            for k, (m, cell) in enumerate(zip(maps, cells, strict=True)):
                s, states[k] = cell(m(s), states[k])
            total = total + s
        return np.asarray(total)

    return Peer(f"snnTorch {snn.__version__}", forward)


def spikingjelly(workload: Any) -> Peer | None:
    """SpikingJelly, multi-step."""
    from importlib.metadata import version

    from spikingjelly.activation_based import functional, layer, neuron

    if workload.name == "W3":
        return None  # it has no such neuron; a loop by hand is the one in torch
    parts: list[nn.Module] = []
    for m in _maps(workload):
        parts.append(layer.SeqToANNContainer(m))
        parts.append(neuron.LIFNode(10.0, decay_input=False, v_reset=None, step_mode="m"))
    net = nn.Sequential(*parts)

    @torch.inference_mode()
    def run(x: Array) -> Array:
        functional.reset_net(net)
        return np.asarray(net(_frames(x)).sum(0))

    return Peer(f"SpikingJelly {version('spikingjelly')}, multi-step", run)


def norse(workload: Any) -> Peer | None:
    """norse's feed-forward LIF without synaptic current."""
    from importlib.metadata import version

    from norse.torch import LIFBoxCell, LIFBoxParameters

    if workload.name == "W3":
        return None
    maps = _maps(workload)
    # dv = dt / tau (v_leak - v + i) with dt / tau = 0.1, so currents are ten times larger
    parameters = LIFBoxParameters(tau_mem_inv=torch.as_tensor(100.0), v_th=torch.as_tensor(1.0))
    cells = [LIFBoxCell(parameters, dt=0.001) for _ in maps]

    @torch.inference_mode()
    def run(x: Array) -> Array:
        states: list[Any] = [None] * len(maps)
        total: Any = 0.0
        for s in _frames(x):
            for k, (m, cell) in enumerate(zip(maps, cells, strict=True)):
                s, states[k] = cell(10 * m(s), states[k])
            total = total + s
        return np.asarray(total)

    return Peer(f"norse {version('norse')}", run, "it resets to zero, and spikes less")
