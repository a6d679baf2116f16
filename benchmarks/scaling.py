"""Show how the engine's time grows with rate, synapses, batch and threads: one plot each.

    pip install neurodeploy matplotlib
    python benchmarks/scaling.py [--out scaling.png] [--most-synapses 10000000]

Each point is the median of 7 runs on one thread, but for the last plot. Rates and synapses come
from a seed; batches and threads take the network W1 of `benchmarks/workloads.py`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import workloads
from neurodeploy.engine import build
from neurodeploy.ir import BOOL, GraphBuilder

RUNS = 7
Points = list[tuple[float, float]]


def median_ms(run: Callable[[], object]) -> float:
    run()
    spent = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        spent.append(time.perf_counter() - start)
    return 1e3 * statistics.median(spent)


def over_rate(neurons: int = 1000, steps: int = 100) -> Points:
    """One dense projection: milliseconds for 100 steps by the share of inputs that spike."""
    rng = np.random.default_rng(0)
    b = GraphBuilder()
    x = b.input("x", (neurons,), type=BOOL)
    weight = rng.normal(0, 0.01, (neurons, neurons))
    engine = build(b.output("y", b.cell("a", "lif", b.dense("d", x, weight))).build())
    found = []
    for rate in (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.4, 0.7, 1.0):
        spikes = {"x": rng.random((1, steps, neurons)) < rate}
        found.append((rate, median_ms(lambda s=spikes: engine.run(s, steps, record=[]))))  # type: ignore[misc]
    return found


def over_synapses(most: int, fan_out: int = 100, steps: int = 20) -> Points:
    """Single synapses, 100 of each neuron, of which 1 % spike: milliseconds for 20 steps."""
    rng = np.random.default_rng(0)
    found = []
    count = 10_000
    while count <= most:
        neurons = count // fan_out
        b = GraphBuilder()
        x = b.input("x", (neurons,), type=BOOL)
        source = np.repeat(np.arange(neurons, dtype=np.int32), fan_out)
        target = rng.integers(0, neurons, count, dtype=np.int32)
        current = b.synapses("s", x, (neurons,), np.full(count, 0.05, np.float32), source, target)
        engine = build(b.output("y", b.cell("a", "lif", current)).build())
        spikes = {"x": rng.random((1, steps, neurons)) < 0.01}
        found.append((count, median_ms(lambda e=engine, s=spikes: e.run(s, steps, record=[]))))  # type: ignore[misc]
        count *= 10
    return found


def over_batch() -> Points:
    """W1: milliseconds by the number of samples."""
    work = workloads.w1()
    engine = build(work.graph)
    return [
        (n, median_ms(lambda n=n: engine.run({"x": work.x[:n]}, work.steps, record=[])))  # type: ignore[misc]
        for n in (1, 2, 4, 8, 16, 32, 64, 128, 256)
    ]


def over_threads() -> Points:
    """W1 with 256 samples: milliseconds by the number of threads."""
    work = workloads.w1()
    engine = build(work.graph)
    spent: dict[int, list[float]] = {n: [] for n in range(1, (os.cpu_count() or 1) + 1)}
    for _ in range(RUNS):
        for n, found in spent.items():  # in turns: a machine that others use as well changes
            start = time.perf_counter()
            engine.run({"x": work.x}, work.steps, record=[], threads=n)
            found.append(time.perf_counter() - start)
    return [(n, 1e3 * statistics.median(found)) for n, found in spent.items()]


def draw(path: Path, panels: list[tuple[str, str, Points]]) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(10, 7.5), layout="constrained")
    for axis, (title, label, points) in zip(axes.flat, panels, strict=True):
        axis.plot(*zip(*points, strict=True), marker="o")
        axis.set(title=title, xlabel=label, ylabel="milliseconds (median of 7)")
        if label != "threads":
            axis.set(xscale="log", yscale="log")
        else:
            axis.set_ylim(bottom=0)
            axis.set_xticks([x for x, _ in points])
        axis.grid(visible=True, which="both", alpha=0.3)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("scaling.png"), help="picture to write")
    parser.add_argument("--most-synapses", type=int, default=10_000_000)
    chosen = parser.parse_args()
    sparse = over_synapses(chosen.most_synapses)
    panels = [
        ("1000 x 1000 dense, 100 steps, batch 1", "share of inputs that spike", over_rate()),
        ("100 synapses a neuron, 1 % spike, 20 steps", "synapses", sparse),
        ("W1, one thread", "samples", over_batch()),
        ("W1, 256 samples", "threads", over_threads()),
    ]
    for title, label, points in panels:
        print(title)
        for x, y in points:
            print(f"  {label} {x:>12g}: {y:10.3f} ms")
    draw(chosen.out, panels)
    print(f"written to {chosen.out}")


if __name__ == "__main__":
    main()
