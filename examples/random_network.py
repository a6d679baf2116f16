"""Runs a balanced random network of spiking neurons, recorded to disk while it runs.

    python examples/random_network.py [NEURONS]

80 % of the neurons excite, 20 % inhibit 4.5 times as strongly; each neuron hears 100 others with
delays of 1 to 15 ms, and random spikes from outside (after N. Brunel 2000, "Dynamics of
sparsely connected networks of excitatory and inhibitory spiking neurons"). A step lasts 0.1 ms.
The network is built in compiled code row by row: a million neurons take under a minute and about
1.3 GB.
"""

from __future__ import annotations

import sys
import time
from math import exp
from pathlib import Path

import numpy as np

import neurodeploy as nd
from neurodeploy import connect

FAN_IN = 100
WEIGHT = 0.04  # of the threshold, for a spike that excites
KICK = 0.1  # the same for a spike from outside
INHIBITION = 4.5
STEP = 1e-4  # seconds
TAU = 0.02  # seconds, of the membrane
OUTSIDE = 1000.0  # spikes from outside for each neuron and second; 500 would just reach it


def network(neurons: int) -> nd.Graph:
    """Give a network of ``neurons`` neurons."""
    exciting = neurons * 4 // 5
    b = nd.GraphBuilder("0.1ms")
    x = b.input("x", (1,))
    chance = 1 - exp(-OUTSIDE * STEP)
    outside = b.cell("outside", "poisson", x, shape=(neurons,), params={"gain": chance})
    drive = b.cell("drive", "spike_scale", outside, params={"amplitude": KICK})
    spikes = b.ref("cells", shape=(neurons,))
    total = drive
    for name, own, weight in (
        ("excitation", range(exciting), WEIGHT),
        ("inhibition", range(exciting, neurons), -INHIBITION * WEIGHT),
    ):
        rows = connect.fixed_fan_in(
            len(own),
            neurons,
            FAN_IN * len(own) // neurons,
            weight=weight,
            delay=connect.whole(10, 150),
            to_itself=True,
            seed=own.start,
        )
        part = b.gather(f"{name}.from", spikes, np.arange(own.start, own.stop))
        total = b.cell(f"{name}.sum", "add", total, b.synapse_rows(name, part, (neurons,), rows))
    cells = b.cell("cells", "lif", total, params={"beta": exp(-STEP / TAU), "threshold": 1.0})
    return b.output("y", cells).build()


def main(neurons: int = 10_000, steps: int = 2000, path: str = "random_network.h5") -> float:
    """Build, run, and print; give the mean rate in spikes per neuron and second."""
    start = time.perf_counter()
    graph = network(neurons)
    built = time.perf_counter()
    print(f"{neurons:,} neurons, {neurons * FAN_IN:,} synapses built in {built - start:.1f} s")
    x = np.ones((1, 1), np.float32)
    with nd.record(graph, x, path, timesteps=steps, record=None, seed=1) as made:
        seconds = time.perf_counter() - built
        rate = made.count("y") / neurons / (steps * STEP)
        size = Path(path).stat().st_size / 2**20
        print(f"{steps * STEP:.1f} s of the network in {seconds:.1f} s; {size:.1f} MiB in {path}")
        print(f"{rate:.1f} spikes per neuron and second")
        second_half = made.spikes("y", begin=steps // 2).per_step()[0]
        bins = second_half[: second_half.size // 50 * 50].reshape(-1, 50).sum(axis=1)
        for count in bins[:12]:  # 5 ms each
            print("#" * int(60 * count / max(1, bins.max())), count)
    return float(rate)


if __name__ == "__main__":
    main(*[int(a) for a in sys.argv[1:]])
