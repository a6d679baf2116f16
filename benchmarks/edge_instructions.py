"""Print what the digits network costs on a Cortex-M4 of QEMU: spiking, analog, and as dense loops.

    python benchmarks/edge_instructions.py

The same trained CNN as an int8 ANN and as int8 spiking networks of a few steps, emitted by the edge
target; the spiking network of fewest steps within half a point of the ANN also with loops that
visit every source. Instructions per inference, the mean of the first 20 test digits; they are not
cycles. Needs gcc-arm-none-eabi and qemu-system-arm.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

import neurodeploy as nd
from neurodeploy.data import as_samples
from neurodeploy.reference import all_outputs, simulate
from neurodeploy.targets.edge.loops import dense_projections, rates_of
from neurodeploy.targets.edge.qemu import QemuRun
from neurodeploy.targets.edge.source import edge_unit

SAMPLES = 20
NEAR = 0.005  # accuracy that a spiking network may lose


@dataclass(frozen=True)
class Row:
    name: str
    accuracy: float
    instructions: float
    sizes: tuple[int, int, int]

    def shown(self, base: Row) -> str:
        cells = (
            self.name,
            f"{100 * self.accuracy:.1f} %",
            f"{self.instructions:,.0f}",
            *(f"{n:,}" for n in self.sizes),
            f"{self.instructions / base.instructions:.2f}",
        )
        return f"| {' | '.join(cells)} |"


def measured(
    name: str,
    graph: nd.Graph,
    timesteps: int,
    data: dict[str, np.ndarray],
    dense: Collection[str] = (),
) -> Row:
    run = QemuRun(graph, "cortex-m4")
    if dense:
        run.unit = edge_unit(graph, "net", reuse=False, dense=dense)
        run._build()
    inputs = dict(as_samples(graph, data["xte"][:SAMPLES]).inputs)
    run(inputs, timesteps, record=[])
    unit = edge_unit(graph, "net", dense=dense)
    constants = sum(unit.flash.values()) + unit.reset_bytes
    accuracy = nd.run(graph, data["xte"], data["yte"], timesteps=timesteps, on="engine").accuracy
    sizes = constants, unit.plan.context_bytes(), run.text_bytes - constants
    each = float(run.instructions.sum(axis=1).mean())
    return Row(name, accuracy or 0.0, each, sizes)


def chosen(graph: nd.Graph, timesteps: int, data: dict[str, np.ndarray]) -> frozenset[str]:
    """Give the projections for which dense loops pay at the rates of the first digits."""
    inputs = dict(as_samples(graph, data["xte"][:SAMPLES]).inputs)
    trace = simulate(graph, inputs, timesteps, record=all_outputs(graph))
    return dense_projections(graph, rates_of(trace))


def main() -> None:
    with np.load(str(files("neurodeploy.demo") / "digits.npz")) as held:
        scale = np.float32(held["scale"])
        data = {k: held[k].astype(np.float32) / scale for k in ("xtr", "xte")}
        data["yte"] = held["yte"]
    ann = nd.load(str(files("neurodeploy.demo") / "digits.nd"))
    print("| network | accuracy | instructions | constants | context | code | to the ANN |")
    print("| -- | -- | -- | -- | -- | -- | -- |")
    base = measured("int8 ANN", nd.quantize(ann, data=data["xtr"][:256]), 1, data)
    print(base.shown(base))
    notes: list[str] = []
    for timesteps in (2, 3, 4, 8):
        snn = nd.convert(ann, data=data["xtr"][:256], timesteps=timesteps)
        made = nd.quantize(snn, data=data["xtr"][:256])
        row = measured(f"int8 spiking, T = {timesteps}", made, timesteps, data)
        print(row.shown(base))
        if not notes and row.accuracy >= base.accuracy - NEAR:
            name = f"the same, dense loops, T = {timesteps}"
            plain = measured(name, made, timesteps, data, {n.name for n in made.nodes})
            print(plain.shown(base))
            pays = ", ".join(sorted(chosen(made, timesteps, data))) or "none"
            ratio = row.instructions / plain.instructions
            notes = [
                f"T = {timesteps}: {ratio:.3f} of the dense loops' instructions",
                f"projections for which a dense loop pays at the measured rates: {pays}",
            ]
    print("\n".join(["", *notes]))


if __name__ == "__main__":
    main()
