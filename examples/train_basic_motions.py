"""Train a one-dimensional CNN on smartwatch movements (BasicMotions).

Four students walked, ran, stood and played badminton with a watch that recorded three
accelerometer and three gyroscope channels, 100 values each, ten per second: 40 recordings to
train and 40 to test.

    pip install "neurodeploy[torch]"
    python examples/train_basic_motions.py

It takes seconds on one core and leaves `basic_motions.safetensors` and
`basic_motions_training.json` beside the data. The last epoch of a fixed number is kept; the
test part chooses nothing. `--ts FOLDER` first builds `basic_motions.npz` again from the original
files, which the PyPI package `aeon` 1.6.0 holds in `aeon/datasets/data/BasicMotions`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor, nn

DATA = Path(__file__).resolve().parent / "data" / "basic_motions"


@dataclass(frozen=True)
class Split:
    """Training and test part: x (N, 6, 100) float32, normalised, y (N,) int64 from 0 to 3."""

    xtr: NDArray[np.float32]
    ytr: NDArray[np.int64]
    xte: NDArray[np.float32]
    yte: NDArray[np.int64]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, besides the code and the data."""

    seed: int = 0
    epochs: int = 60
    batch: int = 8
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.1


def read_ts(path: Path) -> tuple[NDArray[np.float32], list[str]]:
    """Return recordings (N, channels, length) and class names of a .ts file of equal lengths.

    After the line `@data` each line is a recording: channels parted by colons, values by commas,
    the class name last.
    """
    lines = path.read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.strip().lower() == "@data") + 1
    recordings, names = [], []
    for line in filter(None, map(str.strip, lines[start:])):
        *channels, name = line.split(":")
        recordings.append([[float(value) for value in part.split(",")] for part in channels])
        names.append(name)
    return np.array(recordings, dtype=np.float32), names


def build_data(folder: Path, out: Path) -> None:
    """Write `basic_motions.npz` from the two .ts files: raw values, labels, training statistics."""
    xtr, names_tr = read_ts(folder / "BasicMotions_TRAIN.ts")
    xte, names_te = read_ts(folder / "BasicMotions_TEST.ts")
    classes = sorted(set(names_tr))
    np.savez_compressed(
        out / "basic_motions.npz",
        xtr=xtr,
        ytr=np.array([classes.index(name) for name in names_tr], dtype=np.uint8),
        xte=xte,
        yte=np.array([classes.index(name) for name in names_te], dtype=np.uint8),
        classes=np.array(classes),
        mean=xtr.mean(axis=(0, 2), dtype=np.float64).astype(np.float32),
        std=xtr.std(axis=(0, 2), dtype=np.float64).astype(np.float32),
    )


def load_basic_motions_split(folder: Path = DATA) -> Split:
    """Return the data, each channel normalised by mean and deviation of the training part."""
    with np.load(folder / "basic_motions.npz") as data:
        mean, std = data["mean"][:, None], data["std"][:, None]
        return Split(
            xtr=(data["xtr"] - mean) / std,
            ytr=data["ytr"].astype(np.int64),
            xte=(data["xte"] - mean) / std,
            yte=data["yte"].astype(np.int64),
            classes=tuple(data["classes"].tolist()),
        )


