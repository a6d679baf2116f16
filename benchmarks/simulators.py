"""Measure the engine against simulators of point neurons, Brian2 and NEST.

    pip install neurodeploy brian2 nest-simulator 'numpy<2.4'
    python benchmarks/simulators.py [--steps 10000] [--json figures.json]

4,000 neurons with 80 targets each, 1 s in steps of 0.1 ms, one thread, every spike recorded. The
network is chaotic: a simulator is taken to compute the same one where its rate lies in 5.5 to
6.1 Hz. Brian2 is its C++ standalone with -O3 -march=native -ffast-math, in double precision, which
it computes in unless told otherwise, and in single precision, like the engine. Its program is run
from start to end, as one call of the engine is; what it says of its own loop stands beside. NEST
computes in doubles and has a recorder on; its delay is one step, and its time is that of its loop.
Rounds in turns; medians and spread.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import workloads

ROUNDS = 7
Run = Callable[[], tuple[dict[str, float], int]]  # seconds by what took them, and spikes


def engine_run(work: workloads.Workload) -> Run:
    from neurodeploy.engine import build

    engine = build(work.graph)
    key = ("cells", "out")

    def run() -> tuple[dict[str, float], int]:
        start = time.perf_counter()
        found = engine.spikes({"x": work.x[:, 0]}, work.steps, record=[key])
        return {"": time.perf_counter() - start}, len(found[key].neurons)

    return run


def brian2_run(work: workloads.Workload, floats: type[np.floating[Any]]) -> Run:
    import brian2 as b2

    b2.prefs.codegen.cpp.extra_compile_args_gcc = ["-w", "-O3", "-march=native", "-ffast-math"]
    b2.prefs.core.default_float_dtype = floats
    folder = Path(tempfile.mkdtemp())
    b2.set_device("cpp_standalone", directory=str(folder), build_on_run=False)
    b2.device.reinit()  # what another network has left
    b2.device.activate(directory=str(folder), build_on_run=False)
    b2.defaultclock.dt = 0.1 * b2.ms
    units = {"taum": 20 * b2.ms, "taue": 5 * b2.ms, "taui": 10 * b2.ms, "rest": -49 * b2.mV}
    cells = b2.NeuronGroup(
        4000,
        """dv/dt = (ge + gi - (v - rest)) / taum : volt (unless refractory)
           dge/dt = -ge / taue : volt
           dgi/dt = -gi / taui : volt""",
        threshold="v > -50*mV",
        reset="v = -60*mV",
        refractory=5 * b2.ms,
        method="exact",
        namespace=units,
    )
    cells.v = work.weights["v0"] * b2.mV
    targets = work.weights["target"]
    source = np.repeat(np.arange(4000), targets.shape[1])
    made = [cells]
    for effect, chosen in (
        ("ge_post += 1.62*mV", source < 3200),
        ("gi_post += -9*mV", source >= 3200),
    ):
        s = b2.Synapses(cells, cells, on_pre=effect)
        s.connect(i=source[chosen], j=targets.reshape(-1)[chosen])
        made.append(s)
    spikes = b2.SpikeMonitor(cells, name="spikes")
    net = b2.Network(*made, spikes)
    net.run(work.steps * b2.defaultclock.dt)
    b2.device.build(compile=True, run=False, directory=str(folder))
    results = folder / "results"

    def run() -> tuple[dict[str, float], int]:
        start = time.perf_counter()
        told = subprocess.run(
            [str(folder / "main"), "--results_dir", f"{results}/"],
            cwd=folder, check=True, capture_output=True, text=True,
        )  # fmt: skip
        whole = time.perf_counter() - start
        if told.stderr:
            sys.exit(told.stderr)
        (listed,) = results.glob("_dynamic_array_spikes_i_*")
        loop = float((results / "last_run_info.txt").read_text().split()[0])
        count = listed.stat().st_size // np.dtype(np.int32).itemsize
        return {"": whole, ", its loop": loop}, count

    return run


def nest_run(work: workloads.Workload) -> Run:
    import nest

    nest.set_verbosity("M_ERROR")
    targets = work.weights["target"]

    def run() -> tuple[dict[str, float], int]:
        nest.ResetKernel()
        nest.resolution = 0.1
        nest.local_num_threads = 1
        params = {
            "E_L": -49.0, "V_th": -50.0, "V_reset": -60.0, "tau_m": 20.0, "t_ref": 5.0,
            "tau_syn_ex": 5.0, "tau_syn_in": 10.0, "C_m": 20.0, "I_e": 0.0,
        }  # fmt: skip
        # C_m / tau_m is 1 nS, so that a current of 1 pA is a membrane's 1 mV
        cells = nest.Create("iaf_psc_exp", 4000, params=params)
        cells.set(V_m=work.weights["v0"].astype(float))
        source = np.repeat(np.arange(1, 4001), targets.shape[1])
        weight = np.where(source <= 3200, 1.62, -9.0)
        nest.Connect(
            source,
            targets.reshape(-1) + 1,
            "one_to_one",
            {"weight": weight, "delay": np.full(source.size, 0.1)},
        )
        recorder = nest.Create("spike_recorder")
        nest.Connect(cells, recorder)
        nest.Prepare()
        start = time.perf_counter()
        nest.Run(work.steps * 0.1)
        seconds = time.perf_counter() - start
        nest.Cleanup()
        return {"": seconds}, int(recorder.n_events)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    chosen = parser.parse_args()
    work = workloads.w5(steps=chosen.steps)
    runs = {
        "neurodeploy engine": engine_run(work),
        "Brian2, double": brian2_run(work, np.float64),
        "Brian2, single": brian2_run(work, np.float32),
        "NEST": nest_run(work),
    }
    seconds: dict[str, list[float]] = {}
    spikes: dict[str, int] = {}
    for _ in range(ROUNDS + 1):
        for name, run in runs.items():
            run()  # untimed: the processor's clock and caches settle
            times, count = run()
            for part, spent in times.items():
                seconds.setdefault(name + part, []).append(spent)
                spikes[name + part] = count
    base = statistics.median(seconds["neurodeploy engine"][1:])
    rows = []
    for name, found in seconds.items():
        median = statistics.median(found[1:])
        rate = spikes[name] / 4000 / (chosen.steps * 1e-4)
        rows.append(
            {
                "workload": "W5",
                "peer": name,
                "median_ms": 1e3 * median,
                "least_ms": 1e3 * min(found[1:]),
                "most_ms": 1e3 * max(found[1:]),
                "ratio": median / base,
                "rate_hz": rate,
            }
        )
        print(
            f"W5  {name:26}{1e3 * median:10.2f} ms ({1e3 * min(found[1:]):.2f} to "
            f"{1e3 * max(found[1:]):.2f}){median / base:8.1f} x   {rate:.3f} Hz"
        )
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=2))
    if not all(5.5 <= row["rate_hz"] <= 6.1 for row in rows):
        sys.exit("a rate lies outside of 5.5 to 6.1 Hz")


if __name__ == "__main__":
    main()
