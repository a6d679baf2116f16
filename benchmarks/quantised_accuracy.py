"""Print the accuracy of trained networks as integers: post-training, and trained with rounding.

    python benchmarks/quantised_accuracy.py [digits] [mnist] [l2mu] [l2mu-apart]

digits: the CNN that ships with neurodeploy, as a spiking network of 4 steps. mnist: the network of
sinabs' source distribution (SINABS names that file) as a spiking network of 4 steps, on 2,000 of
the 10,000 digits. l2mu: the published recurrent Braille network, on all 1,158 samples; its
training data are among them, so that its figures say what quantisation changes and nothing else.
l2mu-apart: the same, trained with rounding on four fifths of the samples, measured on the others;
the float network is the teacher, and the events are shifted, thinned and mixed, for the samples are
few. Its last row is the float network itself, trained on with the labels of these four fifths: its
authors trained it on the others as well, as it seems, and these it then forgets.
Data and weights are looked for in the folder DATA.
"""

from __future__ import annotations

import io
import os
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

import neurodeploy as nd
from neurodeploy.quantize import Scheme
from neurodeploy.training import distil, fit, from_torch, quantization_aware, to_torch

torch.set_num_threads(1)
DATA = Path(os.environ.get("DATA", "data"))
SCHEMES = {
    "8 bits": Scheme(),
    "4 bits": Scheme(weight_bits=4),
    "ternary": Scheme(grid="ternary"),
}


@dataclass(frozen=True)
class Task:
    """A float graph with data, and how it is trained with rounded weights."""

    graph: nd.Graph
    calibration: Any
    train: tuple[Any, Any]
    test: tuple[Any, Any]
    timesteps: int | None
    training: dict[str, tuple[int, float]]  # by scheme: epochs, learning rate
    distilled: bool = False  # by the float network, else from labels


def digits() -> Task:
    with np.load(str(files("neurodeploy.demo") / "digits.npz")) as held:
        xtr, xte = (held[k].astype(np.float32) / np.float32(held["scale"]) for k in ("xtr", "xte"))
        ytr, yte = held["ytr"], held["yte"]
    ann = nd.load(str(files("neurodeploy.demo") / "digits.nd"))
    snn = nd.convert(ann, data=xtr[:256], timesteps=4)
    return Task(
        snn, xtr[:256], (xtr, ytr), (xte, yte), 4, {"4 bits": (6, 1e-3), "ternary": (20, 3e-3)}
    )


def mnist() -> Task:
    shapes = [(20, 1, 5), (32, 20, 5), (128, 32, 3)]
    convolutions = [torch.nn.Conv2d(i, o, k, bias=False) for o, i, k in shapes]
    layers: list[torch.nn.Module] = []
    for layer in convolutions:
        layers += [layer, torch.nn.ReLU(), torch.nn.AvgPool2d(2)]
    dense = [torch.nn.Linear(128, 500, bias=False), torch.nn.Linear(500, 10, bias=False)]
    net = torch.nn.Sequential(*layers, torch.nn.Flatten(), dense[0], torch.nn.ReLU(), dense[1])
    with tarfile.open(os.environ["SINABS"]) as archive:
        name = next(n for n in archive.getnames() if n.endswith("tests/mnist_params.pt"))
        packed = archive.extractfile(name)
        assert packed is not None
        state = torch.load(io.BytesIO(packed.read()), weights_only=True, map_location="cpu")
    with torch.no_grad():
        values = [v for k, v in state.items() if k.endswith("weight")]
        for parameter, value in zip(net.parameters(), values, strict=True):
            parameter.copy_(value)
    with np.load(DATA / "mnist10k.npz") as held:
        x, y = (held["x"].astype(np.float32) / 255)[:, None], held["y"].astype(np.int64)
    pick = np.random.default_rng(0).permutation(len(x))
    test, train = pick[:2000], pick[2000:]
    ann = nd.load(net.eval(), example=x[:4])
    snn = nd.convert(ann, data=x[train[:256]], timesteps=4)
    some = train[:3000]
    return Task(
        snn, x[train[:256]], (x[some], y[some]), (x[test], y[test]), 4,
        {"4 bits": (2, 2e-5), "ternary": (4, 2e-4)},
    )  # fmt: skip


