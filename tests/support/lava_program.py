"""Runs networks on lava-nc's fixed-point models; a program for an interpreter that has Lava.

    python lava_program.py networks.npz FOLDER NUMBER ...

``networks.npz`` holds the text ``networks``, a JSON list, and the arrays that it names. For each
number a file ``NUMBER.npz`` appears in the folder, with an array for each population and variable,
(steps, neurons): ``population/name``. The format is that of `loihi_nets`. Emitted programs import
``lava_on_new_pythons`` first as well.
"""

import json
import os
import sys

import lava_on_new_pythons  # noqa: F401  # before anything of lava
import numpy as np


def population(made, arrays):
    from lava.proc.lif.process import LIF, LIFReset, TernaryLIF
    from lava.proc.rf.process import RF
    from lava.proc.rf_iz.process import RF_IZ
    from lava.proc.sdn.process import ActivationMode, Delta, Sigma, SigmaDelta

    kinds = {
        "lif": (LIF, ("u", "v")),
        "lif_reset": (LIFReset, ("u", "v")),
        "ternary_lif": (TernaryLIF, ("u", "v")),
        "resonator": (RF, ("real", "imag")),
        "resonator_reset": (RF_IZ, ("real", "imag")),
        "sigma": (Sigma, ("sigma",)),
        "delta": (Delta, ("act", "residue", "error")),
        "sigma_delta": (SigmaDelta, ("sigma", "act", "residue", "error")),
    }
    kind, watched = kinds[made["kind"]]
    given = {k: arrays[v] if isinstance(v, str) else v for k, v in made["params"].items()}
    if "act_mode" in given:
        given["act_mode"] = ActivationMode(given["act_mode"])
    return kind(shape=tuple(made["shape"]), **given), watched


def connection(made, arrays):
    from lava.proc.conv.process import Conv
    from lava.proc.dense.process import DelayDense, Dense
    from lava.proc.sparse.process import Sparse
    from scipy.sparse import csr_matrix

    weights = arrays[made["weights"]]
    shared = {
        "weight_exp": made["exponent"],
        "num_weight_bits": made["bits"],
        "num_message_bits": made["message_bits"],
    }
    if made["kind"] == "dense":
        return Dense(weights=weights, **shared)
    if made["kind"] == "sparse":
        return Sparse(weights=csr_matrix(weights), **shared)
    if made["kind"] == "delay":
        return DelayDense(weights=weights, delays=arrays[made["delays"]], **shared)
    geometry = {k: made[k] for k in ("stride", "padding", "dilation", "groups")}
    return Conv(
        weight=weights,
        input_shape=tuple(made["input_shape"]),
        num_message_bits=made["message_bits"],
        **{k: tuple(v) if isinstance(v, list) else v for k, v in geometry.items()},
    )


def run(network, arrays):
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source
    from lava.proc.monitor.process import Monitor

    steps = network["steps"]
    source = Source(data=arrays[network["input"]])
    made = [population(p, arrays) for p in network["populations"]]
    kept = []
    for c in network["connections"]:
        synapses = connection(c, arrays)
        sends = source if c["from"] < 0 else made[c["from"]][0]
        out = sends.s_out
        into = synapses.s_in
        if tuple(out.shape) != tuple(into.shape):
            out = out.reshape(tuple(into.shape))
        out.connect(into)
        reached = getattr(made[c["to"]][0], c["port"])
        out = synapses.a_out
        if tuple(out.shape) != tuple(reached.shape):
            out = out.reshape(tuple(reached.shape))
        out.connect(reached)
        kept.append(synapses)
    sinks, monitors = [], []
    for process, watched in made:
        sink = Sink(shape=process.s_out.shape, buffer=steps)
        process.s_out.connect(sink.a_in)
        sinks.append(sink)
        for name in watched:
            monitor = Monitor()
            monitor.probe(getattr(process, name), steps)
            monitors.append(monitor)
    first = made[0][0]
    first.run(condition=RunSteps(num_steps=steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    found = {}
    numbers = iter(monitors)
    for index, (_, watched) in enumerate(made):
        values = np.asarray(sinks[index].data.get())
        found[f"{index}/s"] = np.moveaxis(values, -1, 0).reshape(steps, -1)
        for name in watched:
            ((values,),) = (tuple(v.values()) for v in next(numbers).get_data().values())
            found[f"{index}/{name}"] = np.asarray(values).reshape(steps, -1)
    first.stop()
    return found


def main():
    with np.load(sys.argv[1]) as held:
        everything = dict(held)
    networks = json.loads(str(everything["networks"]))
    for number in map(int, sys.argv[3:]):
        start = f"{number}/"
        own = {k[len(start) :]: v for k, v in everything.items() if k.startswith(start)}
        found = run(networks[number], own)
        unfinished = os.path.join(sys.argv[2], f"{number}.tmp.npz")
        np.savez(unfinished, **found)
        os.replace(unfinished, os.path.join(sys.argv[2], f"{number}.npz"))


if __name__ == "__main__":
    main()
