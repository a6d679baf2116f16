"""Print what a dense network takes on a Cortex-M4: ours in int8 beside emlearn's.

    pip install emlearn
    python benchmarks/edge_size.py

One 64-32-10 network, trained by scikit-learn on the demo's digits. emlearn writes it with float
weights, the only form that its release 0.23.2 computes (its fixed-point form leaves the sums out,
its form without tables ends with an error); ours holds the same weights as int8. Both are linked
by the same compiler with the same flags into programs that call them once; what an empty program
takes is subtracted. Libraries that a network pulls in count as its code, the stack is not counted.
Needs gcc-arm-none-eabi.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
import torch
from sklearn.neural_network import MLPClassifier

import neurodeploy as nd
from neurodeploy.targets.edge.boards import boards
from neurodeploy.targets.edge.source import edge_unit

Array = npt.NDArray[Any]
COMPILER = "arm-none-eabi-gcc"
BOARD = "cortex-m4"
EMPTY = "int main(void) { return given != 0; }"
THEIRS = "int main(void) { return net_predict((const float *)given, 64); }"
OURS = """
static net_context net;
static int32_t scores[10];
int main(void) {
  return net_infer(&net, (const uint8_t *)given, 64, 1, scores, 10) + scores[0];
}
"""
OURS_FLOATS = """
static net_context net;
static uint8_t bytes[64];
static int32_t scores[10];
int main(void) {
  net_quantize0((const float *)given, bytes, 64);
  return net_infer(&net, bytes, 64, 1, scores, 10) + scores[0];
}
"""


@dataclass(frozen=True)
class Program:
    """What calls a network, and the sources of the network."""

    name: str
    accuracy: float
    main: str
    sources: dict[str, str]
    include: str = ""


def sizes(program: Program, optimise: str) -> tuple[int, int]:
    """Give bytes of flash and of RAM of a linked program."""
    held = files("neurodeploy.targets.edge") / "machine"
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        texts = {n: (held / n).read_text(encoding="ascii") for n in ("startup.c", "mps2.ld")}
        headers = "".join(f'#include "{n}"\n' for n in program.sources if n.endswith(".h"))
        texts |= program.sources
        texts["main.c"] = f"{headers}const void *volatile given;\n{program.main}\n"
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="ascii")
        flags = ["-std=gnu99", optimise, "-ffunction-sections", "-fdata-sections"]
        flags += [f"-I{program.include}"] if program.include else []
        link = ["-nostartfiles", "--specs=nano.specs", "-T", "mps2.ld", "-Wl,--gc-sections"]
        units = [n for n in texts if n.endswith(".c")]
        call = [COMPILER, *flags, *boards()[BOARD].flags, *link, "-o", "net.elf", *units, "-lm"]
        subprocess.run(call, cwd=folder, check=True)
        size = [COMPILER.removesuffix("gcc") + "size", "net.elf"]
        done = subprocess.run(size, cwd=folder, check=True, capture_output=True, text=True)
    code, filled, zeros = (int(n) for n in done.stdout.splitlines()[1].split()[:3])
    return code + filled, filled + zeros


def trained(data: dict[str, Array]) -> MLPClassifier:
    network = MLPClassifier((32,), max_iter=1500, random_state=0)
    return network.fit(data["xtr"].reshape(-1, 64), data["ytr"])


def theirs(network: MLPClassifier, data: dict[str, Array]) -> Program:
    try:
        import emlearn
    except ImportError:
        sys.exit("emlearn is not installed; this benchmark compares with it: pip install emlearn")
    with tempfile.TemporaryDirectory() as made, contextlib.chdir(made):
        model = emlearn.convert(network)  # which builds it where it stands
        right = model.predict(data["xte"].reshape(-1, 64)) == data["yte"]
    text = model.save(name="net")
    name = f"emlearn {emlearn.__version__}, float"
    return Program(name, float(np.mean(right)), THEIRS, {"net.h": text}, emlearn.includedir)


def ours(network: MLPClassifier, data: dict[str, Array]) -> list[Program]:
    layers = [torch.nn.Linear(*w.shape) for w in network.coefs_]
    for layer, weight, bias in zip(layers, network.coefs_, network.intercepts_, strict=True):
        layer.weight.data = torch.tensor(weight.T, dtype=torch.float32)
        layer.bias.data = torch.tensor(bias, dtype=torch.float32)
    module = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1])
    flat = {k: data[k].reshape(-1, 64) for k in ("xtr", "xte")}
    made = nd.quantize(nd.load(module, example=flat["xtr"][:4]), data=flat["xtr"][:256])
    accuracy = nd.run(made, flat["xte"], data["yte"], on="engine").accuracy or 0.0
    unit = edge_unit(made, "net")
    texts = {"net.h": unit.header, "net.c": unit.source}
    return [
        Program("int8, bytes in", accuracy, OURS, texts),
        Program("int8, floats in", accuracy, OURS_FLOATS, texts),
    ]


def main() -> None:
    if shutil.which(COMPILER) is None:
        sys.exit(f"{COMPILER} is not installed: apt-get install gcc-arm-none-eabi")
    torch.set_num_threads(1)
    with np.load(str(files("neurodeploy.demo") / "digits.npz")) as held:
        scale = np.float32(held["scale"])
        data = {k: held[k].astype(np.float32) / scale for k in ("xtr", "xte")}
        data |= {k: held[k] for k in ("ytr", "yte")}
    network = trained(data)
    programs = [theirs(network, data), *ours(network, data)]
    empty = Program("empty", 0.0, EMPTY, {})
    print("| network | flags | accuracy | flash | RAM | flash to emlearn's | RAM to emlearn's |")
    print("| -- | -- | -- | -- | -- | -- | -- |")
    for optimise in ("-Os", "-O2"):
        none = sizes(empty, optimise)
        found = [tuple(np.subtract(sizes(p, optimise), none).tolist()) for p in programs]
        base = found[0]
        for program, (flash, ram) in zip(programs, found, strict=True):
            print(
                f"| {program.name} | {optimise} | {100 * program.accuracy:.1f} % | {flash:,} "
                f"| {ram:,} | {flash / base[0]:.2f} | {ram / base[1]:.2f} |"
            )


if __name__ == "__main__":
    main()
