"""Measure the engine against simulators of point neurons, Brian2 and NEST.

    pip install neurodeploy brian2 nest-simulator 'numpy<2.4'
    python benchmarks/simulators.py [--steps 10000] [--json figures.json]

4,000 neurons with 80 targets each, 1 s in steps of 0.1 ms, one thread, every spike recorded. The
network is chaotic: a simulator is taken to compute the same one where its rate lies in 5.5 to
6.1 Hz. Brian2 is its C++ standalone with -O3 -march=native -ffast-math; the time is what its
program says of its own loop, without its start. NEST has a recorder on; its delay is one step.
Rounds in turns; medians and spread.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import workloads

ROUNDS = 7
Run = Callable[[], tuple[float, int]]  # seconds and spikes


def engine_run(work: workloads.Workload) -> Run:
    from neurodeploy.engine import build

    engine = build(work.graph)
    key = ("cells", "out")

    def run() -> tuple[float, int]:
        start = time.perf_counter()
        found = engine.spikes({"x": work.x[:, 0]}, work.steps, record=[key])
        return time.perf_counter() - start, len(found[key].neurons)

    return run


def brian2_run(work: workloads.Workload) -> Run:
    import brian2 as b2

    b2.prefs.codegen.cpp.extra_compile_args_gcc = ["-w", "-O3", "-march=native", "-ffast-math"]
    b2.prefs.core.default_float_dtype = np.float32
    folder = tempfile.mkdtemp()
    b2.set_device("cpp_standalone", directory=folder, build_on_run=False)
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
    spikes = b2.SpikeMonitor(cells)
    net = b2.Network(*made, spikes)
    net.run(work.steps * b2.defaultclock.dt)
    b2.device.build(compile=True, run=False, directory=folder)

    def run() -> tuple[float, int]:
        b2.device.run(folder, with_output=False, run_args=[])
        return float(b2.device._last_run_time), int(spikes.num_spikes)

    return run


def nest_run(work: workloads.Workload) -> Run:
    import nest

    nest.set_verbosity("M_ERROR")
    targets = work.weights["target"]

    def run() -> tuple[float, int]:
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
        return seconds, int(recorder.n_events)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    chosen = parser.parse_args()
    work = workloads.w5(steps=chosen.steps)
    makers = {"neurodeploy engine": engine_run, "Brian2": brian2_run, "NEST": nest_run}
    runs = {name: make(work) for name, make in makers.items()}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    spikes: dict[str, int] = {}
    for _ in range(ROUNDS + 1):
        for name, run in runs.items():
            run()  # untimed: the processor's clock and caches settle
            spent, spikes[name] = run()
            seconds[name].append(spent)
    base = statistics.median(seconds["neurodeploy engine"][1:])
    rows = []
    for name, spent in seconds.items():
        median = statistics.median(spent[1:])
        rate = spikes[name] / 4000 / (chosen.steps * 1e-4)
        rows.append(
            {
                "workload": "W5",
                "peer": name,
                "median_ms": 1e3 * median,
                "least_ms": 1e3 * min(spent[1:]),
                "most_ms": 1e3 * max(spent[1:]),
                "ratio": median / base,
                "rate_hz": rate,
            }
        )
        print(
            f"W5  {name:20}{1e3 * median:10.2f} ms ({1e3 * min(spent[1:]):.2f} to "
            f"{1e3 * max(spent[1:]):.2f}){median / base:8.1f} x   {rate:.3f} Hz"
        )
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=2))
    if not all(5.5 <= row["rate_hz"] <= 6.1 for row in rows):
        sys.exit("a rate lies outside of 5.5 to 6.1 Hz")


if __name__ == "__main__":
    main()
