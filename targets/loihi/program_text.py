"""The fixed parts of a program for Lava."""

from __future__ import annotations

__all__ = ["HEAD", "IMPORT", "TAIL"]

HEAD = '''\
"""A network for lava-nc 0.10.0, written by neurodeploy.

    python lava_network.py input.npz output.npz

input.npz holds x0, x1, ..., each (samples, steps, ...) of whole numbers, channels last; output.npz
gets p0.s (what population 0 sends), p0.u, ..., each (samples, steps, ...).
"""

import os
import sys
import traceback
from pathlib import Path

import numpy as np

import lava_on_new_pythons  # noqa: F401  # before anything else of lava
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.conv.process import Conv
from lava.proc.dense.process import DelayDense, Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer
from lava.proc.lif.process import LIF, LIFReset, TernaryLIF
from lava.proc.monitor.process import Monitor
from lava.proc.rf.process import RF
from lava.proc.rf_iz.process import RF_IZ
from lava.proc.sdn.process import ActivationMode, Delta, Sigma, SigmaDelta
from lava.proc.sparse.process import Sparse
from scipy.sparse import csr_matrix

# On a board: from lava.magma.core.run_configs import Loihi2HwCfg; RUN_CONFIG = Loihi2HwCfg()
RUN_CONFIG = Loihi2SimCfg(select_tag="fixed_pt")

with np.load(Path(__file__).resolve().with_name("lava_arrays.npz")) as held:
    ARRAYS = dict(held)


def set_first(variable, value):
    """Set what a variable holds before the first step, without what its process makes of it."""
    values = np.asarray(value)
    variable.init = values if values.size > 1 else np.full(variable.shape, values.reshape(-1)[0])


def join(out, into):
    """Connect two ports; the signal has the second one's shape."""
    shape = tuple(into.shape)
    (out if tuple(out.shape) == shape else out.reshape(shape)).connect(into)


def network(inputs):
    """Make all processes; give populations with their states, and sums with their bounds."""
'''

TAIL = '''

def watch(variable, steps):
    monitor = Monitor()
    monitor.probe(variable, steps)
    return monitor


def read(monitor):
    ((values,),) = (tuple(v.values()) for v in monitor.get_data().values())
    return np.asarray(values).astype(np.int64)


def run(inputs, steps):
    """Run one sample; give what populations send and their states, (steps, ...)."""
    populations, bounded = network(inputs)
    sinks, monitors = [], []
    for process, states in populations:
        sink = Sink(shape=process.s_out.shape, buffer=steps)
        process.s_out.connect(sink.a_in)
        sinks.append(sink)
        monitors += [watch(getattr(process, name), steps) for name in states]
    sums = [(watch(variable, steps), bound) for variable, bound in bounded]
    first = populations[0][0]
    first.run(condition=RunSteps(num_steps=steps), run_cfg=RUN_CONFIG)
    found, left = {}, iter(monitors)
    for number, (_, states) in enumerate(populations):
        found[f"p{number}.s"] = np.moveaxis(sinks[number].data.get(), -1, 0).astype(np.int64)
        for name in states:
            found[f"p{number}.{name}"] = read(next(left))
            if name in ("sigma", "act", "residue", "error"):
                inside(found[f"p{number}.{name}"], 2**23 - 1, f"p{number}.{name}")
    for number, (monitor, bound) in enumerate(sums):
        inside(read(monitor), bound - 1, f"sum {number} of graded spikes")
    first.stop()
    return found


def inside(values, most, name):
    """Stop where a value leaves 24 bits: Lava goes on in 32, the network ends there."""
    worst = int(np.abs(values).max(initial=0))
    if worst > most:
        raise OverflowError(f"{name} reaches {worst}, at most {most} is held in 24 bits")


def main():
    with np.load(sys.argv[1]) as given:
        x = [given[f"x{i}"] for i in range(len(given.files))]
    made = []
    for sample in zip(*x):
        # Lava has time as the last axis
        made.append(run([np.moveaxis(values, 0, -1) for values in sample], len(sample[0])))
        print(len(made), flush=True)
    np.savez(sys.argv[2], **{name: np.stack([m[name] for m in made]) for name in made[0]})


if __name__ == "__main__":
    try:
        main()
    except BaseException:
        # Lava's own processes would keep this one from ending
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
'''

IMPORT = '''\
"""Lets lava-nc 0.10.0 be imported on Python 3.11 and later; import it before anything of lava.

Python 3.11 refuses dataclass instances as defaults of fields where they have no hash, and one of
Lava's modules has them. While that module is imported, Lava's own dataclasses get a hash.
"""

import dataclasses


def _imported():
    plain = dataclasses.dataclass

    def hashed(cls=None, /, **options):
        def made(c):
            ours = c.__module__.startswith("lava.") and not options.get("frozen")
            more = {"unsafe_hash": True} if ours and options.get("eq", True) else {}
            return plain(c, **{**more, **options})

        return made if cls is None else made(cls)

    dataclasses.dataclass = hashed
    try:
        import lava.magma.compiler.var_model  # noqa: F401
    finally:
        dataclasses.dataclass = plain


_imported()
'''
