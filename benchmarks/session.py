"""Print what a step of a streaming session costs above the compiled step itself.

    python benchmarks/session.py

The digits network that ships with neurodeploy, as spikes and as integers, one thread. The compiled
step is one call of the program, without a check of its input; a session makes the same steps, on
samples that take turns. A run of many steps in one call is shown as well: it gains by taking steps
in tiles. Medians of 9 rounds, in turns.
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
    stream = engine.stream([])
    whole, bare, single = [], [], []
    for _ in range(ROUNDS + 1):
        start = time.perf_counter()
        engine.run({node.name: stored[rows][None]}, STEPS, record=())
        whole.append((time.perf_counter() - start) / STEPS)
        stream.reset()
        start = time.perf_counter()
        for k in rows:
            stream.inputs[node.name][...] = stored[k]
            stream.step()
        bare.append((time.perf_counter() - start) / STEPS)
        session.reset()
        start = time.perf_counter()
        for k in rows:
            session.step(x[k])
        single.append((time.perf_counter() - start) / STEPS)
    run, step, session_step = (1e6 * statistics.median(v[1:]) for v in (whole, bare, single))
    print(
        f"{name:10} in a run {run:6.1f} us, compiled step {step:6.1f} us, in a session "
        f"{session_step:6.1f} us: {session_step - step:5.1f} us above the compiled step"
    )


def main() -> None:
    with np.load(str(files("neurodeploy.demo") / "digits.npz")) as held:
        x = held["xtr"][:256].astype(np.float32) / np.float32(held["scale"])
    ann = nd.load(str(files("neurodeploy.demo") / "digits.nd"))
    snn = nd.convert(ann, data=x, timesteps=8)
    measure("floats", snn, x)
    measure("integers", nd.quantize(snn, data=x), x)


if __name__ == "__main__":
    main()
