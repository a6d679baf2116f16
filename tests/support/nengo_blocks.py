"""Counts what dense networks take of Loihi's cores, by nengo-loihi; runs in its own environment.

    python nengo_blocks.py networks.npz counts.json

networks.npz holds, of network i, ``i.sizes`` (neurons of each population) and ``i.w.a.b`` (weights
from population a to b, (a, b); an ``a`` of -1 is an input). The model is split, then made an
emulator and run; the counts are those of its blocks.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
from nengo_loihi.block import Axon, LoihiBlock, Synapse
from nengo_loihi.builder import Model
from nengo_loihi.builder.discretize import discretize_model
from nengo_loihi.builder.split_blocks import split_model
from nengo_loihi.emulator import EmulatorInterface
from nengo_loihi.inputs import SpikeInput


def counted(sizes: list[int], weights: dict[tuple[int, int], Any], run: bool) -> list[Any]:
    model = Model()
    blocks = []
    for size in sizes:
        block = LoihiBlock(size)
        block.compartment.configure_relu()
        blocks.append(block)
    inputs = {}
    for (a, b), w in weights.items():
        synapse = Synapse(len(w))
        synapse.set_weights(w.astype(float) / 256)
        blocks[b].add_synapse(synapse)
        axon = Axon(len(w))
        axon.target = synapse
        axon.compartment_map = np.arange(len(w))
        (inputs.setdefault(len(w), SpikeInput(len(w))) if a < 0 else blocks[a]).add_axon(axon)
    for block in blocks:
        model.add_block(block)
    for sender in inputs.values():
        model.add_input(sender)
    made = split_model(model)
    found = [
        [{name: used for name, (used, _) in block.utilization().items()} for block in made[old]]
        for old in blocks
    ]
    if run:
        discretize_model(model)
        with EmulatorInterface(model) as emulator:
            emulator.run_steps(2)
    return found


def main() -> None:
    with np.load(sys.argv[1]) as held:
        arrays = {name: held[name] for name in held.files}
    counts = []
    number = 0
    while f"{number}.sizes" in arrays:
        weights = {
            (int(a), int(b)): w
            for key, w in arrays.items()
            for i, _, *ends in [key.split(".")]
            if i == str(number) and ends
            for a, b in [ends]
        }
        counts.append(counted(arrays[f"{number}.sizes"].tolist(), weights, number < 3))
        number += 1
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        json.dump(counts, out)


if __name__ == "__main__":
    main()
