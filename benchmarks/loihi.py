"""Measure the engine against lava-nc on networks of Loihi's integers, in steps per second.

    python benchmarks/loihi.py PYTHON_WITH_LAVA [--json figures.json]

The same network runs on both: 700-256-20, and 100 inputs to 1,000 recurrent neurons, LIF, 8-bit
weights, 5 % of the inputs spike. Lava's fixed-point models run in its own interpreter, without
monitors; its set-up (0.3 s and more) and the first steps do not count. The engine's time is that of
a whole call, with every spike of the last population given back. Rounds in turns; medians, one
thread.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import neurodeploy as nd
from neurodeploy.engine import build
from neurodeploy.ir import BOOL, QType
from neurodeploy.ir.types import Tensor, tensor
from neurodeploy.targets.loihi.program import lava_program

ROUNDS = 7
STEPS = {"engine": 2000, "lava": 300}
RATE = 0.05
DRIVER = """
import sys, time
sys.path.insert(0, {folder!r})
import numpy as np
import lava_network as made
x = np.load({given!r})
populations, _ = made.network([np.moveaxis(x, 0, -1)])
first = populations[0][0]
first.run(condition=made.RunSteps(num_steps=20), run_cfg=made.RUN_CONFIG)
start = time.perf_counter()
first.run(condition=made.RunSteps(num_steps={steps}), run_cfg=made.RUN_CONFIG)
print(time.perf_counter() - start)
first.stop()
"""


def _whole(value: int, hi: int) -> Tensor:
    return tensor([value], QType(0, hi))


def _weights(draw: np.random.Generator, shape: tuple[int, int]) -> Tensor:
    return tensor(2 * draw.integers(-45, 46, shape), QType(-256, 255))


def _lif(b: nd.GraphBuilder, name: str, total: Any, threshold: int) -> Any:
    params: dict[str, Any] = {
        "du": _whole(1024, 4095), "dv": _whole(256, 4095),
        "threshold": _whole(threshold, 131071), "bias": _whole(0, 1),
    }  # fmt: skip
    return b.cell(name, "loihi_lif", total, params=params)


def layered() -> nd.Graph:
    """700-256-20."""
    draw, b = np.random.default_rng(0), nd.GraphBuilder()
    h = b.input("x", (700,), type=BOOL)
    for number, (takes, threshold) in enumerate(((256, 2000), (20, 1600)), 1):
        sends = h.signal.shape[0]
        h = _lif(
            b,
            f"n{number}",
            b.dense(f"w{number}", h.after(1), _weights(draw, (takes, sends))),
            threshold,
        )
    return b.output("y", h).build()


def recurrent() -> nd.Graph:
    """100 inputs, 1,000 neurons, all of them joined."""
    draw, b = np.random.default_rng(0), nd.GraphBuilder()
    x = b.input("x", (100,), type=BOOL)
    fed = b.dense("in", x.after(1), _weights(draw, (1000, 100)))
    back = b.ref("n", shape=(1000,), delay=1)
    summed = b.cell("sum", "add", fed, b.dense("back", back, _weights(draw, (1000, 1000))))
    return b.output("y", _lif(b, "n", summed, 3450)).build()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("python", help="an interpreter that has lava-nc")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    chosen = parser.parse_args()
    rows = []
    for name, graph in (("700-256-20", layered()), ("1,000 recurrent", recurrent())):
        draw = np.random.default_rng(1)
        inputs = graph.inputs[0].shape[0]
        engine, output = build(graph), (graph.cells[-1].name, "out")
        x = draw.random((1, STEPS["engine"], inputs)) < RATE
        counts = engine.run({"x": x}, STEPS["engine"], record=[output])[output]
        seconds: dict[str, list[float]] = {"engine": [], "lava": []}
        with tempfile.TemporaryDirectory() as folder:
            lava_program(graph).write(Path(folder))
            given = Path(folder) / "x.npy"
            np.save(given, x[0, : STEPS["lava"]].astype(np.int64))
            text = DRIVER.format(folder=folder, given=str(given), steps=STEPS["lava"])
            for _ in range(ROUNDS):
                start = time.perf_counter()
                engine.run({"x": x}, STEPS["engine"], record=[output])
                seconds["engine"].append((time.perf_counter() - start) / STEPS["engine"])
                told = subprocess.run(
                    [chosen.python, "-c", text],
                    capture_output=True,
                    text=True,
                    check=True,
                    timeout=300,
                )
                seconds["lava"].append(float(told.stdout.split()[-1]) / STEPS["lava"])
        rates = {k: [1 / s for s in v] for k, v in seconds.items()}
        base = statistics.median(rates["lava"])
        for peer, found in rates.items():
            median = statistics.median(found)
            rows.append(
                {"network": name, "peer": peer, "steps_per_second": median, "ratio": median / base}
            )
            print(
                f"{name:16} {peer:7}{median:12,.0f} steps/s ({min(found):,.0f} to "
                f"{max(found):,.0f}){median / base:8.0f} x"
            )
        print(f"{name:16} {100 * counts.mean():.1f} % of the last population spike in a step")
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    sys.exit(main())