def build_network() -> nn.Sequential:
    """Return the untrained network: three convolutions over time and one dense layer."""
    return nn.Sequential(
        nn.Conv1d(6, 16, kernel_size=7, padding=3, bias=False),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.AvgPool1d(2),
        nn.Conv1d(16, 32, kernel_size=5, padding=2, bias=False),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.AvgPool1d(2),
        nn.Conv1d(32, 32, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(32, 4),
    )


def rotated(x: Tensor, generator: torch.Generator) -> Tensor:
    """Return each recording begun at a random moment, its head appended to its tail."""
    start = torch.randint(0, x.shape[2], (len(x), 1), generator=generator)
    moments = (start + torch.arange(x.shape[2])) % x.shape[2]
    return x.gather(2, moments[:, None].expand_as(x))


def correct(network: nn.Module, x: Tensor, y: Tensor) -> int:
    """Return how many recordings the network classifies correctly in evaluation mode."""
    network.eval()
    with torch.no_grad():
        return int((network(x).argmax(dim=1) == y).sum())


def train(
    network: nn.Module, split: Split, recipe: Recipe, generator: torch.Generator
) -> list[dict[str, float]]:
    """Train in place and return epoch, mean loss and both accuracies for every epoch."""
    x, y = torch.from_numpy(split.xtr), torch.from_numpy(split.ytr)
    xte, yte = torch.from_numpy(split.xte), torch.from_numpy(split.yte)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs)
    epochs = []
    for epoch in range(1, recipe.epochs + 1):
        network.train()
        total = 0.0
        for batch in torch.randperm(len(x), generator=generator).split(recipe.batch):
            logits = network(rotated(x[batch], generator))
            loss = nn.functional.cross_entropy(
                logits, y[batch], label_smoothing=recipe.label_smoothing
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        schedule.step()
        figures = {
            "epoch": epoch,
            "loss": round(total / len(x), 6),
            "train_accuracy": round(correct(network, x, y) / len(x), 6),
            "test_accuracy": round(correct(network, xte, yte) / len(xte), 6),
        }
        epochs.append(figures)
        print(f"epoch {epoch}: loss {figures['loss']:.4f}, test {figures['test_accuracy']:.3f}")
    return epochs


def training_log(
    network: nn.Module, split: Split, recipe: Recipe, epochs: list[dict[str, float]]
) -> dict[str, Any]:
    """Return what somebody needs to judge the weights, or to train them again."""
    return {
        "data": {
            "name": "BasicMotions: smartwatch accelerometer and gyroscope, 6 channels x 100",
            "source": "aeon 1.6.0, aeon/datasets/data/BasicMotions",
            "origin": "UEA multivariate time series classification archive, 2018",
            "licence": "BSD-3-Clause (aeon)",
            "split": "as published",
            "train_samples": len(split.ytr),
            "test_samples": len(split.yte),
            "classes": list(split.classes),
            "sampling_hz": 10,
            "normalisation": "(x - mean) / std, each channel, statistics of the training part",
        },
        "network": {
            "layers": [str(layer) for layer in network.children()],
            "parameters": sum(p.numel() for p in network.parameters()),
        },
        "recipe": asdict(recipe)
        | {
            "optimizer": "AdamW",
            "schedule": "cosine to 0, stepped once an epoch",
            "augmentation": "each recording rotated in time by a random amount",
            "selection": "last epoch; nothing was chosen on the test part",
        },
        "environment": {
            "torch": torch.__version__,
            "numpy": np.__version__,
            "threads": torch.get_num_threads(),
        },
        "result": {key: epochs[-1][key] for key in ("train_accuracy", "test_accuracy")},
        "epochs": epochs,
    }


def described(path: Path) -> dict[str, Any]:
    """Return size and checksum of a file."""
    content = path.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the BasicMotions network.")
    parser.add_argument("--ts", type=Path, help="folder with BasicMotions_TRAIN.ts and _TEST.ts")
    parser.add_argument("--out", type=Path, default=DATA, help="folder of data and results")
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    if arguments.ts is not None:
        build_data(arguments.ts, out)

    recipe = Recipe()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(recipe.seed)
    split = load_basic_motions_split(out)
    network = build_network()
    epochs = train(network, split, recipe, torch.Generator().manual_seed(recipe.seed))

    (out / "basic_motions.safetensors").write_bytes(save(network.state_dict()))
    log = training_log(network, split, recipe, epochs)
    names = ("basic_motions.npz", "basic_motions.safetensors")
    log["files"] = {name: described(out / name) for name in names}
    (out / "basic_motions_training.json").write_text(json.dumps(log, indent=1) + "\n")


if __name__ == "__main__":
    main()
