"""Print what the digits network costs on a Cortex-M4 of QEMU: spiking and analog.

    python benchmarks/edge_instructions.py

The same trained CNN as an int8 ANN and as int8 spiking networks of a few steps, emitted by the edge
target. Instructions per inference,
the mean of the first 20 test digits; they are not cycles. Needs gcc-arm-none-eabi and
qemu-system-arm.
"""

from __future__ import annotations

from importlib.resources import files

import numpy as np

import neurodeploy as nd
from neurodeploy.data import as_samples
from neurodeploy.targets.edge.qemu import QemuRun
from neurodeploy.targets.edge.source import edge_unit

SAMPLES = 20


def row(name: str, graph: nd.Graph, timesteps: int, data: dict[str, np.ndarray]) -> float:
    run = QemuRun(graph, "cortex-m4")
    inputs = dict(as_samples(graph, data["xte"][:SAMPLES]).inputs)
    run(inputs, timesteps, record=[])
    each = run.instructions.sum(axis=1).mean()
    unit = edge_unit(graph, "net")
    constants = sum(unit.flash.values()) + unit.reset_bytes
    accuracy = nd.run(graph, data["xte"], data["yte"], timesteps=timesteps, on="engine").accuracy
    code = run.text_bytes - constants
    cells = (
        f"{100 * (accuracy or 0):.1f} %", f"{each:,.0f}", f"{constants:,}",
        f"{unit.plan.context_bytes():,}", f"{code:,}",
    )  # fmt: skip
    print(f"| {name} | {' | '.join(cells)} |", end="")
    return each


def main() -> None:
    with np.load(str(files("neurodeploy.demo") / "digits.npz")) as held:
        scale = np.float32(held["scale"])
        data = {k: held[k].astype(np.float32) / scale for k in ("xtr", "xte")}
        data["yte"] = held["yte"]
    ann = nd.load(str(files("neurodeploy.demo") / "digits.nd"))
    print("| network | accuracy | instructions | constants | context | code | to the ANN |")
    print("| -- | -- | -- | -- | -- | -- | -- |")
    made = nd.quantize(ann, data=data["xtr"][:256])
    base = row("int8 ANN", made, 1, data)
    print(" 1 |")
    for timesteps in (2, 3, 4, 8):
        snn = nd.convert(ann, data=data["xtr"][:256], timesteps=timesteps)
        made = nd.quantize(snn, data=data["xtr"][:256])
        each = row(f"int8 spiking, T = {timesteps}", made, timesteps, data)
        print(f" {each / base:.2f} |")


if __name__ == "__main__":
    main()
