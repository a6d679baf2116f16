"""Print from which rate on a dense projection is faster when it visits every source.

    python benchmarks/crossover.py

One dense projection over 100 steps, from lists of the sources that are not 0 and with every source
visited, in turns; medians of 9. `neurodeploy.engine.dense_kernel.DENSE_SHARE` is what this shows.
"""

from __future__ import annotations

import os
import statistics
import time
from unittest import mock

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from neurodeploy.engine import build
from neurodeploy.ir import BOOL, F32, GraphBuilder

STEPS, ROUNDS = 100, 9
FORMS = {"lists": 9.0, "every source": 0.0}  # share from which on every source is visited


def main() -> None:
    print("| inputs | size | share not 0 | lists, ms | every source, ms | ratio |")
    print("| -- | -- | -- | -- | -- | -- |")
    rng = np.random.default_rng(0)
    for kind, size in ((k, n) for k in ("spikes", "values") for n in (256, 1000)):
        weight = rng.normal(0, 0.01, (size, size))
        engines = {}
        for name, share in FORMS.items():
            b = GraphBuilder()
            x = b.input("x", (size,), type=BOOL if kind == "spikes" else F32)
            y = b.cell("a", "lif", b.dense("d", x, weight))
            with mock.patch("neurodeploy.engine.emit_dense.DENSE_SHARE", share):
                engines[name] = build(b.output("y", y).build())
        for share in (0.1, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0):
            live = rng.random((1, STEPS, size)) < share
            data = live if kind == "spikes" else (live * rng.normal(size=live.shape)).astype("f4")
            spent: dict[str, list[float]] = {name: [] for name in engines}
            for _ in range(ROUNDS + 1):
                for name, engine in engines.items():
                    start = time.perf_counter()
                    engine.run({"x": data}, STEPS, record=[])
                    spent[name].append(time.perf_counter() - start)
            lists, every = (1e3 * statistics.median(s[1:]) for s in spent.values())
            print(
                f"| {kind} | {size} | {share} | {lists:.2f} | {every:.2f} | {lists / every:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
