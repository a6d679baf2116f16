"""Print what large networks cost: seconds to build, memory, milliseconds for a step.

    python benchmarks/large.py [SYNAPSES ...]

Each network has 100 synapses of each neuron with delays of 1 to 16 steps, random spikes that keep
it going, and is built in a process of its own, whose peak memory is that of everything: Python,
libraries, connectors, graph, compiled program and a run whose spikes are listed.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from neurodeploy import connect
from neurodeploy.engine import build
from neurodeploy.ir import Graph, GraphBuilder

FAN_OUT = 100
STEPS = 100
SIZES = (10**5, 10**6, 10**7, 10**8)
MIB = 2**10  # kilobytes, as Linux counts the resident set


def network(neurons: int) -> Graph:
    """LIF neurons with random connections and a random source for each."""
    rows = connect.fixed_fan_out(
        neurons, neurons, FAN_OUT, weight=connect.normal(0.02, 0.002), delay=connect.whole(1, 16)
    )
    b = GraphBuilder("1ms")
    x = b.input("x", (1,))
    noise = b.cell("noise", "poisson", x, shape=(neurons,), params={"gain": 0.025})
    kick = b.cell("kick", "spike_scale", noise, params={"amplitude": 0.6})
    back = b.synapse_rows("recurrent", b.ref("cells", shape=(neurons,)), (neurons,), rows)
    both = b.cell("sum", "add", back, kick)
    cells = b.cell("cells", "lif", both, params={"beta": 0.95, "threshold": 1.0})
    return b.output("y", cells).build()


def measure(synapses: int) -> None:
    """Build and run one network, and print what it took as JSON."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    graph = network(synapses // FAN_OUT)
    made = time.perf_counter()
    engine = build(graph)
    built = time.perf_counter()
    drive = {"x": np.ones((1, 1), np.float32)}
    engine.spikes(drive, 1, record=[("cells", "out")])  # its memory is touched
    first = time.perf_counter()
    found = engine.spikes(drive, STEPS, record=[("cells", "out")])[("cells", "out")]
    ended = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    spikes = int(found.ends[-1, -1])
    print(
        json.dumps(
            {
                "connect": made - start,
                "build": built - made,
                "base": before / MIB,
                "peak": peak / MIB,
                "step": 1e3 * (ended - first) / STEPS,
                "rate": spikes / STEPS / (synapses // FAN_OUT),
            }
        )
    )


def main(sizes: list[int]) -> None:
    print("| synapses | neurons | connectors, s | compile and bind, s | peak, MiB ", end="")
    print("| bytes a synapse | a step, ms | spikes of a neuron and step | ns a synaptic event |")
    print("|" + " -- |" * 9)
    for size in sizes:
        command = [sys.executable, __file__, "--one", str(size)]
        one = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        each = (one["peak"] - one["base"]) * 2**20 / size
        event = 1e6 * one["step"] / (one["rate"] * size) if one["rate"] else float("nan")
        print(
            f"| {size:,} | {size // FAN_OUT:,} | {one['connect']:.2f} | {one['build']:.2f} "
            f"| {one['peak']:.0f} | {each:.1f} | {one['step']:.3f} | {one['rate']:.4f} "
            f"| {event:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measure(int(sys.argv[2]))
    else:
        main([int(a) for a in sys.argv[1:]] or list(SIZES))
