"""Brings the digits network of the demo onto Loihi 2: integers, neurons, cores; and runs it.

    python examples/digits_on_loihi.py [PYTHON_WITH_LAVA]

The trained network becomes a spiking one of 4 steps, is rounded onto Loihi's integers, and written
as Loihi's neurons on cores. The compiled network is compared with the rounded one in every state.
`docs/loihi.md` says what each step does. With an interpreter that has lava-nc 0.10.0, one digit
runs in Lava as well.
"""

from __future__ import annotations

import sys
from importlib.resources import files

import numpy as np

import neurodeploy as nd

STEPS = 4


def main(folder: str = "digits-on-loihi", python: str = "") -> int:
    """Convert, quantise, compile, compare and run."""
    demo = files("neurodeploy.demo")
    with np.load(str(demo / "digits.npz")) as held:
        scale = np.float32(held["scale"])
        train = held["xtr"].astype(np.float32) / scale
        x, y = held["xte"].astype(np.float32) / scale, held["yte"]
    ann = nd.load(str(demo / "digits.nd"))
    snn = nd.convert(ann, data=train[:256], timesteps=STEPS)
    rounded = nd.quantize(snn, data=train[:256], timesteps=STEPS, target="loihi2")
    art = nd.compile(rounded, "loihi2", folder)
    verdict = nd.compare(rounded, art, x[:20], timesteps=STEPS).verdict
    before, after = nd.run(snn, x, y, timesteps=STEPS, on="engine"), art.run(x, y, timesteps=STEPS)
    print(f"accuracy on {len(x)} digits: {before.accuracy:.1%} in floats, {after.accuracy:.1%}")
    print(f"latency {art.latency_steps} steps; compiled against rounded: {verdict}")
    for resource in art.manifest["resources"]:
        limit = "no limit known" if resource["limit"] is None else f"of {resource['limit']:,}"
        print(f"  {resource['name']:40}{resource['used']:>12,} {limit}")
    print(f"cores: {folder}/cores.html   program for Lava: {folder}/lava_network.py")
    if not python:
        return 0 if verdict == "exact" else 1
    options = {"python": python, "seconds": 600.0}
    theirs = art.run(x[:1], timesteps=STEPS, on="lava", options=options)
    same = np.array_equal(theirs.outputs, after.outputs[:1])
    print("Lava: the same at every step" if same else "Lava: DIFFERENT")
    return 0 if same and verdict == "exact" else 1


if __name__ == "__main__":
    sys.exit(main(python=sys.argv[1] if len(sys.argv) > 1 else ""))
