"""Opens a netx file with lava-dl's own reader and runs it in Lava; in Lava's environment.

    python netx_program.py network.net input.npz output.npz

input.npz holds ``x``, (steps, ...) as lava-dl has it; output.npz gets ``s0``, ``u0``, ``v0``, ...
of each layer, time last. What lava-dl trains with in torch is not needed to read a file: the two
names that its reader imports from there, for resonators and for layers in Python, are stood in for.
"""

import os
import sys
import traceback
from types import ModuleType
from typing import Any

import numpy as np


def stand_in(name: str, **members: Any) -> None:
    module = ModuleType(name)
    module.__dict__.update(members)
    sys.modules[name] = module


def main() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, here)
    import lava_on_new_pythons  # noqa: F401  # written beside this file

    stand_in("torch", tensor=object)
    stand_in("lava.lib.dl.slayer")
    stand_in("lava.lib.dl.slayer.neuron")
    stand_in("lava.lib.dl.slayer.neuron.rf", neuron_params=None)
    from lava.lib.dl.netx import hdf5
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer
    from lava.proc.monitor.process import Monitor

    with np.load(sys.argv[2]) as given:
        x = np.moveaxis(given["x"], 0, -1)
    net = hdf5.Network(net_config=sys.argv[1], input_shape=tuple(x.shape[:-1]))
    steps = x.shape[-1]
    RingBuffer(data=x).s_out.connect(net.inp)
    sinks, monitors = [], []
    for layer in net.layers:
        sink = Sink(shape=layer.out.shape, buffer=steps)
        layer.out.connect(sink.a_in)
        sinks.append(sink)
        for name in ("u", "v"):
            monitor = Monitor()
            monitor.probe(getattr(layer.neuron, name), steps)
            monitors.append(monitor)
    net.run(condition=RunSteps(num_steps=steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    found = {f"s{i}": sink.data.get() for i, sink in enumerate(sinks)}
    for i, monitor in enumerate(monitors):
        ((values,),) = (tuple(v.values()) for v in monitor.get_data().values())
        found[f"{'uv'[i % 2]}{i // 2}"] = np.moveaxis(np.asarray(values), 0, -1)
    net.stop()
    np.savez(sys.argv[3], **found)


if __name__ == "__main__":
    try:
        main()
    except BaseException:
        # Lava's own processes would keep this one from ending
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
