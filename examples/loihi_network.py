"""Builds a recurrent network of Loihi's own integers, and runs it here and in Lava.

    python examples/loihi_network.py [PYTHON_WITH_LAVA]

Every number is what Loihi holds: 8-bit weights of both signs, which are even, an exponent for a
whole connection, decays of 12 bits, a threshold, a bias as mantissa times a power of two. A
connection takes one step. The engine gives every state of lava-nc 0.10.0's fixed-point models;
without an interpreter that has Lava, the engine alone runs.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import neurodeploy as nd
from neurodeploy.ir import BOOL, QType
from neurodeploy.ir.types import Tensor, tensor
from neurodeploy.targets.loihi.weights import SignMode, held_weights

INPUTS, NEURONS, STEPS = 40, 100, 200


def whole(value: int, hi: int, lo: int = 0) -> Tensor:
    """Give one number for all neurons, as an integer of a range."""
    return tensor([value], QType(lo, hi))


def network(seed: int = 0) -> nd.Graph:
    """Give 40 inputs, 100 neurons, and connections back to them."""
    draw = np.random.default_rng(seed)
    mixed = QType(*SignMode.MIXED.value)

    def weights(sources: int) -> Tensor:
        drawn = 2 * draw.integers(-40, 50, (NEURONS, sources))
        return tensor(held_weights(drawn, SignMode.MIXED), mixed)

    b = nd.GraphBuilder()
    x = b.input("x", (INPUTS,), type=BOOL)
    fed = b.dense("in", x.after(1), weights(INPUTS))
    back = b.dense("back", b.ref("cells", shape=(NEURONS,), delay=1), weights(NEURONS))
    total = b.cell(
        "sum",
        "add",
        b.cell("in.exponent", "loihi_synapse", fed, options={"exponent": 1}),
        b.cell("back.exponent", "loihi_synapse", back, options={"exponent": -1}),
    )
    params: dict[str, Any] = {
        "du": whole(1024, 4095),  # a quarter of the current is lost in a step
        "dv": whole(128, 4095),
        "threshold": whole(5000, 131071),
        "bias": whole(5 << 3, 524160, -524288),
    }
    return b.output("y", b.cell("cells", "loihi_lif", total, params=params)).build()


def main(folder: str = "loihi-network", python: str = "") -> int:
    """Compile the network, run it, and give the number of spikes."""
    art = nd.compile(network(), target="lava", out=folder)
    x = np.random.default_rng(1).random((1, STEPS, INPUTS)) < 0.1
    art.run(x)  # the engine compiles its code once
    start = time.perf_counter()
    here = art.run(x, record=("cells",))
    seconds = time.perf_counter() - start
    spikes = int(here.outputs.sum())
    print(f"engine: {spikes} spikes of {NEURONS} neurons in {STEPS} steps, {1e3 * seconds:.1f} ms")
    print(f"{Path(folder) / 'lava_network.py'} is the same network for Lava")
    if python:
        there = art.run(x, record=("cells",), on="lava", options={"python": python})
        states = here.states["cells"]
        same = all(np.array_equal(states[k], there.states["cells"][k]) for k in states)
        print(f"Lava: {int(there.outputs.sum())} spikes; all of u and v equal: {same}")
        if not same:
            raise SystemExit(1)
    return spikes


if __name__ == "__main__":
    main(python=sys.argv[1] if len(sys.argv) > 1 else "")