def l2mu(*, apart: bool = False) -> Task:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
    from l2mu import braille
    from l2mu import l2mu as network

    x, y = braille()
    graph = nd.load(network(), example=x[:4], time_axis=0)
    train = test = np.arange(len(x))
    if apart:
        pick = np.random.default_rng(0).permutation(len(x))
        test, train = pick[: len(x) // 5], pick[len(x) // 5 :]
    return Task(
        graph, x[train[:128]], (x[train], y[train]), (x[test], y[test]), None,
        {"4 bits": (4, 2e-4), "ternary": (50, 2e-3), "floats": (20, 1e-3)} if apart
        else {"4 bits": (2, 2e-4), "ternary": (20, 1e-3)},
        distilled=apart,
    )  # fmt: skip


def altered(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Shift events by up to 12 steps, lose up to a tenth, and mix a few of another sample in."""
    samples, steps, _ = x.shape
    draw = {"generator": generator}
    at = torch.arange(steps)[None, :, None] - torch.randint(-12, 13, (samples, 1, 1), **draw)
    inside = (at >= 0) & (at < steps)
    moved = x.gather(1, at.clamp(0, steps - 1).expand_as(x)) * inside
    moved = moved * (torch.rand(x.shape, **draw) >= 0.1 * torch.rand(samples, 1, 1, **draw))
    other = moved[torch.randperm(samples, **draw)]
    share = torch.rand(samples, 1, 1, **draw) ** 3 * (torch.rand(samples, 1, 1, **draw) < 0.5)
    return torch.where(torch.rand(x.shape, **draw) < share, other, moved)


def accuracy(graph: nd.Graph, task: Task) -> str:
    found = nd.run(graph, *task.test, timesteps=task.timesteps, on="engine").accuracy
    return "-" if found is None else f"{100 * found:.2f}"


def told(done: int, of: int) -> None:
    if done % 100 == 0 or done == of:
        print(f"  {done} of {of} batches", file=sys.stderr, flush=True)


def main(names: list[str]) -> None:
    tasks: dict[str, Callable[[], Task]] = {
        "digits": digits,
        "mnist": mnist,
        "l2mu": l2mu,
        "l2mu-apart": lambda: l2mu(apart=True),
    }
    print("| network | float | scheme | post-training | trained with rounding |")
    print("| -- | -- | -- | -- | -- |")
    for name in names or list(tasks):
        task = tasks[name]()
        before = accuracy(task.graph, task)
        for scheme_name, scheme in SCHEMES.items():
            made = nd.quantize(task.graph, data=task.calibration, scheme=scheme)
            row = [name, before, scheme_name, accuracy(made, task), "-"]
            if scheme_name in task.training:
                epochs, rate = task.training[scheme_name]
                module = quantization_aware(to_torch(task.graph), scheme)
                if task.distilled:
                    distil(
                        module, to_torch(task.graph), task.train[0],
                        augment=altered if scheme_name == "ternary" else None,
                        timesteps=task.timesteps, epochs=epochs, rate=rate, progress=told,
                    )  # fmt: skip
                else:
                    fit(module, *task.train, timesteps=task.timesteps, epochs=epochs, rate=rate)
                trained = from_torch(module, task.graph)
                row[-1] = accuracy(nd.quantize(trained, data=task.calibration, scheme=scheme), task)
            print(f"| {' | '.join(row)} |", flush=True)
        if "floats" in task.training:
            epochs, rate = task.training["floats"]
            module = to_torch(task.graph)
            fit(module, *task.train, epochs=epochs, rate=rate, progress=told)
            row = [name, before, "floats", "-", accuracy(from_torch(module, task.graph), task)]
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
