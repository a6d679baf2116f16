"""Train a recurrent spiking network in snnTorch on smartwatch movements, and deploy it.

    pip install "neurodeploy[snntorch]"
    python examples/snntorch_motions.py            # about half a minute on one core

The network is written as snnTorch's tutorials do it: a loop over time, states in variables. It is
read with `time_axis=0`, compared with snnTorch spike by spike on the test part, compiled to C, and
billed. Data: BasicMotions (see `data/basic_motions/NOTICE`), 40 recordings to train and 40 to
test, six channels, ten samples per second.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import snntorch as snn
import torch
from torch import Tensor, nn

import neurodeploy as nd

DATA = Path(__file__).resolve().parent / "data" / "basic_motions" / "basic_motions.npz"


class Motions(nn.Module):
    """Recurrent LIF neurons, and one integrating neuron for each class."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(6, 32)
        self.hidden = snn.RLeaky(beta=0.9, linear_features=32)
        self.fc2 = nn.Linear(32, 4)
        self.readout = snn.Leaky(beta=0.95, reset_mechanism="none")

    def forward(self, x: Tensor) -> Tensor:
        """Give the membrane of the readout at every step, (T, N, 4)."""
        spikes, hidden = self.hidden.reset_mem()
        membrane = self.readout.reset_mem()
        recorded = []
        for now in x:
            spikes, hidden = self.hidden(self.fc1(now), spikes, hidden)
            _, membrane = self.readout(self.fc2(spikes), membrane)
            recorded.append(membrane)
        return torch.stack(recorded)


def train(net: Motions, x: Tensor, y: Tensor, epochs: int) -> None:
    """Fit the mean membrane of the readout by backpropagation through time."""
    optimiser = torch.optim.Adam(net.parameters(), lr=5e-3)
    for _ in range(epochs):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(net(x).mean(0), y)
        loss.backward()
        optimiser.step()


def main(epochs: int = 60) -> float:
    """Train, read, prove, compile, run and bill; give the accuracy of the compiled program."""
    torch.manual_seed(0)
    with np.load(DATA) as data:
        # (samples, timesteps, channels); snnTorch loops over the first axis
        xtr, xte = (np.ascontiguousarray(data[k].swapaxes(1, 2)) for k in ("xtr", "xte"))
        ytr, yte = (data[k].astype(np.int64) for k in ("ytr", "yte"))
    net = Motions()
    train(net, torch.from_numpy(xtr.swapaxes(0, 1).copy()), torch.from_numpy(ytr), epochs)

    graph = nd.load(net, example=xtr, time_axis=0, dt="100ms")
    print(nd.compare(net, graph, xte))
    with tempfile.TemporaryDirectory() as folder:
        program = nd.compile(graph, target="cpu", out=Path(folder) / "program")
        recording = program.run(xte, yte)
        print(recording)
        print(nd.profile(program, xte, yte).table())
    accuracy = recording.accuracy or 0.0
    print(f"accuracy on the test part: {accuracy:.1%}")
    return float(accuracy)


if __name__ == "__main__":
    main()
