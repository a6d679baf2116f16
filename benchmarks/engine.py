"""Measure the engine against other ways of running the same spiking networks.

    pip install neurodeploy torch snntorch spikingjelly norse jax onnx onnxruntime
    python benchmarks/engine.py [--threads 2] [--only W1] [--json figures.json]

Every peer gets the same network and the same spikes as numpy arrays; bringing them into its own
form counts. Spikes are compared first. In each of the rounds every peer runs once, on samples that
take turns, for at least 30 ms; the table gives medians of the rounds, their spread, and how often
longer a peer takes than the engine in the same process. W5 is in `benchmarks/simulators.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import workloads
from peers import Array, Peer, ours

ROUNDS, SHORTEST = 9, 0.03
BATCHES = {"W1": (1, 256), "W3": (1, 128), "W4": (1, 64)}


def peers_of(workload: workloads.Workload, threads: int) -> Iterable[Peer]:
    yield ours(workload, threads)
    from peers import in_jax

    yield in_jax.peer(workload, threads)
    import torch

    from peers import in_onnxruntime, in_torch

    torch.set_num_threads(threads)
    made = (
        in_torch.torch_layers(workload),
        in_torch.torch_steps(workload),
        in_torch.spikingjelly(workload),
        in_torch.snntorch(workload),
        in_torch.norse(workload),
        in_onnxruntime.peer(workload, threads),
    )
    yield from (p for p in made if p is not None)


def spikes(peer: Peer, x: Array, expected: Array) -> str:
    """Compare counts of each neuron and sample."""
    if not peer.spiking:
        return "none"
    got = np.concatenate([peer.run(x[n : n + 16]) for n in range(0, len(x), 16)])
    off = int((got != expected).sum())
    total = f"{int(got.sum())} of {int(expected.sum())}"
    return "equal" if off == 0 else f"{total}, {off} of {expected.size} counts differ"


def timed(peer: Peer, x: Array, batch: int, first: int) -> float:
    """Give the seconds of a call, over at least `SHORTEST`, after one that is not timed.

    That one lets the processor's clock and caches settle, which another peer left as it needed.
    """
    peer.run(x[:batch])
    calls, spent = 0, 0.0
    while spent < SHORTEST:
        at = (first + calls) * batch % (len(x) - batch + 1) if len(x) > batch else 0
        piece = x[at : at + batch]
        start = time.perf_counter()
        peer.run(piece)
        spent += time.perf_counter() - start
        calls += 1
    return spent / calls


def measure(workload: workloads.Workload, threads: int) -> list[dict[str, Any]]:
    x = workload.x
    peers = list(peers_of(workload, threads))
    expected = workload.counts
    if expected is None:
        expected = peers[0].run(x)
    agreed = [spikes(p, x, expected) for p in peers]
    if agreed[0] != "equal":
        sys.exit(f"{workload.name}: the engine does not give the expected spikes: {agreed[0]}")
    rows: list[dict[str, Any]] = []
    for batch in BATCHES[workload.name]:
        for p in peers:
            p.run(x[:batch])  # compiled, cached
        seconds: list[list[float]] = [[] for _ in peers]
        for r in range(ROUNDS):
            for k, p in enumerate(peers):
                seconds[k].append(timed(p, x, batch, r * 7))
        base = statistics.median(seconds[0])
        for p, s, says in zip(peers, seconds, agreed, strict=True):
            median = statistics.median(s)
            rows.append(
                {
                    "workload": workload.name,
                    "batch": batch,
                    "peer": p.name,
                    "median_ms": 1e3 * median,
                    "least_ms": 1e3 * min(s),
                    "most_ms": 1e3 * max(s),
                    "ratio": median / base,
                    "spikes": says,
                    "note": p.note,
                }
            )
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        spread = f"{row['least_ms']:9.3f} to {row['most_ms']:9.3f}"
        print(
            f"{row['workload']} batch {row['batch']:3}  {row['peer']:36}"
            f"{row['median_ms']:10.3f} ms ({spread}){row['ratio']:8.1f} x   {row['spikes']}"
            + (f"; {row['note']}" if row["note"] else "")
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, choices=(1, 2))
    parser.add_argument("--only", nargs="*", default=sorted(BATCHES))
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    chosen = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(chosen.threads)
    made = {"W1": workloads.w1, "W3": workloads.w3, "W4": workloads.w4}
    print(f"{chosen.threads} threads; medians of {ROUNDS} rounds; spread over the rounds")
    rows: list[dict[str, Any]] = []
    for name in chosen.only:
        found = measure(made[name](), chosen.threads)
        show(found)
        rows += found
    if chosen.json:
        chosen.json.write_text(json.dumps({"threads": chosen.threads, "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
