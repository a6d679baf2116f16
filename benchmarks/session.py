"""Print what a step of a streaming session costs above the compiled step itself.

    python benchmarks/session.py

The digits network that ships with neurodeploy, as spikes and as integers, one thread. A run of many
steps in one call is the compiled step; a session makes the same steps one by one, on samples that
take turns. Medians of 9 rounds, in turns.
"""

from __future__ import annotations

import statistics
import time
from importlib.resources import files

import numpy as np

import neurodeploy as nd
from neurodeploy.engine import build

STEPS, ROUNDS = 2000, 9


def measure(name: str, graph: nd.Graph, x: np.ndarray) -> None:
    engine, session = build(graph), nd.open_session(graph, on="engine")
    node = graph.inputs[0]
    rows = np.resize(np.arange(len(x)), STEPS)
    stored = nd.run(graph, x, timesteps=1, record=(node.name,)).states[node.name]["out"][:, 0]
    whole, single = [], []
    for _ in range(ROUNDS + 1):
        start = time.perf_counter()
        engine.run({node.name: stored[rows][None]}, STEPS, record=())
        whole.append((time.perf_counter() - start) / STEPS)
        session.reset()
        start = time.perf_counter()
        for k in rows:
            session.step(x[k])
        single.append((time.perf_counter() - start) / STEPS)
    a, b = (1e6 * statistics.median(v[1:]) for v in (whole, single))
    print(f"{name:10} step {a:7.1f} us, in a session {b:7.1f} us: {b - a:5.1f} us above")


def main() -> None:
    with np.load(str(files("neurodeploy.demo") / "digits.npz")) as held:
        x = held["xtr"][:256].astype(np.float32) / np.float32(held["scale"])
    ann = nd.load(str(files("neurodeploy.demo") / "digits.nd"))
    snn = nd.convert(ann, data=x, timesteps=8)
    measure("floats", snn, x)
    measure("integers", nd.quantize(snn, data=x), x)


if __name__ == "__main__":
    main()
